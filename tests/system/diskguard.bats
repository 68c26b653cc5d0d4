#!/usr/bin/env bats
# diskguard: the budget holds, whoever is killed on the way (house.md §3 invariants 2 and 3, §4).
load lib
load diskguard


@test "an empty spool: nothing used but the spool itself, no pressure" {
    guard 20M
    is '.limit_bytes == 20971520 and .outstanding_bytes == 0 and .pressure == "ok" and .reason == "none" and .segments == 0'
    is '.used_bytes + .free_bytes + .reserve_bytes == .limit_bytes'
    [ "$(status used_bytes)" -eq "$(du -s -B1 "$SPOOL" | cut -f1)" ]
    is '.holders == [] and .full_in_ms == null and .scans >= 2'
}

# refused_with TEXT ARG...: diskguard leaves with 100 and this one line.
refused_with() {
    local text=$1
    shift
    run --separate-stderr diskguard --spool "$SPOOL" "$@"
    # shellcheck disable=SC2154 # set by run
    [ "$status $stderr" = "100 diskguard: $text" ] || { echo "$*: exit $status: $stderr"; false; }
}

@test "limits that make no sense are refused with exit 100 and one line that says what would be accepted" {
    local size
    refused_with "max-disk-usage = 0: nothing could ever be written: give the bytes that the spool may occupy, as 20G" --max-disk-usage 0
    for size in -5 nonsense 12Q '' 99999999999999999999; do
        run --separate-stderr diskguard --spool "$SPOOL" --max-disk-usage "$size"
        [ "$status" -eq 100 ] || { echo "$size: exit $status"; false; }
        [ "$(wc -l <<<"$stderr")" -eq 1 ]
        [[ $stderr == *"max-disk-usage"*"$size"* ]]
    done
    run --separate-stderr diskguard --spool "$SPOOL"
    [ "$status" -eq 100 ]
    [[ $stderr == *max-disk-usage* ]]
    for size in 100% -1 lots 5%%; do
        refused_with "min-free = $size: not understood: give a size, as 1G, or a share of the file system below 100%, as 5%" \
            --max-disk-usage 1G --min-free "$size"
    done
    for size in 0 0% 101% 1.1 -1 most; do
        refused_with "failover-share = $size: not understood: give a share of max-disk-usage above 0 and up to 100%, as 90%, or a size, as 10G" \
            --max-disk-usage 1G --failover-share "$size"
    done
    for size in 0 -1 many; do
        run --separate-stderr diskguard --spool "$SPOOL" --max-disk-usage 1G --max-segment-count "$size"
        [ "$status" -eq 100 ]
        [[ $stderr == *max-segment-count* ]]
    done
    [ -z "$(ls -A "$SPOOL")" ]
}

@test "a limit beyond the file system is taken, and said" {
    guard 1000000T
    grep -q 'warn limit-beyond-file-system .*cause="min-free will hold before max-disk-usage does"' "$T/diskguard.log"
    run ask "$(lease D 0 4096)"
    [ "$status" -eq 0 ]
}

