#!/usr/bin/env bash
# what: utracefs exec: what the command finds, its status, signals, and that nothing is left
# needs: root unshare python3
# real: no, it is about our launcher
. "$(dirname "$0")/lib.sh"
U=$UTRACEFS
ftrace_enabled=$(cat /proc/sys/kernel/ftrace_enabled 2>/dev/null || true)
mounts=$(cat /proc/self/mounts)

status_of() { # status_of EXPECTED COMMAND...
    local want=$1 status=0
    shift
    "$@" >"$SCRATCH/out" 2>"$SCRATCH/err" || status=$?
    is "status of $*" "$want" "$status"
}

for how in "--workloads none" "--mount $T"; do
    # shellcheck disable=SC2086 # two words
    run() { "$U" exec $how -- "$@"; }
    is "$how: tracing" nop "$(run cat /sys/kernel/tracing/current_tracer)"
    is "$how: debug/tracing" nop "$(run cat /sys/kernel/debug/tracing/current_tracer)"
    is "$how: first tracefs of /proc/mounts" /sys/kernel/tracing "$(run awk '$3 == "tracefs" {print $2}' /proc/mounts)"
    is "$how: first line" "tracefs /sys/kernel/tracing tracefs" "$(run head -n 1 /proc/mounts | cut -d' ' -f1-3)"
    is "$how: debugfs" "/sys/kernel/debug" "$(run awk '$3 == "debugfs" {print $2}' /proc/mounts)"
    is "$how: ftrace_enabled can be written" 1 "$(run sh -c 'f=/proc/sys/kernel/ftrace_enabled; [ ! -e $f ] || echo 1 >$f; echo 1')"
    is "$how: variables" "/sys/kernel/tracing /sys/kernel/tracing" "$(run sh -c 'echo $UTRACEFS_MOUNT $TRACEFS_PATH')"
    is "$how: standard input" hello "$(echo hello | run cat)"
    status_of 0 run true
    status_of 7 run sh -c 'exit 7'
    status_of 255 run sh -c 'exit 255'
    status_of 143 run sh -c 'kill -TERM $$'
    status_of 137 run sh -c 'kill -KILL $$'
    status_of 127 run /nosuch
    status_of 127 run nosuch-command
    status_of 126 run /etc/passwd
    grep -q 'cannot run /etc/passwd: Permission denied' "$SCRATCH/err" || fail "$how: says '$(cat "$SCRATCH/err")'"
    # the daemon is found from inside
    status_of 0 run "$U" workload list
    grep -q '^sched ' "$SCRATCH/out" || fail "$how: workload list says '$(cat "$SCRATCH/out")'"
    status_of 0 run unshare --net "$U" workload list
    # a CMD that starts children of its own and ends
    start=$(now_ms)
    status_of 3 run sh -c 'sleep 1000 >/dev/null 2>&1 & echo $! >"$0"; exit 3' "$SCRATCH/child"
    [ $(($(now_ms) - start)) -lt 5000 ] || fail "$how: exec waits for children of the command"
    kill "$(cat "$SCRATCH/child")"
done
status_of 125 "$U" exec --mount /proc -- true
status_of 125 "$U" exec --mount "$SCRATCH" -- true
status_of 125 "$U" exec --workloads nosuch -- true
status_of 2 "$U" exec --nosuch -- true
is "UTRACEFS_MOUNT" "$(stat -c %d "$T")" "$(UTRACEFS_MOUNT=$T "$U" exec -- stat -c %d /sys/kernel/tracing)"

# signals sent to exec reach the command
for signal in TERM INT HUP USR1; do
    env --default-signal=INT "$U" exec --workloads none -- bash -c '
        trap "echo got $0; exit 42" "$0"
        touch "$1"
        while :; do read -r -t 1 <> <(:) || :; done
    ' "$signal" "$SCRATCH/up-$signal" >"$SCRATCH/out" &
    pid=$!
    wait_for 10 test -e "$SCRATCH/up-$signal"
    kill "-$signal" "$pid"
    status=0
    wait "$pid" || status=$?
    is "SIG$signal" "42 got $signal" "$status $(cat "$SCRATCH/out")"
done

# killed without mercy: neither the command nor the daemon goes on
"$U" exec --workloads none -- sh -c 'echo $$ >"$0"; exec sleep 1000' "$SCRATCH/pid" &
pid=$!
wait_for 10 test -s "$SCRATCH/pid"
wait_for 10 pgrep -P "$pid"
children=$(pgrep -P "$pid")
is "a daemon and a command" 2 "$(wc -w <<<"$children")"
kill -KILL "$pid"
wait "$pid" || true
for child in $children; do
    wait_for 5 gone "$child"
done

# job control at a terminal: Ctrl-Z stops, fg goes on, Ctrl-C ends
python3 - "$U" <<'PY'
import os, pty, select, sys, time
pid, fd = pty.fork()
if pid == 0:
    # /bin/sh reads no file that sets another prompt
    os.environ.update(PS1="ready> ", SHELL="/bin/sh")
    os.environ.pop("ENV", None)
    os.execvp("bash", ["bash", "--norc", "--noprofile", "-i"])
seen = b""
at = 0
def until(word, again=b""):
    """Reads until the word is there, behind what was waited for before; types `again` while nothing at all comes."""
    global seen, at
    end = time.monotonic() + 20
    while word not in seen[at:]:
        if time.monotonic() > end:
            raise SystemExit(f"no {word!r} in {seen[at:]!r}")
        if select.select([fd], [], [], 2)[0]:
            seen += os.read(fd, 65536)
        elif seen[at:] == b"":
            os.write(fd, again)
    at = seen.index(word, at) + len(word)
def say(text, *words):
    os.write(fd, text)
    for word in words:
        until(word)
# what is typed before the prompt is there can be lost
PROMPT = b"ready> "
until(PROMPT)
say(b"%s exec --workloads none -- sh -c 'echo st''arted; cat'\n" % sys.argv[1].encode(), b"started")
# a stop between the shell's vfork and exec would leave the shell waiting for its child: cat has to be there first
say(b"there\n", b"there\r\nthere")
say(b"\x1a", b"Stopped", PROMPT)
# bash at times loses a line that follows a stop closely, with any job of several processes
os.write(fd, b"fg\n")
# with the end of the line: what is echoed before it would stand in the middle of it
until(b"cat'\r\n", again=b"fg\n")
say(b"echoed\n", b"echoed\r\nechoed")
say(b"\x03", PROMPT)
say(b"echo status=$?\n", b"status=130", PROMPT)
# without a command: a shell
say(b"%s exec --workloads none\n" % sys.argv[1].encode(), PROMPT)
say(b"pwd; exit 5\n", b"/sys/kernel/tracing", PROMPT)
say(b"echo status=$?\n", b"status=5", PROMPT)
os.write(fd, b"exit\n")
PY

# nothing is left
is "mounts" "$mounts" "$(cat /proc/self/mounts)"
is "ftrace_enabled" "$ftrace_enabled" "$(cat /proc/sys/kernel/ftrace_enabled 2>/dev/null || true)"
