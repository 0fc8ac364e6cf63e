//! The stack's side of a host's device.

use std::collections::VecDeque;

use smoltcp::phy::{self, DeviceCapabilities, Medium};
use smoltcp::time::Instant;

/// Largest packet from the internet header on.
pub(crate) const MTU: usize = 1500;
/// The stack's side of the device: one packet in, any number out.
#[derive(Default)]
pub(super) struct Phy {
    pub input: Option<Vec<u8>>,
    pub output: VecDeque<Vec<u8>>,
}

impl phy::Device for Phy {
    type RxToken<'a> = Input;
    type TxToken<'a> = Output<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Input, Output<'_>)> {
        let packet = self.input.take()?;
        Some((Input(packet), Output(&mut self.output)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Output<'_>> {
        Some(Output(&mut self.output))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = MTU;
        capabilities
    }
}

/// The packet that came in.
pub(super) struct Input(Vec<u8>);

impl phy::RxToken for Input {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, look: F) -> R {
        look(&self.0)
    }
}

/// Where a packet goes out.
pub(super) struct Output<'a>(&'a mut VecDeque<Vec<u8>>);

impl phy::TxToken for Output<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, fill: F) -> R {
        let mut packet = vec![0; len];
        let result = fill(&mut packet);
        self.0.push_back(packet);
        result
    }
}
