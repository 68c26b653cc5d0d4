# Shared by the tests of diskguard: load lib, load diskguard. A setup() of a file's own begins with diskguard_setup.
# shellcheck shell=bash

# shellcheck disable=SC2034 # used by those who load this
MIB=$((1024 * 1024))

setup() { diskguard_setup; }
teardown() { diskguard_teardown; }

diskguard_setup() {
    spillway_setup
    local tools
    tools=$REPO/${BUILD:-build}/tests
    for tool in ctl leaseholder duwatch; do
        # Built with each codec; they use none.
        set -- "$tools/$tool".*
        ln -s "$1" "$T/$tool"
    done
    mkfifo "$T/never"
    exec 7<>"$T/never"
}

diskguard_teardown() {
    exec 7>&-
    umount -l "$T/mnt" 2>/dev/null || :
    stop_all
}

# small_fs tmpfs|ext4 MIB INODES: a file system of its own for the spool, at $T/mnt; the spool is $T/mnt/spool.
small_fs() {
    [ "$(id -u)" -eq 0 ] || skip "needs root: mounts a small $1"
    mkdir "$T/mnt"
    if [ "$1" = tmpfs ]; then
        mount -t tmpfs -o "size=$2M,nr_inodes=$3" none "$T/mnt" || skip "cannot mount a tmpfs here"
    else
        truncate -s "$2M" "$T/image"
        mkfs.ext4 -q -m 0 -N "$3" -O ^has_journal "$T/image" || skip "no mkfs.ext4 here"
        mount -o loop "$T/image" "$T/mnt" || skip "cannot mount a loop device here"
    fi
    SPOOL=$T/mnt/spool
    mkdir "$SPOOL"
}

guard() { # guard LIMIT [ARG...]: start it and wait until it answers
    local limit=$1
    shift
    start diskguard diskguard --spool "$SPOOL" --max-disk-usage "$limit" --min-free 0 --scan-interval 100ms "$@" # a later --min-free wins
    wait_until 10 ask '{"v":1,"op":"status"}'
}

ask() { "$T/ctl" "$SPOOL/run/diskguard.ctl" "$1"; }

status() { ask '{"v":1,"op":"status"}' | jq -r ".$1"; }

# is EXPRESSION: does the status say so?
is() { ask '{"v":1,"op":"status"}' | jq -e "$1"; }

# hold NAME MESSAGE...: ask over a connection that stays open until NAME is killed.
hold() {
    local name=$1
    shift
    # shellcheck disable=SC2016 # expanded by the inner shell
    start "$name" bash -c 'exec "$@" <"$0"' "$T/never" "$T/ctl" "$SPOOL/run/diskguard.ctl" --hold "$@"
    wait_until 5 test -s "$T/$name.log"
}

lease() { # lease DB HOLDING NEED [WANT]
    printf '{"v":1,"op":"lease","db":"%s","holding":%d,"need":%d,"want":%d}' "$1" "$2" "$3" "${4:-$3}"
}

# blob PLACE BYTES: a file of that many allocated bytes.
blob() {
    mkdir -p "$(dirname "$SPOOL/$1")"
    head -c "$2" /dev/zero >"$SPOOL/$1"
}

writer() { # writer NAME DB BYTES SEED [--fail]
    local name=$1
    shift
    start "$name" "$T/leaseholder" "$SPOOL" "$@"
}

watch_from_outside() { start watcher "$T/duwatch" "$SPOOL" "$@"; } # LIMIT [SEGMENTS]

# The watcher saw no more than the limit, and saw enough.
watcher_is_content() {
    local code=0
    stop watcher || code=$?
    cat "$T/watcher.log"
    [ "$code" -eq 0 ]
    [ "$(jq '.walks - .slow' "$T/watcher.log")" -gt "${1:-20}" ]
}

# ends_with CODE NAME: wait for the end of NAME; is that its exit code?
ends_with() {
    local code=0
    wait_for "$2" 30 || code=$?
    [ "$code" -eq "$1" ] || { echo "$2: exit $code"; false; }
}

kill_hard() {
    [ ! -e "$T/.pids/$1" ] || stop "$1" KILL || :
}

# Delete what is sealed, some files at a time, until told to stop.
drain() {
    # shellcheck disable=SC2016 # expanded by the inner shell
    start drain bash -c 'while [ ! -e "$1/drained" ]; do
        find "$0/sealed" -name "*.gz" 2>/dev/null | shuf | head -n 20 | xargs -r rm -f; sleep 0.01; done' "$SPOOL" "$T"
}

is_in_budget_again() { ask '{"v":1,"op":"status"}' >"$T/last"; is ".outstanding_bytes == 0 and .settled_bytes == 0 and .segments == 0 and .free_bytes >= $1"; }

# rows N: CSV that does not compress to nothing.
make_rows() { seq 1 "$1" | awk 'BEGIN { srand(1) } { printf "%d,%d,%d,host-%d\n", $1, rand() * 1e9, rand() * 1e9, rand() * 1e6 }'; }

real_writer() { # real_writer NAME DB block|fail: walwriter of $T/rows
    # shellcheck disable=SC2016 # expanded by the inner shell
    start "$1" bash -c 'exec walwriter --spool "$0" --db "$1" --table T --on-full "$2" --segment-bytes 256K \
        --block-bytes 64K --json <"$3"' "$SPOOL" "$2" "$3" "$T/rows"
}
