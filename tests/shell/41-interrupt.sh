#!/usr/bin/env bash
# what: a reader blocked in trace_pipe ends at once on every signal, also in another pid namespace
# needs: root unshare timeout
# real: yes
. "$(dirname "$0")/lib.sh"
reset_tracing

# A reader that ends within 50 ms of its signal, measured at the best of three: the machine may be busy with other things.
ends_at_once() { # ends_at_once WHAT SIGNAL PID FILE
    local start took
    start=$(now_ms)
    kill "-$2" "$3"
    while ! gone "$3"; do
        [ $(($(now_ms) - start)) -lt 5000 ] || fail "$1: a blocked reader does not end on SIG$2; its state is $(sed 's/.*) //; s/ .*//' "/proc/$3/stat")"
        sleep 0.001
    done
    took=$(($(now_ms) - start))
    [ "$took" -lt "$best" ] && best=$took
    wait "$3" 2>/dev/null || true
}

for file in trace_pipe per_cpu/cpu0/trace_pipe per_cpu/cpu0/trace_pipe_raw; do
    for signal in INT TERM KILL HUP ALRM; do
        best=5000
        for _ in 1 2 3; do
            # a background process of a script ignores SIGINT, so that python3 or env must set it right
            env --default-signal=INT cat "$T/$file" >"$SCRATCH/out" &
            wait_for 5 asleep_in $! "$T/$file"
            ends_at_once "$file" "$signal" $! "$file"
        done
        [ "$best" -lt 50 ] || fail "$file: SIG$signal took $best ms"
    done
done

# timeout(1)
start=$(now_ms)
status=0
timeout 0.2 cat "$T/trace_pipe" >"$SCRATCH/out" || status=$?
took=$(($(now_ms) - start))
is "timeout's status" 124 "$status"
[ "$took" -lt 1200 ] || fail "timeout 0.2 took $took ms"

# the file is free again at once
is "another reader" 1 "$(echo hello >"$T/trace_marker"; timeout 5 head -n 1 "$T/trace_pipe" | grep -c hello)"

# a reader whose process id the daemon cannot know as its own
for signal in INT TERM KILL; do
    unshare --pid --fork --mount-proc bash -c '
        set -u
        env --default-signal=INT cat "$0/trace_pipe" >/dev/null &
        reader=$!
        until [[ $(sed "s/.*) //; s/ .*//" /proc/$reader/stat) == [SD] && $(readlink /proc/$reader/fd/3) == "$0/trace_pipe" ]]; do sleep 0.005; done
        start=${EPOCHREALTIME/./}
        kill -'"$signal"' $reader
        wait $reader
        echo $(((${EPOCHREALTIME/./} - start) / 1000))
    ' "$T" >"$SCRATCH/took"
    took=$(cat "$SCRATCH/took")
    [ "$took" -lt 250 ] || fail "in another pid namespace SIG$signal took $took ms"
done

# a blocked reader delays nobody
cat "$T/trace_pipe" >"$SCRATCH/out" &
reader=$!
wait_for 5 asleep_in "$reader" "$T/trace_pipe"
start=$(now_ms)
for _ in {1..20}; do
    cat "$T/tracing_on" >/dev/null
done
[ $(($(now_ms) - start)) -lt 2000 ] || fail "other files wait for a blocked reader"
kill "$reader"
wait_for 5 gone "$reader"
