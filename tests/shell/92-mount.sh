#!/usr/bin/env bash
# what: mounting and unmounting: options, background, busy, stale, killed and refused mounts
# needs: root unshare
# real: no, it is about our daemon
. "$(dirname "$0")/lib.sh"
U=$UTRACEFS
M=$SCRATCH/m

mounted() {
    grep -q " $1 fuse.tracefs " /proc/self/mounts
}
not_mounted() {
    ! mounted "$1"
}
pid_of() { # pid_of READY-LINE
    sed -n 's/.*(pid \([0-9]*\),.*/\1/p' <<<"$1"
}
fails_with() { # fails_with STATUS TEXT COMMAND...
    local want=$1 text=$2 status=0 said
    shift 2
    said=$("$@" 2>&1) || status=$?
    is "status of $*" "$want" "$status"
    [[ $said == *"$text"* ]] || fail "'$*' said '$said' instead of '$text'"
}

# in the foreground: a ready line, three things to try, and a clean end on each signal
for signal in INT TERM HUP; do
    env --default-signal=INT "$U" mount --workloads none "$SCRATCH/made/for/me" >"$SCRATCH/out" &
    daemon=$!
    wait_for 10 grep -qs '^utracefs: ready on ' "$SCRATCH/out"
    wait_for 10 grep -qs 'utracefs exec' "$SCRATCH/out"
    is "lines" 5 "$(wc -l <"$SCRATCH/out")"
    mounted "$SCRATCH/made/for/me" || fail "not mounted"
    is "the daemon's type and source" "fuse.tracefs utracefs" "$(stat -f -c %T "$SCRATCH/made/for/me" >/dev/null; awk -v m="$SCRATCH/made/for/me" '$2 == m {print $3, $1}' /proc/self/mounts)"
    kill "-$signal" "$daemon"
    wait "$daemon" || fail "SIG$signal: the daemon ends with $?"
    not_mounted "$SCRATCH/made/for/me" || fail "SIG$signal: still mounted"
done

# in the background
ready=$("$U" mount --background --workloads none "$M") || fail "mount --background fails: $ready"
daemon=$(pid_of "$ready")
mounted "$M" || fail "mount --background returned before the mount was there"
is "it answers" nop "$(cat "$M/current_tracer")"
is "a session of its own" 1 "$([ "$(ps -o sid= -p "$daemon")" != "$(ps -o sid= -p $$)" ] && echo 1)"
is "its terminal" '?' "$(ps -o tty= -p "$daemon")"
fails_with 32 "already (daemon pid $daemon)" "$U" mount "$M"
fails_with 32 'not a mount of utracefs' "$U" umount /proc
fails_with 32 'nothing is mounted' "$U" umount "$SCRATCH"

# unmounting while files are open: readers that wait are answered, nothing hangs
cat "$M/trace_pipe" >/dev/null 2>"$SCRATCH/err" &
reader=$!
wait_for 5 asleep_in "$reader" "$M/trace_pipe"
exec 5<"$M/available_events"
"$U" umount "$M" || fail "umount fails while files are open"
not_mounted "$M" || fail "umount left the mount"
wait_for 5 gone "$reader"
exec 5<&-
wait_for 5 gone "$daemon"
is "no socket stays" '' "$(find /run/utracefs -type s ! -name "$(stat -c %Hd:%Ld "$T")")"

# umount(8) does as well
daemon=$(pid_of "$("$U" mount -b --workloads none "$M")")
umount "$M"
wait_for 5 gone "$daemon"

# killed: the mount is dead; mount replaces it, umount removes it
daemon=$(pid_of "$("$U" mount -b --workloads none "$M")")
kill -KILL "$daemon"
wait_for 5 gone "$daemon"
# a look that was under way when the last thread went is answered 'Software caused connection abort'
dead() {
    [[ $(ls "$1" 2>&1) == *'Transport endpoint is not connected'* ]]
}
wait_for 5 dead "$M"
daemon=$(pid_of "$("$U" mount -b --workloads none "$M")") || fail "a stale mount is not replaced"
is "one mount" 1 "$(grep -c " $M fuse.tracefs " /proc/self/mounts)"
is "it answers" nop "$(cat "$M/current_tracer")"
kill -KILL "$daemon"
wait_for 5 gone "$daemon"
"$U" umount "$M" || fail "umount does not remove a stale mount"
not_mounted "$M" || fail "umount left a stale mount"

