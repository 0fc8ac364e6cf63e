//! The whole filesystem on one screen. Rows stand in the order of listing, which is the kernel's.

use std::sync::Arc;

use utracefs::instance::{TraceArray, Tracing};

use crate::files::*;
use crate::node::{
    DirSpec, Entry, Fs, Options, dir, each_dir, each_file, list, pages, part, pipe, sink, trace,
    value,
};

/// The mount's root.
pub static ROOT: DirSpec<Tracefs> = DirSpec {
    mode: 0o700,
    flat: false,
    entries: &[
        dir("instances", &INSTANCES),
        list::<_, SavedTgids>(),
        value::<_, SavedCmdlinesSize>(),
        list::<_, SavedCmdlines>(),
        value::<_, Readme>(),
        value::<_, TracingThresh>(),
        part::<_, Top>(&INSTANCE),
        list::<_, AvailableEvents>(),
        list::<_, PrintkFormats>(),
    ],
};

static INSTANCES: DirSpec<Tracefs> = DirSpec {
    mode: 0o750,
    flat: false,
    entries: &[each_dir::<_, Instances>(&INSTANCE)],
};

/// An instance, and the top level's own.
pub static INSTANCE: DirSpec<Arc<TraceArray>> = DirSpec {
    mode: 0o750,
    flat: false,
    entries: &[
        dir("per_cpu", &PER_CPU),
        list::<_, ErrorLog>(),
        trace::<_, Snapshot>(),
        dir("options", &OPTIONS),
        value::<_, BufferSubbufSizeKb>(),
        value::<_, BufferPercent>(),
        value::<_, TimestampMode>(),
        value::<_, TracingOn>(),
        value::<_, TraceClock>(),
        sink::<_, TraceMarkerRaw>(),
        sink::<_, TraceMarker>(),
        sink::<_, FreeBuffer>(),
        value::<_, BufferTotalSizeKb>(),
        value::<_, BufferSizeKb>(),
        pipe::<_, TracePipe>(),
        trace::<_, TraceFile>(),
        value::<_, TraceOptions>(),
        value::<_, TracingCpumask>(),
        value::<_, CurrentTracer>(),
        value::<_, AvailableTracers>(),
        list::<_, SetEventNotracePid>(),
        list::<_, SetEventPid>(),
        dir("events", &EVENTS),
        list::<_, SetEvent>(),
    ],
};

static PER_CPU: DirSpec<Arc<TraceArray>> = DirSpec {
    mode: 0o750,
    flat: false,
    entries: &[each_dir::<_, Cpus>(&CPU)],
};

static CPU: DirSpec<Cpu> = DirSpec {
    mode: 0o750,
    flat: false,
    entries: &[
        pages::<_, SnapshotRaw>(),
        trace::<_, Snapshot>(),
        value::<_, BufferSizeKb>(),
        value::<_, Stats>(),
        pages::<_, TracePipeRaw>(),
        trace::<_, TraceFile>(),
        pipe::<_, TracePipe>(),
    ],
};

static OPTIONS: DirSpec<Arc<TraceArray>> = DirSpec {
    mode: 0o750,
    flat: false,
    entries: &[each_file::<_, OptionNames>(&OPTION)],
};

static OPTION: Entry<OneOption> = value::<_, OptionFile>();

static EVENTS: DirSpec<Arc<TraceArray>> = DirSpec {
    mode: 0o755,
    flat: true,
    entries: &[
        value::<_, Enable>(),
        value::<_, HeaderPage>(),
        value::<_, HeaderEvent>(),
        each_dir::<_, Systems>(&SYSTEM),
    ],
};

static SYSTEM: DirSpec<System> = DirSpec {
    mode: 0o755,
    flat: true,
    entries: &[
        value::<_, Filter>().when(System::is_enableable),
        value::<_, Enable>().when(System::is_enableable),
        each_dir::<_, Events>(&EVENT),
    ],
};

static EVENT: DirSpec<OneEvent> = DirSpec {
    mode: 0o755,
    flat: true,
    entries: &[
        value::<_, Enable>().when(OneEvent::is_enableable),
        value::<_, Filter>().when(OneEvent::is_enableable),
        list::<_, Trigger>().when(OneEvent::has_triggers),
        value::<_, Format>(),
        value::<_, Id>().when(OneEvent::has_id),
    ],
};

/// The filesystem over `tracing`.
pub fn tracefs(tracing: Arc<Tracing>, options: Options) -> Arc<Fs> {
    Arc::new(Fs::new(&ROOT, Tracefs::new(tracing), options))
}
