#!/usr/bin/env bats
# One dead database, everyone else untouched: three real instances, values compared row by row.

load lib
load peers
load failover


@test "B dies: all of it, from everywhere, goes to one instance; A does not notice; B comes back and every row arrives once" {
    ring_up
    for n in "${NAMES[@]}"; do for t in T1 T2 T3; do write "$n" A "$t" 1 200; write "$n" B "$t" 1 200; done; done
    wait_until 60 has_all A
    wait_until 60 has_all B
    kill_db B
    for n in "${NAMES[@]}"; do for t in T1 T2 T3 T4; do write "$n" B "$t" 1001 1300; done; done
    wait_until 60 all_say B '.active and .reason == "unreachable"'
    at=$(sacrificial B)
    all_say B ".at == \"$at\""
    for n in "${NAMES[@]}"; do for t in T1 T5; do write "$n" B "$t" 2001 2300; write "$n" A "$t" 2001 2300; done; done
    only_there() {
        for n in "${NAMES[@]}"; do [ "$n" = "$at" ] || [ "$(held "$n" B)" -eq 0 ] || return 1; done
        [ "$(held "$at" B)" -gt 0 ]
    }
    wait_until 60 only_there
    wait_until 60 has_all A
    [ "$(given_up B dropped)" -eq 0 ]
    all_say A '.active | not'
    spillway --spool "$T/$at" metrics | grep -x 'spillway_failover_active{db="B"} 1'
    # Uploaders that are started anew know nothing better: for nobody does that end the failover, not for a moment.
    for n in "${NAMES[@]}"; do stop "uploader-$n" KILL || true; uploader_of "$n"; done
    asked_again() { for n in "${NAMES[@]}"; do tac "$T/uploader-$n.log" | sed '/database-still-down/q' | grep -q '^warn probe .*db=B' || return 1; done; }
    wait_until 30 asked_again
    for n in "${NAMES[@]}"; do spillway --spool "$T/$n" metrics | grep -x 'spillway_failover_transitions_total{db="B",to="off"} 0'; done
    all_say B '.active'
    heal_db B
    wait_until 60 all_say B '.active | not'
    for n in "${NAMES[@]}"; do write "$n" B T9 1 100; done
    wait_until 90 has_all B
    has_all A
    wait_until 30 audits
}

# fill: B is dead, and more of it is written everywhere than its sacrificial instance takes.
fill() {
    declare -g "BUDGET_$AT=6M"
    GUARD_FLAGS=(--failover-share 50%)
    ring_up
    lose_db B T0 1 10
    for i in 1 2 3 4; do for n in "${NAMES[@]}"; do [ "$n" = "$AT" ] || bulk "$n" B "T$i" 1 600; done; done
}

left_elsewhere() { # segments of B outside its sacrificial instance
    local n sum=0
    for n in "${NAMES[@]}"; do [ "$n" = "$AT" ] || sum=$((sum + $(held "$n" B))); done
    echo $sum
}
all_gone_elsewhere() { [ "$(left_elsewhere)" -eq 0 ]; }

