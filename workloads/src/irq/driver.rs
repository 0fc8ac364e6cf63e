//! The sensor and its driver.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use parking_lot::Mutex;

use crate::load::Load;
use crate::machine::{Irq, IrqPoll, IrqReturn, Machine, Tasklet, WaitQueue, request_irq};
use crate::rng::Rng;

/// Messages of the same number are the same on every run.
const SEED: u64 = 0x5eed_0139_0000_0000;
/// Words of a block, and how many one poll takes.
const BLOCK: u64 = 12;
const POLL: usize = 4;

/// What a message is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Sample,
    Urgent,
    Block,
    Alarm,
}

impl Kind {
    pub fn of(op: u64) -> Kind {
        [Kind::Sample, Kind::Urgent, Kind::Block, Kind::Alarm][op as usize % 4]
    }
}

/// The words of message `op`.
fn words(op: u64) -> Vec<u64> {
    let mut rng = Rng::of(SEED, op);
    let count = if Kind::of(op) == Kind::Block {
        BLOCK
    } else {
        1
    };
    (0..count).map(|_| rng.next()).collect()
}

/// What the driver makes of it.
fn digest(words: &[u64]) -> u64 {
    words.iter().fold(words.len() as u64, |digest, word| {
        (digest ^ word)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(23)
    })
}

/// What the hardware has for the driver.
#[derive(Default)]
struct Registers {
    kind: Option<Kind>,
    fifo: VecDeque<u64>,
    /// An alarm that has not been told yet: the first interrupt came too early.
    alarm: Option<(u64, usize)>,
    glitch_seen: bool,
}

/// The device with its driver.
pub(super) struct Sensor {
    load: Arc<Load>,
    registers: Mutex<Registers>,
    line: OnceLock<Irq>,
    tasklet: OnceLock<Tasklet>,
    urgent: OnceLock<Tasklet>,
    poll: OnceLock<IrqPoll>,
    /// Words that the handler or the polls have taken.
    taken: Mutex<Vec<u64>>,
    result: Mutex<Option<u64>>,
    readers: WaitQueue,
    closing: AtomicBool,
    failed: AtomicBool,
}

impl Sensor {
    pub fn new(load: &Arc<Load>) -> Arc<Sensor> {
        let sensor = Arc::new(Sensor {
            load: load.clone(),
            registers: Mutex::default(),
            line: OnceLock::new(),
            tasklet: OnceLock::new(),
            urgent: OnceLock::new(),
            poll: OnceLock::new(),
            taken: Mutex::default(),
            result: Mutex::new(None),
            readers: WaitQueue::new(),
            closing: AtomicBool::new(false),
            failed: AtomicBool::new(false),
        });
        let this = Arc::downgrade(&sensor);
        let of = this.clone();
        let handler = move || {
            of.upgrade()
                .map_or(IrqReturn::None, |sensor| interrupt(&sensor))
        };
        sensor
            .line
            .get_or_init(|| request_irq("sensor", Arc::new(handler)));
        sensor
            .tasklet
            .get_or_init(|| Tasklet::new(evaluate, this.clone()));
        sensor
            .urgent
            .get_or_init(|| Tasklet::urgent(evaluate, this.clone()));
        sensor
            .poll
            .get_or_init(|| IrqPoll::new(take_some, this.clone()));
        sensor
    }

    /// Hardware: message `op` is there.
    pub fn begin(&self, op: u64, machine: &Arc<Machine>) {
        let cpu = op as usize % machine.cpu_count();
        {
            let mut registers = self.registers.lock();
            let kind = Kind::of(op);
            let words = words(op);
            registers.glitch_seen = false;
            registers.kind = Some(kind);
            if kind == Kind::Alarm {
                registers.alarm = Some((words[0], cpu));
            } else {
                registers.fifo.extend(words);
            }
        }
        self.raise(machine, cpu);
    }

    /// Hardware: after a glitch on its line comes the alarm.
    pub fn go_on(&self, machine: &Arc<Machine>) {
        let mut registers = self.registers.lock();
        if registers.glitch_seen
            && let Some((word, cpu)) = registers.alarm.take()
        {
            registers.fifo.push_back(word);
            drop(registers);
            self.raise(machine, cpu);
        }
    }

    fn raise(&self, machine: &Arc<Machine>, cpu: usize) {
        if let Some(line) = self.line.get() {
            line.raise(machine, cpu);
        }
    }

    /// Whether the reader has given up.
    pub fn failed(&self) -> bool {
        self.failed.load(Ordering::SeqCst)
    }

    /// The reader ends.
    pub fn close(&self) {
        self.closing.store(true, Ordering::SeqCst);
        self.readers.wake_up();
    }

    fn deliver(&self, result: u64) {
        *self.result.lock() = Some(result);
        self.readers.wake_up();
    }
}

/// The handler, in hard interrupt context.
fn interrupt(sensor: &Sensor) -> IrqReturn {
    let mut registers = sensor.registers.lock();
    if registers.fifo.is_empty() {
        registers.glitch_seen = true;
        drop(registers);
        // The hardware sees that nobody took its line for serious.
        sensor.load.poke();
        return IrqReturn::None;
    }
    match registers.kind {
        Some(Kind::Block) => {
            if let Some(poll) = sensor.poll.get() {
                poll.schedule();
            }
        }
        Some(Kind::Alarm) => {
            let words: Vec<u64> = registers.fifo.drain(..).collect();
            drop(registers);
            sensor.deliver(digest(&words));
        }
        kind => {
            sensor.taken.lock().extend(registers.fifo.drain(..));
            let tasklet = if kind == Some(Kind::Urgent) {
                &sensor.urgent
            } else {
                &sensor.tasklet
            };
            if let Some(tasklet) = tasklet.get() {
                tasklet.schedule();
            }
        }
    }
    IrqReturn::Handled
}

/// The tasklet: what the handler took becomes a result.
fn evaluate(sensor: &Weak<Sensor>) {
    if let Some(sensor) = sensor.upgrade() {
        let words = std::mem::take(&mut *sensor.taken.lock());
        sensor.deliver(digest(&words));
    }
}

/// A poll: some more words of a block.
fn take_some(sensor: &Weak<Sensor>) -> bool {
    let Some(sensor) = sensor.upgrade() else {
        return false;
    };
    let mut registers = sensor.registers.lock();
    let some = registers.fifo.len().min(POLL);
    sensor.taken.lock().extend(registers.fifo.drain(..some));
    let more = !registers.fifo.is_empty();
    drop(registers);
    if !more {
        let words = std::mem::take(&mut *sensor.taken.lock());
        sensor.deliver(digest(&words));
    }
    more
}

/// The task that reads the sensor: each result completes an operation.
pub(super) async fn reader(sensor: Arc<Sensor>, load: Arc<Load>) -> i32 {
    for op in 0.. {
        let (is_there, closing) = (
            || sensor.result.lock().is_some(),
            || sensor.closing.load(Ordering::SeqCst),
        );
        sensor.readers.wait_event(|| is_there() || closing()).await;
        let Some(result) = sensor.result.lock().take() else {
            break;
        };
        if result != digest(&words(op)) {
            let number = sensor.line.get().map_or(-1, Irq::number);
            log::error!(
                "message {op} of the irq workload's sensor, interrupt {number}, came out wrong"
            );
            sensor.failed.store(true, Ordering::SeqCst);
            load.poke();
            return 1;
        }
        load.complete();
        load.poke();
    }
    0
}
