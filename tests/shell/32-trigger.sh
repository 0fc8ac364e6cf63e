#!/usr/bin/env bash
# what: trigger: setting, reading, removing, what it does to enable; triggers of markers; snapshots where there are some
# needs: root
# real: yes
. "$(dirname "$0")/lib.sh"
reset_tracing

switch=events/sched/sched_switch
waking=events/sched/sched_waking
print=events/ftrace/print/trigger

has $switch/trigger '^# Available triggers:$'
has $switch/trigger '^# traceon traceoff .*stacktrace enable_event disable_event'
put "traceoff:3 if prev_pid == 999999999" $switch/trigger
refused 'File exists' write_to $switch/trigger traceon
# adds, whether opened to truncate or not
put "enable_event:sched:sched_waking:0x10 if prev_pid == 999999999" $switch/trigger
reads $switch/trigger "enable_event:sched:sched_waking:count=16 if prev_pid == 999999999
traceoff:count=3 if prev_pid == 999999999"
reads $switch/enable '0*'
reads $waking/enable '0*'
is "set_event" "$(printf 'sched:sched_switch\nsched:sched_waking\n')" "$(sort "$T/set_event")"
fire sched
reads tracing_on 1
is "nothing recorded" 0 "$(entries)"

put 1 $waking/enable
reads $waking/enable '1*'
put '!disable_event:sched:sched_waking' $switch/trigger
reads $waking/enable 1
put 0 $waking/enable
put '!traceon:7' $switch/trigger
reads $switch/enable 0
has $switch/trigger '^# Available triggers:$'

for bad in nosuch '!nosuch' 'traceoff:x' 'traceoff if' 'traceoff iff next_pid == 1' 'enable_event' 'enable_event:sched' \
    'enable_event:sched:nosuch' 'enable_event:ftrace:print' 'traceoff if nosuch == 1'; do
    refused 'Invalid argument' write_to $switch/trigger "$bad"
done
has error_log '^  Command: nosuch == 1$'
echo >"$T/error_log"

# switches another event on, the first time something happens
put 1 $switch/enable
put "enable_event:sched:sched_waking:1" $switch/trigger
fire sched
reads $waking/enable '1*'
reads $switch/trigger 'enable_event:sched:sched_waking:count=0'
put '!enable_event:sched:sched_waking' $switch/trigger
reads $waking/enable 1
put 0 events/enable
put '' trace

# markers
put 'traceoff:1 if buf ~ "*stop*"' $print
echo go >"$T/trace_marker"
reads tracing_on 1
echo 'now stop' >"$T/trace_marker"
reads tracing_on 0
refused 'Bad file descriptor' write_to trace_marker more
reads $print 'traceoff:count=0 if buf ~ "*stop*"'
put 1 tracing_on
put '!traceoff' $print
# by their writer's name
put "traceoff if COMM == \"$(cat /proc/$$/comm)\"" $print
cat <<<'from cat' >"$T/trace_marker"
reads tracing_on 1
echo 'from here' >"$T/trace_marker"
reads tracing_on 0
put 1 tracing_on
put '!traceoff' $print
is "marks" "$(printf 'go\nnow stop\nfrom cat\nfrom here\n')" "$(sed -n 's/.*tracing_mark_write: //p' "$T/trace")"

# an instance's are its own, and go with it
mkdir "$T/instances/t"
put traceoff instances/t/$switch/trigger
has $switch/trigger '^# Available triggers:$'
rmdir "$T/instances/t"

[ -e "$T/snapshot" ] || exit 0
marks() {
    sed -n 's/.*tracing_mark_write: //p' "$T/$1"
}
put '' trace
has snapshot '^# \* Snapshot is freed \*$'
put 'snapshot if buf ~ "*snap*"' $print
has snapshot '^# \* Snapshot is allocated \*$'
for text in a 'b snap' c; do
    echo "$text" >"$T/trace_marker"
done
is "snapshot" "$(printf 'a\nb snap\n')" "$(marks snapshot)"
is "trace" c "$(marks trace)"
put '!snapshot' $print
put 1 snapshot
is "snapshot, swapped" c "$(marks snapshot)"
put 2 snapshot
has snapshot '^# \* Snapshot is allocated \*$'
is "trace, kept" "$(printf 'a\nb snap\n')" "$(marks trace)"
refused 'Invalid argument' write_to per_cpu/cpu0/snapshot 0
put 0 snapshot
has snapshot '^# \* Snapshot is freed \*$'
put '' trace
