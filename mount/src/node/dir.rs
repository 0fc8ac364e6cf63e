//! Directories and files with their contexts, and the numbers of children.
//!
//! In its directory a child's number is, for a row of its own, the row's position from 1; for a member of the directory's
//! family [`FAMILY`] and the member's number; for a row of a part [`PART`] and the row's number there. So a directory has
//! at most one family and one part, and less than 64 rows of its own; one with a part has no family.

use utracefs::base::error::{Errno, Error, Result};

use super::handle::{How, OpenFile, Seek};
use super::spec::{Context, DirSpec, Entry, FileSpec};

/// First number of a family's members.
pub(super) const FAMILY: u32 = 64;
/// First number of a part's rows.
pub(super) const PART: u32 = 64;

/// A row of a listing.
pub struct Listed<'a> {
    /// Goes up along the listing; where to go on.
    pub cursor: u64,
    /// Number in the directory.
    pub number: u32,
    /// Name.
    pub name: &'a [u8],
    /// Whether it is a directory.
    pub is_dir: bool,
}

/// A node with its context.
pub(super) enum Node {
    Dir(Box<dyn Dir>),
    File(Box<dyn File>),
}

impl Node {
    pub(super) fn dir(self) -> Result<Box<dyn Dir>> {
        match self {
            Node::Dir(dir) => Ok(dir),
            Node::File(_) => Err(Error::new(Errno::ENOTDIR)),
        }
    }

    pub(super) fn file(self) -> Result<Box<dyn File>> {
        match self {
            Node::File(file) => Ok(file),
            Node::Dir(_) => Err(Error::new(Errno::EISDIR)),
        }
    }
}

/// A directory, whatever its context.
pub(super) trait Dir: Send + Sync {
    fn mode(&self) -> u16;
    fn links(&self) -> u32;
    /// The number of the child of this name.
    fn find(&self, name: &[u8]) -> Option<u32>;
    fn child(&self, number: u32) -> Option<Node>;
    /// Whether the child of this number is an instance, and if so its serial number.
    fn serial(&self, number: u32) -> Option<u32>;
    /// Calls `each` for what comes behind `cursor` in the listing until it returns false.
    fn list(&self, cursor: u64, each: &mut dyn FnMut(Listed<'_>) -> bool);
    fn make(&self, name: &[u8]) -> Result<u32>;
    fn remove(&self, name: &[u8]) -> Result<()>;
}

/// A file that is not open, whatever its context.
pub(super) trait File: Send + Sync {
    fn mode(&self) -> u16;
    fn open(&self, how: &How) -> Result<Opened>;
}

/// What a [`File`] opens to.
pub(super) struct Opened {
    pub(super) file: Box<dyn OpenFile>,
    /// Keeps the instance from being removed.
    pub(super) _user: Option<Box<dyn Send + Sync>>,
    pub(super) seek: Seek,
    pub(super) holds: bool,
    pub(super) flush: bool,
    pub(super) finishes: bool,
    pub(super) parallel: bool,
    pub(super) pages: bool,
}

pub(super) struct Bound<C: 'static> {
    pub(super) spec: &'static DirSpec<C>,
    pub(super) context: C,
}

pub(super) struct BoundFile<C: 'static> {
    pub(super) spec: &'static FileSpec<C>,
    pub(super) context: C,
}

impl<C: Context> BoundFile<C> {
    fn exists(&self) -> bool {
        (self.spec.exists)(&self.context)
    }
}

impl<C: Context> File for BoundFile<C> {
    fn mode(&self) -> u16 {
        self.spec.mode
    }

    fn open(&self, how: &How) -> Result<Opened> {
        let spec = self.spec;
        let _user: Option<Box<dyn Send + Sync>> = match spec.holds {
            true => Some(Box::new(self.context.hold()?)),
            false => None,
        };
        let file = (spec.open)(&self.context, how)?;
        let FileSpec {
            seek,
            holds,
            flush,
            finishes,
            parallel,
            pages,
            ..
        } = *spec;
        Ok(Opened {
            file,
            _user,
            seek,
            holds,
            flush,
            finishes,
            parallel,
            pages,
        })
    }
}

impl<C: Context> Bound<C> {
    fn rows(&self) -> impl Iterator<Item = (u32, &'static Entry<C>)> {
        self.spec
            .entries
            .iter()
            .zip(1..)
            .map(|(entry, number)| (number, entry))
    }

