#!/usr/bin/env bats
# Age survives the hop: the id of what was received has the time of its oldest rows, by the heads that came with them, however often they
# were sent and whatever died in between. So nothing is young for ever: it is uploaded, and seen, by its real age.
# shellcheck disable=SC2016,SC2154 # eval; bats sets $output, $status

load lib
load receive

setup() {
    spillway_setup
    [ -e "$REPO/${BUILD:-build}/tests/clockshim.so" ] || skip "not built: make tests"
}

MINUTE=60000

# since FILE...: the times of the ids in the names, in milliseconds.
since() {
    local file id
    for file; do
        id=${file##*,}
        echo $(((16#${id%%.*} >> 23) + 1388534400000))
    done
}
# begun NAME: when segment NAME was begun, by the head in it.
begun() { since "$(grep -ao '"id":"[0-9a-f]\{16\}' "$T/$1.gz" | head -n 1 | sed 's/.*"/x,/')"; }
landing() { find "$SPOOL/active" -name '*.land'; }
is_since() { [ "$(since "$1")" = "$(begun "$2")" ]; } # FILE NAME

@test "a segment is as old as its oldest rows, in whatever order they come, small and large" {
    seq 1 10 | segment now
    seq 11 20 | SHIFT=-$((2 * MINUTE)) segment younger
    seq 21 30 | SHIFT=-$((60 * MINUTE)) segment older
    seq 31 1000000 | SHIFT=-$((3 * MINUTE)) segment big
    receiver --no-guard
    [ "$(post "$(to n0-1)" "$T/now.gz")" = 202 ]
    is_since "$(landing)" now
    [ "$(post "$(to n0-2)" "$T/older.gz")" = 202 ]
    is_since "$(landing)" older
    [ "$(post "$(to n0-3)" "$T/younger.gz")" = 202 ]
    is_since "$(landing)" older
    # A large one, whose first rows are not its oldest.
    cat "$T/now.gz" "$T/big.gz" >"$T/mixed.gz"
    [ "$(stat -c %s "$T/mixed.gz")" -gt $((1 << 20)) ]
    [ "$(post "$(to n0-4)" "$T/mixed.gz")" = 202 ]
    # As it is seen meanwhile, and when it is whole: no row is there under two names.
    [ "$(spillway --spool "$SPOOL" ls D/T --older 50m --json | jq -r .queue)" = active ]
    [ "$(spillway --spool "$SPOOL" status --json | jq '.queues[] | select(.queue == "active") | .oldest_ms > 3590000')" = true ]
    [ "$(spillway --spool "$SPOOL" cat D/T | wc -l)" -eq 1000010 ]
    land
    [ "$(count upload)" -eq 2 ]
    segments upload | while read -r file; do since "$file"; done | sort | cmp - <({ begun older; begun big; } | sort)
    rows upload | sort -n | uniq | cmp - <(seq 1 1000000)
    [ "$(rows upload | wc -l)" -eq 1000010 ]
    spillway --spool "$SPOOL" verify --deep
    spillway --spool "$SPOOL" audit
}

@test "sent on, it is as old as before; rows that a peer was still sending are no part of it" {
    seq 1 100 | SHIFT=-$((60 * MINUTE)) segment old
    receiver --no-guard
    [ "$(post "$(to n0-1)" "$T/old.gz")" = 202 ]
    land
    for hop in 2 3 4; do
        cp "$(segments upload)" "$T/hop.gz" # with the heads and markers of all that had it before
        empty_spool
        receiver --no-guard --name "n$hop"
        [ "$(post "$(to "n1-$hop")" "$T/hop.gz" -H "Spillway-Hops: $((hop - 1))")" = 202 ]
        land
        is_since "$(segments upload)" old
        rows upload | cmp - <(seq 1 100)
    done
    # Somebody dies in the middle of the next one: markers of other members' segments are no word that it was whole.
    receiver --no-guard
    seq 101 200 | segment new
    [ "$(post "$(to n0-2)" "$T/new.gz")" = 202 ]
    stop rcv KILL || :
    cat "$T/hop.gz" >>"$(landing)"
    receiver --no-guard
    [ "$(post "$(to n1-9)" "$T/hop.gz")" = 202 ]
    land
    rows upload | sort -n | uniq -c | awk '{ print $1 }' | sort | uniq -c | sed 's/^ *//' >"$T/times"
    grep -qx '100 1' "$T/times" # new ones, once
    grep -qx '100 2' "$T/times" # hop's, once in the segment that was here and once in that of n1-9
}

@test "crash points: as old as before, and stored once" {
    seq 1 10 | segment now
    seq 11 20 | SHIFT=-$((60 * MINUTE)) segment older
    for sync in always never; do
        for point in land:after-redate append:after-write#2 receive:after-append#2 receive:before-answer#2 land:after-ledger seal:after-sync seal:after-rename; do
            empty_spool
            SPILLWAY_CRASH_AT=$point receiver --no-guard --sync "$sync" --segment-age 2s
            [ "$(post "$(to n0-1)" "$T/now.gz")" = 202 ] || { echo "too early: $point" >&2; return 1; }
            code=$(post "$(to n0-2)" "$T/older.gz" || :)
            wait_until 20 has_ended rcv || { echo "not reached: $point" >&2; return 1; }
            wait_for rcv && return 1
            receiver --no-guard --sync "$sync"
            again=$(post "$(to n0-2)" "$T/older.gz")
            [ "$again" = 200 ] || [ "$again $code" = "202 000" ]
            [ "$(post "$(to n0-1)" "$T/now.gz")" = 200 ]
            land
            segments upload | while read -r file; do since "$file"; done | sort -n | head -n 1 | cmp - <(begun older)
            rows upload | sort -n | cmp - <(seq 1 20)
            [ -z "$(find "$SPOOL/active" -type f)" ]
        done
    done
}

@test "clocks an hour apart: a sender that is ahead brings nothing from the future, one without a clock nothing from long ago" {
    seq 1 10 | SHIFT=$((60 * MINUTE)) segment ahead
    seq 11 20 | SHIFT=-$(($(date +%s%3N) - 5000)) segment unset # it says 1970
    seq 21 30 | SHIFT=-$((60 * MINUTE)) segment behind
    local before after
    before=$(date +%s%3N)
    receiver --no-guard
    [ "$(post "$(to n0-1)" "$T/ahead.gz") $(post "$(to n0-2 U)" "$T/unset.gz")" = "202 400" ] # it is of T
    [ "$(post "$(to n0-2)" "$T/unset.gz")" = 202 ]
    after=$(date +%s%3N)
    at=$(since "$(landing)")
    [ "$at" -ge "$before" ]
    [ "$at" -le "$after" ]
    [ "$(post "$(to n0-3)" "$T/behind.gz")" = 202 ]
    is_since "$(landing)" behind
    stop rcv KILL || :
    # Ours goes back by an hour: what is from the future then is uploaded all the same.
    off_by $((-60 * MINUTE)) peerd --spool "$SPOOL" --name n1 --no-guard --once
    set_clock $((-120 * MINUTE))
    start up env "${CLOCK[@]}" uploader --spool "$SPOOL" --no-guard --database "D=dir:$T/out" --batch-age 200ms --scan-interval 50ms
    wait_until 20 eval '[ "$(zcat "$T"/out/D/T/*.gz | sort -n)" = "$(seq 1 30)" ]'
}

@test "uploader and people go by the real age: an old one is uploaded at once, and told when it is over --max-age" {
    seq 1 10 | segment now
    seq 11 20 | SHIFT=-$((60 * MINUTE)) segment older U
    receiver --no-guard
    [ "$(post "$(to n0-1)" "$T/now.gz") $(post "$(to n0-2 U)" "$T/older.gz")" = "202 202" ]
    land
    [ "$(spillway --spool "$SPOOL" ls --older 30m --json | jq -s -r 'map(.table) | join(" ")')" = U ]
    start up uploader --spool "$SPOOL" --no-guard --database "D=dir:$T/out" --batch-age 30m --scan-interval 50ms --max-age 1m
    wait_until 20 eval '[ "$(zcat "$T"/out/D/U/*.gz)" = "$(seq 11 20)" ]'
    [ ! -e "$T/out/D/T" ]
    [ "$(count upload)" -eq 1 ]
}
