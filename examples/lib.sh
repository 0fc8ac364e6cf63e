# shellcheck shell=sh
# What the examples share: an instance of their own, and awk functions that take lines of `trace` apart. To be sourced.
#
# The caller has set `about` (a line for --help) and `events` (files below events/ to enable), and calls `observe "$@"`,
# which leaves what was recorded in $trace.

usage() {
    cat <<EOF
usage: $0 [SECONDS | -- COMMAND...]

$about

Records for SECONDS (5), or while COMMAND runs, in an instance of its own, so that other users of tracing are not
disturbed. Events come from the tracefs at \$UTRACEFS_MOUNT or /sys/kernel/tracing: utracefs exec shows it there.
Nothing but a shell and awk is needed.
EOF
}

die() {
    echo "$0: $*" >&2
    exit 1
}

find_tracefs() {
    for dir in "${UTRACEFS_MOUNT:-}" /sys/kernel/tracing /sys/kernel/debug/tracing; do
        if [ -n "$dir" ] && [ -e "$dir/instances" ]; then
            echo "$dir"
            return
        fi
    done
    die "no tracefs: say where it is, UTRACEFS_MOUNT=DIR $0, or run it below utracefs exec"
}

# Records events while the command runs or the time passes; afterwards $trace has the lines.
observe() {
    case ${1:-} in
    -h | --help)
        usage
        exit 0
        ;;
    --)
        shift
        [ $# -gt 0 ] || die "no command behind --"
        ;;
    *[!0-9.]* | '') set -- sleep 5 ;;
    *) set -- sleep "$1" ;;
    esac
    tracefs=$(find_tracefs) || exit 1
    instance=$tracefs/instances/example.$$
    mkdir "$instance" || die "cannot make an instance in $tracefs"
    trace=$(mktemp)
    trap 'rmdir "$instance" 2>/dev/null; rm -f "$trace"' EXIT
    trap 'exit 130' INT TERM
    echo 8192 >"$instance/buffer_size_kb"
    # time stamps of all CPUs on one clock
    echo mono >"$instance/trace_clock"
    for file in $events; do
        echo 1 >"$instance/events/$file/enable" || die "there is no event $file here"
    done
    "$@" || echo "$0: $1 ended with status $?" >&2
    echo 0 >"$instance/tracing_on"
    cat "$instance/trace" >"$trace"
    # a table that something is missing from should say so
    lost=$(cat "$instance"/per_cpu/cpu*/stats | awk '/^(overrun|dropped events):/ { n += $NF } END { print n + 0 }')
    [ "$lost" = 0 ] || echo "$0: $lost events were lost: the buffer was full" >&2
}

# shellcheck disable=SC2034 # for those who source this
awk_lib='
# Takes a line of trace apart: task, pid, cpu, time (s), event (without one: a system call) and text. False for others.
function parse(    head, middle, at) {
    if (!match($0, / +\[[0-9]+\] +[^ ]+ +[0-9]+\.[0-9]+: /))
        return 0
    head = substr($0, 1, RSTART - 1)
    middle = substr($0, RSTART, RLENGTH)
    text = substr($0, RSTART + RLENGTH)
    sub(/^ +/, "", head)
    at = length(head)
    while (at > 0 && substr(head, at, 1) != "-")
        at--
    task = substr(head, 1, at - 1)
    pid = substr(head, at + 1)
    match(middle, /\[[0-9]+\]/)
    cpu = substr(middle, RSTART + 1, RLENGTH - 2) + 0
    sub(/: $/, "", middle)
    sub(/.* /, "", middle)
    time = middle + 0
    event = ""
    if (match(text, /^[A-Za-z0-9_]+: /)) {
        event = substr(text, 1, RLENGTH - 2)
        text = substr(text, RLENGTH + 1)
    }
    return 1
}
# What stands behind NAME= in text: to the field NEXT if there is one (names may have blanks), else to a blank.
function field(name, next_field,    rest, at) {
    at = index(" " text, " " name "=")
    if (!at)
        return ""
    rest = substr(text, at + length(name) + 1)
    if (next_field != "" && (at = index(rest, " " next_field "=")))
        return substr(rest, 1, at - 1)
    sub(/ .*/, "", rest)
    return rest
}
'
