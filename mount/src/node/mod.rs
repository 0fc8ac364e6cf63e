//! The control-file layer: what all files of one kind have in common, written once.
//!
//! A file is declared by implementing one of six behaviours for a type without data ([`Value`], [`List`], [`Trace`],
//! [`Pipe`], [`Pages`], [`Sink`]) and by naming it in a [`DirSpec`] of the tree. The declaration says what the file shows
//! and does; offsets, content kept between reads, truncation, error reports, modes, listing and who keeps an instance busy
//! are done here, after what the kernel's tracefs does. Nothing here knows how requests arrive: transports
//! call [`Fs`] and [`Handle`].

mod attr;
mod dir;
mod fs;
mod handle;
pub mod id;
mod list;
mod pages;
mod pipe;
mod sink;
pub(crate) mod spec;
mod text;
mod trace;
mod value;
pub mod wait;
mod window;

pub use attr::{Attr, Kind, Owner, SetAttr};
pub use dir::Listed;
pub use fs::{Around, Fs, Options};
pub use handle::{Caller, Got, Handle, How, Seek};
pub use id::NodeId;
pub use list::{List, list};
pub use pages::{Pages, pages};
pub use pipe::{Pipe, Taken, pipe};
pub use sink::{Sink, sink};
pub use spec::{
    Context, DirSpec, Entry, Family, FileSpec, Projection, dir, each_dir, each_file, part,
};
pub use text::Text;
pub use trace::{Trace, trace};
pub use value::{Value, value};

#[cfg(test)]
pub(crate) mod tests;
