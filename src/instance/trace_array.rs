//! A trace instance: its buffer, its event files, its options.

use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;

use super::cmdlines::Cmdlines;
use super::common::Common;
use super::error_log::ErrorLog;
use super::event_file::EventFile;
use super::marker;
use super::options::{Option as TraceOption, Options};
use super::pids::{Following, Pids};
use super::recording::Recording;
use super::set_event::Which;
use super::size::Sizes;
use crate::base::clock::ClockId;
use crate::base::error::{Errno, Error, Result};
use crate::base::parse;
use crate::base::rcu::Garbage;
use crate::base::stack;
use crate::base::sync::{AtomicBool, AtomicU32, AtomicU64, Mutex, MutexGuard, Ordering};
use crate::base::task::Task;
use crate::event::registry::{PRINT_ID, Registry};
use crate::event::tracepoint::Changes;
use crate::filter::{self, Filter, Refused};
use crate::ring::{Buffer, Config};

/// What an `enable` file above the events reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Enabled {
    /// `0`: none of the events.
    None,
    /// `1`: all of them.
    All,
    /// `X`: some.
    Some,
    /// `?`: there is no event to enable.
    NoEvents,
}

impl Enabled {
    /// The file's character.
    pub fn text(self) -> &'static str {
        match self {
            Enabled::None => "0",
            Enabled::All => "1",
            Enabled::Some => "X",
            Enabled::NoEvents => "?",
        }
    }
}

/// Which consuming readers of text are open.
#[derive(Default)]
struct Pipes {
    all: bool,
    cpus: Vec<usize>,
}

/// One trace instance.
///
/// Lock order: `events` is taken before the locks of tracepoints; all other locks are leaves.
pub struct TraceArray {
    name: Vec<u8>,
    buffer: Arc<Buffer>,
    options: Options,
    registry: Arc<Registry>,
    cmdlines: Arc<Cmdlines>,
    common: Arc<Common>,
    sizes: Sizes,
    pids: Arc<Pids>,
    /// One change of the lists of pids at a time.
    changing_pids: Mutex<()>,
    following: Following,
    /// In the order of `available_events`.
    files: Vec<Arc<EventFile>>,
    by_id: BTreeMap<u16, usize>,
    /// Serialises enabling, so that what files say and what is registered agree.
    events: Mutex<()>,
    errors: Mutex<ErrorLog>,
    pipes: Mutex<Pipes>,
    recording: Arc<Recording>,
    /// The file of `ftrace:print`: nobody enables it, but it has triggers.
    print: Arc<EventFile>,
    /// When the whole buffer was last cleared, by the buffer's clock; 0 in a new instance.
    start: AtomicU64,
    /// Open files that keep the instance from being removed.
    users: AtomicU32,
    removed: AtomicBool,
}

impl TraceArray {
    /// A new instance with every event of `registry`, all disabled.
    pub(super) fn new(
        name: &[u8],
        config: &Config,
        options: Options,
        registry: &Arc<Registry>,
        cmdlines: Arc<Cmdlines>,
        common: Arc<Common>,
    ) -> Result<Arc<TraceArray>> {
        let buffer = Arc::new(Buffer::new(config)?);
        let sizes = Sizes::of(&buffer);
        let pids = Arc::new(Pids::default());
        let names = (
            options.get(TraceOption::RecordCmd),
            options.get(TraceOption::RecordTgid),
        );
        let print = registry.event(PRINT_ID).ok_or(Error::new(Errno::EINVAL))?;
        let array = Arc::new_cyclic(|me: &Weak<TraceArray>| {
            let file = |event: &Arc<_>| {
                Arc::new(EventFile::new(
                    Arc::clone(event),
                    me.clone(),
                    buffer.clone(),
                    cmdlines.clone(),
                    names,
                    pids.clone(),
                ))
            };
            let files: Vec<_> = registry.available().map(file).collect();
            let print = file(print);
            TraceArray {
                name: name.into(),
                by_id: files
                    .iter()
                    .enumerate()
                    .map(|(i, f)| (f.event().id, i))
                    .collect(),
                files,
                buffer: buffer.clone(),
                options,
                registry: registry.clone(),
                cmdlines: cmdlines.clone(),
                common,
                sizes,
                pids: pids.clone(),
                changing_pids: Mutex::new(()),
                following: Following::default(),
                events: Mutex::new(()),
                errors: Mutex::new(ErrorLog::default()),
                pipes: Mutex::new(Pipes::default()),
                recording: Arc::new(Recording::new(buffer.clone())),
                print,
                start: AtomicU64::new(0),
                users: AtomicU32::new(0),
                removed: AtomicBool::new(false),
            }
        });
        array.cmdlines.tell(&array);
        array.settle_stacks();
        Ok(array)
    }

