#!/usr/bin/env bash
# what: utracefs run: what happened before a control file is read is seen, triggers act in time, lists of pids follow, several runs
# needs: root strace python3
# real: no, it traces everybody
. "$(dirname "$0")/lib.sh"
reset_tracing
cd "$SCRATCH" || exit
export T
run() {
    "$UTRACEFS" run --mount "$T" -- "$@"
}
FORK=events/sched/sched_process_fork

# the exit status is the command's
status=0
run sh -c 'exit 7' || status=$?
is "exit status" 7 $status

# nothing is recorded while nothing is on, and nobody is attached to
run sh -c 'grep TracerPid: /proc/$$/status' >tracer
is "attached to while nothing is on" "TracerPid:	0" "$(cat tracer)"
is "entries while nothing is on" 0 "$(entries)"

# a traced shell: what it has just done is in the file that it reads next, each time; what it does after switching off is not
cat >reads <<'EOF'
set -e
cd "$T"
for i in $(seq 30); do
    echo 1 >events/sched/sched_process_fork/enable
    (true)
    [ "$(grep -c "sched_process_fork: comm=sh pid=$$ " trace)" -ge 1 ] || { echo "round $i: not seen"; cat trace; exit 1; }
    echo 0 >events/sched/sched_process_fork/enable
    (true)
    before=$(grep -c sched_process_fork trace)
    (true)
    [ "$(grep -c sched_process_fork trace)" = "$before" ] || { echo "round $i: seen while off"; exit 1; }
    echo >trace
done
EOF
run sh reads >out 2>&1 || fail "a shell that reads: $(head -n 40 out)"

# system calls of the writer itself, from the very next one on
cat >calls <<'EOF'
cd "$T"
for i in $(seq 10); do
    echo 1 >events/syscalls/sys_enter_openat/enable
    : </etc/passwd
    echo 0 >events/syscalls/sys_enter_openat/enable
    : </etc/group
done
EOF
run sh calls
is "opens of what is between" 10 "$(grep -c '"/etc/passwd"' "$T/trace")"
is "opens of what is outside" 0 "$(grep -c '"/etc/group"' "$T/trace")"
put '' trace

# triggers act when their event happens: nothing later is stored, and the file says so at once
cat >triggers <<'EOF'
set -e
cd "$T"
for i in $(seq 10); do
    echo 1 >events/syscalls/sys_enter_openat/enable
    echo traceoff:1 >events/sched/sched_process_fork/trigger
    : </etc/passwd
    (: </etc/group)
    [ "$(cat tracing_on)" = 0 ] || { echo "round $i: still on"; exit 1; }
    echo 0 >events/syscalls/sys_enter_openat/enable
    echo '!traceoff' >events/sched/sched_process_fork/trigger
    ! grep '"/etc/group"' trace || { echo "round $i: later than traceoff"; exit 1; }
    grep -q '"/etc/passwd"' trace || { echo "round $i: before traceoff"; cat trace; exit 1; }
    echo >trace
    echo 1 >tracing_on
    echo 'enable_event:syscalls:sys_enter_openat' >events/sched/sched_process_fork/trigger
    : </etc/passwd
    (: </etc/group)
    [ "$(cat events/syscalls/sys_enter_openat/enable)" = '1*' ] || { echo "round $i: not enabled"; exit 1; }
    echo '!enable_event:syscalls:sys_enter_openat' >events/sched/sched_process_fork/trigger
    echo 0 >events/syscalls/sys_enter_openat/enable
    ! grep '"/etc/passwd"' trace || { echo "round $i: before enable_event"; exit 1; }
    grep -q '"/etc/group"' trace || { echo "round $i: after enable_event"; cat trace; exit 1; }
    echo >trace
done
EOF
run sh triggers >out 2>&1 || fail "triggers: $(head -n 40 out)"
reset_tracing

# a marker of the command lies between its events, in time as well
put 1 events/syscalls/sys_enter_openat/enable
put mono trace_clock
run sh -c 'for i in 1 2 3 4 5; do : </etc/passwd; echo "mark $i" >"$T/trace_marker"; done'
put 0 events/enable
grep -E '"/etc/passwd"|mark [0-9]' "$T/trace" | sed 's/.*\(passwd\|mark\).*/\1/' >order
is "markers and calls" "$(printf 'passwd\nmark\n%.0s' 1 2 3 4 5)" "$(cat order)"
reset_tracing

# set_event_pid and event-fork: real processes
put 1 $FORK/enable
cat >family <<'EOF'
echo $$ >"$T/set_event_pid"
echo $$ >me
sh -c 'sh -c "(true); true"; true'
(true)
EOF
run sh family
me=$(cat me)
[ "$(grep -c "sched_process_fork: .* pid=$me " "$T/trace")" -ge 2 ] || fail "its own forks: $(cat "$T/trace")"
is "forks of others" 0 "$(grep sched_process_fork: "$T/trace" | grep -vc " pid=$me ")"
put '' trace
put 1 options/event-fork
run sh family
me=$(cat me)
[ "$(grep sched_process_fork: "$T/trace" | grep -vc " pid=$me ")" -ge 2 ] || fail "forks of children: $(cat "$T/trace")"
only() { # it has ended too, and so have its children
    [ -z "$(cat "$T/set_event_pid")" ]
}
only || fail "the list keeps $(tr '\n' ' ' <"$T/set_event_pid") of $me"
put 0 options/event-fork
put '' set_event_pid
# nobody but the shell is left out
put '' trace
run sh -c 'echo $$ >"$T/set_event_notrace_pid"; (true); sh -c "(true); true"; true'
is "forks of whom is not to be traced" 0 "$(grep -c "sched_process_fork: comm=sh pid=$(cat "$T/set_event_notrace_pid") " "$T/trace")"
[ "$(grep -c sched_process_fork: "$T/trace")" -ge 1 ] || fail "forks of others are not there"
reset_tracing

# names and processes of tasks that have ended
put 1 options/record-tgid
put 1 events/sched/sched_process_exit/enable
run python3 -c '
import threading, os
t = threading.Thread(target=lambda: open("thread", "w").write(f"{threading.get_native_id()} {os.getpid()}"))
t.start(); t.join()'
grep -qx "$(cat thread)" "$T/saved_tgids" || fail "saved_tgids lacks $(cat thread): $(cat "$T/saved_tgids")"
grep -q "^$(cut -d' ' -f1 thread) python3" "$T/saved_cmdlines" || fail "saved_cmdlines: $(cat "$T/saved_cmdlines")"
reset_tracing

# several at a time, in one order
put 1 events/syscalls/sys_enter_openat/enable
put global trace_clock
cat >opens <<'EOF'
for i in $(seq 200); do : <"$1"; done
EOF
for file in /etc/passwd /etc/group /etc/hostname; do
    run sh opens "$file" &
done
wait
put 0 events/enable
for file in /etc/passwd /etc/group /etc/hostname; do
    is "$file" 200 "$(grep -c "\"$file\"" "$T/trace")"
done
grep -v '^#' "$T/trace" | sed 's/.*\] [^ ]* *\([0-9.]*\):.*/\1/' >stamps
sort -C -n stamps || fail "the trace is not in the order of time"
reset_tracing
