#!/usr/bin/env bash
# what: set_event_pid and set_event_notrace_pid: their words, and that markers pass
# needs: root
# real: yes
. "$(dirname "$0")/lib.sh"
reset_tracing
mkdir "$T/instances/p"

for f in set_event_pid set_event_notrace_pid; do
    F=instances/p/$f
    reads $F ''
    put '3 2 0x10' $F
    is "$f" '2 3 16' "$(paste -sd ' ' "$T/$F")"
    add '010 3' $F
    is "$f" '2 3 8 16' "$(paste -sd ' ' "$T/$F")"
    for wrong in abc '5 abc' -1 1,2 '!2' 3x 99999999999999999999; do
        refused 'Invalid argument' append_to $F "$wrong"
    done
    refused 'Operation not permitted' append_to $F '5 1073741824'
    add '  ' $F
    is "$f" '2 3 8 16' "$(paste -sd ' ' "$T/$F")"
    add 1073741823 $F
    is "$f" '2 3 8 16 1073741823' "$(dd if="$T/$F" bs=1 status=none | paste -sd ' ')"
    refused 'Invalid argument' write_to $F x
    reads $F ''
    seq 1 3000 >"$T/$F"
    is "a long $f" "$(seq 1 3000)" "$(cat "$T/$F")"
    # many writes, the way a pipe delivers
    seq 2 2 6000 | dd of="$T/$F" bs=64 conv=notrunc status=none 2>/dev/null || true
    echo >"$T/$F"
    reads $F ''
done

put 1 instances/p/set_event_pid
reads set_event_pid ''
echo mark >"$T/instances/p/trace_marker"
has instances/p/trace ': mark$'
# nobody is 1073741823
put 1073741823 instances/p/set_event_pid
put 1 instances/p/events/sched/sched_process_fork/enable
fire sched
hasnt instances/p/trace 'sched_process_fork:'
echo >"$T/instances/p/set_event_pid"
fire sched
has instances/p/trace 'sched_process_fork:'
put 0 instances/p/events/enable
rmdir "$T/instances/p"
