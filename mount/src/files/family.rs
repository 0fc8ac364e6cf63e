//! Names that are not known before somebody asks: instances, CPUs, options, systems and events.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use utracefs::base::cpu;
use utracefs::base::error::Result;
use utracefs::instance::{TraceArray, TraceOption};

use super::context::{Cpu, OneEvent, OneOption, System, Tracefs};
use crate::node::Family;
use crate::node::id::MAX_SERIAL;

/// Serial numbers of instances, given when they are first seen.
#[derive(Default)]
pub(super) struct Serials(Mutex<Given>);

#[derive(Default)]
struct Given {
    last: u32,
    arrays: BTreeMap<u32, Arc<TraceArray>>,
}

impl Serials {
    fn of(&self, array: &Arc<TraceArray>) -> u32 {
        let given = &mut *self.0.lock();
        if let Some((serial, _)) = given.arrays.iter().find(|(_, a)| Arc::ptr_eq(a, array)) {
            return *serial;
        }
        // 0 is the top level; a number is used again when all others were
        loop {
            given.last = given.last % (MAX_SERIAL - 1) + 1;
            if !given.arrays.contains_key(&given.last) {
                break;
            }
        }
        given.arrays.insert(given.last, array.clone());
        given.last
    }

    fn get(&self, serial: u32) -> Option<Arc<TraceArray>> {
        self.0.lock().arrays.get(&serial).cloned()
    }

    /// Forgets those that `exists` does not know any more.
    fn prune(&self, exists: impl Fn(&Arc<TraceArray>) -> bool) {
        let mut gone = Vec::new();
        self.0.lock().arrays.retain(|_, array| {
            let keep = exists(array);
            if !keep {
                gone.push(array.clone());
            }
            keep
        });
        // the last owner takes the instance apart: not under the lock
        drop(gone);
    }
}

impl Tracefs {
    fn exists(&self, array: &Arc<TraceArray>) -> bool {
        self.tracing
            .instance(array.name())
            .is_some_and(|a| Arc::ptr_eq(&a, array))
    }
}

/// `instances/NAME`.
pub struct Instances;

impl Family<Tracefs> for Instances {
    type Child = Arc<TraceArray>;
    const INSTANCES: bool = true;

    fn find(context: &Tracefs, name: &[u8]) -> Option<u32> {
        context
            .tracing
            .instance(name)
            .map(|array| context.serials.of(&array))
    }

    fn get(context: &Tracefs, number: u32) -> Option<Arc<TraceArray>> {
        context
            .serials
            .get(number)
            .filter(|array| context.exists(array))
    }

    fn list(context: &Tracefs, each: &mut dyn FnMut(u32, &[u8])) {
        let arrays = context.tracing.instances();
        let mut numbered: Vec<_> = arrays.iter().map(|a| (context.serials.of(a), a)).collect();
        numbered.sort_unstable_by_key(|(serial, _)| std::cmp::Reverse(*serial));
        for (serial, array) in numbered {
            each(serial, array.name());
        }
    }

    fn make(context: &Tracefs, name: &[u8]) -> Result<u32> {
        context
            .tracing
            .make(name)
            .map(|array| context.serials.of(&array))
    }

    fn remove(context: &Tracefs, name: &[u8]) -> Result<()> {
        let result = context.tracing.remove(name);
        context.serials.prune(|array| context.exists(array));
        result
    }
}

/// `per_cpu/cpuN`: one for each CPU that the machine may have, there or not.
pub struct Cpus;

impl Family<Arc<TraceArray>> for Cpus {
    type Child = Cpu;

    fn find(_: &Arc<TraceArray>, name: &[u8]) -> Option<u32> {
        let digits = std::str::from_utf8(name.strip_prefix(b"cpu")?).ok()?;
        let cpu: u32 = digits.parse().ok()?;
        // only the way it is listed: not cpu01, not cpu+1
        (cpu.to_string() == digits && (cpu as usize) < cpu::possible()).then_some(cpu)
    }

    fn get(array: &Arc<TraceArray>, number: u32) -> Option<Cpu> {
        let cpu = number as usize;
        (cpu < cpu::possible()).then(|| Cpu {
            array: array.clone(),
            cpu,
        })
    }

    fn list(_: &Arc<TraceArray>, each: &mut dyn FnMut(u32, &[u8])) {
        for cpu in (0..cpu::possible()).rev() {
            each(cpu as u32, format!("cpu{cpu}").as_bytes());
        }
    }
}

/// `options/NAME`.
pub struct OptionNames;

impl OptionNames {
    fn is_there(array: &TraceArray, option: TraceOption) -> bool {
        array.is_top() || option.in_instances()
    }
}

impl Family<Arc<TraceArray>> for OptionNames {
    type Child = OneOption;

    fn find(array: &Arc<TraceArray>, name: &[u8]) -> Option<u32> {
        let option = TraceOption::by_name(name)?;
        OptionNames::is_there(array, option).then_some(option as u32)
    }

    fn get(array: &Arc<TraceArray>, number: u32) -> Option<OneOption> {
        let option = *TraceOption::ALL.get(number as usize)?;
        OptionNames::is_there(array, option).then(|| OneOption {
            array: array.clone(),
            option,
        })
    }

    fn list(array: &Arc<TraceArray>, each: &mut dyn FnMut(u32, &[u8])) {
        for option in TraceOption::ALL
            .iter()
            .rev()
            .filter(|o| OptionNames::is_there(array, **o))
        {
            each(*option as u32, option.name().as_bytes());
        }
    }
}

/// `events/SYSTEM`. A system's number is the lowest id of its events.
pub struct Systems;

impl Family<Arc<TraceArray>> for Systems {
    type Child = System;

    fn find(array: &Arc<TraceArray>, name: &[u8]) -> Option<u32> {
        let name = std::str::from_utf8(name).ok()?;
        array
            .registry()
            .of_system(name)
            .last()
            .map(|event| event.id.into())
    }

    fn get(array: &Arc<TraceArray>, number: u32) -> Option<System> {
        let event = array.registry().event(u16::try_from(number).ok()?)?.clone();
        Some(System {
            array: array.clone(),
            event,
        })
    }

    fn list(array: &Arc<TraceArray>, each: &mut dyn FnMut(u32, &[u8])) {
        let mut systems: Vec<(u16, &str)> = Vec::new();
        for event in array.registry().all() {
            if !systems.iter().any(|(_, name)| *name == event.system) {
                systems.push((event.id, &event.system));
            }
        }
        for (id, name) in systems.into_iter().rev() {
            each(id.into(), name.as_bytes());
        }
    }
}

/// `events/SYSTEM/EVENT`. An event's number is its id.
pub struct Events;

impl Family<System> for Events {
    type Child = OneEvent;

    fn find(system: &System, name: &[u8]) -> Option<u32> {
        let name = std::str::from_utf8(name).ok()?;
        system
            .array
            .registry()
            .find(system.system(), name)
            .map(|event| event.id.into())
    }

    fn get(system: &System, number: u32) -> Option<OneEvent> {
        let array = &system.array;
        let id = u16::try_from(number).ok()?;
        let event = array
            .registry()
            .event(id)
            .filter(|e| e.system == system.system())?;
        Some(OneEvent {
            array: array.clone(),
            event: event.clone(),
            file: array.file(id).cloned(),
        })
    }

    fn list(system: &System, each: &mut dyn FnMut(u32, &[u8])) {
        for event in system.array.registry().of_system(system.system()) {
            each(event.id.into(), event.name.as_bytes());
        }
    }
}
