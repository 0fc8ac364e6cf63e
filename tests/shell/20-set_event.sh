#!/usr/bin/env bash
# what: set_event: adding, taking away, whole systems, nothing, and its wrong words
# needs: root
# real: yes
. "$(dirname "$0")/lib.sh"
reset_tracing

reads set_event ''
add sched_wakeup set_event
reads set_event sched:sched_wakeup
reads events/sched/sched_wakeup/enable 1
reads events/sched/enable X
reads events/enable X
add sched:sched_switch set_event
is "two events" 2 "$(wc -l <"$T/set_event")"
add '!sched_wakeup' set_event
reads set_event sched:sched_switch
reads events/sched/sched_wakeup/enable 0

# > clears first
put sched_wakeup set_event
reads set_event sched:sched_wakeup

put 'sched:*' set_event
reads events/sched/enable 1
is "all of sched, in the order of available_events" "$(grep ^sched: "$T/available_events")" "$(cat "$T/set_event")"
add '!sched:sched_switch' set_event
reads events/sched/enable X
for all in 'sched:' sched; do
    put "$all" set_event
    reads events/sched/enable 1
done

echo >"$T/set_event"
reads set_event ''
reads events/sched/enable 0
reads events/enable 0

for all in '*:*' '*:' ':*'; do
    put "$all" set_event
    reads events/enable 1
done
put '' set_event
for one in '*:sched_switch' ':sched_switch'; do
    put "$one" set_event
    reads set_event sched:sched_switch
done

# several words in several writes, white space around
printf ' sched_switch \t\n sched_wakeup\n' >>"$T/set_event"
is "two words" 2 "$(wc -l <"$T/set_event")"
printf '   \n' >>"$T/set_event"
is "blanks change nothing" 2 "$(wc -l <"$T/set_event")"

# wrong words change nothing; what > has cleared stays cleared
for wrong in nosuch sched:nosuch nosuch:sched_switch '!nosuch' 'sched_w*' 'SCHED' 'sched/sched_switch' 'sched:sched_switch:x' '*' \
    '! sched_switch' print ftrace:print '#x' 'sched_switch,sched_wakeup'; do
    refused 'Invalid argument' append_to set_event "$wrong"
    is "after '$wrong'" 2 "$(wc -l <"$T/set_event")"
done
refused 'Invalid argument' write_to set_event nosuch
reads set_event ''
add '!sched_switch' set_event
reads set_event ''

# the others follow
put 1 events/sched/sched_switch/enable
reads set_event sched:sched_switch
put 0 events/enable
reads set_event ''
