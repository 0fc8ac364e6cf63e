//! Starts, stops and counts workloads.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::load::Load;
use crate::{ALL, SETTINGS, Shared, Workload, signals};

/// Fastest pace that can be asked for, operations per second.
const MAX_RATE: f64 = 1e6;

/// Runs workloads: in the background at a pace, or a number of operations at once. All calls may come from any thread.
/// Dropping it stops everything.
pub struct Manager {
    shared: Shared,
    rows: Vec<Row>,
}

struct Row {
    workload: &'static Workload,
    /// Operations done since the manager was made, by all activities.
    total: Arc<AtomicU64>,
    state: Mutex<RowState>,
}

#[derive(Default)]
struct RowState {
    background: Option<Activity>,
    /// Those that `begin` started and that may still be under way.
    runs: Vec<Weak<Progress>>,
}

/// One engine on its thread.
struct Activity {
    progress: Arc<Progress>,
    thread: Option<JoinHandle<()>>,
}

struct Progress {
    load: Arc<Load>,
    outcome: Mutex<Option<Result<(), String>>>,
    ended: Condvar,
}

/// Why a workload cannot be started, stopped or run.
#[derive(Debug)]
pub enum Error {
    /// No workload has this name.
    Unknown(String),
    /// Not a rate: above 0 and at most a million operations per second.
    Rate(f64),
    /// It has no such setting, or that is no value for it.
    Setting(String),
    /// The system refused what the workload needs.
    Start(&'static str, io::Error),
    /// It was stopped after so many operations.
    Stopped(u64),
    /// It ended after so many operations because of this.
    Failed(u64, String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Unknown(name) => {
                write!(f, "no workload is called '{name}'; there are:")?;
                ALL.iter()
                    .try_for_each(|workload| write!(f, " {}", workload.name))
            }
            Error::Rate(rate) => write!(
                f,
                "{rate} is not a rate: above 0, at most {MAX_RATE} operations per second"
            ),
            Error::Setting(why) => f.write_str(why),
            Error::Start(name, error) => write!(f, "workload {name} cannot start: {error}"),
            Error::Stopped(done) => write!(f, "stopped after {done} operations"),
            Error::Failed(done, why) => write!(f, "failed after {done} operations: {why}"),
        }
    }
}

impl std::error::Error for Error {}

/// What a workload is doing.
#[derive(Clone, PartialEq, Debug)]
pub enum State {
    /// Nothing in the background.
    Stopped,
    /// Runs in the background.
    Running,
    /// Ended by itself, because of this.
    Failed(String),
}

/// A line of the list of workloads.
#[derive(Clone, PartialEq, Debug)]
pub struct Status {
    /// Its name.
    pub name: &'static str,
    /// What it does, and what one operation of it is.
    pub about: &'static str,
    /// Whether it runs in the background.
    pub state: State,
    /// Operations per second in the background; the default one while it is stopped.
    pub rate: f64,
    /// Operations done since the manager was made, in the background and by runs.
    pub ops: u64,
    /// Runs under way.
    pub runs: usize,
    /// Its settings with their values.
    pub settings: Vec<(&'static str, String)>,
}

impl Default for Manager {
    fn default() -> Manager {
        Manager::new()
    }
}

impl Manager {
    /// A manager with everything stopped.
    pub fn new() -> Manager {
        let row = |workload| Row {
            workload,
            total: Arc::default(),
            state: Mutex::default(),
        };
        Manager {
            shared: Shared::default(),
            rows: ALL.iter().map(row).collect(),
        }
    }

    /// Lets workloads make their files below `dir` instead of the system's temporary directory.
    pub fn with_temp_dir(mut self, dir: impl Into<PathBuf>) -> Manager {
        self.shared.temp_dir = Some(dir.into());
        self
    }