    /// Something has changed that decides what is special about events: [`EventFile::settle`] for each.
    pub(super) fn settle(&self) {
        for file in self.files.iter().chain([&self.print]) {
            file.settle();
        }
    }

    /// The instance's name; empty for the top level.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// Whether this is the top level.
    pub fn is_top(&self) -> bool {
        self.name.is_empty()
    }

    /// The instance's ring buffer.
    pub fn buffer(&self) -> &Arc<Buffer> {
        &self.buffer
    }

    /// The events, the same in all instances.
    pub fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// The remembered task names, the same in all instances.
    pub fn cmdlines(&self) -> &Arc<Cmdlines> {
        &self.cmdlines
    }

    /// What all instances share.
    pub fn common(&self) -> &Arc<Common> {
        &self.common
    }

    pub(super) fn sizes(&self) -> &Sizes {
        &self.sizes
    }

    pub(super) fn pids(&self) -> &Arc<Pids> {
        &self.pids
    }

    pub(super) fn changing_pids(&self) -> &Mutex<()> {
        &self.changing_pids
    }

    pub(super) fn following(&self) -> &Following {
        &self.following
    }

    /// A list of pids was set or cleared.
    pub(super) fn pids_changed(&self) {
        for file in &self.files {
            file.pids_changed();
        }
    }

    /// The instance's options.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The last errors of the instance's commands.
    pub fn errors(&self) -> &Mutex<ErrorLog> {
        &self.errors
    }

    // Recording

    /// Whether `tracing_on` reads 1.
    pub fn is_on(&self) -> bool {
        self.recording.is_on()
    }

    /// Writes `tracing_on`: whether this instance records. Readers that wait are woken when it goes off.
    pub fn set_on(&self, on: bool) {
        self.recording.set(on);
    }

    /// Whether it records, for who switches it from a probe.
    pub fn recording(&self) -> &Arc<Recording> {
        &self.recording
    }

    /// A reader opens `trace`: while pause-on-trace is set nothing is recorded until the guard is dropped.
    pub fn pause(self: &Arc<Self>) -> Pause {
        let paused = self.options.get(TraceOption::PauseOnTrace);
        if paused {
            self.recording.pause();
        }
        Pause {
            array: paused.then(|| self.clone()),
        }
    }

    /// Forgets what was recorded, on one CPU or all, and zeroes its counters.
    pub fn clear(&self, cpu: Option<usize>) {
        self.buffer.reset(cpu);
        if cpu.is_none() {
            self.begin_anew();
        }
    }

    /// When the buffer was last cleared, by its clock: what times in latency format count from.
    pub fn start(&self) -> u64 {
        self.start.load(Ordering::Relaxed)
    }

    /// As if the buffer had been cleared then.
    #[cfg(test)]
    pub(crate) fn set_start(&self, time: u64) {
        self.start.store(time, Ordering::Relaxed);
    }

    fn begin_anew(&self) {
        self.start.store(self.buffer.now(), Ordering::Relaxed);
    }

