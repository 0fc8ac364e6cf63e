#!/usr/bin/env bash
# what: utracefs run: killed, stopped and hung runs leave nothing and keep nobody waiting
# needs: root
# real: no, it traces everybody
. "$(dirname "$0")/lib.sh"
reset_tracing
cd "$SCRATCH" || exit
OPENAT=events/syscalls/sys_enter_openat/enable

child() { # child PID: its only child
    tr -d ' ' <"/proc/$1/task/$1/children" 2>/dev/null
}
# begin: a traced command that opens /etc/passwd for ever; front, tracer and cmd are its processes
begin() {
    "$UTRACEFS" run --mount "$T" -- sh -c 'while :; do : </etc/passwd; done' 2>"$SCRATCH/said" &
    front=$!
    has_child() { tracer=$(child "$front") && [ -n "$tracer" ] && cmd=$(child "$tracer") && [ -n "$cmd" ]; }
    wait_for 10 has_child
}
sees() {
    grep -q "pid-$1\|-$1 .*sys_openat.*/etc/passwd" "$T/trace"
}
# quick: a control file answers
quick() {
    local start
    start=$(now_ms)
    cat "$T/tracing_on" >/dev/null
    put 1 events/sched/sched_process_exit/enable
    put 0 events/sched/sched_process_exit/enable
    [ $(($(now_ms) - start)) -lt 1500 ] || fail "$1: control files take $(($(now_ms) - start)) ms"
}

# the tracer goes to the command when something is on, and away from it when nothing is
begin
tracer_of() {
    sed -n 's/TracerPid:\t//p' "/proc/$cmd/status"
}
attached() {
    [ "$(tracer_of)" = "$tracer" ]
}
detached() {
    [ "$(tracer_of)" = 0 ]
}
is "attached to while nothing is on" 0 "$(tracer_of)"
put 1 "$OPENAT"
wait_for 10 attached
wait_for 10 sees "$cmd"
put 0 "$OPENAT"
# unless it has got a filter, with which it stays
if ! grep -q '^Seccomp:.*[12]$' "/proc/$cmd/status"; then
    wait_for 10 detached
fi

# SIGTERM to the front is SIGTERM to the command
put 1 "$OPENAT"
kill "$front"
status=0
wait "$front" || status=$?
is "status of a command that is terminated" 143 $status
wait_for 10 gone "$cmd"
wait_for 10 gone "$tracer"
quick "after SIGTERM"

# the front is killed: the command goes on, observed as before, and the tracer ends with it
begin
wait_for 10 sees "$cmd"
kill -KILL "$front"
wait "$front" 2>/dev/null || true
quick "after the front was killed"
: >"$T/trace"
wait_for 10 sees "$cmd"
kill "$cmd"
wait_for 10 gone "$cmd"
wait_for 10 gone "$tracer"
quick "after that command was killed"

# the tracer is killed
begin
wait_for 10 sees "$cmd"
kill -KILL "$tracer"
wait_for 10 gone "$tracer"
quick "after the tracer was killed"
kill -KILL "$cmd" 2>/dev/null || true
wait "$front" 2>/dev/null || true
wait_for 10 gone "$front"

# the command is killed
begin
wait_for 10 sees "$cmd"
kill -KILL "$cmd"
status=0
wait "$front" || status=$?
is "status of a command that is killed" 137 $status
wait_for 10 gone "$tracer"

# the tracer is stopped: one request waits for it, for a while, and then nobody does until it goes on
begin
wait_for 10 sees "$cmd"
kill -STOP "$tracer"
start=$(now_ms)
cat "$T/tracing_on" >/dev/null
took=$(($(now_ms) - start))
[ $took -lt 5000 ] || fail "a request waited $took ms for a tracer that is stopped"
quick "while the tracer is stopped"
kill -CONT "$tracer"
: >"$T/trace"
wait_for 10 sees "$cmd"
quick "after the tracer went on"
kill "$front"
wait "$front" || true
wait_for 10 gone "$cmd"

# a reader that waits is not disturbed by being attached to and let go, and still takes its signals
put 0 events/enable
: >"$T/trace"
"$UTRACEFS" run --mount "$T" -- cat "$T/trace_pipe" >pipe 2>said &
front=$!
reads_pipe() {
    tracer=$(child "$front") && cmd=$(child "$tracer") && [ -n "$cmd" ] && asleep_in "$cmd" "$T/trace_pipe"
}
wait_for 10 reads_pipe
for _ in 1 2 3; do
    put 1 "$OPENAT"
    put 0 "$OPENAT"
done
put "still there" trace_marker
wait_for 10 grep -q 'still there' pipe
[ ! -s said ] || ! grep -q Interrupted said || fail "the reader was interrupted: $(cat said)"
put 1 "$OPENAT"
# (jobs of a script ignore SIGINT)
kill -TERM "$cmd"
status=0
wait "$front" || status=$?
is "status of a reader that is terminated" 143 $status
put 0 events/enable

# the daemon ends: the command goes on
mkdir other
"$UTRACEFS" mount -b --workloads none "$SCRATCH/other" >/dev/null
"$UTRACEFS" run --mount "$SCRATCH/other" -- sh -c 'echo started; read -r _; : </etc/passwd; echo done' >out <<<'' 2>said &
front=$!
wait "$front" || fail "a plain run: $(cat said)"
is "a plain run" "started done" "$(tr '\n' ' ' <out | sed 's/ $//')"
mkfifo go
"$UTRACEFS" run --mount "$SCRATCH/other" -- sh -c 'echo started; read -r _; : </etc/passwd; exit 5' >out <go 2>said &
front=$!
exec 5>go
wait_for 10 grep -q started out
echo 1 >"$SCRATCH/other/$OPENAT"
"$UTRACEFS" umount "$SCRATCH/other"
echo >&5
status=0
wait "$front" || status=$?
is "status of a command whose daemon has ended" 5 $status
exec 5>&-

refused 'is no mount of utracefs' "$UTRACEFS" run --mount /proc -- true
is "entries that were lost" 0 "$(cat "$T"/per_cpu/cpu*/stats | sed -n 's/^dropped events: //p' | awk '{n += $1} END {print n}')"
