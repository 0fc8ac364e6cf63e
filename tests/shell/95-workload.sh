#!/usr/bin/env bash
# what: utracefs workload: list, start, stop, exact runs, and how the mount is found
# needs: root
# real: no, the kernel has its own work to do
. "$(dirname "$0")/lib.sh"
U=$UTRACEFS
reset_tracing

"$U" workload list --mount "$T" >"$SCRATCH/list"
for name in sched syscalls; do
    grep -q "^$name " "$SCRATCH/list" || fail "workload list lacks $name: $(cat "$SCRATCH/list")"
done

# N operations are N operations
put 1 events/sched/enable
"$U" workload run sched --ops 10 --mount "$T"
first=$(entries)
[ "$first" -gt 10 ] || fail "10 operations made $first events"
before=$(entries)
is "nothing goes on after a run" "$before" "$(entries)"
put 0 events/enable
put '' trace
put 1 events/syscalls/sys_enter_openat/enable
"$U" workload run syscalls --ops 20 --mount "$T"
[ "$(entries)" -gt 0 ] || fail "20 operations of syscalls opened nothing"
has trace ': sys_openat\(dfd: '
put 0 events/enable

# in the background
"$U" workload start sched --rate 1000 --mount "$T"
put 1 events/sched/enable
wait_for 10 grep -q sched_switch "$T/trace"
"$U" workload list --mount "$T" | grep -q '^sched .*running' || fail "it is not said to run: $("$U" workload list --mount "$T")"
"$U" workload stop sched --mount "$T"
before=$(entries)
is "stopped" "$before" "$(entries)"
"$U" workload list --mount "$T" | grep -q '^sched .*stopped' || fail "it is not said to be stopped"
put 0 events/enable

# a run that nobody waits for any more ends
"$U" workload run sched --ops 1000000000 --rate 10 --mount "$T" &
pid=$!
wait_for 5 bash -c '"$0" workload list --mount "$1" | grep -q "^sched .*1 run"' "$U" "$T"
kill "$pid"
wait "$pid" || true
wait_for 10 bash -c '! "$0" workload list --mount "$1" | grep -q "^sched .*1 run"' "$U" "$T"

# a system is all of its events and no other's
put 'irq:*' set_event
is "irq:*" "$(printf 'irq:%s\n' irq_handler_entry irq_handler_exit softirq_entry softirq_exit softirq_raise tasklet_entry tasklet_exit)" "$(sort "$T/set_event")"
is "as many directories" 7 "$(find "$T/events/irq" -mindepth 1 -maxdepth 1 -type d | wc -l)"
put '' set_event
is "nothing" '' "$(cat "$T/set_event")"

# figures
"$U" workload figures block --mount "$T" | grep -q '^latency_ns [0-9]*$' || fail "no figures of block"
refused 'counts nothing but its operations' "$U" workload figures timer --mount "$T"
refused 'no workload is called' "$U" workload figures nosuch --mount "$T"

# a setting
"$U" workload list --mount "$T" | grep -q '^net .*, loss=5 ' || fail "net does not say what it loses"
"$U" workload set net loss=12.5 --mount "$T"
"$U" workload list --mount "$T" | grep -q '^net .*, loss=12.5 ' || fail "the setting is not shown"
refused 'from 0 to 30' "$U" workload set net loss=31 --mount "$T"
refused 'there are: none' "$U" workload set sched loss=1 --mount "$T"
"$U" workload set net loss=5 --mount "$T"

refused 'nosuch' "$U" workload start nosuch --mount "$T"
refused 'is no mount of utracefs' "$U" workload list --mount /proc
is "by the variable" "$(cut -d' ' -f1 "$SCRATCH/list")" "$(UTRACEFS_MOUNT=$T "$U" workload list | cut -d' ' -f1)"
is "from a directory inside" "$(cut -d' ' -f1 "$SCRATCH/list")" "$("$U" workload list --mount "$T/events/sched" | cut -d' ' -f1)"
mkdir "$SCRATCH/elsewhere"
mount --bind "$T" "$SCRATCH/elsewhere"
is "through a bind mount" "$(cut -d' ' -f1 "$SCRATCH/list")" "$("$U" workload list --mount "$SCRATCH/elsewhere" | cut -d' ' -f1)"
umount "$SCRATCH/elsewhere"
is "the only one" "$(cut -d' ' -f1 "$SCRATCH/list")" "$("$U" workload list | cut -d' ' -f1)"
"$U" mount -b --workloads none "$SCRATCH/second" >/dev/null
refused 'several mounts' "$U" workload list
"$U" umount "$SCRATCH/second"