    /// Sets an option and what goes with it. What cannot be so: `EINVAL`.
    pub fn set_option(self: &Arc<Self>, option: TraceOption, on: bool) -> Result<()> {
        match option {
            TraceOption::TestNopRefuse => return Err(Error::new(Errno::EINVAL)),
            TraceOption::TracePrintkDest => return self.common.send_printk(self, on),
            TraceOption::CopyTraceMarker if self.options.get(option) != on => {
                self.common.copy_markers(self, on);
            }
            TraceOption::EventFork => self.follow_forks(&Arc::downgrade(self), on)?,
            _ => (),
        }
        self.options.set(option, on);
        match option {
            TraceOption::Overwrite => self.buffer.set_overwrite(on),
            TraceOption::RecordCmd | TraceOption::RecordTgid => {
                let names = (
                    self.options.get(TraceOption::RecordCmd),
                    self.options.get(TraceOption::RecordTgid),
                );
                for file in &self.files {
                    file.set_names(names.0, names.1);
                }
                self.cmdlines.refresh();
            }
            TraceOption::StackTrace | TraceOption::UserStackTrace => self.settle_stacks(),
            _ => (),
        }
        Ok(())
    }

    /// Has stacks recorded as the options say.
    fn settle_stacks(&self) {
        let kernel = self.options.get(TraceOption::StackTrace);
        let user = self.options.get(TraceOption::UserStackTrace);
        if kernel || user {
            stack::prepare();
        }
        for file in &self.files {
            file.set_stacks(kernel, user);
        }
    }

    /// Writes `trace_options`: one name, `no` before it to clear. Anything else: `EINVAL`.
    pub fn write_options(self: &Arc<Self>, input: &[u8]) -> Result<()> {
        let word = parse::trim(input);
        let found = TraceOption::by_name(word).map(|o| (o, true));
        let found =
            found.or_else(|| TraceOption::by_name(word.strip_prefix(b"no")?).map(|o| (o, false)));
        let (option, on) = found.ok_or(Error::new(Errno::EINVAL))?;
        self.set_option(option, on)
    }

    /// Writes `trace_clock`: the name of a clock. Every success clears the buffer; an unknown name is `EINVAL`.
    pub fn set_clock(&self, input: &[u8]) -> Result<()> {
        let name =
            core::str::from_utf8(parse::trim(input)).map_err(|_| Error::new(Errno::EINVAL))?;
        let clock = ClockId::by_name(name).ok_or(Error::new(Errno::EINVAL))?;
        self.buffer.set_clock(clock)?;
        self.begin_anew();
        Ok(())
    }

    /// Writes `trace_marker`: `text` by `writer`; returns the bytes taken. Errors of spec: off or full `EBADF`, markers
    /// forbidden `EINVAL`.
    pub fn mark(&self, writer: &Task, text: &[u8]) -> Result<usize> {
        self.mark_with(|array| marker::write(&array.buffer, &array.print, writer, text))
    }

    /// Whether a marker fires triggers. They may ask for its writer's name, which nothing else does.
    pub fn marks_fire(&self) -> bool {
        let fires = |array: &TraceArray| !array.print.triggers().is_empty();
        match self.is_top() {
            true => self.common.any_copy(fires),
            false => fires(self),
        }
    }

    /// Writes `trace_marker_raw`: 4 bytes of id and data, by `writer`. Too short or too long: `EINVAL`; else as
    /// [`mark`](Self::mark).
    pub fn mark_raw(&self, writer: &Task, data: &[u8]) -> Result<usize> {
        self.mark_with(|array| marker::write_raw(&array.buffer, writer, data))
    }

    /// Markers of the top level go to every instance whose option `copy_trace_marker` says so, its own among them.
    fn mark_with(&self, write: impl Fn(&TraceArray) -> Result<usize>) -> Result<usize> {
        if !self.options.get(TraceOption::Markers) {
            return Err(Error::new(Errno::EINVAL));
        }
        match self.is_top() {
            true => self.common.each_copy(write),
            false => write(self),
        }
    }

    // Events

