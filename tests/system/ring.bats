#!/usr/bin/env bats
# The ring: real peerds on loopback, who is in it, who is there, and who owns what.

load lib
load ring

@test "five instances agree on every owner, and with ADX-Mon" {
    local vectors=$REPO/tests/golden/adxmon-vectors.json ring i name
    ring_setup 5
    ring=$(jq -c '.rendezvous[] | select(.peers | length == 5)' "$vectors")
    # Under the names of the vectors.
    mapfile -t names < <(jq -r '.peers[]' <<<"$ring")
    for i in "${!names[@]}"; do
        # shellcheck disable=SC2004 # PORT goes by names
        PORT[${names[i]}]=${PORT[n$i]}
        mkdir "$T/${names[i]}"
    done
    RING=("${names[@]}")
    for name in "${RING[@]}"; do ring_configure "$name" "${RING[@]}"; done
    ring_start_all
    # DB_TABLE and DB_TABLE_SCHEMA, with the owner.
    jq -r '.owner | to_entries[] | "\(.key) \(.value)" | select(test("^[A-Za-z0-9]+_[A-Za-z0-9]+(_[a-z0-9]+)? "))' <<<"$ring" >"$T/expected"
    [ "$(wc -l <"$T/expected")" -gt 40 ]
    mapfile -t asked < <(jq -Rc 'split(" ")[0] | split("_") | {v: 1, op: "owner", db: .[0], table: .[1], schema: (.[2] // "-")}' "$T/expected")
    for name in "${RING[@]}"; do
        ask_all "$name" "${asked[@]}" | jq -r '"\(.key) \(.owner)"' | diff "$T/expected" -
    done
    # The command says the same, and why.
    read -r key expected <"$T/expected"
    IFS=_ read -r db table schema <<<"$key"
    [ "$(owner "${RING[0]}" "$db" "$table" ${schema:+"$schema"})" = "$expected" ]
    run in_ring "${RING[0]}" owner "$db" "$table" ${schema:+"$schema"}
    [[ ${lines[0]} == "$expected owns $db/$table"* ]]
    [[ $output == *"xxHash64"* ]]
    [ "$(grep -c ' present' <<<"$output")" -ge 5 ]
}

@test "who leaves and who joins moves only its share (SIGHUP)" {
    ring_setup 4
    # The fourth is not in it at first.
    for name in n0 n1 n2; do ring_configure "$name" n0 n1 n2; done
    for name in "${RING[@]}"; do ring_start "$name"; done
    wait_until 20 sees n0 n0 n1 n2
    owners n0 300 >"$T/three"
    for name in n0 n1 n2; do
        ring_configure "$name" "${RING[@]}"
        reload "$name"
    done
    wait_until 20 sees n0 n0 n1 n2 n3
    owners n0 300 >"$T/four"
    [ "$(wc -l <"$T/four")" -eq 300 ]
    # What moved, moved to the new one; about a quarter of 300.
    moved=$(diff "$T/three" "$T/four" | grep -c '^>' || true)
    [ "$(diff "$T/three" "$T/four" | grep '^>' | grep -vc ' n3$')" -eq 0 ]
    [ "$moved" -ge 45 ]
    [ "$moved" -le 110 ]
    # It leaves again: all is as it was.
    ring_configure n0 n0 n1 n2
    reload n0
    wait_until 20 sees n0 n0 n1 n2
    owners n0 300 | diff "$T/three" -
    grep -q 'peer-away.*peer=n3.*not in the list' "$T/n0.log"
}

@test "a member that is stopped is away after the hold time, and back after as long" {
    ring_setup 3
    ring_start_all
    owners n0 100 >"$T/before"
    start events spillway --spool "$T/n0" events
    kill -STOP "$(pid_of n2)"
    wait_until 20 sees n0 n0 n1
    wait_until 20 sees n1 n0 n1
    [ "$(peer_field n0 n2 trouble)" = silent ]
    owners n0 100 >"$T/without"
    [ "$(grep -c ' n2$' "$T/without" || true)" -eq 0 ]
    [ "$(diff "$T/before" "$T/without" | grep '^<' | grep -vc ' n2$')" -eq 0 ]
    kill -CONT "$(pid_of n2)"
    wait_until 20 sees n0 n0 n1 n2
    # Not before it had answered for the hold time: the view says how long it took to come back.
    owners n0 100 | diff "$T/before" -
    # It slept itself, and did not find the others away.
    sees n2 n0 n1 n2
    [ "$(in_ring n2 metrics | awk '/^spillway_peer_transitions_total/ {n += $2} END {print n}')" -eq 2 ]
    grep -q 'warn peer-away.*peer=n2' "$T/n0.log"
    grep -q 'info peer-back.*peer=n2' "$T/n0.log"
    [ "$(in_ring n0 metrics | awk '/^spillway_peer_transitions_total\{peer="n2"\}/ {print $2}')" -eq 3 ]
}

