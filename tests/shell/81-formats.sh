#!/usr/bin/env bash
# what: the text of a trace in each form that an option gives it, and stacks
# needs: root
# real: yes
. "$(dirname "$0")/lib.sh"
reset_tracing

# the events of a trace, without the header
events() {
    grep -v '^#' "$T/trace"
}
last() {
    tail -n 1 "$T/trace"
}
on() { # on OPTION... COMMAND: the command's output while they are set
    local command=${!#} option
    for option in "${@:1:$#-1}"; do put "$option" trace_options; done
    "$command"
    for option in "${@:1:$#-1}"; do
        case $option in no*) put "${option#no}" trace_options ;; *) put "no$option" trace_options ;; esac
    done
}
shape() { # shape WHAT REGEX TEXT
    [[ $3 =~ ^($2)$ ]] || fail "$1 is not like /$2/: '$3'"
}
header() {
    grep '^#' "$T/trace"
}

# the order of the names
list=$(sed 's/^no//' "$T/trace_options" | tr '\n' ' ')
shape order 'print-parent sym-offset sym-addr verbose raw hex bin block fields (trace_printk )?annotate userstacktrace sym-userobj printk-msg-only context-info latency-format record-cmd record-tgid overwrite disable_on_free irq-info markers event-fork trace_printk_dest copy_trace_marker pause-on-trace hash-ptr .*stacktrace test_nop_accept test_nop_refuse ' "$list"

echo >"$T/trace"
printf 'hello\n' >"$T/trace_marker"
name=' *[^ ]+'
shape raw '[0-9]+ [0-9]+ [0-9]+ # [0-9a-f]+ hello' "$(on raw events)"
shape 'raw without context' '# [0-9a-f]+ hello' "$(on raw nocontext-info last)"
shape hex '[0-9a-f]{8} 0000000[0-9a-f] [0-9a-f]{16} type: 5' "$(on hex events)"
shape 'hex over raw' '[0-9a-f]{8} 0000000[0-9a-f] [0-9a-f]{16} type: 5' "$(on raw hex fields events)"
shape 'raw over fields' '[0-9]+ [0-9]+ [0-9]+ # [0-9a-f]+ hello' "$(on raw fields events)"
bin() { tail -c 24 "$T/trace" | tail -c +17; }
is bin 'type: 5' "$(on bin bin)"
pid() { tail -c 24 "$T/trace" | od -An -td4 -N4 | tr -d ' '; }
is 'pid in bin' "$$" "$(on bin pid)"
shape fields "$name-[0-9]+ +\\[[0-9]{3}\\] \\.\\.\\.1\\. +[0-9]+\\.[0-9]{6}: UNKNOWN TYPE 5" "$(on fields events)"
is 'message only' hello "$(on printk-msg-only events)"
shape 'message only, not of trace_printk' "$name-.*tracing_mark_write: hello" "$(on printk-msg-only notrace_printk events)"
shape sym-offset ".*: tracing_mark_write\\+0x[0-9a-f]+/0x[0-9a-f]+: hello" "$(on sym-offset events)"
shape sym-addr ".*: tracing_mark_write <[0-9a-f]{16}>: hello" "$(on sym-addr events)"
is 'verbose header' '# tracer: nop
#' "$(on verbose header)"
is 'latency, no context: header' '# tracer: nop
#' "$(on latency-format nocontext-info header)"
is 'latency, no context' 'tracing_mark_write: hello' "$(on latency-format nocontext-info events)"
shape latency "$name-[0-9]+ +[0-9]+\\.\\.\\.1\\. +[0-9]+us : tracing_mark_write: hello" "$(on latency-format events)"
shape 'latency, verbose' "$name +[0-9]+ +[0-9]+ 0 00000001 00000000 \\[[0-9a-f]{8,}\\] [0-9]+\\.[0-9]{3}ms \\(\\+0\\.000ms\\): tracing_mark_write: hello" "$(on latency-format verbose events)"
is 'lines of the latency header' 18 "$(on latency-format header | wc -l)"
has_release() { header | sed -n 3p; }
is release "# nop latency trace v1.1.5 on $(uname -r)" "$(on latency-format has_release)"
echo >"$T/trace"
is 'latency header of nothing' '# tracer: nop
#' "$(on latency-format header)"

