#!/usr/bin/env bash
# what: enable at its three levels, with 0, 1 and X, and events recorded only while on
# needs: root
# real: yes
. "$(dirname "$0")/lib.sh"
reset_tracing

reads events/enable 0
reads events/sched/enable 0
reads events/sched/sched_switch/enable 0
put 1 events/sched/sched_switch/enable
reads events/sched/sched_switch/enable 1
reads events/sched/enable X
reads events/enable X
put 1 events/sched/enable
reads events/sched/enable 1
reads events/sched/sched_wakeup/enable 1
reads events/enable X
put 0 events/sched/sched_wakeup/enable
reads events/sched/enable X
put 0 events/sched/enable
reads events/sched/enable 0
reads events/enable 0
put 1 events/enable
reads events/enable 1
reads events/sched/sched_switch/enable 1
put 0 events/enable
reads events/enable 0
reads events/sched/sched_switch/enable 0

for f in events/enable events/sched/enable events/sched/sched_switch/enable; do
    for wrong in 2 -1 x '' '1 ' 0x1; do
        refused 'Invalid argument' write_to "$f" "$wrong"
    done
    reads "$f" 0
done
[ ! -e "$T/events/ftrace/enable" ] || fail "events/ftrace has an enable file"
[ ! -e "$T/events/ftrace/print/enable" ] || fail "events/ftrace/print has an enable file"

# only what is on is recorded
put '' trace
put 1 events/sched/sched_switch/enable
fire sched
put 0 events/sched/sched_switch/enable
has trace '^ *[^ ].*-[0-9]+ +\[[0-9]{3}\] .{5} +[0-9]+\.[0-9]{6}: sched_switch: prev_comm=.* prev_pid=[0-9]+ prev_prio=[0-9]+ prev_state=[^ ]+ ==> next_comm=.* next_pid=[0-9]+ next_prio=[0-9]+$'
hasnt trace 'sched_wakeup'
before=$(entries)
fire sched
is "nothing is recorded while off" "$before" "$(entries)"

# tracing_on holds everything
put '' trace
put 1 events/sched/enable
put 0 tracing_on
fire sched
before=$(entries)
fire sched
is "nothing is recorded while tracing_on is 0" "$before" "$(entries)"
put 1 tracing_on
fire sched
[ "$(entries)" -gt "$before" ] || fail "nothing is recorded after tracing_on became 1 again"
put 0 events/enable

reset_tracing
