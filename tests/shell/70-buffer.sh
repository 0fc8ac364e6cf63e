#!/usr/bin/env bash
# what: buffer sizes, clear, overwrite and discard, exact counts of what is lost, clocks
# needs: root
# real: yes
. "$(dirname "$0")/lib.sh"
reset_tracing

cpus=$(find "$T/per_cpu" -mindepth 1 -maxdepth 1 -name 'cpu*' | wc -l)

# Reads what was asked for, rounded up to whole sub-buffers (newer kernels count what fits in them).
close_to() { # close_to FILE KB
    local kb
    kb=$(cat "$T/$1")
    [ "$kb" -ge "$2" ] && [ "$kb" -le $(($2 + 8)) ] || fail "$1 reads $kb after $2"
}
put 100 buffer_size_kb
close_to buffer_size_kb 100
close_to per_cpu/cpu0/buffer_size_kb 100
is "the sum" "$(($(cat "$T/buffer_size_kb") * cpus))" "$(cat "$T/buffer_total_size_kb")"
if [ "$cpus" -gt 1 ]; then
    put 200 per_cpu/cpu0/buffer_size_kb
    close_to per_cpu/cpu0/buffer_size_kb 200
    close_to per_cpu/cpu1/buffer_size_kb 100
    reads buffer_size_kb X
fi
put 1 buffer_size_kb
[ "$(cat "$T/buffer_size_kb")" -le 8 ] || fail "the smallest buffer is $(cat "$T/buffer_size_kb") KiB"
for wrong in 0 x -1 ''; do
    refused 'Invalid argument' write_to buffer_size_kb "$wrong"
done

stat() { # stat NAME: of cpu0
    sed -n "s/^$1: //p" "$T/per_cpu/cpu0/stats"
}
fill() { # fill N: marks on cpu0
    taskset -c 0 bash -c 'for ((i = 1; i <= $1; i++)); do echo "filler number $i" 2>/dev/null || true; done >"$0/trace_marker"' "$T" "$1"
}

# overwrite: the newest stay, the others are counted
put '' trace
fill 1000
is "nothing disappears uncounted" 1000 $(($(stat entries) + $(stat overrun)))
[ "$(stat overrun)" -gt 0 ] || fail "a full buffer has lost nothing"
is "dropped" 0 "$(stat 'dropped events')"
has trace ': filler number 1000$'
hasnt trace ': filler number 1$'
is "entries are what trace shows" "$(stat entries)" "$(entries)"
has trace "^# entries-in-buffer/entries-written: $(stat entries)/1000 "

# discard: the oldest stay
put 0 options/overwrite
put '' trace
fill 1000
is "nothing disappears uncounted" 1000 $(($(stat entries) + $(stat 'dropped events')))
[ "$(stat 'dropped events')" -gt 0 ] || fail "a full buffer has dropped nothing"
is "overrun" 0 "$(stat overrun)"
has trace ': filler number 1$'
hasnt trace ': filler number 1000$'
put 1 options/overwrite

# clear
put '' trace
is "cleared" 0 "$(entries)"
is "cleared" 0 "$(stat entries)"
fill 3
: >"$T/per_cpu/cpu0/trace"
is "cleared by opening" 0 "$(entries)"
fill 3
: >>"$T/trace"
is "not cleared by appending" 3 "$(entries)"

# resizing keeps what fits
put 100 buffer_size_kb
is "after growing" 3 "$(entries)"
put 50 buffer_size_kb
is "after shrinking" 3 "$(entries)"

# clocks clear; their unit shows
put mono trace_clock
has trace_clock '\[mono\]'
is "a clock clears" 0 "$(entries)"
fill 1
up=$(cut -d. -f1 /proc/uptime)
stamp=$(sed -n 's/.* \([0-9]*\)\.[0-9]*: tracing_mark_write.*/\1/p' "$T/trace")
[ "$stamp" -ge $((up - 86400)) ] && [ "$stamp" -le $((up + 86400)) ] || fail "mono shows $stamp at uptime $up"
put counter trace_clock
fill 2
has trace '\] .{5} +[0-9]+: tracing_mark_write: filler number 2$'
refused 'Invalid argument' write_to trace_clock nosuch
has trace_clock '\[counter\]'
put ' local ' trace_clock
has trace_clock '\[local\]'
reset_tracing
