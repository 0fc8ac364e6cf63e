#!/usr/bin/env bash
# what: utracefs run: the opens of a traced command are those that strace sees, paths and results
# needs: root strace python3 cc tar
# real: no, it traces everybody
. "$(dirname "$0")/lib.sh"
reset_tracing
put 20000 buffer_size_kb
cd "$SCRATCH" || exit

mkdir tree
for i in {1..40}; do
    mkdir "tree/$i"
    echo "$i" | tee "tree/$i/a" "tree/$i/b" "tree/$i/c" >/dev/null
done

cat >script <<'EOF'
ls tree | head -n 3 | sort -r | (read -r a; cat "tree/$a/a")
for i in 1 2 3; do cat "tree/$i/b" nosuch 2>/dev/null & done
wait
echo out >made && (. ./other; exec cat made)
: >/proc/version 2>/dev/null || grep -c 1 tree/1/a </dev/null 2>/dev/null
EOF
echo 'echo sourced <tree/2/a' >other

cat >threads.c <<'EOF'
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>
static void *open_some(void *of)
{
    char path[64];
    for (int i = 1; i <= 200; i++) {
        snprintf(path, sizeof path, "tree/%d/%s", i, (char *)of);
        int fd = open(path, O_RDONLY);
        /* each number is one thread's at a time */
        if (fd >= 0)
            close(fd);
    }
    return NULL;
}
int main(void)
{
    pthread_t threads[3];
    static char *of[] = {"a", "b", "c"};
    for (int i = 0; i < 3; i++)
        pthread_create(&threads[i], NULL, open_some, of[i]);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    return 0;
}
EOF
cc -O1 -pthread -o threads threads.c

# PATH FLAGS RESULT of each openat, sorted; a descriptor is only `fd` where threads share the numbers
cat >lists.py <<'EOF'
import errno, glob, re, sys

def result(number, threads):
    if number < 0:
        return errno.errorcode[-number]
    return "fd" if threads else str(number)

def ours(trace, threads):
    open_calls, done = {}, []
    for line in open(trace, errors="surrogateescape"):
        m = re.match(r"\s*(.*)-(\d+)\s+\[\d+\] .{5} +[\d.]+: (.*)$", line)
        if not m:
            continue
        pid, event = m[2], m[3]
        enter = re.match(r'sys_openat\(dfd: \w+, filename: \w+ "(.*)", flags: (\w+), mode: ', event)
        if enter:
            assert pid not in open_calls, f"{pid} enters twice: {line}"
            open_calls[pid] = (enter[1], int(enter[2], 16))
        leave = re.match(r"sys_openat -> 0x([0-9a-f]+)$", event)
        if leave:
            number = int(leave[1], 16)
            number -= 1 << 64 if number >> 63 else 0
            done.append((*open_calls.pop(pid), result(number, threads)))
    assert not open_calls, f"without a result: {open_calls}"
    return sorted(done)

def straces(prefix, threads):
    done = []
    for name in glob.glob(prefix + ".*"):
        for line in open(name, errors="surrogateescape"):
            m = re.match(r'openat\((?:AT_FDCWD|-?\w+), "(.*?)", ([0-9a-fx]+)(?:, \w+)?\) += (-?\d+)(?: (\w+))?', line)
            if m:
                number = -getattr(errno, m[4]) if m[3] == "-1" else int(m[3])
                done.append((m[1], int(m[2], 16), result(number, threads)))
            else:
                assert "openat" not in line, line
    return sorted(done)

what, source, threads = sys.argv[1], sys.argv[2], sys.argv[3] == "threads"
for path, flags, got in (ours if what == "ours" else straces)(source, threads):
    print(path, hex(flags), got)
EOF

put 1 events/syscalls/sys_enter_openat/enable
put 1 events/syscalls/sys_exit_openat/enable

# same NAME KIND LEAST COMMAND...: of which strace sees LEAST opens or more
same() {
    local name=$1 kind=$2 least=$3
    shift 3
    : >"$T/trace"
    "$UTRACEFS" run --mount "$T" -- "$@" >"$name.out" 2>"$name.err" </dev/null || fail "run $*: $(cat "$name.err")"
    cat "$T/trace" >"$name.trace"
    rm -f made
    # raw flags, but texts as they are
    strace -ff -qq -s 4096 -e signal=none -e trace=openat -X raw -o "$name.strace" "$@" >"$name.expected-out" 2>/dev/null </dev/null
    rm -f made
    python3 lists.py ours "$name.trace" "$kind" >"$name.ours"
    python3 lists.py strace "$name.strace" "$kind" >"$name.straces"
    [ "$(wc -l <"$name.straces")" -ge "$least" ] || fail "$name: strace saw only $(wc -l <"$name.straces") opens"
    # jobs in the background say it in any order
    sort -o "$name.out" "$name.out"
    sort -o "$name.expected-out" "$name.expected-out"
    cmp -s "$name.out" "$name.expected-out" || fail "$name: says something else when it is traced: $(diff "$name.expected-out" "$name.out")"
    cmp -s "$name.straces" "$name.ours" || fail "$name: < strace, > utracefs: $(diff "$name.straces" "$name.ours" | head -n 20)"
    for cpu in "$T"/per_cpu/cpu*; do
        grep -qx 'overrun: 0' "$cpu/stats" || fail "the buffer is too small"
    done
}

same tar one 160 tar cf archive.tar tree
same script one 30 bash script
same threads threads 600 ./threads
# the same where a filter is put into the process, and where that must not be
strangers() { # calls that nobody wants
    for _ in {1..300}; do
        [ -e nosuch ] || true
    done
    cat tree/*/a
}
export -f strangers
same filtered one 40 bash -c strangers
run_unfiltered() {
    : >"$T/trace"
    "$UTRACEFS" run --no-filter --mount "$T" -- bash -c strangers >/dev/null
    cat "$T/trace" >unfiltered.trace
    python3 lists.py ours unfiltered.trace one >unfiltered.ours
    cmp -s filtered.straces unfiltered.ours || fail "--no-filter: $(diff filtered.straces unfiltered.ours | head -n 20)"
}
run_unfiltered
put 0 events/enable
