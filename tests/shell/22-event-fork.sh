#!/usr/bin/env bash
# what: event-fork: lists of pids follow tasks that fork and end
# needs: root
# real: yes
. "$(dirname "$0")/lib.sh"
reset_tracing
mkdir "$T/instances/f"
F=instances/f
put 1 $F/events/sched/sched_process_fork/enable

forks() {
    grep -c 'sched_process_fork: ' "$T/$F/trace" || true
}

# family: a task in set_event_pid that makes others, which make others
if [ -n "$UTRACEFS" ]; then
    # the first task of a run gets the number after the last one of the run before
    fire sched
    all=$(forks)
    last=$(sed -n 's/.*child_pid=//p' "$T/$F/trace" | sort -n | tail -n 1)
    : >"$T/$F/trace"
    family() {
        echo $((last + 1)) >"$T/$F/set_event_pid"
        fire sched
        last=$((last + all))
    }
else
    all=6
    family() {
        sh -c "echo \$\$ >$T/$F/set_event_pid; (true; (true); (true)); (true); sh -c '(true); true'; true"
    }
fi

reads $F/options/event-fork 0
family
few=$(forks)
[ "$few" -ge 1 ] && [ "$few" -lt "$all" ] || fail "without event-fork $few of $all forks"
[ -n "$(cat "$T/$F/set_event_pid")" ] || fail "the list lost a task"
: >"$T/$F/trace"

put 1 $F/options/event-fork
family
many=$(forks)
[ "$many" -gt "$few" ] || fail "with event-fork $many forks, without $few"
ended() {
    [ -z "$(cat "$T/$F/set_event_pid")" ]
}
wait_for 10 ended
[ "$(sed -n 's/.*sched_process_fork: .* pid=\([0-9]*\) child.*/\1/p' "$T/$F/trace" | sort -u | wc -l)" -gt 1 ] ||
    fail "only the first task forks"

# a list whose tasks have ended is no empty list
: >"$T/$F/trace"
fire sched
is "events of others" 0 "$(forks)"
echo >"$T/$F/set_event_pid"
fire sched
[ "$(forks)" -gt 0 ] || fail "an empty list restricts"
put 0 $F/events/enable
rmdir "$T/$F"
