# shellcheck shell=bash
# The tests of tests/docker, one function each; which of them there are in what order, tests/docker says.

# A command beside the mount
events() {
    run -- sh -c "echo 1 >$T/events/sched/enable; head -n 200 $T/trace_pipe" >"$work/trace"
    is "lines" 200 "$(wc -l <"$work/trace")"
    grep -q 'sched_switch: prev_comm=' "$work/trace"
}
# a traced command, also where the container's profile refuses it what it would like to use
traced() { # traced OPTIONS...
    # shellcheck disable=SC2016 # for the shell inside
    run "$@" -- sh -c 'cd "$0" && echo 1 >events/syscalls/sys_enter_openat/enable && echo 1 >events/sched/sched_process_exec/enable &&
        utracefs run -- cat /etc/hostname >/dev/null && cat trace' "$T" >"$work/trace"
    grep -q 'sys_openat(.* "/etc/hostname", ' "$work/trace"
    grep -q 'sched_process_exec: filename=.*/cat ' "$work/trace"
}
# what the daemon reads through the kernel: its own stacks, and the texts that children hand to system calls
stacks() {
    run -- sh -c "cd $T && echo 1 >options/stacktrace && echo 1 >events/sched/sched_switch/enable && head -n 60 trace_pipe" >"$work/trace"
    grep -q '^ => ' "$work/trace"
}
childrens_paths() {
    run -- sh -c "cd $T && echo 1 >events/syscalls/sys_enter_execve/enable && utracefs workload run process --ops 8 && cat trace" >"$work/trace"
    grep -q 'sys_execve(filename: 0x[0-9a-f]* "/' "$work/trace"
    ! grep -F '(fault)' "$work/trace"
}
both_places() {
    prints "nop nop same" run -- sh -c "cd $T; d=/sys/kernel/debug/tracing
        [ \$(stat -c %d:%i .) = \$(stat -c %d:%i \$d) ] && same=same
        echo \$(cat current_tracer \$d/current_tracer) \$same"
}
mount_table() {
    run -- cat /proc/mounts >"$work/table"
    is "first line" "tracefs $T tracefs" "$(head -n 1 "$work/table" | cut -d' ' -f1-3)"
    is "debugfs" /sys/kernel/debug "$(awk '$3 == "debugfs" {print $2}' "$work/table")"
    prints "fuse.tracefs" run -- sh -c "sed -n 's|.* $T .* - \([^ ]*\) .*|\1|p' /proc/self/mountinfo"
    # trace-cmd gives up where this file is and refuses
    run -- sh -c 'f=/proc/sys/kernel/ftrace_enabled; [ ! -e $f ] || echo 1 >$f'
}
standard_streams() {
    is "standard input" hello "$(echo hello | run -i -- cat)"
    is "standard output" out "$(run -- sh -c 'echo out; echo error >&2' 2>/dev/null)"
}
statuses() {
    gives 0 run -- true
    gives 7 run -- sh -c 'exit 7'
    gives 255 run -- sh -c 'exit 255'
    gives 143 run -- sh -c 'kill -TERM $$'
    gives 137 run -- sh -c 'kill -KILL $$'
    gives 127 run -- nosuch
    gives 126 run -- /etc/passwd
}
orphans() {
    # a sleep whose parent has ended is collected by process 1
    run -- bash -c '
        (sleep 0.05 &)
        for i in {1..200}; do
            sleep 0.02
            cat /proc/[0-9]*/stat 2>/dev/null | grep -q "(sleep)" || exit 0
        done
        cat /proc/[0-9]*/stat
        exit 1'
}
signals() {
    local signal
    for signal in INT TERM HUP USR1; do
        # shellcheck disable=SC2016 # for the shell inside
        box signal -- bash -c 'trap "echo got $0; exit 42" "$0"; touch /tmp/up; while :; do sleep 0.02; done' "$signal"
        wait_for 10 inside signal test -e /tmp/up
        docker kill -s "$signal" "$mark-signal"
        wait_for 5 ended signal
        is "SIG$signal" "42 got $signal" "$(status_of signal) $(docker logs "$mark-signal")"
        docker rm "$mark-signal"
    done
}
interrupted_client() {
    local pid start status=0
    env --default-signal=INT docker run --rm --name "$mark-client" "${allow[@]}" "$image" sh -c 'touch /tmp/up; exec sleep 1000' &
    pid=$!
    wait_for 20 quietly inside client test -e /tmp/up
    start=$(now_ms)
    kill -INT "$pid"
    wait "$pid" || status=$?
    is "status" 130 "$status"
    echo "$(($(now_ms) - start)) ms" >"$work/note"
}

