#!/usr/bin/env bash
# what: an ordinary user: mount through fusermount3, exec through a user namespace, and what is said where that is not possible
# needs: root runuser fusermount3 unshare
# real: no, it is about our daemon
. "$(dirname "$0")/lib.sh"
U=$SCRATCH/utracefs
cp "$UTRACEFS" "$U" # where everybody may read it
chmod 755 "$SCRATCH" "$U"
M=$SCRATCH/mine
mkdir "$M"
chown nobody "$M"
export XDG_RUNTIME_DIR=$SCRATCH/run
mkdir -m 700 "$XDG_RUNTIME_DIR"
chown nobody "$XDG_RUNTIME_DIR"
as() {
    runuser -u nobody -- "$@"
}

# the tests' own namespace has a device that users may open, as on every desktop
device() { # device MODE
    umount /dev/fuse 2>/dev/null || true
    rm -f "$SCRATCH/fuse"
    mknod -m "$1" "$SCRATCH/fuse" c 10 229 || skip "this host does not let root make a device node"
    mount --bind "$SCRATCH/fuse" /dev/fuse
}

device 600
refused 'cannot open /dev/fuse: Permission denied' as "$U" mount "$M"
refused 'chmod 666 /dev/fuse' as "$U" mount "$M"
device 666
as "$U" mount -b --workloads none "$M" >"$SCRATCH/out" 2>&1 || {
    ! grep -q 'Operation not permitted' "$SCRATCH/out" || skip "this host does not let fusermount3 mount: $(head -n 1 "$SCRATCH/out")"
    fail "an ordinary user cannot mount: $(cat "$SCRATCH/out")"
}
uid=$(id -u nobody)
gid=$(id -g nobody)
is "type" fuse.tracefs "$(awk -v m="$M" '$2 == m {print $3}' /proc/self/mounts)"
is "everything is the user's" "$uid:$gid" "$(as stat -c %u:%g "$M/events/sched/enable")"
as sh -c 'echo 1 >"$0/tracing_on"; echo hello >"$0/trace_marker"; grep -q hello "$0/trace"' "$M" || fail "the user cannot use it"
refused 'Permission denied' ls "$M" # not even root
as "$U" workload list --mount "$M" >"$SCRATCH/out" || fail "the user cannot ask the daemon"
is "the socket file" 1 "$(find "$XDG_RUNTIME_DIR/utracefs" -type s | wc -l)"
as unshare --user --net "$U" workload list --mount "$M" >"$SCRATCH/out" || fail "the user cannot ask the daemon from another network namespace"
as "$U" exec --mount "$M" -- sh -c 'grep -q hello /sys/kernel/tracing/trace && id -u' >"$SCRATCH/out" 2>&1 && is "root inside" 0 "$(cat "$SCRATCH/out")" ||
    grep -q 'does not let an ordinary user' "$SCRATCH/out" || fail "exec --mount as a user: $(cat "$SCRATCH/out")"
as "$U" umount "$M" || fail "the user cannot unmount"
! grep -q " $M " /proc/self/mounts || fail "still mounted"
is "no socket stays" '' "$(ls "$XDG_RUNTIME_DIR")"

# stale, and replaced
pid=$(as "$U" mount -b --workloads none "$M" | sed -n 's/.*(pid \([0-9]*\),.*/\1/p')
kill -KILL "$pid"
wait_for 5 gone "$pid"
as "$U" mount -b --workloads none "$M" >/dev/null || fail "a user's stale mount is not replaced"
as "$U" umount "$M"

# what is missing is named
refused 'user_allow_other to /etc/fuse.conf' as "$U" mount --allow-other "$M"
refused 'install the package fuse3' as env PATH=/nosuch "$U" mount "$M"
mkdir "$SCRATCH/roots"
refused 'no write access' as "$U" mount "$SCRATCH/roots"
mount --bind /dev/null "$(command -v fusermount3)" && refused 'package fuse3' as "$U" mount "$M"
umount "$(command -v fusermount3)"
umount /dev/fuse
rm -f "$SCRATCH/fuse"
mkdir "$SCRATCH/dev"
cp -a /dev/null "$SCRATCH/dev/"
refused 'cannot open /dev/fuse: No such file or directory' unshare -m sh -c 'mount --bind "$1" /dev; exec "$0" mount "$1/x"' "$U" "$SCRATCH/dev"

# exec in a user namespace, with a daemon of its own
if ! as unshare --user --map-root-user --mount true 2>/dev/null; then
    refused 'does not let an ordinary user' as "$U" exec -- true
    skip "this host forbids user namespaces to ordinary users; mounting has passed"
fi
device 666
as "$U" exec --workloads none -- sh -c 'id -u; cat /sys/kernel/debug/tracing/current_tracer; head -n 1 /proc/mounts | cut -d" " -f3' >"$SCRATCH/out" 2>&1 ||
    fail "exec as a user: $(cat "$SCRATCH/out")"
is "what the command sees" "0 nop tracefs" "$(xargs <"$SCRATCH/out")"
if command -v trace-cmd >/dev/null; then
    as "$U" exec -- sh -c 'cd /tmp; trace-cmd list -e | grep -c sched_switch' >"$SCRATCH/out" 2>&1 || fail "trace-cmd as a user: $(cat "$SCRATCH/out")"
fi

# root without the right to mount
if command -v setpriv >/dev/null; then
    refused 'cannot mount on' setpriv --bounding-set=-sys_admin "$U" mount "$SCRATCH/roots"
    refused 'CAP_SYS_ADMIN' setpriv --bounding-set=-sys_admin "$U" mount "$SCRATCH/roots"
fi
umount /dev/fuse
