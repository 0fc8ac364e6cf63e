//! Small programs that most systems have.

use std::ffi::{CStr, CString, c_char};
use std::os::unix::fs::PermissionsExt;

/// A program and its arguments, ready for exec.
pub(crate) struct Command {
    path: CString,
    /// The texts that `argv` points to.
    _args: Vec<CString>,
    argv: Vec<*const c_char>,
}

// SAFETY: the pointers are to texts of its own, which stay where they are.
unsafe impl Send for Command {}

impl Command {
    /// `args[0]` with the others: the program of that name in the usual directories, or at that path if it has a slash.
    /// Where there is none, exec will say so. Arguments end at a NUL.
    pub fn new(args: &[&str]) -> Command {
        let text = |arg: &str| CString::new(arg.split('\0').next().unwrap_or_default());
        let texts: Vec<CString> = args.iter().filter_map(|arg| text(arg).ok()).collect();
        let name = args.first().copied().unwrap_or_default();
        let path = text(&find(name)).unwrap_or_default();
        let mut argv: Vec<*const c_char> = texts.iter().map(|arg| arg.as_ptr()).collect();
        argv.push(std::ptr::null());
        Command {
            path,
            _args: texts,
            argv,
        }
    }

    /// Its file.
    pub fn path(&self) -> &CStr {
        &self.path
    }

    /// Whether it can be expected to run.
    pub fn is_there(&self) -> bool {
        let path = self.path.to_string_lossy();
        std::fs::metadata(&*path)
            .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    }

    /// Its arguments, with a null pointer at the end.
    pub fn argv(&self) -> &[*const c_char] {
        &self.argv
    }
}

fn find(name: &str) -> String {
    if name.contains('/') {
        return name.into();
    }
    let usual = ["/usr/bin", "/bin"].map(|dir| format!("{dir}/{name}"));
    let there = usual
        .iter()
        .find(|path| std::fs::metadata(path).is_ok_and(|meta| meta.is_file()));
    there.unwrap_or(&usual[1]).clone()
}
