#!/usr/bin/env bats
# diskguard: the budget holds, whoever is killed on the way (house.md §3 invariants 2 and 3, §4).
bats_require_minimum_version 1.5.0
load lib

MIB=$((1024 * 1024))

setup() {
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

teardown() {
    exec 7>&-
    ! mountpoint -q "$SPOOL" || umount -l "$SPOOL"
    stop_all
}

guard() { # guard LIMIT [ARG...]: start it and wait until it answers
    local limit=$1
    shift
    start diskguard diskguard --spool "$SPOOL" --max-disk-usage "$limit" --min-free 0 --scan-interval 100ms "$@"
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

watch_from_outside() { start watcher "$T/duwatch" "$SPOOL" "$1"; }

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

@test "an empty spool: nothing used but the spool itself, no pressure" {
    guard 20M
    is '.limit_bytes == 20971520 and .outstanding_bytes == 0 and .pressure == "ok" and .reason == "none" and .segments == 0'
    is '.used_bytes + .free_bytes + .reserve_bytes == .limit_bytes'
    [ "$(status used_bytes)" -eq "$(du -s -B1 "$SPOOL" | cut -f1)" ]
    is '.holders == [] and .full_in_ms == null and .scans >= 2'
}

@test "limits that make no sense are refused with exit 100 and one line" {
    for limit in 0 -5 nonsense 12Q '' 99999999999999999999; do
        run --separate-stderr diskguard --spool "$SPOOL" --max-disk-usage "$limit"
        [ "$status" -eq 100 ] || { echo "$limit: exit $status"; false; }
        # shellcheck disable=SC2154 # set by run
        [ "$(wc -l <<<"$stderr")" -eq 1 ]
        [[ $stderr == *max-disk-usage* ]]
    done
    run --separate-stderr diskguard --spool "$SPOOL"
    [ "$status" -eq 100 ]
    [[ $stderr == *max-disk-usage* ]]
    for floor in 100% -1 lots 5%%; do
        run --separate-stderr diskguard --spool "$SPOOL" --max-disk-usage 1G --min-free "$floor"
        [ "$status" -eq 100 ]
        [[ $stderr == *min-free* ]]
    done
}

@test "a limit beyond the file system is taken, and said" {
    guard 1000000T
    grep -q 'warn limit-beyond-file-system' "$T/diskguard.log"
    run ask "$(lease D 0 4096)"
    [ "$status" -eq 0 ]
}

@test "a limit below what is there: nothing is granted until it is drained, and that is said" {
    blob sealed/D/a.gz $((8 * MIB))
    echo '{"format":1}' >"$SPOOL/spool.json"
    guard 4M
    grep -q 'warn over-limit' "$T/diskguard.log"
    run ask "$(lease D 0 4096)"
    [ "$status" -eq 1 ]
    [ "$(json reason)" = bytes ]
    [ "$(json code)" = full ]
    is '.pressure == "full" and .reason == "bytes" and .free_bytes == 0'
    rm "$SPOOL/sealed/D/a.gz"
    wait_until 5 ask "$(lease D 0 4096)"
    wait_until 10 is '.pressure == "ok"'
    grep -q 'pressure-changed.*pressure=ok before=full' "$T/diskguard.log"
}

@test "two diskguards on one spool: the second leaves with 100 and one line that names the first" {
    guard 20M
    run --separate-stderr diskguard --spool "$SPOOL" --max-disk-usage 20M
    [ "$status" -eq 100 ]
    [ "$(wc -l <<<"$stderr")" -eq 1 ]
    [[ $stderr == *"$(pid_of diskguard)"* ]]
    is '.pressure == "ok"'
}

@test "messages of another version, oversized, not JSON, without sense: refused, and the next is served" {
    guard 20M
    run ask '{"v":2,"op":"status"}'
    [ "$status" -eq 1 ] && [ "$(json code)" = version ]
    for message in nonsense '[]' '{' '"x"' ''; do
        run ask "$message"
        [ "$status" -eq 1 ] && [ "$(json code)" = malformed ]
    done
    for message in '{"v":1,"op":"lease"}' '{"v":1,"op":"lease","db":"D"}' '{"v":1,"op":"lease","db":"D","holding":-1}' \
        '{"v":1,"op":"lease","db":"../D","holding":0}' '{"v":1,"op":"settle","db":"D","holding":"4"}' \
        '{"v":1,"op":"lease","db":"D","holding":9223372036854775807}' '{"v":1,"op":"failover","databases":"D"}'; do
        run ask "$message"
        [ "$status" -eq 1 ] && [ "$(json code)" = malformed ]
    done
    run ask '{"v":1,"op":"dance"}'
    [ "$status" -eq 1 ]
    head -c 5000000 /dev/zero | tr '\0' ' ' >"$T/large"
    run timeout 2 "$T/ctl" "$SPOOL/run/diskguard.ctl" - <"$T/large"
    [ "$status" -ne 0 ]
    is '.outstanding_bytes == 0 and .holders == []'
}

@test "a lease is granted between need and want, carries state, and ends with its connection" {
    guard 20M
    hold holder "$(lease D 0 100000 300000)" "$(lease D 300000 100000 300000)" "$(lease D 120000 130000)" \
        '{"v":1,"op":"settle","db":"D","holding":50000}'
    run cat "$T/holder.log"
    wait_until 5 test "$(wc -l <"$T/holder.log")" -eq 4
    [ "$(jq -sc '[.[].granted]' "$T/holder.log")" = '[300000,0,10000,0]' ]
    is '.outstanding_bytes == 50000 and (.holders | length) == 1 and .holders[0].db == "D"'
    [ "$(status 'holders[0].pid')" -eq "$(pid_of holder)" ]
    kill_hard holder
    wait_until 5 is '.outstanding_bytes == 0 and .holders == [] and .settled_bytes == 0'
}

@test "a message older than the last of its lease changes nothing" {
    guard 20M
    hold holder '{"v":1,"op":"lease","db":"D","lease":1,"seq":5,"holding":0,"need":9000,"want":9000}' \
        '{"v":1,"op":"settle","db":"D","lease":1,"seq":5,"holding":0}'
    wait_until 5 test "$(wc -l <"$T/holder.log")" -eq 2
    [ "$(tail -n 1 "$T/holder.log" | jq -r .code)" = stale ]
    is '.outstanding_bytes == 9000'
}

@test "bytes that were never granted count all the same, and the client is named" {
    guard 20M
    hold liar '{"v":1,"op":"settle","db":"D","holding":7000000}'
    is '.outstanding_bytes == 7000000'
    grep -q "warn lease-claimed.*holder=$(pid_of liar)" "$T/diskguard.log"
}

@test "what grows without a lease is found, and the queue is named" {
    guard 20M
    blob upload/D/T.csv.gz $MIB
    wait_until 5 grep -q 'warn drift.*queue=upload db=D' "$T/diskguard.log"
    ask '{"v":1,"op":"metrics"}' | jq -r .text | grep -q '^spillway_disk_drift_bytes_total 10'
}

@test "diskguard killed and started again: what a live writer holds stays promised to it" {
    guard 20M
    hold holder "$(lease D 0 5000000)"
    kill_hard diskguard
    guard 20M
    is '.outstanding_bytes == 5000000 and (.holders | length) == 1 and .holders[0].connected == false'
    [ "$(status 'holders[0].pid')" -eq "$(pid_of holder)" ]
    kill_hard holder
    wait_until 5 is '.outstanding_bytes == 0 and .holders == [] and .settled_bytes == 0'
}

@test "a writer that died while diskguard was away holds nothing" {
    guard 20M
    hold holder "$(lease D 0 5000000)"
    kill_hard diskguard
    kill_hard holder
    guard 20M
    is '.outstanding_bytes == 0 and .holders == []'
}

@test "no diskguard: a writer waits; diskguard comes: it goes on" {
    writer waits D 100000 1
    wait_until 5 test -e "$SPOOL/spool.json"
    run ! wait_until 1 has_ended waits
    [ -z "$(find "$SPOOL" -name '*.gz')" ]
    guard 20M
    wait_for waits
    [ "$(count sealed D)" -gt 0 ]
}

@test "max-segment-count and min-free refuse with their reasons" {
    guard 20M --max-segment-count 2
    blob sealed/D/1.gz 1000
    blob sealed/D/2.gz 1000
    wait_until 5 is '.segments == 2'
    run ask "$(lease D 0 4096)"
    [ "$status" -eq 1 ] && [ "$(json reason)" = segments ]
    is '.pressure == "full" and .reason == "segments"'
    stop diskguard
    start diskguard diskguard --spool "$SPOOL" --max-disk-usage 20M --min-free 99.99%
    wait_until 10 ask '{"v":1,"op":"status"}'
    run ask "$(lease D 0 4096)"
    [ "$status" -eq 1 ] && [ "$(json reason)" = free-space ]
    is '.pressure == "full" and .reason == "free-space" and .free_bytes == 0'
}

@test "databases in failover share a ceiling, the others go on" {
    blob sealed/Down/a.gz $((18 * MIB))
    echo '{"format":1}' >"$SPOOL/spool.json"
    guard 20M
    ask '{"v":1,"op":"failover","databases":["Down"]}'
    run ask "$(lease Down 0 100000)"
    [ "$status" -eq 1 ] && [ "$(json reason)" = failover ]
    run ask "$(lease Healthy 0 100000)"
    [ "$status" -eq 0 ]
    ask '{"v":1,"op":"failover","databases":[]}'
    run ask "$(lease Down 0 100000)"
    [ "$status" -eq 0 ]
}

@test "metrics are Prometheus text" {
    guard 20M
    hold holder "$(lease 'My Db' 0 5000)"
    run bash -c '"$0" "$1" "$2" | jq -r .text' "$T/ctl" "$SPOOL/run/diskguard.ctl" '{"v":1,"op":"metrics"}'
    [[ $output == *'spillway_disk_limit_bytes 20971520'* ]]
    [[ $output == *'spillway_disk_outstanding_bytes 5000'* ]]
    [[ $output == *'spillway_disk_database_bytes{db="My Db"} 5000'* ]]
    run ! grep -vE '^(# (HELP|TYPE) |[a-z_]+(\{[a-z]+="[^"]*"\})? -?[0-9]+$|$)' <<<"$output"
}

@test "one MiB is enough to work in" {
    guard 1M
    watch_from_outside $MIB
    drain
    writer tiny D 3000000 7
    wait_for tiny 30
    watcher_is_content 10
}

@test "four writers, deletions, kill -9 of all: an outside watcher never sees more than the limit, and all comes back" {
    local limit=$((12 * MIB)) round i free
    guard $limit
    free=$(status free_bytes)
    watch_from_outside $limit
    drain
    for round in 1 2 3 4 5 6; do
        for i in 1 2 3 4; do
            [ -e "$T/.pids/w$i" ] && is_running "w$i" && ! has_ended "w$i" || writer "w$i" "Db$((i % 2))" 30000000 "$round$i"
        done
        wait_until 20 is '.pressure == "full" or .used_bytes > 6000000'
        kill_hard "w$((round % 4 + 1))"
        if ((round % 2)); then
            kill_hard diskguard
            guard $limit
        fi
        is_running watcher
    done
    for i in 1 2 3 4; do kill_hard "w$i"; done
    touch "$T/drained"
    wait_for drain
    find "$SPOOL/active" "$SPOOL/sealed" -name '*.gz' -delete
    # Each database has folders now that were not there at first.
    wait_until 10 is_in_budget_again $((free - 300000))
    [ "$(status used_bytes)" -eq "$(du -s -B1 "$SPOOL" | cut -f1)" ]
    watcher_is_content 50
    run ! grep -q 'warn drift' "$T/diskguard.log"
    run ! grep -q 'warn lease-claimed' "$T/diskguard.log"
}

@test "on-full fail: every writer leaves with 75, and the limit holds" {
    local i
    guard 6M
    watch_from_outside $((6 * MIB))
    for i in 1 2 3 4; do writer "w$i" "Db$i" 100000000 "$i" --fail; done
    for i in 1 2 3 4; do
        ends_with 75 "w$i"
        grep -q 'disk budget: it is spent' "$T/w$i.log"
    done
    is '.outstanding_bytes == 0'
    watcher_is_content 5
}

# rows N: CSV that does not compress to nothing.
make_rows() { seq 1 "$1" | awk 'BEGIN { srand(1) } { printf "%d,%d,%d,host-%d\n", $1, rand() * 1e9, rand() * 1e9, rand() * 1e6 }'; }

real_writer() { # real_writer NAME DB MODE: walwriter of $T/rows
    # shellcheck disable=SC2016 # expanded by the inner shell
    start "$1" bash -c 'exec walwriter --spool "$0" --db "$1" --table T --on-full "$2" --segment-bytes 256K \
        --block-bytes 64K --json <"$3"' "$SPOOL" "$2" "$3" "$T/rows"
}

@test "four walwriters that block, deletions, diskguard killed: the limit holds, and every one gets to its end" {
    local i round
    make_rows 400000 >"$T/rows"
    guard 4M
    watch_from_outside $((4 * MIB))
    drain
    for i in 1 2 3 4; do real_writer "w$i" "Db$i" block; done
    for round in 1 2 3; do
        wait_until 20 is '.pressure == "full"'
        kill_hard diskguard
        guard 4M
    done
    for i in 1 2 3 4; do
        ends_with 0 "w$i"
        [ "$(tail -n 1 "$T/w$i.log" | jq .rows)" -eq 400000 ]
    done
    watcher_is_content 50
    wait_until 10 is '.outstanding_bytes == 0 and .holders == []'
}

@test "four walwriters that fail when it is full: exit 75, the limit holds, what was taken is whole" {
    local i
    make_rows 400000 >"$T/rows"
    guard 4M
    watch_from_outside $((4 * MIB))
    for i in 1 2 3 4; do real_writer "w$i" "Db$i" fail; done
    for i in 1 2 3 4; do ends_with 75 "w$i"; done
    watcher_is_content 5
    segments sealed | xargs -r -d '\n' gzip -t
    wait_until 10 is '.outstanding_bytes == 0 and .holders == []'
    wait_until 10 test "$(status used_bytes)" -eq "$(du -s -B1 "$SPOOL" | cut -f1)"
}

@test "scarce room is shared: no writer starves" {
    local i
    guard 3M
    drain
    for i in 1 2 3 4; do writer "w$i" "Db$i" 4000000 "$i"; done
    for i in 1 2 3 4; do wait_for "w$i" 60; done
    for i in 1 2 3 4; do
        [ "$(tail -n 1 "$T/w$i.log" | jq .longest_ms)" -lt 15000 ]
    done
}

@test "a file system that runs full by itself: refused, not ENOSPC; given back: goes on by itself" {
    { [ "$(id -u)" -eq 0 ] && mount -t tmpfs -o size=8M,nr_inodes=400 none "$SPOOL"; } || skip "needs root and mount"
    start diskguard diskguard --spool "$SPOOL" --max-disk-usage 1G --min-free 10% --scan-interval 100ms
    wait_until 10 ask '{"v":1,"op":"status"}'
    writer w D 20000000 3 --fail
    ends_with 75 w
    grep -q 'min-free' "$T/w.log"
    is '.pressure == "full" and .reason == "free-space"'
    find "$SPOOL/sealed" "$SPOOL/active" -name '*.gz' -delete
    wait_until 10 is '.pressure == "ok" and .segments == 0'
    # the same by inodes
    mkdir "$SPOOL/foreign"
    (cd "$SPOOL/foreign" && seq 400 | xargs touch 2>/dev/null) || :
    run ask "$(lease D 0 4096)"
    [ "$status" -eq 1 ] && [ "$(json reason)" = inodes ]
    rm -r "$SPOOL/foreign"
    wait_until 10 ask "$(lease D 0 4096)"
    stop diskguard
    umount "$SPOOL"
}
