#!/usr/bin/env bash
# what: trace keeps, trace_pipe consumes; blocking, O_NONBLOCK, several readers, per CPU
# needs: root python3
# real: yes
. "$(dirname "$0")/lib.sh"
reset_tracing

mark() {
    echo "$1" >"$T/trace_marker"
}
mark one
mark two
has trace ': tracing_mark_write: one$'
has trace ': tracing_mark_write: two$'
has trace '^# entries-in-buffer/entries-written: 2/2   #P:[0-9]+$'

# the pipe gives the same lines, once
is "head ends after the first read" 2 "$(timeout 5 head -n 2 "$T/trace_pipe" | grep -c tracing_mark_write)"
hasnt trace tracing_mark_write
mark three
has trace ': three$'
echo >"$T/trace"
hasnt trace three

# blocked until something comes
cat "$T/trace_pipe" >"$SCRATCH/out" &
reader=$!
wait_for 5 asleep_in "$reader" "$T/trace_pipe"
# one reader of trace_pipe at a time
refused 'Device or resource busy' cat "$T/trace_pipe"
refused 'Device or resource busy' cat "$T/per_cpu/cpu0/trace_pipe"
mark four
wait_for 5 grep -q four "$SCRATCH/out"
kill "$reader"
wait "$reader" || true
is "what the reader got" 1 "$(grep -c tracing_mark_write "$SCRATCH/out")"

# tracing off: the rest, then the end
mark five
echo 0 >"$T/tracing_on"
is "the rest" 1 "$(timeout 5 cat "$T/trace_pipe" | grep -c five)"
refused 'Bad file descriptor' mark six
echo 1 >"$T/tracing_on"

# per CPU
taskset -c 0 bash -c 'echo seven >"$0"' "$T/trace_marker"
has per_cpu/cpu0/trace seven
is "the CPU's own pipe" 1 "$(timeout 5 head -n 1 "$T/per_cpu/cpu0/trace_pipe" | grep -c seven)"
hasnt trace seven

python3 - "$T" <<'PY'
import errno, os, select, sys, threading, time
T = sys.argv[1]

def mark(text):
    with open(f"{T}/trace_marker", "w") as f:
        f.write(text)

def nothing(fd, n):
    try:
        data = os.read(fd, n)
    except BlockingIOError:
        return True
    raise SystemExit(f"a read of an empty pipe gave {data!r}")

# O_NONBLOCK, from the start and set later
for name in ["trace_pipe", "per_cpu/cpu0/trace_pipe", "per_cpu/cpu0/trace_pipe_raw"]:
    fd = os.open(f"{T}/{name}", os.O_RDONLY | os.O_NONBLOCK)
    assert nothing(fd, 65536)
    os.close(fd)
    fd = os.open(f"{T}/{name}", os.O_RDONLY)
    os.set_blocking(fd, False)
    assert nothing(fd, 65536)
    os.close(fd)

# poll: not readable, then readable
fd = os.open(f"{T}/trace_pipe", os.O_RDONLY)
p = select.poll()
p.register(fd, select.POLLIN)
assert p.poll(0) == [], "an empty trace_pipe polls as readable"
timer = threading.Timer(0.05, mark, ["poll me"])
timer.start()
ready = p.poll(5000)
assert ready and ready[0][1] & select.POLLIN, f"poll says {ready}"
timer.join()
text = os.read(fd, 65536)
assert b"poll me" in text, text

# one byte at a time
mark("abc")
got = b""
while not got.endswith(b"\n"):
    got += os.read(fd, 1)
assert got.endswith(b"tracing_mark_write: abc\n"), got
# a lseek is refused
try:
    os.lseek(fd, 0, os.SEEK_SET)
    raise SystemExit("trace_pipe can be seeked")
except OSError as e:
    assert e.errno == errno.ESPIPE, e
os.close(fd)

# the raw pages: one whole page whatever it holds
os.sched_setaffinity(0, {0})
mark("raw")
fd = os.open(f"{T}/per_cpu/cpu0/trace_pipe_raw", os.O_RDONLY | os.O_NONBLOCK)
page = os.read(fd, 65536)
assert len(page) == 4096, len(page)
assert b"raw" in page
commit = int.from_bytes(page[8:16], "little") & 0xFFFFF
assert 16 < commit < 4080 and not any(page[16 + commit:]), commit
assert nothing(fd, 65536)
# in two parts
mark("raw again")
half = os.read(fd, 100)
assert len(half) == 100
rest = os.read(fd, 65536)
assert len(rest) == 3996, len(rest)
assert b"raw again" in half + rest
os.close(fd)
PY
