#!/usr/bin/env bats
# A storm over the disk budget: walwriters and other writers, killed and begun again, deletions, diskguard killed and
# begun again, while a watcher outside walks the spool. STORM_SECONDS (4) is the length of each, STORM_SEED repeats one.
load lib
load diskguard

setup() {
    diskguard_setup
    RANDOM=${STORM_SEED:=$((EPOCHSECONDS % 32768))}
    echo "# STORM_SEED=$STORM_SEED" >&3
}

WRITERS=5

# Writer number $1, of one kind or the other, if it does not run.
keep_writing() {
    local name=w$1
    [ -e "$T/.pids/$name" ] && ! has_ended "$name" && return
    rm -f "$T/.pids/$name"
    if (($1 < 2)); then
        real_writer "$name" "Db$(($1 % 2))" block
    else
        writer "$name" "Db$(($1 % 3))" 30000000 $((RANDOM + 1))
    fi
}

# Random kills, restarts and, with a file system of its own, another program that takes and gives back room.
storm() { # storm LIMIT [ARG...]
    local end=$((${EPOCHREALTIME/./} + ${STORM_SECONDS:-4} * 1000000)) i kills=0
    while ((${EPOCHREALTIME/./} < end)); do
        for ((i = 0; i < WRITERS; i++)); do keep_writing "$i"; done
        sleep "0.0$((RANDOM % 9 + 1))"
        case $((RANDOM % 8)) in
        0 | 1 | 2) kill_hard "w$((RANDOM % WRITERS))" ;;
        3) kill_hard diskguard; guard "$@" ;;
        4) [ ! -d "$T/mnt" ] || head -c "$((RANDOM % 24))00000" /dev/zero >"$T/mnt/foreign" 2>/dev/null || : ;;
        5) rm -f "$T/mnt/foreign" ;;
        esac
        kills=$((kills + 1))
        [ ! -e "$T/.pids/watcher" ] || ! has_ended watcher || return 1
    done
    for ((i = 0; i < WRITERS; i++)); do kill_hard "w$i"; done
    rm -f "$T/mnt/foreign"
    echo "# $kills turns" >&3
}

is_as_du() {
    is ".settled_bytes == 0 and .outstanding_bytes == 0 and .outstanding_segments == 0 and .used_bytes == $(du -s -B1 "$SPOOL" | cut -f1)"
}

# Two figures agree at once: within one scan interval (a file that the first scan missed is counted until a second,
# that follows at once). Then everything is deleted, and the budget is whole.
comes_back() { # comes_back FREE_BYTES: what was free at first
    touch "$T/drained"
    wait_for drain
    wait_until 1 is_as_du || { status 'used_bytes' >&2; du -s -B1 "$SPOOL" >&2; false; }
    find "$SPOOL" -path "$SPOOL/run" -prune -o -name '*.gz' -print0 -o -name '.*.tmp' -print0 -o -name '*.bad' -print0 | xargs -0r rm -f
    wait_until 5 is ".settled_bytes == 0 and .outstanding_bytes == 0 and .segments == 0 and .ready and .pressure == \"ok\" and .free_bytes >= $1"
    is_as_du
    # and it goes on
    writer last Db0 300000 1
    ends_with 0 last
}

@test "storm: the limits hold, the account is as du, and all of it comes back" {
    local limit=$((8 * MIB)) free
    make_rows 100000 >"$T/rows"
    guard "$limit" --max-segment-count 60
    free=$(status free_bytes)
    watch_from_outside "$limit" 60
    drain
    storm "$limit" --max-segment-count 60
    comes_back $((free - 500000))
    watcher_is_content 50
    run -1 grep -q 'warn lease-claimed' "$T/diskguard.log"
}

# The limit is beyond the file system: min-free holds, another program takes room too, and nobody sees ENOSPC.
on_small_fs() {
    local size
    small_fs "$1" "$2" 600
    size=$(df -B1 --output=size "$T/mnt" | tail -n 1)
    make_rows 60000 >"$T/rows"
    guard 1G --min-free 10%
    watch_from_outside $((size * 9 / 10)) 600
    drain
    storm 1G --min-free 10%
    comes_back $((size / 2))
    watcher_is_content 20
}

@test "storm on a small tmpfs that runs full by itself" { on_small_fs tmpfs 10; }

@test "storm on a small ext4 that runs full by itself" { on_small_fs ext4 16; }