@test "a limit below what is there: nothing is granted until it is drained, and that is said" {
    blob sealed/D/a.gz $((8 * MIB))
    echo '{"format":1}' >"$SPOOL/spool.json"
    guard 4M
    grep -q 'warn over-limit .*cause="no lease is granted until the spool is drained, or max-disk-usage raised"' "$T/diskguard.log"
    is '.ready == false and .not_ready == ["bytes"]'
    run ask "$(lease D 0 4096)"
    [ "$status" -eq 1 ]
    [ "$(json reason)" = bytes ]
    [ "$(json code)" = full ]
    is '.pressure == "full" and .reason == "bytes" and .free_bytes == 0'
    rm "$SPOOL/sealed/D/a.gz"
    wait_until 5 ask "$(lease D 0 4096)"
    wait_until 10 is '.pressure == "ok" and .ready'
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

# refuses CODE TEXT MESSAGE: it answers this, word for word.
refuses() {
    run ask "$3"
    [ "$status $(json code) $(json error)" = "1 $1 $2" ] || { echo "$3: $output"; false; }
}

@test "messages of another version, oversized, not JSON, without sense: refused by name, and the next is served" {
    local message
    guard 20M
    run ask '{"v":2,"op":"status"}'
    [ "$status" -eq 1 ]
    [ "$(json code)" = version ]
    [[ $(json error) == *2* ]]
    for message in nonsense '[]' '{' '"x"' ''; do
        run ask "$message"
        [ "$status" -eq 1 ]
        [ "$(json code)" = malformed ]
    done
    refuses malformed '"db" is missing, or not a string' '{"v":1,"op":"lease"}'
    refuses malformed '"holding" is missing' '{"v":1,"op":"lease","db":"D"}'
    refuses malformed '"holding" is -1: 0 to 1125899906842624 are taken' '{"v":1,"op":"lease","db":"D","holding":-1}'
    refuses malformed '"holding" is 9223372036854775807: 0 to 1125899906842624 are taken' \
        '{"v":1,"op":"lease","db":"D","holding":9223372036854775807}'
    refuses malformed '"holding" is not an integer' '{"v":1,"op":"settle","db":"D","holding":"4"}'
    refuses malformed '"need_files" is -2: 0 to 1073741824 are taken' '{"v":1,"op":"lease","db":"D","holding":0,"need_files":-2}'
    refuses malformed '"databases" is missing, or not a list' '{"v":1,"op":"failover","databases":"D"}'
    refuses unknown 'this program knows no such operation' '{"v":1,"op":"dance"}'
    run ask '{"v":1,"op":"lease","db":"../D","holding":0}'
    [ "$status" -eq 1 ]
    [[ $(json error) == '"db" is no name of a database: '* ]]
    head -c 5000000 /dev/zero | tr '\0' ' ' >"$T/large"
    run timeout 2 "$T/ctl" "$SPOOL/run/diskguard.ctl" - <"$T/large"
    [ "$status" -ne 0 ]
    is '.outstanding_bytes == 0 and .holders == []'
}

has_lines() { [ "$(wc -l <"$T/holder.log")" -eq "$1" ]; } # answers that the holder has

@test "a lease is granted between need and want, carries state, and ends with its connection" {
    guard 20M
    hold holder "$(lease D 0 100000 300000)" "$(lease D 300000 100000 300000)" "$(lease D 120000 130000)" \
        '{"v":1,"op":"settle","db":"D","holding":50000}'
    wait_until 5 has_lines 4
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
    wait_until 5 has_lines 2
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
    blob upload/D/T.csv.gz "$MIB"
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

files() { # files DB NEED WANT: ask for segments alone
    printf '{"v":1,"op":"lease","db":"%s","holding":0,"need_files":%d,"want_files":%d}' "$1" "$2" "$3"
}

@test "max-segment-count: files are leased as bytes are" {
    guard 20M --max-segment-count 10
    hold holder "$(files D 3 3)"
    is '.outstanding_segments == 3 and .free_segments == 7 and .holders[0].outstanding_files == 3'
    run ask "$(files D 8 8)"
    [ "$status" -eq 1 ]
    [ "$(json reason)" = segments ]
    [ "$(json error)" = "disk budget: max-segment-count is reached: of 10 segments, 0 are there and 3 promised to writers" ]
    kill_hard holder
    wait_until 5 is '.free_segments == 10'
    blob sealed/D/1.gz 1000
    wait_until 5 is '.segments == 1 and .free_segments == 9'
}

@test "max-segment-count holds while four writers race for files and are killed" {
    local i round
    guard 50M --max-segment-count 40
    watch_from_outside $((50 * MIB)) 40
    drain
    for round in 1 2 3; do
        for i in 1 2 3 4; do
            [ -e "$T/.pids/w$i" ] && ! has_ended "w$i" || writer "w$i" "Db$((i % 2))" 60000000 "$round$i"
        done
        wait_until 20 is '.segments + .outstanding_segments >= 36'
        kill_hard "w$((round % 4 + 1))"
    done
    kill_hard diskguard
    guard 50M --max-segment-count 40
    wait_until 20 is '.segments + .outstanding_segments >= 36'
    for i in 1 2 3 4; do kill_hard "w$i"; done
    watcher_is_content 20
    [ "$(jq .max_segments "$T/watcher.log")" -gt 20 ]
}

@test "walwriters within max-segment-count: they wait for room and get to their end" {
    local i
    make_rows 400000 >"$T/rows"
    guard 50M --max-segment-count 6
    watch_from_outside $((50 * MIB)) 6
    drain
    for i in 1 2 3; do real_writer "w$i" "Db$i" block; done
    for i in 1 2 3; do ends_with 0 "w$i"; done
    watcher_is_content 20
}

@test "min-free refuses with its reason" {
    start diskguard diskguard --spool "$SPOOL" --max-disk-usage 20M --min-free 99.99%
    wait_until 10 ask '{"v":1,"op":"status"}'
    run ask "$(lease D 0 4096)"
    [ "$status" -eq 1 ]
    [ "$(json reason)" = free-space ]
    is '.pressure == "full" and .reason == "free-space" and .free_bytes == 0 and .ready == false and .not_ready == ["free-space"]'
}

@test "an idle writer holds nothing after a second or two, a busy one does" {
    guard 50M
    start idler "$T/leaseholder" "$SPOOL" D 2000000 5 --idle
    wait_until 10 is '.segments > 0 and .outstanding_bytes > 0'
    wait_until 10 is '.outstanding_bytes == 0 and .outstanding_segments == 0'
    is_running idler
}

@test "an idle walwriter with an open segment keeps what sealing it needs, no more" {
    guard 50M
    # shellcheck disable=SC2016 # expanded by the inner shell
    start w bash -c 'exec walwriter --spool "$0" --db D --table T --segment-age 1h --flush-interval 50ms <"$1"' "$SPOOL" "$T/never"
    echo "1,2" >&7
    wait_until 10 is '.segments == 1'
    wait_until 10 is '.outstanding_bytes > 0 and .outstanding_bytes <= 300000 and .outstanding_segments == 0'
}

@test "pressure is told on the event socket, with its reason and a forecast, for each database" {
    guard 20M
    start events spillway --spool "$SPOOL" events
    is_heard() { [ "$(grep -c "$SPOOL/run/diskguard.evt" /proc/net/unix)" -ge 2 ]; }
    wait_until 5 is_heard
    mkdir -p "$SPOOL/upload/Grows"
    # One file after another, each seen by diskguard before the next: no level is jumped over.
    grow_until() {
        grep -q "\"pressure\":\"$1\"" "$T/events.log" && return
        grown=$((grown + 1))
        head -c 500000 /dev/zero >"$SPOOL/upload/Grows/$grown.csv.gz"
        wait_until 10 is ".segments >= $grown"
        return 1
    }
    grown=0
    wait_until 20 grow_until high
    wait_until 20 grow_until full
    rm -r "$SPOOL/upload/Grows"
    wait_until 5 grep -q '"pressure":"ok"' "$T/events.log"
    told() { jq -se "map(select(.type == \"pressure-changed\" and .pressure == \"$1\")) | .[0] | .program == \"diskguard\"
        and .limit_bytes == 20971520 and ($2)" "$T/events.log"; }
    told high '.reason == "bytes" and .ready and .before == "ok" and .full_in_ms > 0 and .full_in_ms < 120000
        and ([.databases[] | select(.db == "Grows" and .rate > 10000 and .full_in_ms > 0)] | length) == 1'
    told full '.reason == "bytes" and .ready == false and .before == "high" and .full_in_ms == 0'
    told ok '.reason == "none" and .ready and .before != "ok"'
}

@test "a forecast for the whole and for each database: at the current rate, full in so long" {
    blob upload/Rests/r.csv.gz 1000000
    echo '{"format":1}' >"$SPOOL/spool.json"
    guard 100M
    # shellcheck disable=SC2016 # expanded by the inner shell
    start grower bash -c 'mkdir -p "$0/upload/Grows"
        for i in {1..60}; do head -c 200000 /dev/zero >"$0/upload/Grows/$i.csv.gz"; sleep 0.1; done' "$SPOOL"
    wait_until 15 is '(.databases[] | select(.db == "Grows") | .full_in_ms != null and .full_in_ms < 600000 and .rate > 100000)
        and .full_in_ms != null and (.forecast | startswith("at the current rate, full in "))'
    is '.databases[] | select(.db == "Rests") | .rate == 0 and .full_in_ms == null and .forecast == null'
    ask '{"v":1,"op":"metrics"}' | jq -r .text | grep -q '^spillway_disk_database_full_in_seconds{db="Grows"} [0-9]'
}

@test "a client that lies about what it wrote: the scan corrects the account and names the client" {
    local pid
    guard 50M
    start liar "$T/leaseholder" "$SPOOL" D 300000 5 --lie 3000000
    pid=$(pid_of liar)
    ends_with 0 liar
    wait_until 5 grep -q "warn drift .*queue=sealed db=D .*clients=$pid " "$T/diskguard.log"
    is ".last_drift.clients == [$pid] and .last_drift.db == \"D\" and .last_drift.queue == \"sealed\" and .last_drift.bytes > 2000000"
    ask '{"v":1,"op":"metrics"}' | jq -r .text | grep -q "^spillway_disk_drift_client_bytes{pid=\"$pid\"} [1-9]"
    wait_until 5 is '.settled_bytes == 0'
    [ "$(status used_bytes)" -eq "$(du -s -B1 "$SPOOL" | cut -f1)" ]
}

@test "a client that says it wrote what it did not: what it claims counts until scans know better" {
    guard 20M
    hold liar "$(lease D 0 5000000)" '{"v":1,"op":"settle","db":"D","holding":0}'
    wait_until 5 is '.outstanding_bytes == 0 and .settled_bytes == 0'
    [ "$(status used_bytes)" -eq "$(du -s -B1 "$SPOOL" | cut -f1)" ]
}

@test "databases in failover share a ceiling, the others go on" {
    blob sealed/Down/a.gz $((18 * MIB))
    echo '{"format":1}' >"$SPOOL/spool.json"
    guard 20M
    ask '{"v":1,"op":"failover","databases":["Down"]}'
    run ask "$(lease Down 0 100000)"
    [ "$status" -eq 1 ]
    [ "$(json reason)" = failover ]
    run ask "$(lease Healthy 0 100000)"
    [ "$status" -eq 0 ]
    ask '{"v":1,"op":"failover","databases":[]}'
    run ask "$(lease Down 0 100000)"
    [ "$status" -eq 0 ]
}

@test "failover-share is a key: a share, or a size" {
    guard 20M --failover-share 50%
    is '.failover_share_bytes == 10485760'
    ask '{"v":1,"op":"failover","databases":["A","B"]}'
    hold a "$(lease A 0 6000000)"
    run ask "$(lease B 0 6000000)"
    [ "$status" -eq 1 ]
    [ "$(json reason)" = failover ]
    [[ $(json error) == *"failover-share"* ]]
    is '.ready and .pressure != "full"' # one database's refusal is not the instance's
    run ask "$(lease C 0 6000000)"
    [ "$status" -eq 0 ]
    stop diskguard
    guard 20M --failover-share 1M
    is '.failover_share_bytes == 1048576'
}

@test "metrics are Prometheus text" {
    guard 20M
    hold holder "$(lease 'My Db' 0 5000)"
    run bash -c '"$0" "$1" "$2" | jq -r .text' "$T/ctl" "$SPOOL/run/diskguard.ctl" '{"v":1,"op":"metrics"}'
    [[ $output == *'spillway_disk_limit_bytes 20971520'* ]]
    [[ $output == *'spillway_disk_outstanding_bytes 5000'* ]]
    [[ $output == *'spillway_disk_database_bytes{db="My Db"} 5000'* ]]
    run -1 grep -vE '^(# (HELP|TYPE) |[a-z_]+(\{[a-z]+="[^"]*"\})? -?[0-9]+$|$)' <<<"$output"
}

@test "one MiB is enough to work in" {
    guard 1M
    watch_from_outside "$MIB"
    drain
    writer tiny D 3000000 7
    wait_for tiny 30
    watcher_is_content 10
}

@test "one MiB holds the ballast of peerd and uploader, too" {
    make_rows 120000 >"$T/rows"
    guard 1M
    watch_from_outside "$MIB"
    mkdir "$T/out"
    start peerd peerd --spool "$SPOOL" --name n1 --scan-interval 50ms
    start uploader uploader --spool "$SPOOL" --database "D=dir:$T/out" --scan-interval 50ms --batch-age 100ms
    wait_until 20 eval '[ "$(find "$SPOOL/state" -name "ballast.*" | wc -l)" -eq 12 ]'
    real_writer w D block
    wait_for w 100
    wait_until 60 eval '[ -z "$(find "$SPOOL" -name "*.gz")" ]'
    stop uploader
    stop peerd
    watcher_is_content 10
    find "$T/out" -name "*.gz" -exec zcat {} + | sort | cmp - <(sort "$T/rows")
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
    run -1 grep -q 'warn drift' "$T/diskguard.log"
    run -1 grep -q 'warn lease-claimed' "$T/diskguard.log"
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
    wait_until 10 eval '[ "$(status used_bytes)" -eq "$(du -s -B1 "$SPOOL" | cut -f1)" ]'
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

# The file system runs full by itself: refused, not ENOSPC; given back: goes on by itself. By bytes and by inodes.
runs_full() {
    start diskguard diskguard --spool "$SPOOL" --max-disk-usage 1G --min-free 10% --scan-interval 100ms
    wait_until 10 is '.ready'
    writer w D 40000000 3 --fail
    ends_with 75 w
    grep -q 'min-free' "$T/w.log"
    is '.pressure == "full" and .reason == "free-space" and .ready == false'
    find "$SPOOL/sealed" "$SPOOL/active" -name '*.gz' -delete
    wait_until 10 is '.pressure == "ok" and .segments == 0 and .ready'
    mkdir "$T/mnt/foreign"
    (cd "$T/mnt/foreign" && seq 2000 | xargs touch 2>/dev/null) || :
    run ask "$(lease D 0 4096)"
    [ "$status" -eq 1 ]
    [ "$(json reason)" = inodes ]
    wait_until 10 is '.ready == false'
    rm -r "$T/mnt/foreign"
    wait_until 10 ask "$(lease D 0 4096)"
    wait_until 10 is '.ready'
}

# Another program takes every byte, and min-free is 0: only trying tells.
is_physically_full() {
    local size
    guard 1G
    is '.ready and .write_error == null'
    for size in 128k 1k 1k; do # small pieces fit where large ones do not; what a delayed allocation kept back comes free when it is written out
        dd if=/dev/zero of="$T/mnt/foreign" bs=$size oflag=append conv=notrunc status=none 2>/dev/null || :
        sync -f "$T/mnt"
    done
    wait_until 10 is '.ready == false and .pressure == "full"'
    run ask "$(lease D 0 4096)"
    [ "$status" -eq 1 ]
    [ "$(json code)" = full ]
    kill_hard diskguard # and it starts there, too
    guard 1G
    is '.ready == false'
    rm "$T/mnt/foreign"
    wait_until 10 is '.ready and .pressure == "ok" and .not_ready == []'
    writer w D 200000 3
    ends_with 0 w
}

@test "a small tmpfs runs full, by bytes and by inodes, and has room again" {
    small_fs tmpfs 8 400
    runs_full
}

@test "a small ext4 runs full, by bytes and by inodes, and has room again" {
    small_fs ext4 16 400
    runs_full
}

@test "a tmpfs without a byte left is not ready, and is ready again by itself" {
    small_fs tmpfs 8 400
    is_physically_full
}

@test "an ext4 without a byte left is not ready, and is ready again by itself" {
    small_fs ext4 16 400
    is_physically_full
}

@test "a spool that takes no new file is not ready, whatever statvfs says" {
    small_fs ext4 16 400
    guard 4M
    is '.ready'
    chattr +i "$SPOOL/state" || skip "cannot make a folder immutable here"
    wait_until 10 is '.ready == false and .not_ready[0] == "unwritable" and (.write_error | test("no file can be made"))'
    run ask "$(lease D 0 4096)"
    [ "$status" -eq 1 ]
    [ "$(json reason)" = unwritable ]
    grep -q 'warn unwritable' "$T/diskguard.log"
    chattr -i "$SPOOL/state"
    wait_until 10 is '.ready and .write_error == null and .pressure == "ok"'
}

@test "a peer that leaves in the middle of its handshake makes neither socket deaf for long" {
    guard 64M
    for kind in ctl evt; do
        python3 -c 'import socket, sys
for _ in range(50):
    s = socket.socket(socket.AF_UNIX)
    s.connect(sys.argv[1])
    s.close()' "$SPOOL/run/diskguard.$kind"
    done
    wait_until 20 ask '{"v":1,"op":"status"}'
    seq 1 1000 | walwriter --spool "$SPOOL" --db D --table T
    [ "$(spillway --spool "$SPOOL" cat D/T | wc -l)" -eq 1000 ]
    start events spillway --spool "$SPOOL" events
    local n=0
    pressure_is_told() { # each turn takes the spool across the line once more
        n=$((n + 1))
        if ((n % 2)); then blob "quarantine/D/x" $((62 * MIB)); else rm "$SPOOL/quarantine/D/x"; fi
        grep -q '"type":"pressure' "$T/events.log"
    }
    wait_until 20 pressure_is_told
}