@test "the sacrificial instance is full: 429 for B alone, each drop in the ledger; A goes on; the sum adds up to the row" {
    AT=$(who_buffers B)
    fill
    wait_until 120 all_gone_elsewhere
    adds_up() { [ "$(($(rows_held B) + $(given_up B dropped)))" -eq "$(expected B | wc -l)" ]; } # a landing segment may be open yet
    wait_until 60 adds_up
    dropped=$(given_up B dropped)
    [ "$dropped" -gt 0 ]
    # A is taken there as before: sent to it, and uploaded by it.
    for n in "${NAMES[@]}"; do for t in T1 T2 T3 T4 T5; do write "$n" A "$t" 1 100; done; done
    wait_until 60 has_all A
    grep -q 'status=429 .*failover\|code=failover' "$T/peerd-$AT.log"
    # Whoever asks: the answer names the database, before the body.
    port=PORT_$AT
    mkdir "$T/made"
    head -c 3000000 /dev/urandom | base64 -w 100 | walwriter --spool "$T/made" --db B --table T9 --no-guard 2>/dev/null # more than it may have
    offer() {
        curl -s -o "$T/answer" -D "$T/headers" -w '%{size_upload} %{http_code}' -H 'Expect: 100-continue' \
            --data-binary "@$(find "$T/made/sealed" -name '*.gz')" "http://127.0.0.1:${!port}/transfer?db=B&table=T9&schema=-&format=csv&id=offer"
    }
    [ "$(offer) $(jq -r .code "$T/answer")" = "0 429 failover" ]
    grep -qix 'spillway-failover: B.' "$T/headers"
    grep -qi '^retry-after: ' "$T/headers"
    [ "$(grep -c 'transfer-refused.*db=A' "$T/peerd-$AT.log")" -eq 0 ]
    for n in "${NAMES[@]}"; do
        [ "$n" = "$AT" ] || spillway --spool "$T/$n" metrics | grep 'spillway_dropped_rows_total{db="B",reason="sacrificial-full"}'
    done
    heal_db B
    wait_until 60 all_say B '.active | not'
    arrived() { [ "$(rows_held B)" -eq 0 ] && [ "$(uploaded B | wc -l)" -eq $(($(expected B | wc -l) - dropped)) ]; }
    wait_until 120 arrived
    [ "$(uploaded B | uniq -d | wc -l)" -eq 0 ]
    [ "$(comm -23 <(uploaded B) <(expected B) | wc -l)" -eq 0 ]
    [ "$(given_up B dropped)" -eq "$dropped" ]
    wait_until 30 audits
}

@test "with policy archive not one row is lost: requeue brings back what the sacrificial instance had no room for" {
    AT=$(who_buffers B)
    mkdir "$T/archive"
    PEERD_FLAGS=(--drop-policy archive --archive-dir "$T/archive")
    fill
    wait_until 120 all_gone_elsewhere
    archived=$(given_up B archived)
    [ "$archived" -gt 0 ]
    [ "$(given_up B dropped)" -eq 0 ]
    all_in_archive() { [ "$(find "$T/archive/B" -name '*.gz' -print0 | xargs -0 zcat | wc -l)" -eq "$(given_up B archived)" ]; }
    wait_until 10 all_in_archive
    adds_up() { [ "$(($(rows_held B) + $(given_up B archived)))" -eq "$(expected B | wc -l)" ]; } # a landing segment may be open yet
    wait_until 60 adds_up
    heal_db B
    wait_until 60 all_say B '.active | not'
    for n in "${NAMES[@]}"; do [ "$n" = "$AT" ] || break; done
    requeued() { spillway --spool "$T/$n" requeue --from-archive "$T/archive" && [ -z "$(find "$T/archive" -type f)" ]; }
    wait_until 60 requeued
    wait_until 120 has_all B
    wait_until 30 audits
}

@test "a word said at one instance holds for the ring, also for one that comes later; a database that is up can be held at one instance" {
    ring_up
    for n in "${NAMES[@]}"; do write "$n" B T1 1 10; done
    wait_until 60 has_all B
    stop peerd-n2
    spillway --spool "$T/n0" failover on B --at n1 --ttl 1h
    wait_until 30 state_of n1 B '.active and .at == "n1" and .ours and .override.by == "n0"'
    peerd_of n2
    wait_until 60 all_say B '.active and .at == "n1" and .reason == "ordered"'
    for n in "${NAMES[@]}"; do for t in T1 T2 T3 T4; do write "$n" B "$t" 101 200; done; done
    wait_until 60 has_all B # from n1: B is there
    for n in n0 n2; do [ "$(grep -c 'batch-uploaded.*db=B' "$T/uploader-$n.log")" -le 4 ]; done
    spillway --spool "$T/n1" failover clear B
    wait_until 60 all_say B '.active | not'
}

