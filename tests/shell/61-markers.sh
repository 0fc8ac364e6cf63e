#!/usr/bin/env bash
# what: trace_marker's newlines and limit, trace_marker_raw, and where markers of the top level go
# needs: root
# real: yes
. "$(dirname "$0")/lib.sh"
reset_tracing
mkdir "$T/instances/m" "$T/instances/n"
M=instances/m

text() { # text FILE: what follows the first event's name, with $ for each newline
    sed '/^#/d; 1,/^#  *| | /{/^#/d}' "$T/$1" | sed 's/.*: tracing_mark_write: //' | tr '\n' '$'
}
newline() { # newline INPUT EXPECTED
    put '' $M/trace
    printf '%b' "$1" >"$T/$M/trace_marker"
    is "'$1'" "$2" "$(text $M/trace)"
}
newline 'a' 'a$'
newline 'a\t%s \\n' 'a	%s \n$'
put '' $M/trace
echo >"$T/$M/trace_marker"
is "only a newline" '$' "$(text $M/trace)"

# 4054 bytes are one event; who writes on makes another
put '' $M/trace
head -c 5000 /dev/zero | tr '\0' y >"$SCRATCH/long"
dd if="$SCRATCH/long" of="$T/$M/trace_marker" bs=5000 status=none
is "long" 2 "$(entries $M)"
is "all of it" 5000 "$(grep -v '^#' "$T/$M/trace" | tr -cd y | sed 's/.*tracing_mark_write//' | wc -c)"

# raw: four bytes of id and data, which is shown in whole words
put '' $M/trace
printf '\x34\x12\0\0abcdefgh' >"$T/$M/trace_marker_raw"
printf 'abcd' >"$T/$M/trace_marker_raw"
has $M/trace ': # 1234 buf: 61 62 63 64 65 66 67 68$'
has $M/trace ': # 64636261 buf:$'
raw() { # raw BYTES
    dd if=/dev/zero of="$T/$M/trace_marker_raw" bs="$1" count=1 status=none
}
raw 4064
refused 'Invalid argument' raw 4065
refused 'Invalid argument' raw 3
put 0 $M/tracing_on
refused 'Bad file descriptor' raw 4
refused 'Invalid argument' raw 3
put 1 $M/tracing_on
put 0 $M/options/markers
refused 'Invalid argument' raw 4
put 1 $M/options/markers

# copies of what is written at the top level
count() {
    echo "$(entries) $(entries $M) $(entries instances/n)"
    for d in . $M instances/n; do
        : >"$T/$d/trace"
    done
}
count >/dev/null
reads options/copy_trace_marker 1
reads $M/options/copy_trace_marker 0
echo x >"$T/trace_marker"
is "no copies" '1 0 0' "$(count)"
put 1 $M/options/copy_trace_marker
echo x >"$T/trace_marker"
printf 'abcdef' >"$T/trace_marker_raw"
is "a copy" '2 2 0' "$(count)"
echo x >"$T/$M/trace_marker"
is "not from an instance" '0 1 0' "$(count)"
put 0 options/copy_trace_marker
echo x >"$T/trace_marker"
is "the copy alone" '0 1 0' "$(count)"
put 0 $M/options/copy_trace_marker
refused 'No such device' write_to trace_marker x
put 1 options/copy_trace_marker

# one instance gets what is printed
dest() {
    for d in . $M instances/n; do
        cat "$T/$d/options/trace_printk_dest"
    done | paste -sd ' '
}
is "at first" '1 0 0' "$(dest)"
refused 'Invalid argument' write_to options/trace_printk_dest 0
put 1 $M/options/trace_printk_dest
is "taken" '0 1 0' "$(dest)"
put 1 instances/n/options/trace_printk_dest
is "taken again" '0 0 1' "$(dest)"
put 0 instances/n/options/trace_printk_dest
is "given back" '1 0 0' "$(dest)"
put 1 $M/options/trace_printk_dest
rmdir "$T/$M" "$T/instances/n"
reads options/trace_printk_dest 1
