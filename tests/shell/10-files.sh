#!/usr/bin/env bash
# what: the files that every tracefs has, their modes, contents and refusals
# needs: root
# real: yes
. "$(dirname "$0")/lib.sh"
reset_tracing

mode() { # mode EXPECTED PATH...
    local want=$1 path
    shift
    for path in "$@"; do
        is "mode of $path" "$want" "$(stat -c %a "$T/$path")"
    done
}

mode 440 README available_events available_tracers trace_pipe buffer_total_size_kb saved_cmdlines \
    events/header_page events/header_event per_cpu/cpu0/stats per_cpu/cpu0/trace_pipe per_cpu/cpu0/trace_pipe_raw \
    events/sched/sched_switch/format events/sched/sched_switch/id
mode 640 trace tracing_on current_tracer set_event buffer_size_kb trace_clock trace_options options/overwrite events/enable \
    events/sched/enable events/sched/filter events/sched/sched_switch/enable events/sched/sched_switch/filter \
    per_cpu/cpu0/trace per_cpu/cpu0/buffer_size_kb
mode 220 trace_marker
mode 750 instances options per_cpu
mode 755 events events/sched events/sched/sched_switch
for f in README trace trace_pipe tracing_on events/enable; do
    is "size of $f" 0 "$(stat -c %s "$T/$f")"
done
[ -d "$T/per_cpu/cpu$(($(getconf _NPROCESSORS_CONF) - 1))" ] || fail "per_cpu lacks the last CPU"

has README '.'
has available_tracers '(^| )nop$'
reads current_tracer nop
reads tracing_on 1
has available_events '^sched:sched_switch$'
has trace_clock '\[local\] global '
has events/header_page 'field: u64 timestamp;	offset:0;	size:8;	signed:0;'
has events/header_event 'type_len *: *5 bits'
has events/sched/sched_switch/format '^name: sched_switch$'
has events/sched/sched_switch/format '	field:pid_t next_pid;	offset:[0-9]+;	size:4;	signed:1;$'
has events/sched/sched_switch/format '^print fmt: "prev_comm='
is "id and format agree" "ID: $(cat "$T/events/sched/sched_switch/id")" "$(grep ^ID: "$T/events/sched/sched_switch/format")"
has trace '^# tracer: nop$'
has trace '^#           TASK-PID     CPU#  \|\|\|\|\|  TIMESTAMP  FUNCTION$'
has per_cpu/cpu0/stats '^entries: 0$'

# numbers: one strict parser
for n in 0 1 +1 01 10; do
    put "$n" tracing_on
done
for n in x 0x1 1.0 '1 ' ' 1' -1 '1 2' ''; do
    refused 'Invalid argument' write_to tracing_on "$n"
done
refused 'Numerical result out of range' write_to tracing_on 99999999999999999999
put 1 tracing_on
reads tracing_on 1

# a file is one command however it is read
is "one byte at a time" "$(cat "$T/available_events")" "$(dd if="$T/available_events" bs=1 status=none)"
is "with pread" local "$(dd if="$T/trace_clock" bs=1 skip=1 count=5 status=none)"

# what may not be
refused 'Permission denied' touch "$T/nosuch"
refused 'Operation not permitted' mkdir "$T/nosuch"
refused 'Operation not permitted' mkdir "$T/events/nosuch"
refused 'Operation not permitted' rm "$T/trace"
refused 'Operation not permitted' rmdir "$T/options"
refused 'Operation not permitted' mv "$T/trace" "$T/trace2"
refused 'Operation not permitted' ln -s a "$T/link"
refused 'Operation not permitted' ln "$T/trace" "$T/link"
refused 'Operation not permitted' mkfifo "$T/fifo"
refused 'Operation not permitted' mknod "$T/null" c 1 3
refused 'Operation not permitted' mkfifo "$T/events/sched/fifo"
refused 'Is a directory' write_to options x
refused 'Invalid argument' dd if="$T/trace" iflag=direct status=none
refused 'Not a directory' cat "$T/trace/x"
refused 'Invalid argument' dd if=/dev/null of="$T/tracing_on" conv=fsync,notrunc status=none
sync "$T/options"
refused 'Invalid argument' write_to available_events x
refused 'Invalid argument' cat "$T/trace_marker"
refused 'No such file' cat "$T/nosuch"
refused 'Invalid argument' write_to current_tracer nosuch
put nop current_tracer

# chmod and chown are kept
chmod 644 "$T/trace_options"
mode 644 trace_options
chmod 640 "$T/trace_options"
chown 1:2 "$T/trace_options"
is "owner" 1:2 "$(stat -c %u:%g "$T/trace_options")"
chown 0:0 "$T/trace_options"

# directories list what can be opened
ls -R "$T" >"$SCRATCH/list"
for f in trace events/sched/sched_switch/format per_cpu/cpu0/trace_pipe_raw options/overwrite; do
    [ -f "$T/$f" ] || fail "no $f"
done
grep -qx sched_switch: <(sed 's,.*/,,' "$SCRATCH/list") || fail "ls -R does not reach events/sched/sched_switch"
