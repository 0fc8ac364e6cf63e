//! Jobs with more than one file: an archive is unpacked, something is built by small programs.

use std::ffi::CStr;

use super::calls;
use super::jobs::{ARCHIVE, BLOCK, Jobs, Unexpected, empty_stat};
use crate::children::{Command, Family, Plan, Role};
use crate::rng::Rng;

/// What the archive holds, in its order: directories end with a slash, links have a target.
const MEMBERS: [(&CStr, Option<&CStr>); 4] = [
    (c"app/", None),
    (c"app/README", None),
    (c"app/data", None),
    (c"app/latest", Some(c"data")),
];
/// The time that the archive says its files were changed, seconds since 1970.
const CHANGED: i64 = 1_700_000_000;

/// A header as POSIX has it (pax(1), "ustar interchange format").
fn header(name: &CStr, size: u64, target: Option<&CStr>) -> [u8; BLOCK] {
    let mut header = [0; BLOCK];
    let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
    let directory = name.to_bytes().ends_with(b"/");
    put(0, name.to_bytes());
    put(100, if directory { b"0000755" } else { b"0000640" });
    put(124, format!("{size:011o}").as_bytes());
    put(136, format!("{CHANGED:011o}").as_bytes());
    put(
        156,
        match (directory, target) {
            (true, _) => b"5",
            (false, Some(_)) => b"2",
            (false, None) => b"0",
        },
    );
    put(157, target.map_or(&[][..], CStr::to_bytes));
    put(257, b"ustar\x0000");
    put(148, b"        ");
    let sum: u64 = header.iter().map(|byte| u64::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}

/// An octal number of a header.
fn octal(field: &[u8]) -> u64 {
    let digits = field.iter().take_while(|byte| (b'0'..=b'7').contains(byte));
    digits.fold(0, |number, digit| number * 8 + u64::from(digit - b'0'))
}

/// The text up to its NUL, as a path.
fn text(field: &[u8]) -> Option<&CStr> {
    CStr::from_bytes_until_nul(field).ok()
}

impl Jobs {
    /// An archive is written, unpacked file by file, looked at and removed.
    pub(super) fn unpack(&mut self, mut rng: Rng) -> Result<(), Unexpected> {
        let sizes = MEMBERS.map(|(name, target)| {
            let file = target.is_none() && !name.to_bytes().ends_with(b"/");
            if file { rng.within(1..3000) } else { 0 }
        });
        self.pack(sizes)?;
        let archive = self.open(ARCHIVE, libc::O_RDONLY)?;
        let mut header = [0; BLOCK];
        loop {
            expect!(read(archive, &mut header), 512);
            if header[0] == 0 {
                break;
            }
            self.unpack_one(archive, &header)?;
        }
        self.close(archive)?;
        self.look_at_unpacked(sizes)?;
        self.remove_unpacked();
        expect!(unlinkat(self.dir(), ARCHIVE, 0), 0);
        Ok(())
    }

    fn pack(&mut self, sizes: [u64; 4]) -> Result<(), Unexpected> {
        let archive = self.open(ARCHIVE, libc::O_WRONLY | libc::O_CREAT | libc::O_TRUNC)?;
        for ((name, target), size) in MEMBERS.into_iter().zip(sizes) {
            expect!(write(archive, &header(name, size, target)), 512);
            let blocks = (size as usize).div_ceil(BLOCK);
            for _ in 0..blocks {
                expect!(write(archive, &[b'x'; BLOCK]), 512);
            }
        }
        expect!(write(archive, &[0; 2 * BLOCK]), 1024);
        self.close(archive)
    }

    fn unpack_one(&mut self, archive: i32, header: &[u8; BLOCK]) -> Result<(), Unexpected> {
        let dir = self.dir();
        let wrong = Unexpected {
            call: "read",
            answer: i64::from(header[156]),
        };
        let name = text(&header[..100]).ok_or(wrong)?;
        let (mode, size) = (octal(&header[100..107]) as u32, octal(&header[124..135]));
        let changed = libc::timespec {
            tv_sec: octal(&header[136..147]) as libc::time_t,
            tv_nsec: 0,
        };
        match header[156] {
            b'5' => {
                expect!(mkdirat(dir, name, mode), 0);
                // as tar does where the directory is there already
                refuse!(mkdirat(dir, name, mode), EEXIST);
            }
            b'2' => {
                let target = text(&header[157..257]).ok_or(wrong)?;
                expect!(symlinkat(target, dir, name), 0);
                expect!(
                    utimensat(dir, name, &[changed; 2], libc::AT_SYMLINK_NOFOLLOW),
                    0
                );
            }
            _ => {
                let file = self.open(name, libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL)?;
                let (mut left, mut block) = (size as usize, [0; BLOCK]);
                while left > 0 {
                    expect!(read(archive, &mut block), 512);
                    let part = left.min(BLOCK);
                    expect!(write(file, &block[..part]), 1..);
                    left -= part;
                }
                expect!(fchmod(file, mode), 0);
                self.close(file)?;
                expect!(utimensat(dir, name, &[changed; 2], 0), 0);
            }
        }
        Ok(())
    }

    fn look_at_unpacked(&mut self, sizes: [u64; 4]) -> Result<(), Unexpected> {
        let dir = self.dir();
        for ((name, target), size) in MEMBERS.into_iter().zip(sizes) {
            let mut stat = empty_stat();
            expect!(
                newfstatat(dir, name, &mut stat, libc::AT_SYMLINK_NOFOLLOW),
                0
            );
            let file = stat.st_mode & libc::S_IFMT == libc::S_IFREG;
            if file && (stat.st_size as u64, stat.st_mtime) != (size, CHANGED) {
                return Err(Unexpected {
                    call: "newfstatat",
                    answer: stat.st_size,
                });
            }
            if let Some(target) = target {
                let mut place = [0; 64];
                let len = expect!(readlinkat(dir, name, &mut place), 1..) as usize;
                if &place[..len] != target.to_bytes() {
                    return Err(Unexpected {
                        call: "readlinkat",
                        answer: len as i64,
                    });
                }
            } else {
                refuse!(readlinkat(dir, name, &mut [0; 64]), EINVAL);
            }
        }
        Ok(())
    }

    pub(super) fn remove_unpacked(&self) {
        for (name, _) in MEMBERS.into_iter().rev() {
            let directory = name.to_bytes().ends_with(b"/");
            let flags = if directory { libc::AT_REMOVEDIR } else { 0 };
            calls::unlinkat(self.dir(), name, flags);
        }
    }

    /// Sources are "compiled" by cat(1), one process each, and "linked" by a third one; then the result is run, which must
    /// fail: it is no program.
    pub(super) fn build(&mut self, family: &mut Family) -> Result<(), Unexpected> {
        let dir = self.dir();
        let units = [(c"main.c", c"main.o"), (c"lib.c", c"lib.o")];
        for (source, object) in units {
            let fd = self.open(source, libc::O_WRONLY | libc::O_CREAT | libc::O_TRUNC)?;
            expect!(write(fd, source.to_bytes()), 1..);
            self.close(fd)?;
            refuse!(newfstatat(dir, object, &mut empty_stat(), 0), ENOENT);
            self.make(family, object, &[source])?;
        }
        self.make(family, c"app", &[c"main.o", c"lib.o"])?;
        let mut stat = empty_stat();
        expect!(newfstatat(dir, c"app", &mut stat, 0), 0);
        // without cat(1) nothing is made, and nothing is wrong
        if Command::new(&["cat"]).is_there() && stat.st_size != 11 {
            return Err(Unexpected {
                call: "newfstatat",
                answer: stat.st_size,
            });
        }
        refuse!(faccessat(dir, c"app", libc::X_OK), EACCES);
        let command = Command::new(&[&self.absolute(c"app")]);
        let status = self.run_program(family, &command, c"main.o")?;
        if status != 126 << 8 {
            return Err(Unexpected {
                call: "wait4",
                answer: i64::from(status),
            });
        }
        for name in [c"main.c", c"lib.c", c"main.o", c"lib.o", c"app"] {
            expect!(unlinkat(dir, name, 0), 0);
        }
        Ok(())
    }

    /// `cat sources > target`.
    fn make(
        &mut self,
        family: &mut Family,
        target: &CStr,
        sources: &[&CStr],
    ) -> Result<(), Unexpected> {
        let sources: Vec<String> = sources.iter().map(|name| self.absolute(name)).collect();
        let mut args = vec!["cat"];
        args.extend(sources.iter().map(String::as_str));
        let command = Command::new(&args);
        let status = self.run_program(family, &command, target)?;
        if status != if command.is_there() { 0 } else { 127 << 8 } {
            return Err(Unexpected {
                call: "wait4",
                answer: i64::from(status),
            });
        }
        Ok(())
    }

    /// Runs a program with its output in `target`; returns its status.
    fn run_program(
        &mut self,
        family: &mut Family,
        command: &Command,
        target: &CStr,
    ) -> Result<i32, Unexpected> {
        let out = self.open(target, libc::O_WRONLY | libc::O_CREAT | libc::O_TRUNC)?;
        let plan = Plan {
            role: Role::program(command),
            stdin: self.dir(),
            stdout: out,
        };
        let status = family.fork(&plan).and_then(|pid| family.finish(pid));
        let status = status.map_err(|error| {
            family.clear();
            Unexpected {
                call: "clone",
                answer: -i64::from(error.raw_os_error().unwrap_or(libc::EIO)),
            }
        })?;
        self.close(out)?;
        Ok(status)
    }

    fn absolute(&self, name: &CStr) -> String {
        self.path()
            .join(&*name.to_string_lossy())
            .display()
            .to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers() {
        #[track_caller]
        fn check(name: &CStr, size: u64, target: Option<&CStr>, kind: u8) {
            let header = header(name, size, target);
            assert_eq!(text(&header[..100]), Some(name));
            assert_eq!(octal(&header[124..135]), size);
            assert_eq!(octal(&header[136..147]), CHANGED as u64);
            assert_eq!(header[156], kind);
            assert_eq!(text(&header[157..257]), Some(target.unwrap_or(c"")));
            // the sum counts its own field as blanks
            let sum: u64 = header.iter().map(|byte| u64::from(*byte)).sum();
            let field: u64 = header[148..156].iter().map(|byte| u64::from(*byte)).sum();
            assert_eq!(octal(&header[148..154]), sum - field + 8 * 32);
        }
        check(c"a/", 0, None, b'5');
        check(c"a/file", 0o1234567, None, b'0');
        check(c"a/link", 0, Some(c"file"), b'2');
    }
}