# What a host may refuse
refuses() { # refuses CAUSE REMEDY OPTIONS...: without starting the command
    local cause=$1 remedy=$2 status=0
    shift 2
    run_with "${common[@]}" "$@" -- echo started >"$work/said" 2>&1 || status=$?
    cat "$work/said"
    is "status" 125 "$status"
    grep -Eq -- "^utracefs: .*$cause" "$work/said" || fail "it does not say what is missing: $cause"
    grep -Eq -- "^  .*$remedy" "$work/said" || fail "it does not say what to do: $remedy"
    ! grep -q started "$work/said"
}
# seccomp ERRNO CALL: a profile that makes a system call fail, as a security module would
seccomp() {
    cat >"$work/$2.json" <<END
{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["$2"], "action": "SCMP_ACT_ERRNO", "errnoRet": $1}]}
END
    echo "seccomp=$work/$2.json"
}

# A shell at a terminal
open_terminal() { # open_terminal DOCKER'S ARGUMENTS...
    rm -f "$work/keys" "$work/screen"
    mkfifo "$work/keys"
    script -qefc "$(printf '%q ' docker "$@")" "$work/screen" <"$work/keys" >/dev/null &
    terminal=$!
    exec 3>"$work/keys"
}
keys() { # keys TEXT: with printf's escapes
    # shellcheck disable=SC2059 # it is a format
    printf "$1" >&3
}
screen_shows() {
    grep -aEq -- "$1" "$work/screen"
}
shows() { # shows SECONDS REGEX
    becomes "$1" screen_shows "$2" || {
        cat -v "$work/screen"
        fail "the screen does not show: $2"
    }
}
shell_at_terminal() {
    local start status=0
    open_terminal run --rm -it --name "$mark-terminal" "${allow[@]}" "$image"
    shows 20 '^utracefs: ready on '
    shows 20 "$T#"
    # what is typed is shown as well, so that it must differ from what is waited for
    keys 'echo "cwd=$PWD" $((40+2))\n'
    shows 5 "cwd=$T 42"
    keys 'echo 1 >events/sched/enable; cat trace_pipe\n'
    shows 10 'sched_switch: prev_comm='
    start=$(now_ms)
    keys '\003'
    keys 'echo "status $?" $((40+3))\n'
    shows 5 'status 130 43'
    echo "Ctrl-C in trace_pipe: $(($(now_ms) - start)) ms" >"$work/note"
    keys 'utracefs workload list\n'
    shows 5 'sched +running'
    keys 'exit 5\n'
    exec 3>&-
    wait "$terminal" || status=$?
    is "status" 5 "$status"
}
ctrl_d() {
    local status=0
    open_terminal run --rm -it --name "$mark-ctrl-d" "${allow[@]}" "$image"
    shows 20 "$T#"
    keys '\004'
    wait "$terminal" || status=$?
    exec 3>&-
    is "status" 0 "$status"
}
ctrl_c() {
    local status=0
    open_terminal run --rm -it --name "$mark-ctrl-c" "${allow[@]}" "$image" sh -c 'echo up$((1+1)); exec sleep 1000'
    shows 20 up2
    keys '\003'
    wait "$terminal" || status=$?
    exec 3>&-
    is "status" 130 "$status"
}

# From beside: docker exec
workloads() {
    local before after
    inside shell utracefs workload list
    ops() { inside shell utracefs workload list | sed -nE "s/^$1 .* ([0-9]+) done.*/\1/p"; }
    inside shell utracefs workload stop sched
    inside shell utracefs workload list | grep -E '^sched +stopped'
    before=$(ops sched)
    inside shell utracefs workload run sched --ops 100
    after=$(ops sched)
    is "operations" 100 $((after - before))
    inside shell utracefs workload start sched --rate 50 --mount /sys/kernel/debug/tracing
    inside shell utracefs workload list | grep -E '^sched +running'
    gives 1 inside shell utracefs workload start nosuch
}
readers_end() {
    # timed inside, without the time that docker exec takes
    # shellcheck disable=SC2016 # for the shell inside
    inside shell bash -c '
        cd "$1"
        echo 0 >events/enable
        echo >trace
        longest=0
        for s in INT:124 TERM:124 KILL:137; do
            start=${EPOCHREALTIME/./} status=0
            timeout -s "${s%:*}" 0.3 cat trace_pipe || status=$?
            took=$(((${EPOCHREALTIME/./} - start) / 1000 - 300))
            [ "$status" = "${s#*:}" ] || { echo "SIG${s%:*}: $status"; exit 1; }
            [ "$took" -lt "$longest" ] || longest=$took
        done
        echo "$longest"' - "$T" >"$work/longest"
    echo "at most $(cat "$work/longest") ms" >"$work/note"
    [ "$(cat "$work/longest")" -lt 500 ]
}
strangers() {
    gives 1 docker exec -u 1000 "$mark-shell" cat "$T/trace"
    gives 1 docker exec -u 1000 "$mark-shell" utracefs workload list >"$work/said" 2>&1
    cat "$work/said"
    grep -q 'only root and' "$work/said"
}
exec_inside() {
    # the daemon that is there, then one of its own
    prints "0 nop" inside shell utracefs exec --mount "$T" -- sh -c "echo \$(stat -c %u $T) \$(cat $T/current_tracer)"
    prints "none" inside shell utracefs exec --workloads none -- sh -c "cat $T/set_event | wc -l | sed s/^0$/none/"
}
shells_directory() {
    # shellcheck disable=SC2016 # for the shell inside
    prints "$T" inside shell sh -c 'for p in /proc/[0-9]*; do [ "$(cat $p/comm)" != bash ] || readlink $p/cwd; done'
}
restart() {
    docker restart "$mark-shell"
    wait_for 20 quietly inside shell test -e "$T/trace"
    prints nop inside shell cat /sys/kernel/debug/tracing/current_tracer
}