    /// Starts a workload in the background, at its default rate if none is given (operations per second). One that runs
    /// goes on, at the rate given if any.
    pub fn start(&self, name: &str, rate: Option<f64>) -> Result<(), Error> {
        let row = self.row(name)?;
        check_rate(rate)?;
        let mut state = row.state.lock();
        if let Some(running) = &state.background
            && running.progress.outcome.lock().is_none()
        {
            if rate.is_some() {
                running.progress.load.set_rate(rate);
            }
            return Ok(());
        }
        let load = Load::new(
            None,
            Some(rate.unwrap_or(row.workload.rate)),
            row.total.clone(),
        );
        state.background = Some(Activity::begin(row.workload, &self.shared, load)?);
        Ok(())
    }

    /// Chooses something about a workload; it counts from now on, also for what runs already.
    pub fn set(&self, name: &str, setting: &str, value: &str) -> Result<(), Error> {
        self.row(name)?;
        let known = SETTINGS.iter().filter(|s| s.workload == name);
        let Some(found) = known.clone().find(|s| s.name == setting) else {
            let names: Vec<&str> = known.map(|s| s.name).collect();
            return Err(Error::Setting(format!(
                "workload {name} has no setting '{setting}'; there are: {}",
                if names.is_empty() {
                    "none".into()
                } else {
                    names.join(" ")
                }
            )));
        };
        (found.apply)(&self.shared, value).map_err(Error::Setting)
    }

    /// Stops a workload: in the background and its runs. Nothing of it goes on when this returns.
    pub fn stop(&self, name: &str) -> Result<(), Error> {
        self.row(name)?.stop();
        Ok(())
    }

    /// Stops all workloads.
    pub fn stop_all(&self) {
        // All are told before one is waited for.
        for row in &self.rows {
            let state = row.state.lock();
            state
                .background
                .iter()
                .for_each(|activity| activity.progress.load.stop());
            state
                .runs
                .iter()
                .filter_map(Weak::upgrade)
                .for_each(|progress| progress.load.stop());
        }
        self.rows.iter().for_each(Row::stop);
    }

    /// Does exactly `ops` operations, at `rate` if given, else as fast as they get done, and returns when the last one is
    /// done. What the workload does in the background goes on beside it.
    pub fn run(&self, name: &str, ops: u64, rate: Option<f64>) -> Result<(), Error> {
        self.begin(name, ops, rate)?.wait()
    }

    /// Like `run`, but returns at once; the run can be waited for, and is stopped when it is dropped.
    pub fn begin(&self, name: &str, ops: u64, rate: Option<f64>) -> Result<Run, Error> {
        let row = self.row(name)?;
        check_rate(rate)?;
        let mut state = row.state.lock();
        let activity = Activity::begin(
            row.workload,
            &self.shared,
            Load::new(Some(ops), rate, row.total.clone()),
        )?;
        state.runs.retain(|run| run.strong_count() > 0);
        state.runs.push(Arc::downgrade(&activity.progress));
        Ok(Run(activity))
    }

    /// All workloads and how they are.
    pub fn list(&self) -> Vec<Status> {
        self.rows
            .iter()
            .map(|row| row.status(&self.shared))
            .collect()
    }

    fn row(&self, name: &str) -> Result<&Row, Error> {
        self.rows
            .iter()
            .find(|row| row.workload.name == name)
            .ok_or_else(|| Error::Unknown(name.into()))
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        self.stop_all();
    }
}

fn check_rate(rate: Option<f64>) -> Result<(), Error> {
    match rate {
        Some(rate) if !(rate > 0.0 && rate <= MAX_RATE) => Err(Error::Rate(rate)),
        _ => Ok(()),
    }
}

impl Row {
    fn stop(&self) {
        let mut state = self.state.lock();
        let runs: Vec<_> = state
            .runs
            .drain(..)
            .filter_map(|run| run.upgrade())
            .collect();
        for run in &runs {
            run.load.stop();
        }
        // Dropping it waits for its thread.
        state.background = None;
        for run in runs {
            run.wait(None);
        }
    }

