#!/usr/bin/env bash
# what: instances: made with mkdir, independent, removed with rmdir unless in use
# needs: root
# real: yes
. "$(dirname "$0")/lib.sh"
reset_tracing

mkdir "$T/instances/a"
is "mode" 750 "$(stat -c %a "$T/instances/a")"
[ ! -e "$T/instances/a/instances" ] || fail "an instance has instances"
for f in trace trace_pipe trace_marker tracing_on set_event events/sched/sched_switch/enable options/overwrite per_cpu/cpu0/trace_pipe_raw; do
    [ -f "$T/instances/a/$f" ] || fail "an instance lacks $f"
done
reads instances/a/tracing_on 1
reads instances/a/set_event ''
refused 'File exists' mkdir "$T/instances/a"
refused 'Operation not permitted' mkdir "$T/instances/a/b"
refused 'File name too long' mkdir "$T/instances/$(printf 'x%.0s' {1..256})"
mkdir "$T/instances/with blank *"
rmdir "$T/instances/with blank *"

# independent
put sched_switch instances/a/set_event
reads set_event ''
reads events/sched/sched_switch/enable 0
put 0 instances/a/tracing_on
reads tracing_on 1
put 1 instances/a/tracing_on
put global instances/a/trace_clock
has trace_clock '\[local\]'
echo top >"$T/trace_marker"
echo inner >"$T/instances/a/trace_marker"
has trace ': top$'
hasnt trace ': inner$'
has instances/a/trace ': inner$'
hasnt instances/a/trace ': top$'
put '' trace
has instances/a/trace ': inner$'
fire sched
has instances/a/trace sched_switch:
hasnt trace sched_switch:

# in use
exec 5<"$T/instances/a/trace_pipe"
refused 'Device or resource busy' rmdir "$T/instances/a"
exec 5<&-
rmdir "$T/instances/a"
[ ! -e "$T/instances/a" ] || fail "rmdir left instances/a"
refused 'No such file' rmdir "$T/instances/a"

# right after the last close
for _ in {1..20}; do
    mkdir "$T/instances/b"
    echo 1 >"$T/instances/b/events/sched/enable"
    cat "$T/instances/b/trace" >/dev/null
    rmdir "$T/instances/b" || fail "an instance that nobody uses is busy"
done

# from several sides at once
for n in 1 2 3; do
    (for _ in {1..30}; do
        mkdir "$T/instances/loop$n"
        # busy while the reader below has its trace open
        wait_for 5 rmdir "$T/instances/loop$n" 2>/dev/null
        mkdir "$T/instances/same" 2>/dev/null && rmdir "$T/instances/same" 2>/dev/null
    done) &
done
for _ in {1..30}; do
    cat "$T"/instances/*/trace >/dev/null 2>&1 || true
done
wait
[ ! -e "$T/instances/same" ] || rmdir "$T/instances/same"
is "nothing stays" '' "$(ls "$T/instances")"
