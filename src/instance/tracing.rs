//! One tracefs: the registry of events, the top-level instance and the named ones.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::cmdlines::Cmdlines;
use super::common::Common;
use super::options::Options;
use super::trace_array::TraceArray;
use crate::base::clock::ClockId;
use crate::base::cpu;
use crate::base::error::{Errno, Error, Result};
use crate::base::sync::{Mutex, RwLock};
use crate::event::registry::Registry;
use crate::ring::{Config, Way};

/// Longest name of an instance (NAME_MAX).
pub const NAME_MAX: usize = 255;
/// Sub-buffers per CPU of a new instance: the 1408 KiB that Linux starts with.
const SUBBUFS: usize = 354;
/// Bytes of a sub-buffer.
const SUBBUF_SIZE: usize = 4096;

/// One tracefs. Many may live in a process: events belong to all of them.
pub struct Tracing {
    registry: Arc<Registry>,
    cmdlines: Arc<Cmdlines>,
    top: Arc<TraceArray>,
    instances: RwLock<BTreeMap<Vec<u8>, Arc<TraceArray>>>,
    /// One mkdir or rmdir at a time.
    making: Mutex<()>,
    way: Way,
}

impl Tracing {
    /// A tracefs over the events of `registry`, whose buffers are written in the given way.
    pub fn new(registry: Registry, way: Way) -> Result<Arc<Tracing>> {
        let registry = Arc::new(registry);
        let cmdlines = Arc::new(Cmdlines::default());
        let common = Arc::new(Common::default());
        let top = TraceArray::new(
            b"",
            &config(way),
            Options::top(),
            &registry,
            cmdlines.clone(),
            Arc::clone(&common),
        )?;
        common.set_top(&top);
        let instances = RwLock::new(BTreeMap::new());
        Ok(Arc::new(Tracing {
            registry,
            cmdlines,
            top,
            instances,
            making: Mutex::new(()),
            way,
        }))
    }

    /// The events.
    pub fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// The remembered task names.
    pub fn cmdlines(&self) -> &Arc<Cmdlines> {
        &self.cmdlines
    }

    /// The top-level instance.
    pub fn top(&self) -> &Arc<TraceArray> {
        &self.top
    }

    /// A named instance.
    pub fn instance(&self, name: &[u8]) -> Option<Arc<TraceArray>> {
        self.instances.read().get(name).cloned()
    }

    /// The named instances.
    pub fn instances(&self) -> Vec<Arc<TraceArray>> {
        self.instances.read().values().cloned().collect()
    }

    /// `mkdir instances/NAME`: a new instance with the top level's options. Existing: `EEXIST`, too long:
    /// `ENAMETOOLONG`, no memory: `ENOMEM`.
    pub fn make(&self, name: &[u8]) -> Result<Arc<TraceArray>> {
        if name.is_empty() {
            return Err(Error::new(Errno::EINVAL));
        }
        if name.len() > NAME_MAX {
            return Err(Error::new(Errno::ENAMETOOLONG));
        }
        let _one = self.making.lock();
        if self.instances.read().contains_key(name) {
            return Err(Error::new(Errno::EEXIST));
        }
        let options = Options::instance(self.top.options());
        let array = TraceArray::new(
            name,
            &config(self.way),
            options,
            &self.registry,
            self.cmdlines.clone(),
            self.top.common().clone(),
        )?;
        array
            .buffer()
            .set_overwrite(array.options().get(super::TraceOption::Overwrite));
        self.instances.write().insert(name.into(), array.clone());
        Ok(array)
    }

    /// `rmdir instances/NAME`: not there `ENOENT`, in use `EBUSY`.
    pub fn remove(&self, name: &[u8]) -> Result<()> {
        let _one = self.making.lock();
        let array = self.instance(name).ok_or(Error::new(Errno::ENOENT))?;
        array.retire()?;
        self.instances.write().remove(name);
        Ok(())
    }
}

fn config(way: Way) -> Config {
    Config {
        cpus: cpu::possible(),
        subbufs: SUBBUFS,
        subbuf_size: SUBBUF_SIZE,
        overwrite: true,
        clock: ClockId::Local,
        way,
    }
}
