#!/usr/bin/env bash
# what: busybox cat, which uses sendfile, prints what cat prints
# needs: root busybox
# real: yes
. "$(dirname "$0")/lib.sh"
reset_tracing

echo 0 >"$T/tracing_on"
echo 1 >"$T/tracing_on"
for i in {1..200}; do
    echo "line $i" >"$T/trace_marker"
done
for f in trace available_events events/sched/sched_switch/format events/sched/sched_switch/id tracing_on set_event README \
    per_cpu/cpu0/stats events/header_page trace_clock; do
    cat "$T/$f" >"$SCRATCH/cat"
    timeout 10 busybox cat "$T/$f" >"$SCRATCH/busybox" || fail "busybox cat $f fails"
    # what changes by itself: the time in stats
    sed -i '/^now ts/d' "$SCRATCH/cat" "$SCRATCH/busybox"
    cmp "$SCRATCH/cat" "$SCRATCH/busybox" || fail "busybox cat $f differs from cat"
done
[ -s "$SCRATCH/cat" ] || fail "cat prints nothing"
is "busybox head trace_pipe" 1 "$(timeout 10 busybox head -n 1 "$T/trace_pipe" | grep -c tracing_mark_write)"
echo >"$T/trace"
busybox cat "$T/trace_pipe" >"$SCRATCH/out" &
reader=$!
wait_for 5 asleep_in "$reader" "$T/trace_pipe"
echo late >"$T/trace_marker"
wait_for 5 grep -q late "$SCRATCH/out"
kill "$reader"
wait_for 5 gone "$reader"
