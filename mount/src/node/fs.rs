//! The filesystem without its transport: numbers to nodes, names to numbers, what directories answer.

use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use utracefs::base::error::{Errno, Error, Result};

use super::attr::{Attr, Attrs, Kind, Owner, SetAttr};
use super::dir::{Bound, Dir, FAMILY, Listed, Node};
use super::handle::{Closing, Handle, How};
use super::id::NodeId;
use super::spec::{Context, DirSpec, Entry};

/// Longest name (NAME_MAX).
const NAME_MAX: usize = 255;

/// Permission bits of an instance that is gone.
const GONE_MODE: u16 = 0o750;

/// Mount options, as the kernel's tracefs has them.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// `uid=` and `gid=`: owner of everything.
    pub owner: Owner,
    /// `mode=`: permission bits of the root directory.
    pub mode: u16,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            owner: Owner::default(),
            mode: 0o700,
        }
    }
}

/// What goes on around requests.
pub trait Around: Send + Sync {
    /// Something is about to be read, written or opened.
    fn before(&self);

    /// It was, and the answer is about to be given: what it changed is to be in force by then.
    fn after(&self);
}

/// A tree of control files.
pub struct Fs {
    root: Box<dyn Dir>,
    /// Number of the directory of instances in the root, if there is one.
    instances: Option<u32>,
    attrs: Mutex<Attrs>,
    closing: Arc<Closing>,
    around: OnceLock<Arc<dyn Around>>,
}

impl Fs {
    /// The tree that `spec` describes, over `context`.
    pub fn new<C: Context>(spec: &'static DirSpec<C>, context: C, options: Options) -> Fs {
        let is_instances = |entry: &Entry<C>| match entry {
            Entry::Dir(_, spec) => spec
                .entries
                .iter()
                .any(|e| matches!(e, Entry::Each(each) if each.instances)),
            _ => false,
        };
        let instances = spec
            .entries
            .iter()
            .position(is_instances)
            .map(|at| at as u32 + 1);
        Fs {
            root: Box::new(Bound { spec, context }),
            instances,
            attrs: Mutex::new(Attrs::new(options.owner, options.mode)),
            closing: Arc::default(),
            around: OnceLock::new(),
        }
    }

    /// Has `around` called around requests from now on. Only the first is.
    pub fn set_around(&self, around: Arc<dyn Around>) {
        let _ = self.around.set(around);
    }

    /// For transports: does something with an open file, or opens it. Waking a reader that waits is not such a request.
    pub fn request<T>(&self, what: impl FnOnce() -> T) -> T {
        let Some(around) = self.around.get() else {
            return what();
        };
        around.before();
        let result = what();
        around.after();
        result
    }

    /// For transports: what is about to be answered shall show all that has happened.
    pub fn before_reading(&self) {
        if let Some(around) = self.around.get() {
            around.before();
        }
    }

    /// The node of this number. One that is gone: `ENOENT`.
    fn node(&self, id: NodeId) -> Result<Node> {
        let gone = || Error::new(Errno::ENOENT);
        let (serial, steps) = (id.serial(), id.steps());
        let mut node = None;
        if serial != 0 {
            let instances = self
                .root
                .child(self.instances.ok_or_else(gone)?)
                .ok_or_else(gone)?
                .dir()?;
            node = Some(instances.child(FAMILY + serial).ok_or_else(gone)?);
        }
        for number in steps.into_iter().take_while(|n| *n != 0) {
            let child = match node {
                None => self.root.child(number),
                Some(parent) => parent.dir()?.child(number),
            };
            node = Some(child.ok_or_else(gone)?);
        }
        // the root itself is not held by anybody: its own box stands for it
        node.ok_or_else(gone)
    }

    /// Does something with a directory.
    fn with_dir<T>(&self, id: NodeId, what: impl FnOnce(&dyn Dir) -> Result<T>) -> Result<T> {
        match id {
            NodeId::ROOT => what(&*self.root),
            _ => what(&*self.node(id)?.dir()?),
        }
    }

    fn child_id(parent: NodeId, dir: &dyn Dir, number: u32) -> Result<NodeId> {
        let id = match dir.serial(number) {
            Some(serial) => NodeId::instance(serial),
            None => parent.child(number),
        };
        id.ok_or(Error::new(Errno::ENOENT))
    }

    fn node_attr(&self, id: NodeId, node: &Node) -> Attr {
        let (kind, mode, links) = match node {
            Node::Dir(dir) => (Kind::Dir, dir.mode(), dir.links()),
            Node::File(file) => (Kind::File, file.mode(), 1),
        };
        self.attrs.lock().get(id, kind, mode, links)
    }

