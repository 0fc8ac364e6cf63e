#!/usr/bin/env bash
# what: filters of events and systems, their errors with carets, error_log
# needs: root
# real: yes
. "$(dirname "$0")/lib.sh"
reset_tracing

F=events/sched/sched_switch/filter
put 0 events/sched/filter
put '' error_log
[ -z "$(cat "$T/error_log")" ] || fail "error_log is not empty"
reads $F none

# what is taken reads back as written, but for the end
for text in 'prev_pid == 1' 'prev_pid==1&&next_pid!=0x10 || prev_state & 1' 'prev_comm ~ "a*b?[c-e]"' \
    "!(next_comm == 'x\"y' || CPU < 2) && COMM != \"z\"" 'prev_prio <= -1' 'CPU & CPUS{0}' '! ! ( prev_pid > 010 )' \
    'stacktrace == 1'; do
    put "$text" $F
    reads $F "$text"
done
put '  prev_pid == 1   ' $F
reads $F '  prev_pid == 1'
put ' 0 ' $F
reads $F none

# many terms, deep parentheses
many=$(printf 'prev_pid < 9 && %.0s' {1..200})
put "$many prev_pid < 9" $F
deep=$(printf '(%.0s' {1..200})prev_pid==1$(printf ')%.0s' {1..200})
put "$deep" $F
reads $F "$deep"

# wrong ERROR MESSAGE CARET TEXT: the filter goes, its file says why, and so does error_log
wrong() {
    put 'prev_pid == 1' $F
    : >"$T/error_log"
    refused "$1" write_to $F "$4"
    is "$F after '$4'" "$4
$(printf '%*s' "$3" '')^
parse_error: $2" "$(cat "$T/$F")"
    is "error_log after '$4'" "  Command: $4" "$(sed -n 2p "$T/error_log")"
    has error_log "^\[ *[0-9]+\.[0-9]{6}\] event filter parse error: error: ${2//[()?\'\{\}]/.}$"
    is "the caret of '$4'" "$(printf '%*s' "$((11 + $3))" '')^" "$(sed -n 3p "$T/error_log")"
}
wrong 'Invalid argument' 'Field not found' 7 'nosuch == 1'
wrong 'Invalid argument' 'Field not found' 20 'prev_pid==1 && nope == 1'
wrong 'Invalid argument' 'Invalid operator' 10 'prev_pid = 1'
wrong 'Invalid argument' 'Illegal operation for field type' 12 'prev_pid ~ 1'
wrong 'Invalid argument' 'Invalid value (did you forget quotes)?' 13 'prev_pid == abc'
wrong 'Invalid argument' 'Illegal integer value' 13 'prev_pid == 09'
wrong 'Invalid argument' 'Expecting numeric field' 13 'prev_pid == "1"'
wrong 'Invalid argument' 'Expecting string field' 14 'prev_comm == 1'
wrong 'No such process' 'Missing matching quote' 11 'prev_comm=="abc'
wrong 'No such file or directory' "Too many '('" 1 '((prev_pid==1'
wrong 'Operation not permitted' "Too few '('" 11 'prev_pid==1)'
wrong 'Operation not permitted' 'Too many terms in predicate expression' 12 'prev_pid==1 & prev_pid==2'
wrong 'Invalid argument' "Invalid cpulist" 12 'CPU==CPUS{x}'
for text in '' '()' '   '; do
    refused 'Invalid argument' write_to $F "$text"
    is "$F" "${text%% *}
Error: (0)" "$(cat "$T/$F")"
done
refused 'Operation not permitted' write_to $F '== 1'

# eight are kept
: >"$T/error_log"
for i in 1 2 3 4 5 6 7 8 9; do
    refused 'Invalid argument' write_to $F "x$i == 1"
done
is "entries" 8 "$(grep -c Command "$T/error_log")"
hasnt error_log 'x1 == 1'
add anything error_log
is "entries" 8 "$(grep -c Command "$T/error_log")"
: >"$T/error_log"
is "error_log" '' "$(cat "$T/error_log")"

# what is rejected leaves no trace
put 'prev_pid == -7' $F
put '' trace
put 1 events/sched/sched_switch/enable
fire sched
hasnt trace 'sched_switch:'
put 'prev_pid != -7 && !(next_pid == -7)' $F
fire sched
put 0 events/sched/sched_switch/enable
has trace 'sched_switch:'

# a system's goes to those of its events that can take it
head=$(cat "$T/events/sched/filter")
put 'prev_pid == 1' events/sched/filter
is "the system's file" "$head" "$(cat "$T/events/sched/filter")"
reads $F 'prev_pid == 1'
is "sched_wakeup" "prev_pid == 1
^
parse_error: Couldn't find or set field in one of a subsystem's events" "$(cat "$T/events/sched/sched_wakeup/filter")"
put nonsense events/sched/filter
put 0 events/sched/filter
reads $F none
reads events/sched/sched_wakeup/filter none

# instances have their own
mkdir "$T/instances/filtered"
put 'prev_pid == 2' "instances/filtered/$F"
reads $F none
refused 'Invalid argument' write_to "instances/filtered/$F" 'bad == 1'
[ -s "$T/error_log" ] || [ -n "$(cat "$T/instances/filtered/error_log")" ] || fail "no error in the instance"
hasnt error_log 'bad == 1'
has instances/filtered/error_log 'bad == 1'
rmdir "$T/instances/filtered"

: >"$T/error_log"
reset_tracing
