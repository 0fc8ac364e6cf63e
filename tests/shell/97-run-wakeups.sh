#!/usr/bin/env bash
# what: utracefs run by root: wake-ups and both sides of switches, as the kernel tells them, also of two commands; lists of pids
# needs: root python3 taskset
# real: no, it traces everybody
. "$(dirname "$0")/lib.sh"
reset_tracing
cd "$SCRATCH" || exit
export T
# on one CPU, the first: not every kernel tells what the idle tasks of the others do
cpu=$(taskset -pc $$ | sed 's/.*: //; s/[-,].*//')
run() {
    taskset -c "$cpu" "$UTRACEFS" run --mount "$T" -- "$@"
}
SWITCH=events/sched/sched_switch/enable
WAKING=events/sched/sched_waking/enable
WAKEUP=events/sched/sched_wakeup/enable

# what nice gives, 3 more for the reader
prio=$((120 + $(nice)))
more=$((prio + 3 > 139 ? 139 : prio + 3))
# a reader of less priority that a writer wakes 50 times, each time when it sleeps
cat >pipe.py <<'EOP'
import os, sys, time
r, w = os.pipe()
child = os.fork()
if child == 0:
    os.close(w)
    os.nice(3)
    open("/proc/self/comm", "w").write("reader")
    while os.read(r, 1):
        pass
    os._exit(0)
open("/proc/self/comm", "w").write("writer")
def asleep():
    return open(f"/proc/{child}/wchan").read().endswith("pipe_read") and open(f"/proc/{child}/stat").read().split(")")[1][1] == "S"
for i in range(50):
    while not asleep():
        time.sleep(0.001)
    os.write(w, b"x")
print(os.getpid(), child)
os.close(w)
os.waitpid(child, 0)
EOP

put 1 $WAKING
put 1 $WAKEUP
put 1 events/sched/sched_wakeup_new/enable
put 1 $SWITCH
run python3 pipe.py >pids 2>said || fail "the command: $(cat said)"
put 0 events/enable
if grep -q 'wake-ups are not visible here' said; then
    skip "$(cat said)"
fi
is "said" "" "$(cat said)"
read -r writer reader <pids
count() { # count REGEX: lines of the trace that match
    grep -Ec -- "$1" "$T/trace" || true
}
by_writer=$(count "^ +writer-$writer +.* sched_waking: comm=reader pid=$reader prio=$more target_cpu=[0-9]{3}$")
# one more for the end of the pipe if the reader sleeps by then
[ "$by_writer" = 50 ] || [ "$by_writer" = 51 ] || fail "$by_writer wake-ups by the writer: $(cat "$T/trace")"
[ "$(count "sched_wakeup: comm=reader pid=$reader prio=$more target_cpu=[0-9]{3}$")" -ge 50 ] || fail "wake-ups of the reader: $(cat "$T/trace")"
is "its first" 1 "$(count "sched_wakeup_new: comm=(python3|writer) pid=$reader prio=$prio target_cpu=[0-9]{3}$")"
[ "$(count "^ +reader-$reader +.* sched_switch: prev_comm=reader prev_pid=$reader prev_prio=$more prev_state=S ==> next_comm=")" -ge 50 ] ||
    fail "the reader's sleeps: $(cat "$T/trace")"
[ "$(count "==> next_comm=reader next_pid=$reader next_prio=$more$")" -ge 50 ] || fail "the reader comes: $(cat "$T/trace")"
is "switches with one side" 0 "$(count '(prev|next)_pid=-1 ')"
# what nobody of the command has to do with is not there
python3 - "$T/trace" "$writer" <<'EOP' || fail "somebody else's"
import re, sys
ours = {sys.argv[2]}
for line in open(sys.argv[1]):
    if line.startswith("#"):
        continue
    pids = set(re.findall(r"(?:^ +.*?-|pid=)(\d+)\b", line))
    if not pids & ours:
        sys.exit(line)
    if "sched_wakeup_new:" in line:
        ours |= pids
EOP

# lists of pids: a switch is kept if either side is in the list, a wake-up likewise
put '' trace
put 1 $SWITCH
put 1 $WAKING
cat >listed <<'EOP'
echo $$ >"$T/set_event_pid"
echo $$ >me
sh -c 'sleep 0.01'
(sleep 0.01)
EOP
run sh listed
put 0 events/enable
me=$(cat me)
[ "$(count "sched_switch: prev_comm=sh prev_pid=$me ")" -ge 2 ] || fail "it leaves: $(cat "$T/trace")"
[ "$(count "sched_switch: .* next_pid=$me ")" -ge 2 ] || fail "it comes: $(cat "$T/trace")"
[ "$(count "sched_waking: .* pid=$me ")" -ge 2 ] || fail "it is woken: $(cat "$T/trace")"
others=$(grep sched_switch: "$T/trace" | grep -v "_pid=$me ") || true
is "switches of others" "" "$others"
put '' set_event_pid
put '' trace

# two commands: what goes on between them is told once
mkfifo between
put 1 $WAKING
run python3 -c 'import os
open("/proc/self/comm", "w").write("fiforeader")
f = os.open("between", os.O_RDONLY)
print(os.getpid(), flush=True)
while os.read(f, 1): pass' >other &
front=$!
exec 5>between
wait_for 20 test -s other
other=$(cat other)
asleep() {
    [[ $(sed 's/.*) //' "/proc/$other/stat") == S* ]]
}
for _ in 1 2 3 4 5 6 7 8 9 10; do
    wait_for 10 asleep
    # shellcheck disable=SC2016  # of that shell
    run sh -c 'echo $$ >>writers; printf x' >&5
done
put 0 events/enable
exec 5>&-
wait "$front"
is "writers" 10 "$(wc -l <writers)"
while read -r pid; do
    by=$(grep -E "^ +sh-$pid +.* sched_waking: comm=fiforeader pid=$other " "$T/trace") || true
    [ "$(wc -l <<<"$by")" = 1 ] || fail "wake-ups by $pid: $by"
done <writers
reset_tracing

# nothing is left of it when nobody wants it any more
# shellcheck disable=SC2016  # of that shell
run sh -c 'echo $PPID; exec sleep 60' >tracer &
front=$!
wait_for 20 test -s tracer
tracer=$(cat tracer)
open_events() {
    find "/proc/$tracer/fd" -lname '*perf_event*' | wc -l
}
is "events while nothing is on" 0 "$(open_events)"
put 1 $WAKING
cat "$T/tracing_on" >/dev/null
[ "$(open_events)" -gt 0 ] || fail "no events"
put 0 $WAKING
none_left() {
    [ "$(open_events)" = 0 ]
}
wait_for 10 none_left
kill "$front"
wait "$front" || true