@test "killed and started again within the hold time it never leaves" {
    RING_HOLD=40s # more than any machine needs for it
    ring_setup 3
    ring_start_all
    incarnation=$(peer_field n0 n2 incarnation)
    stop n2 KILL || true
    ring_start n2
    restarted() { [ "$(peer_field n0 n2 incarnation)" -gt "$incarnation" ]; }
    wait_until 20 restarted
    [ "$(peer_field n0 n2 transitions)" -eq 1 ] # when it was seen first
    sees n0 n0 n1 n2
}

@test "events tell who goes and who comes back" {
    ring_setup 2
    ring_start_all
    start events spillway --spool "$T/n0" events
    # The subscriber may take a moment: go and come back until it has heard of both.
    heard() {
        stop n1 KILL || true
        wait_until 20 sees n0 n0
        ring_start n1
        wait_until 20 sees n0 n0 n1
        jq -es 'map(.type) | index("peer-away") and index("peer-back")' "$T/events.log"
    }
    wait_until 30 heard
    jq -es 'map(select(.type == "peer-away")) | .[0] | .peer == "n1" and .program == "peerd" and (.why | length > 0)' "$T/events.log"
}

@test "clocks an hour apart change nothing" {
    ring_setup 3
    ring_start n0
    # The library alone: the command would be a parent that leaves its child behind when it is stopped.
    local library
    library=$(faketime -f +1h printenv LD_PRELOAD)
    shifted() { start "$1" env LD_PRELOAD="$library" FAKETIME="$2" FAKETIME_DONT_FAKE_MONOTONIC=1 ASAN_OPTIONS="${ASAN_OPTIONS:-}:verify_asan_link_order=0" peerd --spool "$T/$1" --config "$T/$1.conf"; }
    shifted n1 +1h
    shifted n2 -1h
    for name in "${RING[@]}"; do wait_until 20 sees "$name" n0 n1 n2; done
    for name in "${RING[@]}"; do owners "$name" 20 >"$T/owners.$name"; done
    diff "$T/owners.n0" "$T/owners.n1"
    diff "$T/owners.n0" "$T/owners.n2"
    now=$(date +%s)
    [ $(($(peer_field n0 n1 incarnation) / 1000 - now)) -gt 3000 ]
    [ $((now - $(peer_field n0 n2 incarnation) / 1000)) -gt 3000 ]
}

@test "owner and peers while peerd is down" {
    ring_setup 3
    ring_start_all
    owners n0 20 >"$T/before"
    stop n0
    # From the configuration: the same answers, and it says that presence is not known.
    down() { spillway --spool "$T/n0" --config "$T/n0.conf" owner "$@"; }
    while read -r table expected; do
        [ "$(down D "$table" --json | jq -r .owner)" = "$expected" ]
    done <"$T/before"
    down D T1 --json | jq -e '.presence == "unknown" and (.ranking | length == 3)'
    run down D T1
    [[ $output == *"peerd does not run"* ]]
    run spillway --spool "$T/n0" peers
    [ "$status" -eq 75 ]
    [[ $output == *"does not run"* ]]
    run down D
    [ "$status" -eq 100 ]
    run down D a/b
    [ "$status" -eq 100 ]
    # A schema by its text or by its hash.
    [ "$(down D T 'Timestamp:datetime,SeriesId:long,Labels:dynamic,Value:real' --json | jq -r .key)" = D_T_2cawzsrvl4mw4 ]
    [ "$(down D T 2cawzsrvl4mw4 --json | jq -r .key)" = D_T_2cawzsrvl4mw4 ]
}

@test "what our uploader and diskguard say, peers know" {
    ring_setup 2
    ring_start_all
    read -r dead < <(free_ports 1)
    start guard diskguard --spool "$T/n0" --max-disk-usage 1G
    start up uploader --spool "$T/n0" --database "D=http://127.0.0.1:$dead" --database "E=dir:$T" \
        --breaker-failures 1 --breaker-time 0 --idle-probe 50ms --probe-interval 100ms
    says() { [ "$(peer_field n1 n0 "$1")" = "$2" ]; }
    wait_until 30 says databases.D.health down
    wait_until 30 says databases.E.health up
    wait_until 30 says disk.limit 1073741824
    run in_ring n1 peers
    [[ $output == *"D down"* && $output != *"E up"* ]]
    run in_ring n1 status
    [[ $output == *"ring: 2 of 2 members present"* ]]
    # The last words stand while uploader is away: twice our own look later they still do.
    stop up KILL || true
    before=$(peer_field n1 n0 polls)
    looked() { [ "$(peer_field n1 n0 polls)" -gt $((before + 40)) ]; }
    wait_until 30 looked
    says databases.D.health down
    says databases.E.health up
    sees n1 n0 n1 # a database that is away takes no member away
}