    /// Serialises what changes which events are hooked.
    pub(super) fn event_lock(&self) -> MutexGuard<'_, ()> {
        self.events.lock()
    }

    pub(super) fn is_removed(&self) -> bool {
        self.removed.load(Ordering::Relaxed)
    }

    /// The file of `ftrace:print`, which is not among [`files`](Self::files).
    pub(super) fn print_file(&self) -> &Arc<EventFile> {
        &self.print
    }

    /// The event files in the order of `available_events`.
    pub fn files(&self) -> &[Arc<EventFile>] {
        &self.files
    }

    /// The file of an event, by its id.
    pub fn file(&self, id: u16) -> Option<&Arc<EventFile>> {
        self.by_id.get(&id).map(|i| &self.files[*i])
    }

    /// What `enable` of a system, or of all systems, reads.
    pub fn enabled(&self, system: Option<&str>) -> Enabled {
        let (mut on, mut off) = (false, false);
        for file in self
            .files
            .iter()
            .filter(|f| system.is_none_or(|s| f.event().system == s))
        {
            if file.is_enabled() {
                on = true;
            } else {
                off = true;
            }
        }
        match (on, off) {
            (false, false) => Enabled::NoEvents,
            (true, false) => Enabled::All,
            (false, true) => Enabled::None,
            (true, true) => Enabled::Some,
        }
    }

    /// Enables or disables one event.
    pub fn enable(&self, file: &Arc<EventFile>, on: bool) -> Result<()> {
        self.enable_which(on, |f| Arc::ptr_eq(f, file)).map(drop)
    }

    /// Enables or disables all events of a system, or of all systems.
    pub fn enable_all(&self, system: Option<&str>, on: bool) -> Result<()> {
        self.enable_which(on, |f| system.is_none_or(|s| f.event().system == s))
            .map(drop)
    }

    /// Takes one word of `set_event`: an event, a system, or with `!` before it what to disable. Matches nothing:
    /// `EINVAL`.
    pub fn set_event(&self, word: &[u8]) -> Result<()> {
        let (word, on) = match word.strip_prefix(b"!") {
            Some(rest) => (rest, false),
            None => (word, true),
        };
        let which = Which::parse(word).ok_or(Error::new(Errno::EINVAL))?;
        match self.enable_which(on, |f| which.matches(f))? {
            0 => Err(Error::new(Errno::EINVAL)),
            _ => Ok(()),
        }
    }

    /// Writes `filter` of an event: its records are kept if they pass. `0`: all are.
    ///
    /// What is refused takes the former filter away, and the file reads why; the error is in `error_log`. `EINVAL` for
    /// most, `EPERM`, `ENOENT` and `ESRCH` for some errors; a text of 4096 bytes changes nothing (`EINVAL`).
    pub fn set_filter(&self, file: &EventFile, input: &[u8]) -> Result<()> {
        let text = filter_text(input)?;
        let mut garbage = Garbage::new();
        let refused = self.apply_filter(file, text, &mut garbage, |refused| refused);
        garbage.retire();
        match refused {
            Some(refused) => Err(Error::new(refused.errno)),
            None => Ok(()),
        }
    }

    /// Writes `filter` of a system: that of all its events. Those that cannot take it have none then, and their files
    /// say so; that is no error, even if it is all of them.
    pub fn set_system_filter(&self, system: &str, input: &[u8]) -> Result<()> {
        let text = filter_text(input)?;
        let mut garbage = Garbage::new();
        for file in self.files.iter().filter(|f| f.event().system == system) {
            self.apply_filter(file, text, &mut garbage, |_| Refused::NOT_APPLICABLE);
        }
        garbage.retire();
        Ok(())
    }

    /// Gives a file its filter, or the reason why it has none, as `reason` has it.
    fn apply_filter(
        &self,
        file: &EventFile,
        text: &[u8],
        garbage: &mut Garbage,
        reason: fn(Refused) -> Refused,
    ) -> Option<Refused> {
        if filter::is_none(text) {
            file.put_filter(None, Vec::new(), garbage);
            return None;
        }
        match Filter::compile(text, &file.event().fields) {
            Ok(filter) => {
                file.put_filter(Some(filter), text.into(), garbage);
                None
            }
            Err(refused) => {
                let refused = reason(refused);
                file.put_filter(None, refused.show(text), garbage);
                let now = ClockId::Local.now();
                self.errors.lock().add(now, &refused.caret(), text);
                Some(refused)
            }
        }
    }

    /// Sets all files that `which` picks, with one patch of the code for all; returns how many it picked.
    fn enable_which(&self, on: bool, which: impl Fn(&Arc<EventFile>) -> bool) -> Result<usize> {
        let _lock = self.events.lock();
        if on && self.is_removed() {
            return Err(Error::new(Errno::ENODEV));
        }
        let mut changes = Changes::new();
        let (mut picked, mut result) = (0, Ok(()));
        for file in self.files.iter().filter(|f| which(f)) {
            picked += 1;
            if let Err(e) = file.set_enabled(on, &mut changes) {
                result = Err(e);
            }
        }
        result.and(changes.commit()).map(|()| picked)
    }

    // Users

    /// A file is opened that keeps the instance from being removed until the guard is dropped. A removed instance:
    /// `ENODEV`.
    pub fn use_it(self: &Arc<Self>) -> Result<User> {
        self.users.fetch_add(1, Ordering::AcqRel);
        let user = User {
            array: self.clone(),
        };
        match self.removed.load(Ordering::Acquire) {
            true => Err(Error::new(Errno::ENODEV)),
            false => Ok(user),
        }
    }

    /// Takes the instance out of use: `EBUSY` while somebody uses it. Afterwards all events are off.
    pub(super) fn retire(self: &Arc<Self>) -> Result<()> {
        self.removed.store(true, Ordering::Release);
        if self.users.load(Ordering::Acquire) != 0 {
            self.removed.store(false, Ordering::Release);
            return Err(Error::new(Errno::EBUSY));
        }
        {
            let _lock = self.events.lock();
            self.remove_all_triggers()?;
        }
        self.enable_all(None, false)?;
        self.follow_forks(&Weak::new(), false)?;
        self.common.leave(self);
        self.buffer.set_recording(false);
        self.buffer.wake_all();
        Ok(())
    }

    /// Claims `trace_pipe` of one CPU or all: `EBUSY` while it, or one that shares a CPU with it, is open.
    pub fn claim_pipe(self: &Arc<Self>, cpu: Option<usize>) -> Result<PipeClaim> {
        let mut pipes = self.pipes.lock();
        let taken = pipes.all || cpu.map_or(!pipes.cpus.is_empty(), |c| pipes.cpus.contains(&c));
        if taken {
            return Err(Error::new(Errno::EBUSY));
        }
        match cpu {
            None => pipes.all = true,
            Some(cpu) => pipes.cpus.push(cpu),
        }
        Ok(PipeClaim {
            array: self.clone(),
            cpu,
        })
    }
}

