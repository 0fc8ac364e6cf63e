//! The command line and the life of the daemon.
//!
//! A command is one module with a `run` that answers an exit status or a [`Failure`]. Below the commands lie
//! [`mountinfo`] (what is mounted where), [`attach`] (getting a FUSE descriptor onto a directory, and off it again),
//! [`daemon`] (from the first request to the clean unmount) and [`control`] (how commands reach a running daemon).

pub mod args;
pub mod attach;
pub mod background;
pub mod control;
pub mod daemon;
pub mod exec;
pub mod failure;
pub mod mount;
pub mod mountinfo;
pub mod options;
pub mod point;
pub mod run;
pub mod signals;
pub mod umount;
pub mod workload;

use clap::Parser;
use std::io::Write;
use std::process::ExitCode;

pub use failure::Failure;

/// The type that /proc/mounts shows for every mount of ours.
pub const FS_TYPE: &str = "fuse.tracefs";
/// The first column of /proc/mounts for every mount of ours.
pub const FS_SOURCE: &str = "utracefs";
/// Where tools look for tracefs first.
pub const TRACING: &str = "/sys/kernel/tracing";
/// Where older tools look for it.
pub const DEBUG_TRACING: &str = "/sys/kernel/debug/tracing";
/// The variable that names the mount to talk to.
pub const MOUNT_VAR: &str = "UTRACEFS_MOUNT";

/// Prints a text for the user. That nobody reads it is no reason to fail.
fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Runs the command that the process was started with and returns its exit status.
pub fn main() -> ExitCode {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("warn"))
        .format_timestamp(None)
        .init();
    let args = args::Args::parse();
    let result = match args.command {
        args::Command::Mount(a) => mount::run(&a),
        args::Command::Umount(a) => umount::run(&a),
        args::Command::Exec(a) => exec::run(&a, exec::Place::Private),
        args::Command::Run(a) => run::run(&a),
        args::Command::Container(a) => exec::run(&a.as_exec(), exec::Place::Container),
        args::Command::Workload(a) => workload::run(&a),
    };
    match result {
        Ok(status) => ExitCode::from(status),
        Err(failure) => {
            failure.print();
            ExitCode::from(failure.status)
        }
    }
}
