//! Numbers of nodes: what a transport calls a file by. They are computed from the tree, never stored.
//!
//! A number holds the serial number of the instance (0 at the top level) and the way from the instance's directory to
//! the node: at each step the number of the child in its directory, from 1. A step that is not taken is 0. An event's
//! directory is at the third step and its number comes from the event's id, so no two events share one.
//!
//! ```text
//! 63         43 42    36 35          20 19           4 3      0
//! |   serial   | step 1 |    step 2    |    step 3    | step 4 |
//! ```

/// Bits of each step, first step first.
const WIDTH: [u32; STEPS] = [7, 16, 16, 4];
/// Where each step's bits begin.
const SHIFT: [u32; STEPS] = [36, 20, 4, 0];
/// Where the serial number begins.
const SERIAL: u32 = 43;

/// Directories below an instance's that lead to a node, at most.
pub const STEPS: usize = 4;
/// Serial numbers of instances are below this. One is used again after as many instances were made.
pub const MAX_SERIAL: u32 = 1 << (64 - SERIAL);

/// A node's number. Never 0; the root's is 1, as FUSE wants it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct NodeId(u64);

impl NodeId {
    /// The root of the mount.
    pub const ROOT: NodeId = NodeId(1);

    /// The directory of the instance with this serial number; 0: the root. `None` if it is out of range.
    pub fn instance(serial: u32) -> Option<NodeId> {
        match serial {
            0 => Some(NodeId::ROOT),
            1..MAX_SERIAL => Some(NodeId(u64::from(serial) << SERIAL)),
            _ => None,
        }
    }

    /// The node that a transport calls by this number.
    pub fn from_raw(raw: u64) -> NodeId {
        NodeId(raw)
    }

    /// The number for a transport.
    pub fn raw(self) -> u64 {
        self.0
    }

    /// The serial number of the instance that the node is in; 0 at the top level.
    pub fn serial(self) -> u32 {
        (self.0 >> SERIAL) as u32
    }

    /// The way from the instance's directory, ending with the first 0.
    pub fn steps(self) -> [u32; STEPS] {
        let way = self.way();
        std::array::from_fn(|i| (way >> SHIFT[i]) as u32 & ((1 << WIDTH[i]) - 1))
    }

    /// The child of this number in this directory; `None` if the number is out of range or the directory too deep.
    pub fn child(self, number: u32) -> Option<NodeId> {
        let depth = self.steps().iter().position(|n| *n == 0)?;
        let fits = number != 0 && number < 1 << WIDTH[depth];
        fits.then(|| NodeId(self.way() | u64::from(number) << SHIFT[depth]))
    }

    fn way(self) -> u64 {
        if self == NodeId::ROOT { 0 } else { self.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways() {
        fn check(serial: u32, way: &[u32], expected: Option<[u32; STEPS]>) {
            let mut id = NodeId::instance(serial);
            for n in way {
                id = id.and_then(|id| id.child(*n));
            }
            assert_eq!(id.map(NodeId::steps), expected, "{serial} {way:?}");
            if let Some(id) = id {
                assert_eq!((id.serial(), NodeId::from_raw(id.raw())), (serial, id));
                assert_ne!(id.raw(), 0);
            }
        }
        check(0, &[], Some([0, 0, 0, 0]));
        check(0, &[1], Some([1, 0, 0, 0]));
        check(0, &[127, 65535, 65535, 15], Some([127, 65535, 65535, 15]));
        check(MAX_SERIAL - 1, &[7, 70], Some([7, 70, 0, 0]));
        check(MAX_SERIAL, &[], None);
        check(0, &[128], None);
        check(0, &[1, 65536], None);
        check(0, &[1, 1, 65536], None);
        check(0, &[1, 1, 1, 16], None);
        check(0, &[1, 1, 1, 1, 1], None);
        check(3, &[0], None);
    }

    #[test]
    fn root_is_one() {
        assert_eq!(NodeId::instance(0).map(NodeId::raw), Some(1));
        // no way leads to a number 1: its first step would be 0
        assert_ne!(NodeId::ROOT.child(1).unwrap().raw(), 1);
    }
}
