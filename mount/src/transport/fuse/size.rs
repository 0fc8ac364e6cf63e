//! A size for splice(2), none for stat(2).
//!
//! Since Linux 6.5 splice(2) and sendfile(2) read FUSE files through the page cache, even those opened for direct I/O, and a file
//! of size 0 has nothing to read: the daemon is not even asked. So before an open is answered, the kernel is given one byte of
//! the file's content far behind its end (`FUSE_NOTIFY_STORE`): the kernel's own idea of the size is large from then on.
//! Storing also marks the size as not known for sure, so that stat(2) asks and is told 0. That answer must not become
//! the kernel's idea again while the file is open; it does not if a store came in between the question and the answer,
//! because the answer is then taken for outdated.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use fuser::{INodeNo, Notifier};
use parking_lot::Mutex;

use crate::node::NodeId;

/// First offset that is stored at: more than anybody reads from one open file.
const FAR: u64 = 1 << 40;

/// Pages read through the cache before the kernel is told to forget them.
const KEEP: u64 = 64;

/// Sizes of the files that are open.
#[derive(Default)]
pub(super) struct Sizes {
    /// How often each node is open.
    open: Mutex<HashMap<NodeId, usize>>,
    /// Stores so far: each goes further than all before, or it would change nothing.
    stored: AtomicU64,
}

impl Sizes {
    /// A file is about to be open for reading: splice(2) shall ask for its content.
    pub(super) fn opened(&self, node: NodeId, notifier: Option<&Notifier>) {
        *self.open.lock().entry(node).or_insert(0) += 1;
        self.store(node, notifier);
    }

    /// An open file that [`opened`](Self::opened) was told of is released.
    pub(super) fn released(&self, node: NodeId) {
        let mut open = self.open.lock();
        if let Some(n) = open.get_mut(&node) {
            *n -= 1;
            if *n == 0 {
                open.remove(&node);
            }
        }
    }

    /// Attributes of a node are about to be sent, with a size of 0 among them. If it is open, that must not count.
    pub(super) fn shown(&self, node: NodeId, notifier: Option<&Notifier>) {
        if self.open.lock().contains_key(&node) {
            self.store(node, notifier);
        }
    }

    fn store(&self, node: NodeId, notifier: Option<&Notifier>) {
        let at = FAR + self.stored.fetch_add(1, Ordering::Relaxed);
        if let Some(Err(e)) = notifier.map(|n| n.store(INodeNo(node.raw()), at, &[0])) {
            log::debug!("the kernel does not take a size for splice: {e}");
        }
    }

    /// A page at `at` is about to be handed out through the page cache. Pages before it have been fetched and are of no
    /// use to anybody: they would be memory, and old news to another reader of the same offsets.
    pub(super) fn page(&self, node: NodeId, at: u64, size: usize, notifier: Option<&Notifier>) {
        let readers = self.open.lock().get(&node).copied().unwrap_or(0);
        let page = at / size.max(1) as u64;
        if page == 0 || readers < 2 && !page.is_multiple_of(KEEP) {
            return;
        }
        if let Some(Err(e)) = notifier.map(|n| n.inval_inode(INodeNo(node.raw()), 0, at as i64)) {
            log::debug!("the kernel keeps old pages: {e}");
        }
    }
}
