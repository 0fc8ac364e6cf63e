#!/usr/bin/env bash
# what: trace-cmd under utracefs exec: list, start, show, stop, record without loss, report
# needs: root trace-cmd
# real: no, trace-cmd finds the real one by itself and needs no launcher
. "$(dirname "$0")/lib.sh"
reset_tracing
cd "$SCRATCH" || exit

# in one exec with a daemon of its own
"$UTRACEFS" exec -- sh -ec '
    trace-cmd list -e >list
    trace-cmd start -e sched
    utracefs=$0
    "$utracefs" workload run sched --ops 100
    trace-cmd stop
    trace-cmd show >show
' "$UTRACEFS" >out 2>&1 || fail "trace-cmd in one exec: $(tail -n 20 out)"
grep -qx sched:sched_switch list || fail "trace-cmd list -e lacks sched:sched_switch: $(head list)"
grep -q ': sched_switch: ' show || fail "trace-cmd show has no sched_switch"

# command by command on the mount under test
on() {
    "$UTRACEFS" exec --mount "$T" -- "$@" >out 2>&1 || fail "$*: $(tail -n 20 out)"
}
on trace-cmd list -e
is "the list" "$(sort "$T/available_events")" "$(sort out)"
on trace-cmd start -e sched
reads events/sched/enable 1
fire sched
on trace-cmd show
grep -q ': sched_switch: ' out || fail "trace-cmd show has no sched_switch"
on trace-cmd stop
reads tracing_on 0
on trace-cmd reset
reads events/enable 0
reads tracing_on 1
on trace-cmd check-events
! grep -qi 'fail\|error' out || fail "trace-cmd check-events: $(cat out)"

# record: whole, with the workload running as fast as it likes
lossless() { # lossless WHAT FILE
    local reported=0
    on trace-cmd report --cpu 0 -t "$2" # the file must be readable at all
    on trace-cmd report "$2"
    reported=$(grep -c ': sched_' out) || true
    [ "$reported" -gt 100 ] || fail "$1: only $reported events in the report: $(head -n 20 out)"
    ! grep -q 'EVENTS DROPPED\|MISSED EVENTS' out || fail "$1: the report says that events were lost"
}
reset_tracing
"$UTRACEFS" exec --mount "$T" -- trace-cmd record -e sched -o record.dat -- "$UTRACEFS" workload run sched --ops 600 --rate 200 >out 2>&1 || fail "trace-cmd record: $(tail -n 20 out)"
# what trace-cmd prints of per_cpu/*/stats at the end
is "overrun and drops that trace-cmd saw" '' "$(grep -E '^ *(overrun|commit overrun|dropped events): [1-9]' out || true)"
lossless "record" record.dat

"$UTRACEFS" exec -- trace-cmd record -e sched -o own.dat sleep 2 >out 2>&1 || fail "trace-cmd record sleep 2: $(tail -n 20 out)"
lossless "record with a daemon of its own" own.dat
reset_tracing
