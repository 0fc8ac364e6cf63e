#!/usr/bin/env bash
# what: trace_marker: whose it is, newlines, sizes, while tracing is off
# needs: root python3
# real: yes
. "$(dirname "$0")/lib.sh"
reset_tracing

# name and number of the thread that writes
bash -c 'echo "from $$" >"$0/trace_marker"; echo $$ >"$1"' "$T" "$SCRATCH/pid"
pid=$(cat "$SCRATCH/pid")
# a marker alone teaches the kernel no names
has trace "^ *(bash|<\\.\\.\\.>)-$pid +\\[[0-9]{3}\\] .{5} +[0-9]+\\.[0-9]{6}: tracing_mark_write: from $pid\$"

# one line each, with or without newline
put '' trace
printf 'no newline' >"$T/trace_marker"
printf 'one newline\n' >"$T/trace_marker"
is "lines" 2 "$(entries)"
has trace ': no newline$'
has trace ': one newline$'

# one descriptor, many writes
put '' trace
(
    for i in 1 2 3 4 5; do
        echo "many $i"
    done
) >"$T/trace_marker"
is "five writes" 5 "$(entries)"

# in order of time
put '' trace
for i in {1..30}; do
    echo "n$i" >"$T/trace_marker"
done
is "the order of time" "$(printf 'n%d\n' {1..30})" "$(sed -n 's/.*tracing_mark_write: //p' "$T/trace")"

put 0 tracing_on
refused 'Bad file descriptor' write_to trace_marker x
put 1 tracing_on

python3 - "$T" <<'PY'
import errno, os, sys
T = sys.argv[1]
fd = os.open(f"{T}/trace_marker", os.O_WRONLY)
# a write that is too long is cut, and says how much it took
n = os.write(fd, b"y" * 10000)
assert 1000 < n < 10000, n
n = os.write(fd, b"z" * 1000)
assert n == 1000, n
os.close(fd)
text = open(f"{T}/trace").read()
assert "z" * 1000 in text
PY
put '' trace