    fn file(&self, spec: &'static FileSpec<C>) -> BoundFile<C> {
        BoundFile {
            spec,
            context: self.context.clone(),
        }
    }
}

impl<C: Context> Dir for Bound<C> {
    fn mode(&self) -> u16 {
        self.spec.mode
    }

    fn links(&self) -> u32 {
        if self.spec.flat {
            return 1;
        }
        let mut links = 2;
        self.list(0, &mut |row| {
            links += u32::from(row.is_dir);
            true
        });
        links
    }

    fn find(&self, name: &[u8]) -> Option<u32> {
        self.rows().find_map(|(number, entry)| match entry {
            Entry::File(spec) => {
                (spec.name.as_bytes() == name && self.file(spec).exists()).then_some(number)
            }
            Entry::Dir(dir, _) => (dir.as_bytes() == name).then_some(number),
            Entry::Each(each) => (each.find)(&self.context, name).map(|n| FAMILY + n),
            Entry::Part(part) => part
                .get(&self.context)?
                .dir()
                .ok()?
                .find(name)
                .map(|n| PART + n),
        })
    }

    fn child(&self, number: u32) -> Option<Node> {
        let row = |n: u32| self.spec.entries.get(n.checked_sub(1)? as usize);
        match row(number) {
            Some(Entry::File(spec)) => {
                let file = self.file(spec);
                file.exists().then(|| Node::File(Box::new(file)))
            }
            Some(Entry::Dir(_, spec)) => Some(Node::Dir(Box::new(Bound {
                spec,
                context: self.context.clone(),
            }))),
            Some(_) => None,
            None => self.rows().find_map(|(_, entry)| match entry {
                Entry::Each(each) => each.get(&self.context, number.checked_sub(FAMILY)?),
                Entry::Part(part) => part
                    .get(&self.context)?
                    .dir()
                    .ok()?
                    .child(number.checked_sub(PART)?),
                _ => None,
            }),
        }
    }

    fn serial(&self, number: u32) -> Option<u32> {
        let instances = self
            .rows()
            .any(|(_, entry)| matches!(entry, Entry::Each(each) if each.instances));
        number.checked_sub(FAMILY).filter(|_| instances)
    }

    fn list(&self, cursor: u64, each: &mut dyn FnMut(Listed<'_>) -> bool) {
        let mut go_on = true;
        for (number, entry) in self.rows() {
            // a cursor is the row, then the place among its members
            let place = |member: u32| u64::from(number) << 32 | u64::from(member);
            let mut show = |place: u64, number: u32, name: &[u8], is_dir: bool| {
                if go_on && place > cursor {
                    go_on = each(Listed {
                        cursor: place,
                        number,
                        name,
                        is_dir,
                    });
                }
            };
            match entry {
                Entry::File(spec) if self.file(spec).exists() => {
                    show(place(0), number, spec.name.as_bytes(), false)
                }
                Entry::File(_) => (),
                Entry::Dir(name, _) => show(place(0), number, name.as_bytes(), true),
                // members come by falling numbers, so that what is made or removed meanwhile moves no other's place
                Entry::Each(e) => (e.list)(&self.context, &mut |n, name| {
                    show(place(u32::MAX - n), FAMILY + n, name, e.dirs)
                }),
                Entry::Part(part) => {
                    let Some(Node::Dir(dir)) = part.get(&self.context) else {
                        continue;
                    };
                    dir.list(0, &mut |row| {
                        // a part has no family, its cursors are its rows
                        show(
                            place((row.cursor >> 32) as u32),
                            PART + row.number,
                            row.name,
                            row.is_dir,
                        );
                        true
                    });
                }
            }
            if !go_on {
                return;
            }
        }
    }

    fn make(&self, name: &[u8]) -> Result<u32> {
        if self.find(name).is_some() {
            return Err(Error::new(Errno::EEXIST));
        }
        for (_, entry) in self.rows() {
            if let Entry::Each(each) = entry {
                return (each.make)(&self.context, name).map(|n| FAMILY + n);
            }
        }
        Err(Error::new(Errno::EPERM))
    }

    fn remove(&self, name: &[u8]) -> Result<()> {
        let number = self.find(name).ok_or(Error::new(Errno::ENOENT))?;
        for (_, entry) in self.rows() {
            if let Entry::Each(each) = entry
                && number >= FAMILY
            {
                return (each.remove)(&self.context, name);
            }
        }
        Err(Error::new(Errno::EPERM))
    }
}
