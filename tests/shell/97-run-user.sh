#!/usr/bin/env bash
# what: utracefs run as an ordinary user: all that needs no privilege, filters included, and who may not report
# needs: root runuser fusermount3
# real: no, it traces everybody
. "$(dirname "$0")/lib.sh"
U=$SCRATCH/utracefs
cp "$UTRACEFS" "$U" # where everybody may read it
chmod 755 "$SCRATCH" "$U"
M=$SCRATCH/mine
W=$SCRATCH/work
mkdir "$M" "$W"
chown nobody "$M" "$W"
export XDG_RUNTIME_DIR=$SCRATCH/run
mkdir -m 700 "$XDG_RUNTIME_DIR"
chown nobody "$XDG_RUNTIME_DIR"
as() {
    runuser -u nobody -- "$@"
}
mknod -m 666 "$SCRATCH/fuse" c 10 229 || skip "this host does not let root make a device node"
mount --bind "$SCRATCH/fuse" /dev/fuse
as "$U" mount -b --workloads none "$M" >"$SCRATCH/out" 2>&1 || {
    ! grep -q 'Operation not permitted' "$SCRATCH/out" || skip "this host does not let fusermount3 mount: $(head -n 1 "$SCRATCH/out")"
    fail "an ordinary user cannot mount: $(cat "$SCRATCH/out")"
}

# a user's shell that traces itself: calls with a path and a result, forks, ends, signals, switches where the system lets one see them
cat >"$W/itself" <<'EOF'
set -e
cd "$0"
echo 1 >events/syscalls/sys_enter_openat/enable
echo 1 >events/syscalls/sys_exit_openat/enable
echo 1 >events/sched/sched_process_fork/enable
echo 1 >events/sched/sched_process_exec/enable
echo 1 >events/sched/sched_process_exit/enable
echo 1 >events/signal/signal_deliver/enable
echo 1 >events/sched/sched_switch/enable
trap : USR1
: </etc/passwd
(: </nosuch) 2>/dev/null || true
/bin/true
kill -USR1 $$
sleep 0.01
echo 0 >events/enable
cat trace
EOF
as "$U" run --mount "$M" -- sh -c ". $W/itself" "$M" >"$W/trace" 2>"$W/said" || fail "run as a user: $(cat "$W/said")"
seen() {
    grep -Eq -- "$1" "$W/trace" || fail "no /$1/ in $(cat "$W/trace")"
}
seen ' sh-[0-9]+ .*: sys_openat\(dfd: 0xffffff9c, filename: 0x[0-9a-f]+ "/etc/passwd", flags: 0, mode: 0\)'
seen 'sys_openat -> 0xfffffffffffffffe'
seen 'sched_process_fork: comm=sh pid=[0-9]+ child_comm=sh child_pid=[0-9]+'
seen 'sched_process_exec: filename=/bin/true pid='
seen 'sched_process_exit: comm=true pid=[0-9]+ prio=1[0-9]+ group_dead=true'
seen 'signal_deliver: sig=10 errno=0 code=0 '
if grep -q 'switches are not visible' "$W/said"; then
    echo "without switches: $(cat "$W/said")"
else
    seen 'sched_switch: prev_comm=sleep prev_pid=[0-9]+ prev_prio=1[0-9]+ prev_state=S\|D ==> next_comm=<...> next_pid=-1 next_prio=-1'
    seen ' <\.\.\.>--1 .*sched_switch: prev_comm=<...> prev_pid=-1 .* ==> next_comm=sleep next_pid='
fi

# many calls that nobody wants: a filter may go in, and the command must not notice
as sh -c 'echo 1 >"$0/events/syscalls/sys_enter_openat/enable"' "$M"
as "$U" run --mount "$M" -- sh -c 'i=0; while [ $i -lt 1000 ]; do [ -e /nosuch ]; i=$((i + 1)); done; : </etc/passwd; cat /etc/hostname' >"$W/out" ||
    fail "a command with many calls"
is "what it says" "$(cat /etc/hostname)" "$(cat "$W/out")"
[ "$(as grep -c '"/etc/hostname"' "$M/trace")" = 1 ] || fail "its open is not there once: $(as cat "$M/trace")"

# root may report to it, another user may not
refused 'only root and the' runuser -u daemon -- env -u XDG_RUNTIME_DIR "$U" run --mount "$M" -- true
as "$U" umount "$M"