@test "a member that alone cannot reach B hands it to those that can: nothing is dropped, nothing is in failover" {
    : >"$T/wall"
    B_n0=$T/wall/B
    ring_up
    write n0 B T0 1 10
    for n in "${NAMES[@]}"; do wait_until 60 state_of "$n" B '.reached_by == 2 and (.active | not)'; done
    for n in "${NAMES[@]}"; do for t in T1 T2 T3 T4 T5 T6; do write "$n" B "$t" 1 100; write "$n" A "$t" 1 100; done; done
    wait_until 60 has_all B
    wait_until 60 has_all A
    [ "$(held n0 B)" -eq 0 ]
    [ "$(given_up B dropped)" -eq 0 ]
    wait_until 30 audits
}

@test "the sacrificial instance goes away: the next one takes over, and what the first held arrives when it is back" {
    AT=$(who_buffers B)
    ring_up
    lose_db B T0 1 10
    wait_until 60 eval '[ "$(held "$AT" B)" -gt 0 ] && [ "$(left_elsewhere)" -eq 0 ]'
    for p in peerd uploader guard; do stop "$p-$AT" KILL || true; done
    others=()
    for n in "${NAMES[@]}"; do [ "$n" = "$AT" ] || others+=("$n"); done
    next=$(python3 "$REPO/tests/tools/owner.py" B "${others[@]}")
    for n in "${others[@]}"; do wait_until 60 state_of "$n" B ".active and .at == \"$next\""; done
    for n in "${others[@]}"; do write "$n" B T1 1 100; done
    at_next() { for n in "${others[@]}"; do [ "$n" = "$next" ] || [ "$(held "$n" B)" -eq 0 ] || return 1; done; [ "$(held "$next" B)" -gt 0 ]; }
    wait_until 60 at_next
    guard_of "$AT"; uploader_of "$AT"; peerd_of "$AT"
    wait_until 60 all_say B ".active and .at == \"$AT\""
    heal_db B
    wait_until 120 has_all B
    wait_until 30 audits
}

@test "kill -9 of anything while B dies and comes back: every row arrives, once" {
    ring_up
    RANDOM=42
    for round in $(seq 8); do
        [ $((round % 4)) -ne 1 ] || kill_db B
        [ $((round % 4)) -ne 3 ] || heal_db B
        for n in "${NAMES[@]}"; do write "$n" B "T$((round % 3))" $((round * 1000)) $((round * 1000 + 99)); write "$n" A T1 $((round * 1000)) $((round * 1000 + 99)); done
        for i in 1 2; do
            n=${NAMES[RANDOM % 3]} p=$((RANDOM % 3))
            case $p in
                0) stop "peerd-$n" KILL || true; peerd_of "$n" ;;
                1) stop "uploader-$n" KILL || true; uploader_of "$n" ;;
                2) stop "guard-$n" KILL || true; guard_of "$n" ;;
            esac
        done
    done
    [ ! -e "$T/adx/B.away" ] || heal_db B
    wait_until 180 has_all B
    wait_until 60 has_all A
    [ "$(given_up B dropped)" -eq 0 ]
    wait_until 60 audits
}

@test "peerd dies while it takes segments back from upload/: each goes on from where it is" {
    AT=$(who_buffers B)
    for n in "${NAMES[@]}"; do [ "$n" = "$AT" ] || break; done
    ring_up
    stop "peerd-$n"
    kill_db B
    for t in T1 T2 T3 T4; do write "$n" B "$t" 1 50; done
    mkdir -p "$T/$n/upload/B"
    mv "$T/$n"/sealed/B/* "$T/$n/upload/B/"
    SPILLWAY_CRASH_AT=reclaim:after-move#2 peerd_of "$n"
    code=0
    wait_for "peerd-$n" 60 || code=$?
    [ "$code" -eq 137 ]
    peerd_of "$n"
    away() { [ "$(held "$n" B)" -eq 0 ]; }
    wait_until 60 away
    heal_db B
    wait_until 120 has_all B
    wait_until 30 audits
}