impl Drop for TraceArray {
    fn drop(&mut self) {
        // only the last owner of a whole `Tracing` comes here with events on: files hold the buffer, not the array
        let _ = self.remove_all_triggers();
        let _ = self.enable_all(None, false);
        let _ = self.follow_forks(&Weak::new(), false);
    }
}

/// The text of a filter in what was written.
fn filter_text(input: &[u8]) -> Result<&[u8]> {
    match input.len() < filter::MAX_TEXT {
        true => Ok(filter::text(input)),
        false => Err(Error::new(Errno::EINVAL)),
    }
}

/// Keeps recording off while a reader of `trace` wants it.
pub struct Pause {
    array: Option<Arc<TraceArray>>,
}

impl Drop for Pause {
    fn drop(&mut self) {
        if let Some(array) = &self.array {
            array.recording.resume();
        }
    }
}

/// Somebody who uses an instance; see [`TraceArray::use_it`].
pub struct User {
    array: Arc<TraceArray>,
}

impl Drop for User {
    fn drop(&mut self) {
        self.array.users.fetch_sub(1, Ordering::AcqRel);
    }
}

/// An open `trace_pipe`; see [`TraceArray::claim_pipe`].
pub struct PipeClaim {
    array: Arc<TraceArray>,
    cpu: Option<usize>,
}

impl PipeClaim {
    /// The instance.
    pub fn array(&self) -> &Arc<TraceArray> {
        &self.array
    }

    /// The CPU; `None` for all.
    pub fn cpu(&self) -> Option<usize> {
        self.cpu
    }
}

impl Drop for PipeClaim {
    fn drop(&mut self) {
        let mut pipes = self.array.pipes.lock();
        match self.cpu {
            None => pipes.all = false,
            Some(cpu) => pipes.cpus.retain(|c| *c != cpu),
        }
    }
}
