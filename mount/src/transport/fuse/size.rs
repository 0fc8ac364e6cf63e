//! A size for splice(2), none for stat(2).
//!
//! Since Linux 6.5 splice(2) and sendfile(2) read FUSE files through the page cache, even those opened for direct I/O, and a file
//! of size 0 has nothing to read: the daemon is not even asked. So before an open is answered, the kernel is given one byte of
//! the file's content far behind its end (`FUSE_NOTIFY_STORE`): the kernel's own idea of the size is large from then on.
//! Storing also marks the size as not known for sure, so that stat(2) asks and is told 0. That answer must not become
//! the kernel's idea again while the file is open; it does not if a store came in between the question and the answer,
//! because the answer is then taken for outdated.

use std::collections::{HashMap, HashSet};

use fuser::{INodeNo, Notifier};
use parking_lot::Mutex;

use crate::node::NodeId;

/// First offset that is stored at: more than anybody reads from one open file.
const FAR: u64 = 1 << 40;

/// Pages read through the cache before the kernel is told to forget them.
const KEEP: u64 = 64;

/// What the kernel takes for the sizes of files.
#[derive(Default)]
pub(super) struct Sizes(Mutex<Known>);

#[derive(Default)]
struct Known {
    /// How often each node is open.
    open: HashMap<NodeId, usize>,
    /// Nodes that the kernel takes for large. As many as it knows at most: it says which ones it forgets.
    large: HashSet<NodeId>,
    /// Stores so far: each goes further than all before, or it would change nothing.
    stores: u64,
}

impl Known {
    fn store(&mut self, node: NodeId, notifier: Option<&Notifier>) {
        self.stores += 1;
        match notifier.map(|n| n.store(INodeNo(node.raw()), FAR + self.stores, &[0])) {
            Some(Ok(())) => drop(self.large.insert(node)),
            Some(Err(e)) => log::debug!("the kernel does not take a size for splice: {e}"),
            None => (),
        }
    }
}

impl Sizes {
    /// A file is about to be open: splice(2) shall ask for its content. Told before the open is answered.
    pub(super) fn opened(&self, node: NodeId, notifier: Option<&Notifier>) {
        let known = &mut *self.0.lock();
        *known.open.entry(node).or_insert(0) += 1;
        if !known.large.contains(&node) {
            known.store(node, notifier);
        }
    }

    /// An open file that [`opened`](Self::opened) was told of is released.
    pub(super) fn released(&self, node: NodeId) {
        let known = &mut *self.0.lock();
        if let Some(n) = known.open.get_mut(&node) {
            *n -= 1;
            if *n == 0 {
                known.open.remove(&node);
            }
        }
    }

    /// Attributes of a node are about to be sent, with a small size among them. If it is open, that must not count.
    pub(super) fn shown(&self, node: NodeId, notifier: Option<&Notifier>) {
        let known = &mut *self.0.lock();
        match known.open.contains_key(&node) {
            true => known.store(node, notifier),
            false => drop(known.large.remove(&node)),
        }
    }

    /// Attributes of a node are about to be sent in answer to their change: the size to send if it is open.
    pub(super) fn set(&self, node: NodeId) -> Option<u64> {
        let known = &mut *self.0.lock();
        if !known.open.contains_key(&node) {
            known.large.remove(&node);
            return None;
        }
        Some(FAR + known.stores)
    }

    /// The kernel takes a node for small, whatever it did before.
    pub(super) fn small(&self, node: NodeId) {
        self.0.lock().large.remove(&node);
    }

    /// A page at `at` is about to be handed out through the page cache. Pages before it have been fetched and are of no
    /// use to anybody: they would be memory, and old news to another reader of the same offsets.
    pub(super) fn page(&self, node: NodeId, at: u64, size: usize, notifier: Option<&Notifier>) {
        let readers = self.0.lock().open.get(&node).copied().unwrap_or(0);
        let page = at / size.max(1) as u64;
        if page == 0 || readers < 2 && !page.is_multiple_of(KEEP) {
            return;
        }
        if let Some(Err(e)) = notifier.map(|n| n.inval_inode(INodeNo(node.raw()), 0, at as i64)) {
            log::debug!("the kernel keeps old pages: {e}");
        }
    }
}
