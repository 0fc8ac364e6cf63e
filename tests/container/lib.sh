# shellcheck shell=bash
# What tests/docker is built of: its report, waiting, and containers by name.

say() { # say RESULT NAME [SECONDS|REASON]
    printf '%-8s %-58s %s\n' "$1" "$2" "${3:-}"
}
seconds() { # seconds SINCE
    local us=$((${EPOCHREALTIME/./} - $1))
    printf '%d.%d s' $((us / 1000000)) $((us / 100000 % 10))
}
miss() { # miss NAME REASON
    skipped=$((skipped + 1))
    say skipped "$1" "$2"
}
summary() {
    [ ${#failures[@]} = 0 ] || printf 'failed: %s\n' "${failures[@]}"
    echo "$passed passed, $failed failed, $skipped skipped"
    [ "$failed" = 0 ]
    exit
}
skip_all() {
    skipped=$((skipped + 1))
    echo "skipped: $*"
    summary
}
# check NAME COMMAND...: passes if the command succeeds, a function with every command of it, and sets `result` to ok or FAILED. What
# it writes to the file `note` stands behind the time.
check() {
    local name=$1 start=${EPOCHREALTIME/./} status=0 note
    shift
    : >"$work/note"
    # where a shell looks at the status itself, a function would go on after a failure
    set +e
    (
        set -e
        "$@"
    ) >"$work/out" 2>&1 </dev/null
    status=$?
    set -e
    note=$(cat "$work/note")
    if [ "$status" = 0 ]; then
        result=ok
        passed=$((passed + 1))
        say ok "$name" "$(seconds "$start")${note:+: $note}"
    else
        result=FAILED
        failed=$((failed + 1))
        failures+=("$name")
        say FAILED "$name" "$(seconds "$start")"
        tail -n 60 "$work/out" | sed 's/^/    | /'
    fi
}

# ---------------------------------------------------------------------------------------------------------- waiting and looking
have() {
    command -v "$1" >/dev/null 2>&1
}
quietly() {
    "$@" >/dev/null 2>&1
}
now_ms() {
    echo $((${EPOCHREALTIME/./} / 1000))
}
# becomes SECONDS COMMAND...: whether it succeeds before that time is over
becomes() {
    local end=$((${EPOCHREALTIME/./} + $1 * 1000000))
    shift
    until "$@"; do
        [ "${EPOCHREALTIME/./}" -lt "$end" ] || return 1
        sleep 0.02
    done
}
fail() {
    echo "FAILED: $*" >&2
    exit 1
}
wait_for() { # the same in a test
    becomes "$@" || fail "waited in vain for: ${*:2}"
}
is() { # is WHAT EXPECTED ACTUAL
    [ "$2" = "$3" ] || fail "$1: expected '$2', got '$3'"
}
installed() { # installed COMMAND PACKAGE
    have "$1" && return
    [ "$(id -u)" = 0 ] && have apt-get || return 1
    say ... "installing $2"
    export DEBIAN_FRONTEND=noninteractive
    quietly apt-get install -y -qq --no-install-recommends "$2" ||
        { quietly apt-get update -qq && quietly apt-get install -y -qq --no-install-recommends "$2"; }
}
alive() { # alive PID: a process that is no zombie
    [[ $(sed -n 's/^State:\t//p' "/proc/$1/status" 2>/dev/null) == [!ZX]* ]]
}
mounts_below() { # mounts_below DIR...
    local dir
    for dir in "$@"; do
        awk -v d="$dir" 'index($5, d "/") == 1 || $5 == d {print $5}' /proc/self/mountinfo
    done
}

# -------------------------------------------------------------------------------------------------------------- containers
common=(-e "MARK=$mark")
allow=("${common[@]}" --device /dev/fuse --cap-add SYS_ADMIN)
if grep -qs docker-default /sys/kernel/security/apparmor/profiles; then
    allow+=(--security-opt apparmor=unconfined)
fi

run() { # run [OPTIONS... --] COMMAND...: a container of an allowed kind that ends by itself
    run_with "${allow[@]}" "$@"
}
run_with() { # run_with OPTIONS... -- COMMAND...
    local options=()
    while [ "$1" != -- ]; do
        options+=("$1")
        shift
    done
    shift
    timeout -k 5 60 docker run --rm --name "$mark-${EPOCHREALTIME/./}" "${options[@]}" "$image" "$@"
}
box() { # box NAME OPTIONS... -- COMMAND...: a container that stays
    local name=$1 options=()
    shift
    while [ "$1" != -- ]; do
        options+=("$1")
        shift
    done
    shift
    docker run -d --name "$mark-$name" "${allow[@]}" -e "MARK=$mark-$name" "${options[@]}" "$image" "$@"
    wait_for 20 quietly inside "$name" test -e "$T/trace"
}
inside() { # inside NAME COMMAND...
    local name=$mark-$1
    shift
    timeout -k 5 60 docker exec "$name" "$@"
}
gives() { # gives STATUS COMMAND...
    local want=$1 status=0
    shift
    "$@" || status=$?
    is "status of ${*: -3}" "$want" "$status"
}
prints() { # prints TEXT COMMAND...
    local want=$1 got
    shift
    got=$("$@")
    is "output of ${*: -3}" "$want" "$got"
}
ended() { # ended NAME: its status, if it has ended
    [ "$(docker inspect -f '{{.State.Running}}' "$mark-$1")" = false ]
}
status_of() {
    docker inspect -f '{{.State.ExitCode}}' "$mark-$1"
}
# stops NAME STATUS: `docker stop` takes less than a second, and the container ends so
stops() {
    local start took
    start=$(now_ms)
    docker stop "$mark-$1"
    took=$(($(now_ms) - start))
    echo "$took ms" >"$work/note"
    docker logs "$mark-$1" | tail -n 20
    [ "$took" -lt 1000 ] || fail "docker stop takes $took ms"
    is "status" "$2" "$(status_of "$1")"
    docker rm "$mark-$1"
}
