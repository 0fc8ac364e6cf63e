# shellcheck shell=bash
# What the shell tests have in common. A test is a file NN-topic.sh that sources this one; its head tells the runner
#   # what: one line
#   # needs: commands that must be there, or root
#   # real: yes | no, WHY      whether the kernel's own tracefs must pass it too
# It runs in a mount namespace of its own with: TRACEFS, the directory under test; UTRACEFS, the program (empty on the real
# tracefs); SCRATCH, an empty directory. It passes if it exits 0, and is skipped if it calls skip.
# Nothing here waits for a fixed time: wait_for looks until it is true, at most so long.

set -euo pipefail
T=${TRACEFS:?}

fail() {
    echo "FAILED: $*" >&2
    exit 1
}

skip() {
    echo "skipped: $*"
    exit 77
}

# is WHAT EXPECTED ACTUAL
is() {
    [ "$2" = "$3" ] || fail "$1: expected '$2', got '$3'"
}

# reads FILE TEXT: the file reads as just that line
reads() {
    is "$1" "$2" "$(cat "$T/$1")"
}

# has FILE REGEX: a line of the file matches
has() {
    grep -Eq -- "$2" "$T/$1" || fail "$1 has no line /$2/; it reads: $(head -n 30 "$T/$1")"
}

# hasnt FILE REGEX
hasnt() {
    ! grep -Eq -- "$2" "$T/$1" || fail "$1 has a line /$2/: $(grep -E -m 3 -- "$2" "$T/$1")"
}

# put TEXT FILE: one write(2) of TEXT and a newline, the file opened with O_TRUNC
put() {
    echo "$1" >"$T/$2" || fail "cannot write '$1' to $2"
}

# add TEXT FILE: the same, opened with O_APPEND
add() {
    echo "$1" >>"$T/$2" || fail "cannot append '$1' to $2"
}

# refused ERROR COMMAND...: the command fails and says ERROR, the text of an errno
refused() {
    local error=$1 said
    shift
    if said=$("$@" 2>&1); then
        fail "'$*' did not fail"
    fi
    [[ $said == *"$error"* ]] || fail "'$*' said '$said' instead of '$error'"
}

# sh -c wants no fail inside
write_to() { # write_to FILE TEXT
    printf '%s\n' "$2" >"$T/$1"
}
append_to() { # append_to FILE TEXT
    printf '%s\n' "$2" >>"$T/$1"
}

# wait_for SECONDS COMMAND...: until the command succeeds
wait_for() {
    local end=$((${EPOCHREALTIME/./} + $1 * 1000000))
    shift
    until "$@"; do
        [ "${EPOCHREALTIME/./}" -lt "$end" ] || fail "waited in vain for: $*"
        sleep 0.005
    done
}

now_ms() {
    echo $((${EPOCHREALTIME/./} / 1000))
}

# gone PID: no such process, or one that nobody has waited for
gone() {
    local state
    state=$(sed 's/.*) //; s/ .*//' "/proc/$1/stat" 2>/dev/null) || return 0
    [ "$state" = Z ]
}

# asleep_in PID FILE: the process has the file open and sleeps
asleep_in() {
    local fd state
    state=$(sed 's/.*) //; s/ .*//' "/proc/$1/stat" 2>/dev/null) || return 1
    [[ $state == [SD] ]] || return 1
    for fd in "/proc/$1/fd"/*; do
        [ "$(readlink "$fd")" != "$2" ] || return 0
    done
    return 1
}

# Everything off, nothing recorded, no instances.
reset_tracing() {
    local d
    echo 0 >"$T/tracing_on"
    echo nop >"$T/current_tracer"
    echo 0 >"$T/events/enable"
    for d in "$T"/instances/*/; do
        [ ! -d "$d" ] || rmdir "$d"
    done
    for d in overwrite:1 irq-info:1 context-info:1 annotate:1 record-cmd:1 record-tgid:0 markers:1 pause-on-trace:0; do
        [ ! -e "$T/options/${d%:*}" ] || echo "${d#*:}" >"$T/options/${d%:*}"
    done
    echo 1408 >"$T/buffer_size_kb"
    echo local >"$T/trace_clock"
    echo 1 >"$T/tracing_on"
    echo >"$T/trace"
}

# fire SYSTEM: makes events of sched or syscalls happen, some dozens
fire() {
    if [ -n "$UTRACEFS" ]; then
        "$UTRACEFS" workload run "$1" --ops 50 --mount "$T"
    else
        local _
        for _ in {1..20}; do
            (exec cat /proc/self/stat >/dev/null)
        done
    fi
}

# entries [DIR]: how many events the buffer holds
entries() {
    grep -vc '^#' "$T/${1:+$1/}trace" || true
}
