//! The daemon: from the first request of the kernel to the clean unmount.

use super::attach::{detach_device, plain};
use super::control::Device;
use super::control::server::{Asker, Handler, Sockets, listen};
use super::failure::Failure;
use super::mountinfo;
use super::options::MountOptions;
use super::signals::{Signals, wait_readable};
use super::workload;
use crate::node::{Around, Options, Owner};
use crate::run::wire;
use crate::traced::Tracers;
use crate::transport::fuse::{self, Server};
use crate::tree;
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::statvfs::statvfs;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use utracefs::event::registry::Registry;
use utracefs::instance::Tracing;
use utracefs::ring::Way;
use utracefs_workloads::{ALL, Manager};

/// Id of the daemon's first event. Far above the running kernel's, so that a tool that hands one to perf_event_open(2) is refused
/// instead of getting some other event.
const FIRST_EVENT_ID: u16 = 20_000;

/// What a daemon is to be.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Owner, group, mode.
    pub options: MountOptions,
    /// The workloads to start.
    pub workloads: Workloads,
}

/// Which workloads run from the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Workloads {
    /// All that there are.
    All,
    /// None; `utracefs workload start` starts them.
    None,
    /// Those with these names.
    Named(Vec<String>),
}

impl std::str::FromStr for Workloads {
    type Err = String;

    fn from_str(text: &str) -> Result<Workloads, String> {
        match text {
            "all" => Ok(Workloads::All),
            "none" | "" => Ok(Workloads::None),
            list => Ok(Workloads::Named(
                list.split(',')
                    .filter(|w| !w.is_empty())
                    .map(str::to_string)
                    .collect(),
            )),
        }
    }
}

impl Workloads {
    /// A few words for the ready line.
    pub fn describe(&self) -> String {
        match self {
            Workloads::All => "all workloads run".into(),
            Workloads::None => "no workload runs".into(),
            Workloads::Named(names) => format!("workloads {}", names.join(", ")),
        }
    }
}

impl Settings {
    /// Finds mistakes before anything is mounted.
    ///
    /// # Errors
    /// A workload that does not exist.
    pub fn check(&self) -> Result<(), Failure> {
        let Workloads::Named(names) = &self.workloads else {
            return Ok(());
        };
        match names
            .iter()
            .find(|n| ALL.iter().all(|w| w.name != n.as_str()))
        {
            None => Ok(()),
            Some(unknown) => {
                let all: Vec<&str> = ALL.iter().map(|w| w.name).collect();
                Err(Failure::new(format!("no workload is called `{unknown}`"))
                    .remedy(format!("there are: {}; or say all or none", all.join(", "))))
            }
        }
    }

    fn start_workloads(&self, manager: &Manager) -> Result<(), Failure> {
        let wanted = |name: &str| match &self.workloads {
            Workloads::All => true,
            Workloads::None => false,
            Workloads::Named(names) => names.iter().any(|n| n == name),
        };
        for workload in ALL.iter().filter(|w| wanted(w.name)) {
            match (manager.start(workload.name, None), &self.workloads) {
                (Ok(()), _) => {}
                // Nobody asked for it by name, and the others are good without it.
                (Err(error), Workloads::All) => log::warn!("{error}; the others run"),
                (Err(error), _) => return Err(Failure::new(error.to_string())),
            }
        }
        Ok(())
    }

    /// Options as the tree wants them: what belongs to nobody else belongs to whoever mounts.
    fn tree_options(&self) -> Options {
        let owner = Owner {
            uid: self
                .options
                .uid
                .unwrap_or_else(|| nix::unistd::geteuid().as_raw()),
            gid: self
                .options
                .gid
                .unwrap_or_else(|| nix::unistd::getegid().as_raw()),
        };
        // masked to 07777 when it was read
        Options {
            owner,
            mode: self.options.mode.unwrap_or(0o700) as u16,
        }
    }
}

/// Why a daemon ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// A signal came, or `utracefs umount`, or whoever it lives for has ended.
    Asked,
    /// Somebody else has unmounted it.
    Unmounted,
}

/// What the threads of a daemon share.
struct Shared {
    point: PathBuf,
    device: Device,
    /// Readable when the daemon is to end.
    end: EventFd,
    unmounted: AtomicBool,
}

/// A daemon that answers.
pub struct Daemon {
    shared: Arc<Shared>,
    server: Server,
    workloads: Arc<Manager>,
    tracers: Arc<Tracers>,
    sockets: Option<Sockets>,
}

/// The device number of the mount that was just made on `point`. Asks no file system.
///
/// # Errors
/// If it is gone already.
pub fn device_of(point: &Path) -> Result<Device, Failure> {
    let table = mountinfo::read()
        .map_err(|e| Failure::new(format!("cannot read /proc/self/mountinfo: {}", plain(&e))))?;
    match mountinfo::top(&table, point) {
        Some(e) if e.is_ours() => Ok((e.major, e.minor)),
        _ => Err(Failure::new(format!(
            "the mount on {} has vanished",
            point.display()
        ))),
    }
}

