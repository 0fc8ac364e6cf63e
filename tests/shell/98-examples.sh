#!/usr/bin/env bash
# what: the scripts of examples/: what they make of a trace is what the workloads have counted and measured themselves
# needs: root
# real: no, the kernel does not tell what it has counted
. "$(dirname "$0")/lib.sh"
U=$UTRACEFS
export UTRACEFS_MOUNT=$T
examples=$(dirname "$0")/../../examples

figure() { # figure WORKLOAD NAME
    "$U" workload figures "$1" | sed -n "s/^$2 //p"
}
# Runs an example over so many operations: its output is in $SCRATCH/out, and each figure's growth in a variable.
over() { # over EXAMPLE WORKLOAD OPS
    local name value
    declare -gA grown=()
    while read -r name value; do
        grown[$name]=$value
    done < <("$U" workload figures "$2")
    "$examples/$1" -- "$U" workload run "$2" --ops "$3" >"$SCRATCH/out" 2>"$SCRATCH/err" || fail "$1 fails: $(cat "$SCRATCH/err")"
    is "complaints of $1" '' "$(cat "$SCRATCH/err")"
    while read -r name value; do
        grown[$name]=$((value - grown[$name]))
    done < <("$U" workload figures "$2")
}
last() { # last REGULAR-EXPRESSION: what stands in its group in the last line
    tail -n 1 "$SCRATCH/out" | sed -n "s/$1/\\1/p"
}
near() { # near WHAT EXPECTED SEEN SHARE ROOM: within SHARE percent, and ROOM
    awk -v e="$2" -v s="$3" -v p="$4" -v r="$5" 'BEGIN { d = s - e; if (d < 0) d = -d; exit !(d <= e * p / 100 + r) }' ||
        fail "$1: the example says $3, the workload $2"
}

over process-tree sched 8
is "forks, execs, exits" "${grown[forks]} forks, ${grown[execs]} execs, ${grown[exits]} exits" "$(tail -n 1 "$SCRATCH/out")"
grep -q '^  *make [0-9]* -> /usr/bin/make  (.* ms)$' "$SCRATCH/out" || fail "no make in the tree"

over cpu-time sched 8
# stamps are taken a little before or behind the moment that the scheduler accounts for
near "time on CPU, us" "$((grown[runtime_ns] / 1000))" "$(last '.* tasks, \(.*\) ms$' | awk '{ print $1 * 1000 }')" 15 2000

over syscall-latency syscalls 24
is "calls" "${grown[calls]}" "$(last '^\([0-9]*\) calls, .*')"
is "calls that failed" "${grown[failed]}" "$(last '.*, \([0-9]*\) failed, .*')"
[ "${grown[failed]}" -gt 0 ] || fail "no call fails"
grep -q '^openat  *[0-9]* ' "$SCRATCH/out" || fail "no openat in the table"

over block-latency block 24
is "requests" "${grown[requests]}" "$(last '^\([0-9]*\) requests, .*')"
is "requests that failed" "${grown[errors]}" "$(last '.*, \([0-9]*\) failed, .*')"
is "requests not yet back" 0 "$(last '.*, \([0-9]*\) not yet back.*')"
near "latency, us" "$((grown[latency_ns] / 1000))" "$(last '.*, \([0-9.]*\) us in all$')" 10 $((grown[requests] * 50))

over tcp-connections net 10
is "segments sent again" "${grown[retransmits]}" "$(last '.*, \([0-9]*\) segments sent again, .*')"
is "sides of connections" "$((2 * (grown[connects] - grown[refused]) + grown[refused]))" "$(last '^\([0-9]*\) ended, .*')"
is "connections still there" 0 "$(last '.*, \([0-9]*\) still there, .*')"

over page-faults mm 8
is "faults" "${grown[faults]}" "$(last '^\([0-9]*\) faults on .*')"

# without a command, for a time; what is wrong is said
out=$("$examples/cpu-time" 0.1)
[[ $out == *" tasks, "* ]] || fail "cpu-time 0.1 says '$out'"
"$examples/page-faults" --help | grep -q '^usage: ' || fail "no help"
refused 'no command behind --' "$examples/cpu-time" --
is "instances left" '' "$(ls "$T/instances")"
