#!/usr/bin/env bash
# what: files with one setting each: numbers and their limits, masks, what they do to the buffer
# needs: root
# real: yes
. "$(dirname "$0")/lib.sh"
reset_tracing
mkdir "$T/instances/c"
I=instances/c

for f in buffer_percent buffer_subbuf_size_kb tracing_cpumask set_event_pid set_event_notrace_pid; do
    for d in . $I; do
        is "mode of $d/$f" 640 "$(stat -c %a "$T/$d/$f")"
    done
done
is "mode of timestamp_mode" 440 "$(stat -c %a "$T/$I/timestamp_mode")"
is "mode of trace_marker_raw" 220 "$(stat -c %a "$T/$I/trace_marker_raw")"
is "mode of free_buffer" 200 "$(stat -c %a "$T/$I/free_buffer")"
for f in printk_formats saved_tgids; do
    is "mode of $f" 440 "$(stat -c %a "$T/$f")"
    [ ! -e "$T/$I/$f" ] || fail "an instance has $f"
done
for f in saved_cmdlines_size tracing_thresh; do
    is "mode of $f" 640 "$(stat -c %a "$T/$f")"
    [ ! -e "$T/$I/$f" ] || fail "an instance has $f"
done
reads $I/timestamp_mode '[delta] absolute'
refused 'Invalid argument' write_to $I/timestamp_mode 1

# buffer_percent
reads $I/buffer_percent 50
for n in 0 1 100; do
    put $n $I/buffer_percent
    reads $I/buffer_percent $n
done
for n in 101 -1 x '' 4294967296; do
    refused 'Invalid argument' write_to $I/buffer_percent "$n"
done
reads $I/buffer_percent 100

# buffer_subbuf_size_kb: powers of two of pages; a change clears
reads $I/buffer_subbuf_size_kb 4
echo kept >"$T/$I/trace_marker"
put 4 $I/buffer_subbuf_size_kb
has $I/trace ': kept$'
put 5 $I/buffer_subbuf_size_kb
reads $I/buffer_subbuf_size_kb 8
hasnt $I/trace ': kept$'
has $I/events/header_page 'data;	offset:16;	size:8176;'
has events/header_page 'data;	offset:16;	size:4080;'
put 64 $I/buffer_subbuf_size_kb
reads $I/buffer_size_kb 1410
put 1 $I/buffer_size_kb
reads $I/buffer_size_kb 127
for n in 0 513 1000 x ''; do
    refused 'Invalid argument' write_to $I/buffer_subbuf_size_kb "$n"
done
put 4 $I/buffer_subbuf_size_kb
put 1408 $I/buffer_size_kb
reads $I/buffer_size_kb 1410

# who reads trace keeps the size
exec 5<"$T/$I/trace"
refused 'Device or resource busy' write_to $I/buffer_size_kb 100
refused 'Device or resource busy' write_to $I/per_cpu/cpu0/buffer_size_kb 100
exec 5<&-
exec 5<"$T/$I/trace_pipe"
put 100 $I/buffer_size_kb
exec 5<&-
reads $I/buffer_size_kb 103

# free_buffer acts when its last descriptor is closed
exec 5>"$T/$I/free_buffer"
echo ignored >&5
reads $I/buffer_size_kb 103
(exec 5>&-)
reads $I/buffer_size_kb 103
exec 5>&-
reads $I/buffer_size_kb 7
reads $I/tracing_on 1
put 1 $I/options/disable_on_free
: >"$T/$I/free_buffer"
reads $I/tracing_on 0
put 1 $I/tracing_on
put 0 $I/options/disable_on_free

# tracing_cpumask
all=$(cat "$T/$I/tracing_cpumask")
for n in 1 ' 1 ' '1,' ',1'; do
    put "$n" $I/tracing_cpumask
    is "mask after '$n'" 1 "$(($(tr -d , <"$T/$I/tracing_cpumask")))"
done
for n in 0x1 0-1 Y -1 1.0; do
    refused 'Invalid argument' write_to $I/tracing_cpumask "$n"
done
refused 'Value too large' write_to $I/tracing_cpumask "$(printf 'f%.0s' {1..1100})"
refused 'Invalid argument' dd if="$T/$I/tracing_cpumask" bs=1 count=1 status=none
put 0 $I/tracing_cpumask
refused 'Bad file descriptor' write_to $I/trace_marker x
put "$all" $I/tracing_cpumask
put '' $I/trace
echo seen >"$T/$I/trace_marker"
has $I/trace ': seen$'

# a number, in microseconds
reads tracing_thresh 0
put 100 tracing_thresh
reads tracing_thresh 100
refused 'Invalid argument' write_to tracing_thresh x
put 0 tracing_thresh

# the names of tasks
before=$(cat "$T/saved_cmdlines_size")
for n in 0 32769 x ''; do
    refused 'Invalid argument' write_to saved_cmdlines_size "$n"
done
put 1 saved_cmdlines_size
reads saved_cmdlines_size "$before"

# every clock: each write clears, also of the one there is
for clock in global counter uptime perf mono mono_raw boot tai x86-tsc local local; do
    grep -qw -- "$clock" "$T/$I/trace_clock" || continue
    echo before >"$T/$I/trace_marker"
    put " $clock " $I/trace_clock
    has $I/trace_clock "\[$clock\]"
    hasnt $I/trace before
    echo after >"$T/$I/trace_marker"
    case $clock in
    counter | uptime | x86-tsc) has $I/trace ' +[0-9]+: tracing_mark_write: after$' ;;
    *) has $I/trace ' [0-9]+\.[0-9]{6}: tracing_mark_write: after$' ;;
    esac
done
for wrong in '' Local nosuch 'local mono' '[local]'; do
    refused 'Invalid argument' write_to $I/trace_clock "$wrong"
done
rmdir "$T/$I"
