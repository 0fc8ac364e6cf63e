//! The daemon's end of the socket.

use super::super::attach::plain;
use super::{
    BREATH, Device, MAX_CONNECTIONS, MAX_LINE, PATIENCE, abstract_address, directories, file_name,
    peer,
};
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// What a daemon does for its commands.
pub trait Handler: Send + Sync + 'static {
    /// Carries out one line of words; `asker` gets the output and can be asked whether somebody still listens. The text of an
    /// error is shown to the user.
    ///
    /// # Errors
    /// Why it was not carried out.
    fn handle(&self, words: &[&str], asker: &mut Asker) -> Result<(), String>;
}

/// The other end while a command is carried out.
pub struct Asker {
    socket: UnixStream,
    /// The conversation goes on elsewhere.
    taken: bool,
}

impl Asker {
    /// Sends a line of output. A client that has gone away is found out by [`Asker::is_there`].
    pub fn say(&mut self, text: &str) {
        for line in text.lines() {
            let cut = line.len().min(MAX_LINE - 1);
            let cut = (0..=cut)
                .rev()
                .find(|i| line.is_char_boundary(*i))
                .unwrap_or(0);
            let _ = self
                .socket
                .write_all(format!("-{}\n", &line[..cut]).as_bytes());
        }
    }

    /// Says that work goes on and looks whether the client still waits for it. To be called every [`BREATH`].
    pub fn is_there(&mut self) -> bool {
        self.socket.write_all(b".\n").is_ok()
    }

    /// Says that the daemon will end, makes it end, and keeps the connection open: that it closes is the client's news that the
    /// process is gone.
    pub fn ok_and_hold(&mut self, end: impl FnOnce()) -> ! {
        let _ = self.socket.write_all(b"ok\n");
        end();
        loop {
            std::thread::park();
        }
    }

    /// Says `ok` and hands the connection over: what is said on it from now on is not this server's business, and it counts
    /// no more among those served at once.
    ///
    /// # Errors
    /// If the client has gone away.
    pub fn hand_over(&mut self) -> io::Result<UnixStream> {
        self.socket.write_all(b"ok\n")?;
        self.taken = true;
        self.socket.try_clone()
    }

    /// Calls `look` until it answers, telling the client meanwhile that work goes on.
    ///
    /// # Errors
    /// If the client goes away.
    pub fn wait_for<T>(
        &mut self,
        mut look: impl FnMut(Duration) -> Option<T>,
    ) -> Result<T, String> {
        loop {
            if let Some(answer) = look(BREATH) {
                return Ok(answer);
            }
            if !self.is_there() {
                return Err("nobody waits for the answer any more".into());
            }
        }
    }
}

/// The sockets of one daemon; dropped, their files are removed.
pub struct Sockets {
    files: Vec<PathBuf>,
}

impl Drop for Sockets {
    fn drop(&mut self) {
        for f in &self.files {
            let _ = fs::remove_file(f);
            // empty after the last daemon
            let _ = f.parent().map(fs::remove_dir);
        }
    }
}

impl Sockets {
    /// The socket files, to remove them where `Drop` will not run.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }
}

/// Listens on the sockets of this device number and serves `users` and root, on threads of its own.
///
/// # Errors
/// If not one socket could be made.
pub fn listen<H: Handler>(device: Device, users: &[u32], handler: &Arc<H>) -> io::Result<Sockets> {
    let mut files = Vec::new();
    let mut listeners = Vec::new();
    match abstract_address(device).and_then(|a| UnixListener::bind_addr(&a)) {
        Ok(l) => listeners.push(l),
        Err(e) => log::warn!(
            "cannot listen on the abstract socket of device {}:{}: {}",
            device.0,
            device.1,
            plain(&e)
        ),
    }
    for dir in directories() {
        match listen_in(&dir, device) {
            Ok(l) => {
                files.push(dir.join(file_name(device)));
                listeners.push(l);
                break;
            }
            Err(e) => log::debug!("no socket in {}: {}", dir.display(), plain(&e)),
        }
    }
    if listeners.is_empty() {
        return Err(io::Error::other("there is no place for the control socket"));
    }
    let sockets = Sockets { files };
    let mut users = users.to_vec();
    users.push(0);
    let busy = Arc::new(AtomicUsize::new(0));
    for l in listeners {
        let (users, handler, busy) = (users.clone(), handler.clone(), busy.clone());
        std::thread::Builder::new()
            .name("control".into())
            .spawn(move || accept(&l, &users, &handler, &busy))?;
    }
    Ok(sockets)
}