    /// What is called `name` in a directory. Nothing: `ENOENT`.
    pub fn lookup(&self, parent: NodeId, name: &[u8]) -> Result<Attr> {
        if name.len() > NAME_MAX {
            return Err(Error::new(Errno::ENAMETOOLONG));
        }
        self.with_dir(parent, |dir| {
            let number = dir.find(name).ok_or(Error::new(Errno::ENOENT))?;
            let node = dir.child(number).ok_or(Error::new(Errno::ENOENT))?;
            Ok(self.node_attr(Fs::child_id(parent, dir, number)?, &node))
        })
    }

    /// stat(2). The directory of an instance that is gone is still one to whoever stands in it, but has nothing in it.
    pub fn attr(&self, id: NodeId) -> Result<Attr> {
        if id == NodeId::ROOT {
            let (mode, links) = (self.root.mode(), self.root.links());
            return Ok(self.attrs.lock().get(id, Kind::Dir, mode, links));
        }
        match self.node(id) {
            Ok(node) => Ok(self.node_attr(id, &node)),
            Err(_) if Fs::is_instance(id) => Ok(self.attrs.lock().get(id, Kind::Dir, GONE_MODE, 0)),
            Err(e) => Err(e),
        }
    }

    fn is_instance(id: NodeId) -> bool {
        id.serial() != 0 && id.steps()[0] == 0
    }

    /// chmod(2), chown(2), utimensat(2), truncate(2): changes what stat(2) shows, nothing else.
    pub fn set_attr(&self, id: NodeId, change: &SetAttr) -> Result<Attr> {
        if self.attr(id)?.links == 0 {
            return Err(Error::new(Errno::ENOENT));
        }
        self.attrs.lock().set(id, change);
        self.attr(id)
    }

    /// Calls `each` with the node and row of what comes behind `cursor` (0: all) in a directory until it returns false.
    pub fn list(
        &self,
        id: NodeId,
        cursor: u64,
        each: &mut dyn FnMut(NodeId, Listed<'_>) -> bool,
    ) -> Result<()> {
        let listed = self.with_dir(id, |dir| {
            dir.list(cursor, &mut |row| match Fs::child_id(id, dir, row.number) {
                Ok(child) => each(child, row),
                Err(_) => true,
            });
            Ok(())
        });
        match listed {
            Err(e) if e.errno == Errno::ENOENT && Fs::is_instance(id) => Ok(()),
            listed => listed,
        }
    }

    /// mkdir(2): only instances can be made, others are `EPERM`. The mode asked for is not regarded.
    pub fn make_dir(&self, parent: NodeId, name: &[u8]) -> Result<Attr> {
        if name.len() > NAME_MAX {
            return Err(Error::new(Errno::ENAMETOOLONG));
        }
        let owner = self.attr(parent)?.owner;
        self.with_dir(parent, |dir| {
            let number = dir.make(name)?;
            if let Some(serial) = dir.serial(number) {
                self.attrs.lock().instance_made(serial, owner);
            }
            let node = dir.child(number).ok_or(Error::new(Errno::ENOENT))?;
            Ok(self.node_attr(Fs::child_id(parent, dir, number)?, &node))
        })
    }

    /// rmdir(2): only instances can be removed, others are `EPERM`; one in use is `EBUSY`.
    pub fn remove_dir(&self, parent: NodeId, name: &[u8]) -> Result<()> {
        self.with_dir(parent, |dir| {
            let number = dir.find(name).ok_or(Error::new(Errno::ENOENT))?;
            let Some(serial) = dir.serial(number) else {
                return dir.remove(name);
            };
            self.closing.retry(serial, || dir.remove(name))?;
            self.attrs.lock().instance_removed(serial);
            Ok(())
        })
    }

    /// unlink(2), rename(2): refused for what is there, `ENOENT` for what is not.
    pub fn refuse(&self, parent: NodeId, name: &[u8]) -> Error {
        self.lookup(parent, name)
            .err()
            .unwrap_or(Error::new(Errno::EPERM))
    }

    /// open(2). A directory: `EISDIR`.
    pub fn open(&self, id: NodeId, how: How) -> Result<Handle> {
        if id == NodeId::ROOT {
            return Err(Error::new(Errno::EISDIR));
        }
        let file = self.node(id)?.file()?;
        self.closing.settle(id.serial());
        let opened = self.closing.retry(id.serial(), || file.open(&how))?;
        Ok(Handle::new(id, how, opened, self.closing.clone()))
    }
}
