//! cat and echo on the tree without a mount: for unit tests, and for programs that hold a tree themselves.

use std::sync::Arc;

use utracefs::base::error::{Errno, Error, Result};

use crate::node::{Attr, Caller, Fs, Got, Handle, How, NodeId};

/// Bytes that a read asks for, as cat(1) does.
const READ_SIZE: usize = 128 << 10;

/// A caller of the tree in the same process, with root's rights.
#[derive(Clone)]
pub struct Local {
    fs: Arc<Fs>,
    caller: Caller,
}

impl Local {
    /// A caller that is the present process.
    pub fn new(fs: Arc<Fs>) -> Local {
        Local {
            fs,
            caller: Caller {
                pid: std::process::id(),
                uid: 0,
                gid: 0,
            },
        }
    }

    /// The tree.
    pub fn fs(&self) -> &Arc<Fs> {
        &self.fs
    }

    /// stat(2). Empty components of the path mean nothing, as everywhere.
    pub fn stat(&self, path: &str) -> Result<Attr> {
        let mut attr = self.fs.attr(NodeId::ROOT)?;
        for name in path.split('/').filter(|n| !n.is_empty()) {
            attr = self.fs.lookup(attr.id, name.as_bytes())?;
        }
        Ok(attr)
    }

    /// open(2).
    pub fn open(&self, path: &str, how: How) -> Result<Handle> {
        let id = self.stat(path)?.id;
        let caller = self.caller;
        self.fs.request(|| self.fs.open(id, How { caller, ..how }))
    }

    /// One read(2). Nothing there to read: `EAGAIN`.
    pub fn read(&self, handle: &Handle, at: u64, size: usize) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.fs.before_reading();
        match handle.read(at, size, &mut |b| bytes.extend_from_slice(b))? {
            Got::Data | Got::End => Ok(bytes),
            Got::Block(_) => Err(Error::new(Errno::EAGAIN)),
        }
    }

    /// Reads an open file to its end, or to where it would wait. Nothing there to read at all: `EAGAIN`.
    pub fn read_to_end(&self, handle: &Handle) -> Result<Vec<u8>> {
        let mut all = Vec::new();
        loop {
            match self.read(handle, all.len() as u64, READ_SIZE) {
                Ok(more) if more.is_empty() => return Ok(all),
                Ok(more) => all.extend_from_slice(&more),
                Err(e) if e.errno == Errno::EAGAIN && !all.is_empty() => return Ok(all),
                Err(e) => return Err(e),
            }
        }
    }

    /// `cat PATH`, of a file whose text is UTF-8 (else `EINVAL`).
    pub fn cat(&self, path: &str) -> Result<String> {
        let handle = self.open(
            path,
            How {
                read: true,
                ..How::default()
            },
        )?;
        let bytes = self.read_to_end(&handle)?;
        handle.flush();
        String::from_utf8(bytes).map_err(|_| Error::new(Errno::EINVAL))
    }

    /// `echo TEXT > PATH`.
    pub fn echo(&self, text: &str, path: &str) -> Result<()> {
        self.put(format!("{text}\n").as_bytes(), path, true)
    }

    /// `echo TEXT >> PATH`.
    pub fn append(&self, text: &str, path: &str) -> Result<()> {
        self.put(format!("{text}\n").as_bytes(), path, false)
    }

    /// Opens for writing and writes all of `data`, as often as it takes.
    pub fn put(&self, data: &[u8], path: &str, truncate: bool) -> Result<()> {
        let handle = self.open(
            path,
            How {
                write: true,
                truncate,
                ..How::default()
            },
        )?;
        let mut rest = data;
        loop {
            let done = self.write(&handle, rest)?;
            rest = &rest[done..];
            if rest.is_empty() {
                break;
            }
            if done == 0 {
                return Err(Error::new(Errno::EIO));
            }
        }
        handle.flush();
        Ok(())
    }

    /// One write(2); returns how far it came.
    pub fn write(&self, handle: &Handle, data: &[u8]) -> Result<usize> {
        self.fs.request(|| handle.write(&self.caller, data))
    }

    /// `: > PATH`: opens with O_TRUNC and writes nothing.
    pub fn truncate(&self, path: &str) -> Result<()> {
        self.open(
            path,
            How {
                write: true,
                truncate: true,
                ..How::default()
            },
        )
        .map(|h| h.flush())
    }

    /// `ls -U PATH`.
    pub fn ls(&self, path: &str) -> Result<Vec<String>> {
        let mut names = Vec::new();
        self.fs.list(self.stat(path)?.id, 0, &mut |_, row| {
            names.push(String::from_utf8_lossy(row.name).into_owned());
            true
        })?;
        Ok(names)
    }

    /// mkdir(1).
    pub fn mkdir(&self, path: &str) -> Result<()> {
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        self.fs
            .make_dir(self.stat(parent)?.id, name.as_bytes())
            .map(drop)
    }

    /// rmdir(1).
    pub fn rmdir(&self, path: &str) -> Result<()> {
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        let id = self.stat(parent)?.id;
        self.fs.request(|| self.fs.remove_dir(id, name.as_bytes()))
    }
}
