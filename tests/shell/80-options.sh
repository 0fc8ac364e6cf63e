#!/usr/bin/env bash
# what: trace_options and options/*: names, values and what they change in the text
# needs: root
# real: yes
. "$(dirname "$0")/lib.sh"
reset_tracing

# one truth in two forms
for f in "$T"/options/*; do
    name=${f##*/}
    value=$(cat "$f")
    case $value in
    1) grep -qx "$name" "$T/trace_options" || [[ $name == test_nop_* || $name == func* ]] || fail "options/$name is 1, trace_options does not list $name" ;;
    0) grep -qx "no$name" "$T/trace_options" || [[ $name == blk_* || $name == test_nop_* || $name == func* || $name == sym-userobj ]] || fail "options/$name is 0, trace_options does not list no$name" ;;
    *) fail "options/$name reads '$value'" ;;
    esac
done
put nooverwrite trace_options
reads options/overwrite 0
put overwrite trace_options
reads options/overwrite 1
put 0 options/overwrite
has trace_options '^nooverwrite$'
put 1 options/overwrite
for wrong in nosuch noo '' 'overwrite x'; do
    refused 'Invalid argument' write_to trace_options "$wrong"
done
for wrong in 2 x ''; do
    refused 'Invalid argument' write_to options/overwrite "$wrong"
done

echo hello >"$T/trace_marker"
has trace '\] .{5} +[0-9]+\.[0-9]{6}: tracing_mark_write: hello$'
put 0 options/irq-info
has trace '\] +[0-9]+\.[0-9]{6}: tracing_mark_write: hello$'
has trace '^#           TASK-PID     CPU#     TIMESTAMP  FUNCTION$'
put 1 options/irq-info
put 0 options/context-info
has trace '^tracing_mark_write: hello$'
put 1 options/context-info
put 0 options/markers
refused 'Invalid argument' write_to trace_marker x
put 1 options/markers

# an instance starts with the options of the top
put 0 options/annotate
mkdir "$T/instances/o"
reads instances/o/options/annotate 0
put 1 options/annotate
reads instances/o/options/annotate 0
rmdir "$T/instances/o"

# tgid
put 1 options/record-tgid
echo tgid >"$T/trace_marker"
[ -e "$T/options/record-tgid" ]
put 0 options/record-tgid
reset_tracing