# docker stop
stop_idle_shell() {
    box idle -it --
    stops idle 129
}
reads_inside() {
    docker top "$mark-$1" -eo pid,args | grep -q ' cat trace_pipe$'
}
stop_reading_shell() {
    box reading -it --
    open_terminal attach "$mark-reading"
    keys 'cat trace_pipe\n'
    wait_for 10 reads_inside reading
    stops reading 129
    exec 3>&-
    wait "$terminal" || true
}
stop_command() {
    box command -- sleep 1000
    stops command 143
}
stop_trap() { # OPTIONS...: at a terminal too the command's own end is waited for
    box trap "$@" -- sh -c 'trap "sleep 0.2; exit 3" TERM; touch /tmp/up; while :; do sleep 0.02; done'
    wait_for 10 inside trap test -e /tmp/up
    stops trap 3
}
stop_run() {
    box run -- utracefs workload run sched --ops 1000000000
    stops run 143
}
kill_first() {
    box killed -it --
    docker exec -d "$mark-killed" cat "$T/trace_pipe"
    docker kill "$mark-killed"
    is "status" 137 "$(status_of killed)"
    docker rm "$mark-killed"
    wait_for 5 no_process killed
}

# A mount of the host's in a container that may do nothing
host_mount() {
    local volumes=(-v "$work/tracing:$T" -v /run/utracefs:/run/utracefs)
    "$work/utracefs" mount --background "$work/tracing"
    plain() { timeout -k 5 60 docker run --rm "${common[@]}" "${volumes[@]}" --entrypoint "$1" "$image" "${@:2}"; }
    prints nop plain cat "$T/current_tracer"
    plain utracefs workload list | grep -E '^sched +running'
    plain utracefs workload run sched --ops 10
    "$work/utracefs" umount "$work/tracing"
}

# Tools in the image
apt_in_build() {
    timeout 120 docker run --rm --network=host --entrypoint sh "$image" -c 'apt-get -qq update 2>&1 && apt-cache show trace-cmd'
}
tools() {
    docker build --network=host --build-arg TOOLS=trace-cmd -t "$image:tools" "$work/context"
    # shellcheck disable=SC2016 # for the shell inside
    docker run --rm --name "$mark-tools" "${allow[@]}" "$image:tools" sh -c '
        trace-cmd record -q -e sched -o /tmp/t.dat sleep 1 && trace-cmd report -i /tmp/t.dat' >"$work/report"
    grep -q 'sched_switch:' "$work/report"
    echo "$(grep -c sched_ "$work/report") events" >"$work/note"
}

# What is left
no_process() { # no_process [NAME]
    ! grep -qsa "MARK=$mark${1:+-$1}" /proc/[0-9]*/environ
}
no_container() {
    is "containers" "" "$(docker ps -a --filter "name=$mark" --format '{{.Names}} {{.Status}}')"
}
no_mount() {
    is "mounts" "$mounts_before" "$(mounts_below "$T" /sys/kernel/debug "$work/tracing")"
}
engine_ends() {
    # the process itself is waited for by the shell that has started it
    ! alive "$1" || fail "dockerd runs on"
    wait_for 5 eval '! pgrep -f -- "$work/"'
    is "mounts" "" "$(mounts_below "$work")"
    find /sys/fs/cgroup -depth -type d -path "*/$mark*" -exec rmdir {} + || true
    is "control groups" "" "$(find /sys/fs/cgroup -type d -name "$mark*")"
}
