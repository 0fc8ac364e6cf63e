//! What stat(2) shows of a node: computed from the tree, with what chmod(2), chown(2), utimensat(2) and truncate(2) have
//! set on top of it.

use std::collections::HashMap;
use std::time::SystemTime;

use super::id::NodeId;

/// Kind of a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A directory.
    Dir,
    /// A regular file.
    File,
}

/// User and group.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Owner {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

/// Attributes of a node, as stat(2) shows them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Attr {
    /// The node.
    pub id: NodeId,
    /// Tells apart the nodes that have this number one after the other.
    pub generation: u64,
    /// Directory or file.
    pub kind: Kind,
    /// Permission bits.
    pub mode: u16,
    /// Link count.
    pub links: u32,
    /// User and group.
    pub owner: Owner,
    /// Size in bytes: 0, but for what truncate(2) set.
    pub size: u64,
    /// Last access.
    pub atime: SystemTime,
    /// Last change of content.
    pub mtime: SystemTime,
    /// Last change of attributes.
    pub ctime: SystemTime,
}

/// A change of attributes; `None` leaves one as it is.
#[derive(Clone, Copy, Default, Debug)]
pub struct SetAttr {
    /// Permission bits.
    pub mode: Option<u16>,
    /// User id.
    pub uid: Option<u32>,
    /// Group id.
    pub gid: Option<u32>,
    /// Size shown. Content is not touched by it.
    pub size: Option<u64>,
    /// Last access.
    pub atime: Option<SystemTime>,
    /// Last change.
    pub mtime: Option<SystemTime>,
}

/// What was set, by node. As many entries as nodes that somebody changed; those of an instance go with it.
pub(super) struct Attrs {
    /// Of everything not changed.
    owner: Owner,
    root_mode: u16,
    born: SystemTime,
    changed: HashMap<NodeId, (SetAttr, SystemTime)>,
    instances: HashMap<u32, Made>,
    /// Instances made so far.
    made: u64,
}

/// An instance, from its mkdir(2).
#[derive(Clone, Copy)]
struct Made {
    /// Of everything in it.
    owner: Owner,
    at: SystemTime,
    generation: u64,
}

impl Attrs {
    pub(super) fn new(owner: Owner, root_mode: u16) -> Attrs {
        Attrs {
            owner,
            root_mode,
            born: SystemTime::now(),
            changed: HashMap::new(),
            instances: HashMap::new(),
            made: 0,
        }
    }

    pub(super) fn get(&self, id: NodeId, kind: Kind, mode: u16, links: u32) -> Attr {
        let mode = if id == NodeId::ROOT {
            self.root_mode
        } else {
            mode
        };
        let made = self.instances.get(&id.serial());
        let (owner, born) = made.map_or((self.owner, self.born), |m| (m.owner, m.at));
        let mut attr = Attr {
            id,
            generation: made.map_or(0, |m| m.generation),
            kind,
            mode,
            links,
            owner,
            size: 0,
            atime: born,
            mtime: born,
            ctime: born,
        };
        if let Some((set, ctime)) = self.changed.get(&id) {
            attr.mode = set.mode.unwrap_or(attr.mode);
            attr.owner.uid = set.uid.unwrap_or(attr.owner.uid);
            attr.owner.gid = set.gid.unwrap_or(attr.owner.gid);
            attr.size = set.size.unwrap_or(attr.size);
            attr.atime = set.atime.unwrap_or(attr.atime);
            attr.mtime = set.mtime.unwrap_or(attr.mtime);
            attr.ctime = *ctime;
        }
        attr
    }

    pub(super) fn set(&mut self, id: NodeId, change: &SetAttr) {
        let (set, ctime) = self
            .changed
            .entry(id)
            .or_insert((SetAttr::default(), self.born));
        set.mode = change.mode.or(set.mode);
        set.uid = change.uid.or(set.uid);
        set.gid = change.gid.or(set.gid);
        set.size = change.size.or(set.size);
        set.atime = change.atime.or(set.atime);
        set.mtime = change.mtime.or(set.mtime);
        *ctime = SystemTime::now();
    }

    /// A new instance, whose files all belong to `owner`.
    pub(super) fn instance_made(&mut self, serial: u32, owner: Owner) {
        self.made += 1;
        let made = Made {
            owner,
            at: SystemTime::now(),
            generation: self.made,
        };
        self.instances.insert(serial, made);
    }

    pub(super) fn instance_removed(&mut self, serial: u32) {
        self.instances.remove(&serial);
        self.changed.retain(|id, _| id.serial() != serial);
    }
}
