#!/usr/bin/env bash
# what: a mount as one gets it without options: all workloads run, each is seen at its work, and all of it ends with the mount
# needs: root
# real: no, the kernel has its own work to do
. "$(dirname "$0")/lib.sh"
U=$UTRACEFS
M=$SCRATCH/mount
"$U" mount -b "$M" >"$SCRATCH/ready" || fail "mount fails: $(cat "$SCRATCH/ready")"
daemon=$(sed -n 's/.*(pid \([0-9]*\),.*/\1/p' "$SCRATCH/ready")

# WORKLOAD TEXT: how the trace shows an event that no other workload causes
work="sched sched_stat_runtime:
syscalls sys_openat(
process sched_process_exec:
block block_rq_issue:
net inet_sock_set_state:
xdp xdp_exception:
irq tasklet_entry:
timer itimer_expire:
workqueue workqueue_execute_start:
mm page_fault_user:"
is "workloads" "$(cut -d' ' -f1 <<<"$work" | sort)" "$("$U" workload list --mount "$M" | sed -n 's/^\([a-z]*\) .*running.*/\1/p' | sort)"
echo 1 >"$M/events/enable"
while read -r _ text; do
    wait_for 20 grep -Fq ": $text" "$M/trace"
done <<<"$work"
echo 0 >"$M/events/enable"
is "workloads later" 10 "$("$U" workload list --mount "$M" | grep -c running)"
[ -d "/proc/$daemon" ] || fail "the daemon is gone"
"$U" umount "$M"
wait_for 10 test ! -e "/proc/$daemon"