impl Daemon {
    /// Serves `connection`, which is mounted on `point`, starts the workloads and listens for commands. It answers when this returns.
    ///
    /// # Errors
    /// What failed; the mount is still there then.
    pub fn start(
        connection: OwnedFd,
        point: &Path,
        device: Device,
        settings: &Settings,
    ) -> Result<Daemon, Failure> {
        let failed = |what: &str, e: &std::io::Error| Failure::new(format!("{what}: {}", plain(e)));
        let end = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)
            .map_err(|e| failed("cannot make an eventfd", &e.into()))?;
        let shared = Arc::new(Shared {
            point: point.to_path_buf(),
            device,
            end,
            unmounted: AtomicBool::new(false),
        });
        let theirs = shared.clone();
        let ended = move || {
            theirs.unmounted.store(true, Ordering::Release);
            let _ = theirs.end.write(1);
        };
        let registry = Registry::build(FIRST_EVENT_ID)
            .map_err(|e| Failure::new(format!("cannot number the events: {e}")))?;
        let tracing = Tracing::new(registry, Way::Auto).map_err(|e| {
            Failure::new(format!("cannot make the ring buffers: {}", e.errno.text()))
        })?;
        let tracers = Tracers::new(tracing.registry());
        let fs = tree::tracefs(tracing, settings.tree_options());
        fs.set_around(tracers.clone());
        let server =
            fuse::serve(fs, connection, ended).map_err(|e| failed("cannot serve the mount", &e))?;
        let workloads = Arc::new(Manager::new());
        settings.start_workloads(&workloads)?;
        let mut users = vec![nix::unistd::geteuid().as_raw()];
        users.extend(settings.options.uid);
        let sockets = match listen(
            device,
            &users,
            &Arc::new(Commands {
                shared: shared.clone(),
                workloads: workloads.clone(),
                tracers: tracers.clone(),
            }),
        ) {
            Ok(s) => Some(s),
            Err(e) => {
                log::warn!(
                    "`utracefs workload` and `utracefs umount` will not reach this daemon: {}",
                    plain(&e)
                );
                None
            }
        };
        clean_up_on_panic(&shared, sockets.as_ref());
        Ok(Daemon {
            shared,
            server,
            workloads,
            tracers,
            sockets,
        })
    }

    /// Asks the mount itself for something, as the first user would.
    ///
    /// # Errors
    /// If it does not answer.
    pub fn check(&self) -> Result<(), Failure> {
        let point = &self.shared.point;
        match statvfs(point) {
            Ok(_) => Ok(()),
            Err(e) => Err(Failure::new(format!(
                "the mount on {} does not answer: {}",
                point.display(),
                e.desc()
            ))),
        }
    }

    /// Waits until the daemon is to end: one of these signals came, a command said so, the mount is gone, or `life` became readable
    /// (the pipe from the process that it lives for has closed).
    pub fn wait(&self, signals: &Signals, life: Option<&OwnedFd>) -> End {
        loop {
            let [signal, end, over] = wait_readable(
                [
                    signals.as_fd(),
                    self.shared.end.as_fd(),
                    life.map_or(self.shared.end.as_fd(), OwnedFd::as_fd),
                ],
                -1,
            );
            if signal && let Some(s) = signals.next() {
                log::info!("signal {} from pid {}", s.ssi_signo, s.ssi_pid);
                return End::Asked;
            }
            if end || over {
                return if self.shared.unmounted.load(Ordering::Acquire) {
                    End::Unmounted
                } else {
                    End::Asked
                };
            }
        }
    }

    /// Unmounts (at once, even if files are open: readers that wait are answered) and ends the service.
    pub fn finish(self, end: End) {
        if end == End::Asked {
            detach_device(&self.shared.point, self.shared.device);
        }
        self.server.stop();
        drop(self.sockets);
        self.tracers.end();
        self.workloads.stop_all();
    }
}

/// What the control socket understands.
struct Commands {
    shared: Arc<Shared>,
    workloads: Arc<Manager>,
    tracers: Arc<Tracers>,
}

impl Commands {
    /// Takes over the connection of a process that traces a command.
    fn attach(&self, asker: &mut Asker) -> Result<(), String> {
        self.tracers.has_room()?;
        let socket = asker.hand_over().map_err(|e| plain(&e))?;
        self.tracers.attach(socket).map_err(|e| plain(&e))
    }
}

impl Handler for Commands {
    fn handle(&self, words: &[&str], asker: &mut Asker) -> Result<(), String> {
        self.tracers.before();
        match words {
            ["ping"] => Ok(()),
            ["stop"] => asker.ok_and_hold(|| {
                let _ = self.shared.end.write(1);
            }),
            _ if words.join(" ") == wire::ATTACH => self.attach(asker),
            ["workload", rest @ ..] => workload::answer(&self.workloads, rest, asker),
            _ => Err(format!(
                "this daemon (version {}) does not understand `{}`",
                env!("CARGO_PKG_VERSION"),
                words.join(" ")
            )),
        }
    }
}

/// A panic in the service must not leave a mount that answers half of its requests: unmount and end. One in a workload ends the
/// workload, and one in a conversation the conversation.
fn clean_up_on_panic(shared: &Arc<Shared>, sockets: Option<&Sockets>) {
    static ONCE: OnceLock<Mutex<()>> = OnceLock::new();
    let shared = shared.clone();
    let files: Vec<PathBuf> = sockets.map_or(Vec::new(), |s| s.files().to_vec());
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        report(info);
        let thread = std::thread::current();
        if !thread
            .name()
            .is_none_or(|n| n == "main" || n.starts_with("fuser") || n.starts_with("tracefs-"))
        {
            return;
        }
        // the first panic cleans up, others wait for the end of the process
        let _first = ONCE.get_or_init(Mutex::default).lock();
        eprintln!(
            "utracefs: this is a bug; the daemon unmounts {} and ends",
            shared.point.display()
        );
        detach_device(&shared.point, shared.device);
        for f in &files {
            let _ = std::fs::remove_file(f);
        }
        super::background::exit_now(101);
    }));
}