    fn status(&self, shared: &Shared) -> Status {
        let state = self.state.lock();
        let background = state.background.as_ref().map(|activity| &activity.progress);
        Status {
            name: self.workload.name,
            about: self.workload.about,
            state: match background.map(|progress| progress.outcome.lock().clone()) {
                None => State::Stopped,
                Some(Some(Err(why))) => State::Failed(why),
                Some(Some(Ok(()))) => State::Failed("ended early".into()),
                Some(None) => State::Running,
            },
            rate: background
                .and_then(|progress| progress.load.rate())
                .unwrap_or(self.workload.rate),
            ops: self.total.load(Ordering::Relaxed),
            runs: state
                .runs
                .iter()
                .filter_map(Weak::upgrade)
                .filter(|run| run.outcome.lock().is_none())
                .count(),
            settings: SETTINGS
                .iter()
                .filter(|setting| setting.workload == self.workload.name)
                .map(|setting| (setting.name, (setting.show)(shared)))
                .collect(),
        }
    }
}

impl Activity {
    fn begin(workload: &'static Workload, shared: &Shared, load: Load) -> Result<Activity, Error> {
        let refused = |error| Error::Start(workload.name, error);
        let engine = (workload.open)(shared).map_err(refused)?;
        let progress = Arc::new(Progress {
            load: Arc::new(load),
            outcome: Mutex::new(None),
            ended: Condvar::new(),
        });
        let body = {
            let progress = progress.clone();
            move || {
                signals::block();
                let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                    engine.run(&progress.load)
                }));
                let outcome = match outcome {
                    Ok(result) => result.map_err(|error| error.to_string()),
                    Err(_) => Err("a bug: see the log".into()),
                };
                if let Err(why) = &outcome {
                    log::error!("workload {}: {why}", workload.name);
                }
                *progress.outcome.lock() = Some(outcome);
                progress.ended.notify_all();
            }
        };
        let thread = std::thread::Builder::new()
            .name(workload.name.into())
            .spawn(body)
            .map_err(refused)?;
        Ok(Activity {
            progress,
            thread: Some(thread),
        })
    }
}

impl Drop for Activity {
    fn drop(&mut self) {
        self.progress.load.stop();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Progress {
    /// Waits for the end, at most until `deadline`; says whether it has come.
    fn wait(&self, deadline: Option<Instant>) -> bool {
        let mut outcome = self.outcome.lock();
        while outcome.is_none() {
            match deadline {
                None => self.ended.wait(&mut outcome),
                Some(deadline) => {
                    if self.ended.wait_until(&mut outcome, deadline).timed_out() {
                        return outcome.is_some();
                    }
                }
            }
        }
        true
    }
}

/// A run that was begun; dropping it stops it.
pub struct Run(Activity);

impl Run {
    /// Waits for its end.
    pub fn wait(self) -> Result<(), Error> {
        self.0.progress.wait(None);
        self.outcome().unwrap_or(Ok(()))
    }

    /// Waits for its end for at most `time`; `None`: it is still under way.
    pub fn wait_for(&self, time: Duration) -> Option<Result<(), Error>> {
        self.0.progress.wait(Some(Instant::now() + time));
        self.outcome()
    }

    /// Operations done so far.
    pub fn done(&self) -> u64 {
        self.0.progress.load.done()
    }

    /// Tells it to stop; `wait` waits until it has.
    pub fn cancel(&self) {
        self.0.progress.load.stop();
    }

    fn outcome(&self) -> Option<Result<(), Error>> {
        let load = &self.0.progress.load;
        let done = load.done();
        self.0
            .progress
            .outcome
            .lock()
            .clone()
            .map(|outcome| match outcome {
                Err(why) => Err(Error::Failed(done, why)),
                Ok(()) if load.quota() == Some(done) => Ok(()),
                Ok(()) => Err(Error::Stopped(done)),
            })
    }
}
