//! The tree as data: directories and files as constants.

use std::any::Any;

use utracefs::base::error::{Errno, Error, Result};

use super::dir::{Bound, BoundFile, Node};
use super::handle::{How, OpenFile, Seek};

/// What the files of a directory work on: an instance, an event of an instance, one of its CPUs … A handle, cheap to
/// clone.
pub trait Context: Clone + Send + Sync + 'static {
    /// Keeps the instance from being removed until it is dropped.
    type User: Send + Sync;

    /// A file of the directory is opened that keeps the instance from being removed. Removed already: an error.
    fn hold(&self) -> Result<Self::User>;

    /// Enters an error that has a caret in the instance's `error_log`.
    fn log(&self, error: &Error, command: &[u8]);
}

/// A directory: its mode and what is in it.
pub struct DirSpec<C: 'static> {
    /// Permission bits.
    pub mode: u16,
    /// Its link count is 1, as in `events` and below; else 2 and one for each directory in it.
    pub flat: bool,
    /// Files and directories in the order of listing.
    pub entries: &'static [Entry<C>],
}

/// A file: what its behaviour and its declaration come to.
pub struct FileSpec<C: 'static> {
    /// Name; empty where a [`Family`] names the files.
    pub name: &'static str,
    /// Permission bits.
    pub mode: u16,
    /// How the file takes lseek(2).
    pub seek: Seek,
    /// An open descriptor keeps the instance from being removed.
    pub holds: bool,
    /// The transport must tell of each close(2): something happens then.
    pub flush: bool,
    /// Its release does something that the next open of a file of the instance is to see done.
    pub finishes: bool,
    /// Writes of one descriptor need no order.
    pub parallel: bool,
    /// Whole pages can be had through the page cache, by splice(2).
    pub pages: bool,
    pub(super) exists: fn(&C) -> bool,
    pub(super) open: fn(&C, &How) -> Result<Box<dyn OpenFile>>,
}

impl<C> Clone for FileSpec<C> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<C> Copy for FileSpec<C> {}

/// One row of a directory.
pub enum Entry<C: 'static> {
    /// A file.
    File(FileSpec<C>),
    /// A directory with the same context.
    Dir(&'static str, &'static DirSpec<C>),
    /// As many files or directories as there are members of a family.
    Each(Each<C>),
    /// What another directory shows, as if it were in this one.
    Part(Part<C>),
}

impl<C: 'static> Entry<C> {
    /// The file only exists where `exists` says so.
    pub const fn when(self, exists: fn(&C) -> bool) -> Entry<C> {
        match self {
            Entry::File(mut file) => {
                file.exists = exists;
                Entry::File(file)
            }
            _ => panic!("only files may be missing"),
        }
    }
}

/// A directory with a fixed name and its parent's context.
pub const fn dir<C>(name: &'static str, spec: &'static DirSpec<C>) -> Entry<C> {
    Entry::Dir(name, spec)
}

/// Names and contexts that are not known before somebody asks: CPUs, systems, events, instances.
pub trait Family<C: Context>: 'static {
    /// The context of a member.
    type Child: Context;
    /// Members have number spaces of their own: they are instances, and their numbers serial numbers.
    const INSTANCES: bool = false;

    /// The number of the member of this name. A number stays a member's for its life; it is below 65 000, of an instance
    /// below [`id::MAX_SERIAL`](super::id::MAX_SERIAL).
    fn find(context: &C, name: &[u8]) -> Option<u32>;

    /// The member of this number.
    fn get(context: &C, number: u32) -> Option<Self::Child>;

    /// Calls `each` with number and name of all members, in the order of listing and by falling numbers.
    fn list(context: &C, each: &mut dyn FnMut(u32, &[u8]));

    /// mkdir(2): makes a member and returns its number. Most families refuse: `EPERM`.
    fn make(context: &C, name: &[u8]) -> Result<u32> {
        let _ = (context, name);
        Err(Error::new(Errno::EPERM))
    }

    /// rmdir(2): removes a member. Most families refuse: `EPERM`.
    fn remove(context: &C, name: &[u8]) -> Result<()> {
        let _ = (context, name);
        Err(Error::new(Errno::EPERM))
    }
}

/// Is told number and name of each member of a family.
type EachName<'a> = &'a mut dyn FnMut(u32, &[u8]);

/// A [`Family`] as a row of a directory.
pub struct Each<C: 'static> {
    pub(super) instances: bool,
    pub(super) dirs: bool,
    /// What members look like: a `DirSpec` or `Entry` of the child's context.
    template: &'static (dyn Any + Send + Sync),
    pub(super) find: fn(&C, &[u8]) -> Option<u32>,
    bind: fn(&'static (dyn Any + Send + Sync), &C, u32) -> Option<Node>,
    pub(super) list: fn(&C, EachName<'_>),
    pub(super) make: fn(&C, &[u8]) -> Result<u32>,
    pub(super) remove: fn(&C, &[u8]) -> Result<()>,
}

impl<C> Each<C> {
    pub(super) fn get(&self, context: &C, number: u32) -> Option<Node> {
        (self.bind)(self.template, context, number)
    }
}

/// A directory for each member of the family `F`, all alike.
pub const fn each_dir<C: Context, F: Family<C>>(spec: &'static DirSpec<F::Child>) -> Entry<C> {
    Entry::Each(Each {
        instances: F::INSTANCES,
        dirs: true,
        template: spec,
        find: F::find,
        bind: |template, context, number| {
            let spec = template.downcast_ref::<DirSpec<F::Child>>()?;
            Some(Node::Dir(Box::new(Bound {
                spec,
                context: F::get(context, number)?,
            })))
        },
        list: F::list,
        make: F::make,
        remove: F::remove,
    })
}

/// A file for each member of the family `F`, all alike.
pub const fn each_file<C: Context, F: Family<C>>(file: &'static Entry<F::Child>) -> Entry<C> {
    Entry::Each(Each {
        instances: false,
        dirs: false,
        template: file,
        find: F::find,
        bind: |template, context, number| match template.downcast_ref::<Entry<F::Child>>()? {
            Entry::File(spec) => Some(Node::File(Box::new(BoundFile {
                spec,
                context: F::get(context, number)?,
            }))),
            _ => None,
        },
        list: F::list,
        make: F::make,
        remove: F::remove,
    })
}

/// Another directory's rows within this one.
pub struct Part<C: 'static> {
    template: &'static (dyn Any + Send + Sync),
    bind: fn(&'static (dyn Any + Send + Sync), &C) -> Option<Node>,
}

impl<C> Part<C> {
    pub(super) fn get(&self, context: &C) -> Option<Node> {
        (self.bind)(self.template, context)
    }
}

/// Where a part's context is found.
pub trait Projection<C: Context>: 'static {
    /// The part's context.
    type Part: Context;

    /// The part's context in the whole's.
    fn project(context: &C) -> Self::Part;
}

/// Shows what is in `spec`, with a context found by `P`, in this directory.
pub const fn part<C: Context, P: Projection<C>>(spec: &'static DirSpec<P::Part>) -> Entry<C> {
    Entry::Part(Part {
        template: spec,
        bind: |template, context| {
            let spec = template.downcast_ref::<DirSpec<P::Part>>()?;
            Some(Node::Dir(Box::new(Bound {
                spec,
                context: P::project(context),
            })))
        },
    })
}