# a clock that does not count nanoseconds
put counter trace_clock
echo one >"$T/trace_marker"
echo two >"$T/trace_marker"
shape counter '.* +[0-9]+: tracing_mark_write: one' "$(events | head -n 1)"
shape 'counter, latency' '.*1\.    1: tracing_mark_write: one' "$(on latency-format events | head -n 1)"
shape 'counter, verbose' '.* 00000000 \[[0-9a-f]{16}\] 1 \(\+1\): tracing_mark_write: one' "$(on latency-format verbose events | head -n 1)"
put local trace_clock

# the pipe follows the options, whether it is latency format is fixed when it is opened
echo one >"$T/trace_marker"
exec 5<"$T/trace_pipe"
put latency-format trace_options
put nocontext-info trace_options
IFS= read -r line <&5
is 'pipe' 'tracing_mark_write: one' "$line"
put context-info trace_options
echo two >"$T/trace_marker"
IFS= read -r line <&5
shape 'pipe' "$name-[0-9]+ +\\[[0-9]{3}\\] .*: tracing_mark_write: two" "$line"
exec 5<&-
exec 5<"$T/trace_pipe"
echo three >"$T/trace_marker"
IFS= read -r line <&5
shape 'pipe in latency format' "$name-[0-9]+ +[0-9]+\\.\\.\\.1\\. +[0-9]+us : tracing_mark_write: three" "$line"
exec 5<&-
put nolatency-format trace_options

# a real event by its fields
put 1 events/sched/sched_switch/enable
fire sched
put 0 events/sched/sched_switch/enable
put fields trace_options
has trace ': sched_switch: prev_comm=[^=]* prev_pid=0x[0-9a-f]+ \([0-9]+\) prev_prio=0x[0-9a-f]+ \([0-9]+\) prev_state=0x'
put nofields trace_options
put raw trace_options
has trace "^[0-9]+ [0-9]+ [0-9]+ type: $(cat "$T/events/sched/sched_switch/id")\$"
put noraw trace_options

# stacks come after the event, and only where they are wanted
hasnt trace 'stack trace>'
echo >"$T/trace"
put stacktrace trace_options
put 1 events/sched/sched_switch/enable
fire sched
put 0 events/sched/sched_switch/enable
put nostacktrace trace_options
echo marker >"$T/trace_marker"
has trace ': <stack trace>$'
has trace '^ => [A-Za-z_<]'
hasnt trace '<user stack trace>'
put sym-offset trace_options
has trace '^ => [A-Za-z_<].*\+0x[0-9a-f]+/0x[0-9a-f]+$'
put sym-addr trace_options
has trace '^ => [A-Za-z_<].*\+0x[0-9a-f]+/0x[0-9a-f]+ <[0-9a-f]{16}>$'
put nosym-addr trace_options
put nosym-offset trace_options
put raw trace_options
has trace '^[0-9]+ [0-9]+ [0-9]+ type: 4$'
put noraw trace_options
echo >"$T/trace"
put userstacktrace trace_options
put 1 events/sched/sched_switch/enable
fire sched
put 0 events/sched/sched_switch/enable
put nouserstacktrace trace_options
has trace ': <user stack trace>$'
has trace '^ =>  <[0-9a-f]{16}>$'
hasnt trace ': <stack trace>$'

# what the nop tracer has for tests
refused 'Invalid argument' write_to options/test_nop_refuse 1
refused 'Invalid argument' write_to trace_options notest_nop_refuse
put 1 options/test_nop_accept
has trace_options '^test_nop_accept$'
put 0 options/test_nop_accept
reset_tracing