# options, as tracefs has them
owner() {
    daemon=$(pid_of "$("$U" mount -b --workloads none -o "$1" "$M")")
    is "owner and mode of the root with $1" "$2" "$(stat -c '%u:%g %a' "$M")"
    is "owner and mode of a file with $1" "$3" "$(stat -c '%u:%g %a' "$M/trace")"
    "$U" umount "$M"
}
owner mode=755 '0:0 755' '0:0 640'
owner uid=7,gid=8 '7:8 700' '7:8 640'
owner gid=0x10,mode=0750 '0:16 750' '0:16 640'
for wrong in mode=999 mode uid=abc gid=-1 nosuch uid=4294967295; do
    fails_with 32 'bad option' "$U" mount -o "$wrong" "$M"
done
daemon=$(pid_of "$("$U" mount -b --workloads none -o ro "$M")")
refused 'Read-only file system' bash -c 'echo 1 >"$0"' "$M/tracing_on"
"$U" umount "$M"

# mode and owner decide who gets in
"$U" mount -b --workloads none -o gid=65534,mode=750 "$M" >/dev/null
chmod 755 "$SCRATCH"
runuser -u nobody -- cat "$M/trace" >/dev/null || fail "a member of the group cannot read"
refused 'Permission denied' runuser -u nobody -- bash -c 'echo 1 >"$0"' "$M/tracing_on"
"$U" umount "$M"
"$U" mount -b --workloads none "$M" >/dev/null
refused 'Permission denied' runuser -u nobody -- ls "$M"
refused 'only root and the owner' runuser -u nobody -- "$U" workload list --mount "$M"
"$U" umount "$M"

# what would be hidden
mkdir "$SCRATCH/full"
touch "$SCRATCH/full/file"
fails_with 32 'not empty' "$U" mount "$SCRATCH/full"
"$U" mount -b --workloads none --over "$SCRATCH/full" >/dev/null
"$U" umount "$SCRATCH/full"
[ -e "$SCRATCH/full/file" ] || fail "the file is gone"
fails_with 32 'not a directory' "$U" mount "$SCRATCH/full/file"
fails_with 32 'no workload' "$U" mount --workloads nosuch "$M"
fails_with 2 'Usage' "$U" mount
if mkdir "$SCRATCH/real" && mount -t tracefs nodev "$SCRATCH/real" 2>/dev/null; then
    fails_with 32 "the kernel's own tracefs" "$U" mount "$SCRATCH/real"
    fails_with 32 "the kernel's own tracefs" "$U" umount "$SCRATCH/real"
    umount "$SCRATCH/real"
fi

# a log file; what the daemon inherits
"$U" mount -b --workloads none --log "$SCRATCH/log" "$M" 9>"$SCRATCH/inherited" >"$SCRATCH/out"
daemon=$(pid_of "$(cat "$SCRATCH/out")")
[ -f "$SCRATCH/log" ] || fail "no log file"
! readlink "/proc/$daemon"/fd/* | grep -q inherited || fail "the daemon keeps the caller's descriptors"

# a daemon in another pid namespace: it cannot know its readers' numbers
"$U" umount "$M"
unshare --pid --fork --mount-proc "$U" mount --workloads none "$M" >"$SCRATCH/out" &
inside=$!
wait_for 10 grep -qs 'utracefs exec' "$SCRATCH/out"
# its mount namespace is its own: go in
root=/proc/$(pgrep -P "$inside")/root
cat "$root$M/trace_pipe" >/dev/null &
reader=$!
wait_for 5 bash -c '[[ $(sed "s/.*) //; s/ .*//" "/proc/$0/stat") == [SD] ]] && readlink "/proc/$0/fd/3" | grep -q trace_pipe' "$reader"
start=$(now_ms)
kill "$reader"
wait_for 5 gone "$reader"
[ $(($(now_ms) - start)) -lt 500 ] || fail "a reader whose pid the daemon does not see takes $(($(now_ms) - start)) ms to end"
kill "$(pgrep -P "$inside")"
wait "$inside" || true