fn listen_in(dir: &Path, device: Device) -> io::Result<UnixListener> {
    match fs::DirBuilder::new().mode(0o755).create(dir) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(e),
        _ => {}
    }
    sweep(dir);
    // made beside its place, so that nobody's sweep sees it before it listens; device numbers are unique among living mounts, so
    // whatever has its name is left over
    let new = dir.join(format!(".{}", std::process::id()));
    let _ = fs::remove_file(&new);
    let listener = UnixListener::bind(&new)?;
    // who may speak is decided by credentials
    fs::set_permissions(&new, fs::Permissions::from_mode(0o666))?;
    fs::rename(&new, dir.join(file_name(device)))?;
    Ok(listener)
}

/// Removes the sockets of daemons that were killed.
fn sweep(dir: &Path) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        if UnixStream::connect(&path).is_err_and(|e| e.kind() == io::ErrorKind::ConnectionRefused) {
            log::debug!("removing the stale socket {}", path.display());
            let _ = fs::remove_file(&path);
        }
    }
}

fn accept<H: Handler>(
    listener: &UnixListener,
    users: &[u32],
    handler: &Arc<H>,
    busy: &Arc<AtomicUsize>,
) {
    loop {
        let socket = match listener.accept() {
            Ok((socket, _)) => socket,
            Err(e) => {
                // out of descriptors, say: the backlog waits until some are free again
                log::warn!("control socket: {}", plain(&e));
                std::thread::sleep(Duration::from_millis(100));
                continue;
            }
        };
        if busy.fetch_add(1, Ordering::Relaxed) >= MAX_CONNECTIONS {
            busy.fetch_sub(1, Ordering::Relaxed);
            refuse(socket, "the daemon is busy with other commands");
            continue;
        }
        let (users, handler, theirs) = (users.to_vec(), handler.clone(), busy.clone());
        let started = std::thread::Builder::new()
            .name("command".into())
            .spawn(move || {
                if let Err(e) = serve(socket, &users, &*handler) {
                    log::debug!("control connection: {}", plain(&e));
                }
                theirs.fetch_sub(1, Ordering::Relaxed);
            });
        if started.is_err() {
            busy.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

fn refuse(mut socket: UnixStream, why: &str) {
    let _ = socket.set_write_timeout(Some(BREATH));
    let _ = socket.write_all(format!("error {why}\n").as_bytes());
}

fn serve<H: Handler>(socket: UnixStream, users: &[u32], handler: &H) -> io::Result<()> {
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    let (pid, uid) = peer(&socket)?;
    if !users.contains(&uid) {
        log::warn!("control socket: refused user {uid} (pid {pid})");
        refuse(
            socket,
            "only root and the owner of the mount may ask its daemon",
        );
        return Ok(());
    }
    let mut reader = BufReader::new(socket.try_clone()?);
    let mut line = String::new();
    (&mut reader)
        .take(MAX_LINE as u64 + 1)
        .read_line(&mut line)?;
    let Some(line) = line.strip_suffix('\n') else {
        if !line.is_empty() {
            refuse(socket, "a command is one line");
        }
        return Ok(());
    };
    log::debug!("control socket: pid {pid} (user {uid}) asks `{line}`");
    let words: Vec<&str> = line.split(' ').filter(|w| !w.is_empty()).collect();
    let mut asker = Asker {
        socket,
        taken: false,
    };
    let answer = match handler.handle(&words, &mut asker) {
        Ok(()) => "ok\n".to_string(),
        Err(text) => format!("error {}\n", text.replace('\n', " ")),
    };
    match asker.taken {
        true => Ok(()),
        false => asker.socket.write_all(answer.as_bytes()),
    }
}
