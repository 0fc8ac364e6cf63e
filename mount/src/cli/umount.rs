//! `utracefs umount`.

use super::args::UmountArgs;
use super::attach::{detach, plain};
use super::control::client::{self, Connection};
use super::failure::{Failure, status};
use super::mountinfo::{self, Entry};
use super::point;

/// Asks the daemon to unmount and end; where none answers, takes the mount away.
///
/// # Errors
/// With umount(8)'s status 32.
pub fn run(args: &UmountArgs) -> Result<u8, Failure> {
    let f = match run_inner(args) {
        Ok(()) => return Ok(0),
        Err(f) => f,
    };
    Err(f.status(status::MOUNT))
}

fn run_inner(args: &UmountArgs) -> Result<(), Failure> {
    let shown = args.mountpoint.display();
    let dir = point::resolve(&args.mountpoint)
        .map_err(|e| Failure::new(format!("cannot use {shown}: {}", plain(&e))))?;
    let table = mountinfo::read()
        .map_err(|e| Failure::new(format!("cannot read /proc/self/mountinfo: {}", plain(&e))))?;
    let entry = match mountinfo::top(&table, &dir) {
        Some(e) if e.is_ours() => e,
        Some(e) => {
            let what = if e.fs_type == "tracefs" {
                "the kernel's own tracefs".into()
            } else {
                format!("a mount of type {}", e.fs_type)
            };
            return Err(
                Failure::new(format!("{shown} is {what}, not a mount of utracefs"))
                    .remedy(format!("umount(8) takes it away: umount {shown}")),
            );
        }
        None => return Err(Failure::new(format!("nothing is mounted on {shown}"))),
    };
    let device = (entry.major, entry.minor);
    match Connection::open(device, entry.user_id()) {
        Ok(mut daemon) => {
            daemon.ask("stop", |_| {})?;
            daemon.wait_for_end();
        }
        Err(e) => {
            log::info!("no daemon answers for {shown}: {}", plain(&e));
            client::forget(device);
        }
    }
    take_away(entry)
}

/// Takes the mount off its directory if it is still there: its daemon may be dead, or live in another mount namespace.
fn take_away(entry: &Entry) -> Result<(), Failure> {
    let table = mountinfo::read().unwrap_or_default();
    match mountinfo::top(&table, &entry.point) {
        Some(e) if (e.major, e.minor) == (entry.major, entry.minor) => detach(&entry.point),
        _ => Ok(()),
    }
}
