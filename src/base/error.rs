//! Errors: the errno a control file answers and, where the kernel writes one, the caret line of `error_log`.

use alloc::borrow::Cow;
use core::fmt;

/// Result of everything a control file can ask of the core.
pub type Result<T, E = Error> = core::result::Result<T, E>;

macro_rules! errnos {
    ($($name:ident = $value:literal, $text:literal;)*) => {
        /// Linux errno values that control files answer (errno(3)), the same on every host of this library.
        #[derive(Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(i32)]
        pub enum Errno { $(#[doc = $text] $name = $value),* }

        impl Errno {
            /// The errno's name, as in errno(3).
            pub fn name(self) -> &'static str {
                match self { $(Errno::$name => stringify!($name)),* }
            }
            /// What strerror(3) says.
            pub fn text(self) -> &'static str {
                match self { $(Errno::$name => $text),* }
            }
        }
    };
}

errnos! {
    EPERM = 1, "Operation not permitted";
    ENOENT = 2, "No such file or directory";
    ESRCH = 3, "No such process";
    EINTR = 4, "Interrupted system call";
    EIO = 5, "Input/output error";
    E2BIG = 7, "Argument list too long";
    EBADF = 9, "Bad file descriptor";
    EAGAIN = 11, "Resource temporarily unavailable";
    ENOMEM = 12, "Cannot allocate memory";
    EACCES = 13, "Permission denied";
    EFAULT = 14, "Bad address";
    EBUSY = 16, "Device or resource busy";
    EEXIST = 17, "File exists";
    ENODEV = 19, "No such device";
    ENOTDIR = 20, "Not a directory";
    EISDIR = 21, "Is a directory";
    EINVAL = 22, "Invalid argument";
    ENOTTY = 25, "Inappropriate ioctl for device";
    ENOSPC = 28, "No space left on device";
    ESPIPE = 29, "Illegal seek";
    EROFS = 30, "Read-only file system";
    ERANGE = 34, "Numerical result out of range";
    ENAMETOOLONG = 36, "File name too long";
    ENOSYS = 38, "Function not implemented";
    ENOTEMPTY = 39, "Directory not empty";
    EOVERFLOW = 75, "Value too large for defined data type";
    EOPNOTSUPP = 95, "Operation not supported";
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where in a written command an error lies: what `error_log` shows with a caret (Documentation/trace/ftrace.rst).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Caret {
    /// Which parser found it, e.g. `event filter parse error`.
    pub location: Cow<'static, str>,
    /// The parser's sentence, e.g. `Field not found`.
    pub message: Cow<'static, str>,
    /// Byte offset into the command.
    pub position: usize,
}

/// An error with the errno its cause has in the kernel; built where the cause is.
#[derive(Clone, PartialEq, Eq)]
pub struct Error {
    /// The answer to the system call.
    pub errno: Errno,
    /// The entry for `error_log`, for commands that get one.
    pub caret: Option<Caret>,
}

impl Error {
    /// An error that leaves no trace in `error_log`.
    pub const fn new(errno: Errno) -> Error {
        Error { errno, caret: None }
    }
}

impl From<Errno> for Error {
    fn from(errno: Errno) -> Error {
        Error::new(errno)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.caret {
            None => write!(f, "{:?}", self.errno),
            Some(c) => write!(
                f,
                "{:?} ({}: {} at {})",
                self.errno, c.location, c.message, c.position
            ),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.caret {
            None => f.write_str(self.errno.text()),
            Some(c) => write!(f, "{}: {}", c.location, c.message),
        }
    }
}

impl core::error::Error for Error {}
