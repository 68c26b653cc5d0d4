#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2034,SC2154 # failover.bash and wait_until use them
# What an instance does with data of a dead database that the one which buffers it does not take: two real instances, little disk.

load lib
load peers
load failover


# dropped REASON: file names in that instance's ledger, oldest first.
dropped() { jq -r --arg r "$1" 'select(.reason == $r).file' "$T/$OTHER/state/drops.jsonl" 2>/dev/null | sort -t, -k3; }
ids() { sed 's/.*,//; s/\..*//' | sort; }
held_ids() { find "$T/$OTHER"/{sealed,transfer}/B -name '*.gz' | ids; }
flood() { for i in $(seq "$1" "$2"); do bulk "$OTHER" B "T$i" 1 600; done; }
was_refused() { grep -q 'code=failover' "$T/peerd-$AT.log"; }
has_arrived() { [ "$(rows_held B)" -eq 0 ] && [ $(($(uploaded B | wc -l) + $(given_up B dropped))) -eq "$(expected B | wc -l)" ]; }
each_once() { [ -z "$(uploaded B | uniq -d)" ] && [ -z "$(comm -23 <(uploaded B) <(expected B))" ]; }

@test "policy keep holds until the own disk is full, then drops the oldest; a sacrificial instance that cannot be reached is waited for as long" {
    NAMES=(n0 n1)
    AT=$(who_buffers B)
    OTHER=$(others_of "$AT")
    declare -g "BUDGET_$AT=2M" "BUDGET_$OTHER=5M"
    declare -ga "GUARD_$AT=(--failover-share 60%)" "PEERD_$OTHER=(--drop-policy keep --peer-hold 1h)" "UPLOADER_$AT=(--probe-interval 1h)"
    ring_up
    lose_db B T0 1 10

    # keep: refused, and held while there is room.
    flood 1 4
    wait_until 60 was_refused
    wait_until 60 eval '[ "$(held "$OTHER" B)" -gt 0 ]'
    [ "$(given_up B dropped)" -eq 0 ]
    flood 5 14 &
    flooding=$!
    wait_until 60 eval '[ -n "$(dropped own-pressure)" ]'
    wait "$flooding"
    # The oldest: none of them is younger than the younger half of what is held.
    [[ $(dropped own-pressure | ids | tail -n 1) < $(held_ids | tail -n $((($(held_ids | wc -l) + 1) / 2)) | head -n 1) ]]
    [ -z "$(dropped sacrificial-full)" ]

    # It comes back: the one that buffers hears of it from the other, though it would ask only in an hour; what it has does not set out again.
    heal_db B
    wait_until 60 all_say B '.active | not'
    wait_until 120 has_arrived
    each_once
    [ "$(sed -n '/failover-off .*db=B/,$p' "$T/peerd-$AT.log" | grep -c '\(segments-sent\|reclaimed\) .*db=B')" -eq 0 ]

    # drop: its peerd is dead, and not known to be away yet.
    declare -ga "PEERD_$OTHER=(--peer-hold 1h)"
    stop "peerd-$OTHER"
    peerd_of "$OTHER"
    wait_until 30 see_each_other
    lose_db B T0 11 20
    stop "peerd-$AT" KILL || true
    was=$(given_up B dropped)
    bulk "$OTHER" B U1 1 600
    wait_until 30 eval 'spillway --spool "$T/$OTHER" peers --json | grep -q "connect\|refused\|trouble"'
    [ "$(held "$OTHER" B)" -gt 0 ]
    [ "$(given_up B dropped)" -eq "$was" ]
    [ -z "$(dropped sacrificial-unreachable)" ]
    [ "$(spillway --spool "$T/$OTHER" status --json | jq -r '[.. | .pressure? // empty][0]')" = ok ]
    for i in $(seq 2 11); do bulk "$OTHER" B "U$i" 1 600; done &
    flooding=$!
    wait_until 60 eval '[ -n "$(dropped sacrificial-unreachable)" ]'
    wait "$flooding"
    [ "$(jq -s 'map(select(.reason == "sacrificial-full")) | length' "$T/$OTHER/state/drops.jsonl")" -eq 0 ]
    peerd_of "$AT"
    heal_db B
    wait_until 120 has_arrived
    each_once
    wait_until 30 audits
}

# Both reach B by one link, which is replaced in one step: what is about to make a folder there cannot come between.
cut_link() { : >"$T/link.new" && mv -T "$T/link.new" "$T/link-B"; }
mend_link() { ln -s "$T/adx/B" "$T/link.new" && mv -T "$T/link.new" "$T/link-B"; }

# flap: B goes and comes, and so does the way from one instance to the other, many times in each hold time.
flap() {
    local i
    for i in $(seq 60); do
        if ((i % 2)); then cut_link; else mend_link; fi
        if ((i % 3)); then echo pass; else echo refuse; fi >"$T/way/mode.new"
        mv "$T/way/mode.new" "$T/way/mode"
        write n0 B "T$((i % 5))" $((i * 100)) $((i * 100 + 5))
        write n1 B "T$((i % 5))" $((i * 100)) $((i * 100 + 5))
    done
    echo pass >"$T/way/mode"
}
is_at_most() { # NAME METRIC COUNT: it is told, and no more
    local count
    count=$(spillway --spool "$T/$1" metrics | sed -n "s/^$2 //p")
    [ -n "$count" ] && [ "$count" -le "$3" ]
}

@test "a database and a peer that come and go: transitions are bounded by the hold times, and each row arrives once" {
    NAMES=(n0 n1)
    proxy way "$PORT_n1"
    VIA[n0-n1]=$PROXY_URL
    mend_link
    B_n0=$T/link-B B_n1=$T/link-B
    UPLOADER_FLAGS=(--recovery-hold 2s)
    PEERD_FLAGS=(--peer-hold 2s)
    ring_up
    begun=$SECONDS
    flap
    took=$((SECONDS - begun + 1))
    for n in n0 n1; do
        # On and off: each end of it takes a hold time of a database or of a peer.
        wait_until 10 is_at_most "$n" 'spillway_failover_transitions_total{db="B",to="off"}' $((took + 1))
        wait_until 10 is_at_most "$n" 'spillway_database_health_transitions_total{db="B"}' 60
        [ "$(grep 'database-up.*db=B' "$T/uploader-$n.log" | grep -vc 'was=suspect')" -le $((took / 2 + 2)) ] # back, after it was away
    done
    [ "$(grep -c 'info peer-back' "$T/peerd-n0.log")" -le $((took / 2 + 2)) ]
    wait_until 120 has_all B
    [ "$(given_up B dropped)" -eq 0 ]
    wait_until 30 audits
}
