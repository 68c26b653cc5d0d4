#!/usr/bin/env bats
# What operators say of databases, and what peerd says of them: spillway failover and explain, on one instance.

load lib
load peers

setup() {
    spillway_setup
    mkdir "$T/adx"
}

write() { # DB TABLE ROWS
    seq "$3" | walwriter --spool "$SPOOL" --db "$1" --table "$2" --schema n:long --no-guard 2>/dev/null
}

peerd_up() {
    start peerd peerd --spool "$SPOOL" --name n0 --no-guard --scan-interval 50ms "$@"
    wait_until 10 spillway --spool "$SPOOL" failover
}

failover() { spillway --spool "$SPOOL" failover --json "$@"; }
state() { failover | jq -e --arg db "$1" ".databases[] | select(.db == \$db) | $2"; }

@test "an operator's word holds, is told, survives a restart, and can be taken back" {
    peerd_up
    start events spillway --spool "$SPOOL" events
    [ "$(failover | jq '.databases | length')" -eq 0 ]
    failover on B --ttl 1h | jq -e '.databases[0] | .active and .at == "n0" and .ours and .reason == "ordered"'
    state B '.override | .mode == "on" and .by == "n0"'
    stop peerd KILL || true
    run failover
    [ "$status" -eq 0 ]
    jq -e '.peerd == false and .databases[0].active and .databases[0].override.mode == "on"' <<<"$output"
    peerd_up
    wait_until 10 state B '.active'
    failover clear B
    wait_until 10 state B '.active | not'
    spillway --spool "$SPOOL" metrics | grep -x 'spillway_failover_active{db="B"} 0'
    spillway --spool "$SPOOL" metrics | grep -x 'spillway_failover_transitions_total{db="B",to="off"} 1'
    grep -q 'failover-on db=B\|failover-on .*db=B' "$T/peerd.log"
    grep -q 'failover-off .*db=B' "$T/peerd.log"
}

@test "a word ends with its time" {
    peerd_up
    failover on B --ttl 1s | jq -e '.databases[0].active'
    wait_until 10 state B '.active | not'
}

@test "what uploader says of a database outlives peerd, until uploader says otherwise" {
    start uploader uploader --spool "$SPOOL" --database "B=http://127.0.0.1:1" --no-guard --retry-min 10ms --retry-max 50ms \
        --breaker-time 100ms --probe-interval 200ms --batch-age 0
    mkdir -p "$SPOOL/upload"
    peerd_up
    write B T 10
    wait_until 30 state B '.active and .reason == "unreachable"'
    since=$(state B '.since')
    stop uploader
    stop peerd KILL || true
    peerd_up
    state B ".active and .since == $since"
    [ "$(spillway --spool "$SPOOL" metrics | grep -c 'failover_transitions_total{db="B",to="on"} 0')" -eq 1 ]
    start uploader uploader --spool "$SPOOL" --database "B=dir:$T/adx" --no-guard --batch-age 0 --scan-interval 50ms
    wait_until 30 state B '.active | not'
    uploaded() { [ "$(find "$T/adx" -name '*.gz' -print0 | xargs -0r zcat | wc -l)" -eq 10 ]; }
    wait_until 20 uploaded
}

@test "explain says where a segment goes, and why, in every queue" {
    write B T 10
    run spillway --spool "$SPOOL" explain B
    [ "$status" -eq 0 ]
    [[ $output == *"sealed/B/T,"*"peerd does not run"* ]]
    peerd_up
    in_upload() { [ "$(count upload B)" -eq 1 ]; }
    wait_until 10 in_upload
    spillway --spool "$SPOOL" explain B --json | jq -e '.queue == "upload" and .way == "own" and .to == "n0"'
    failover on B
    spillway --spool "$SPOOL" explain B/T --json | jq -e '.way == "buffer" and (.why | test("failover"))'
    mkdir -p "$SPOOL/quarantine/B"
    mv "$SPOOL"/upload/B/* "$SPOOL/quarantine/B/"
    spillway --spool "$SPOOL" explain B --json | jq -e '.way == "stays" and (.why | test("requeue"))'
    run spillway --spool "$SPOOL" explain Nothing
    [ "$status" -ne 0 ]
}

# told_of TABLE: a segment of it comes into sealed/ without a hint; what explain says of it there, to $told. It may be gone before, so: again.
told_of() {
    local from=$T/elsewhere
    mkdir -p "$from" "$SPOOL/sealed/D"
    seq 10 | walwriter --spool "$from" --db D --table "$1" --no-guard 2>/dev/null
    file=$(basename "$from"/sealed/D/*.gz)
    mv "$from/sealed/D/$file" "$SPOOL/sealed/D/"
    spillway --spool "$SPOOL" explain D/"$1" --json | jq -e --arg f "$file" 'select(.queue == "sealed" and (.file | endswith($f)))' >"$T/told"
}
told() { jq -e "$1" "$T/told" >/dev/null || { cat "$T/told" >&2; return 1; }; }
is_in() { [ -e "$SPOOL/$1/D/$file" ]; } # QUEUE

@test "explain asks whom the segments are moved by: age, size, owner, others that are waited for; and so it happens" {
    peer b
    mkdir -p "$SPOOL/state"
    up() { peerd_up --listen 127.0.0.1:0 --peer "b=$PEER_URL" --peer-poll 50ms --scan-interval 1h --retry-min 20ms "$@"
        wait_until 20 eval 'spillway --spool "$SPOOL" peers --json | jq -s -e "[.. | objects | select(.present == true)] | length >= 2"'; }
    # Which of 40 tables are whose, by the program's own word; owner.py agrees with it elsewhere.
    owned_by() { for i in $(seq 40); do spillway --spool "$SPOOL" owner D "T$i" --json 2>/dev/null | jq -e --arg n "$1" '.owner == $n' >/dev/null && echo "T$i" && return; done; }
    up --transfer-linger 1h
    own=$(owned_by n0)
    theirs=$(owned_by b)
    [ -n "$own" ]
    [ -n "$theirs" ]
    wait_until 20 told_of "$theirs"
    told '.way == "shard" and .to == "b" and .rule == "linger" and (.why | test("waits for others.*for "))'
    is_in sealed
    wait_until 20 told_of "$own"
    told '.way == "own" and .to == "n0" and .rule == "own"'
    wait_until 10 is_in upload
    stop peerd
    rm -f "$SPOOL"/sealed/D/*
    up --max-transfer-age 1ms
    wait_until 20 told_of "$theirs"
    told '.way == "own" and .to == "n0" and .rule == "old" and (.why | test("max-transfer-age"))'
    wait_until 10 is_in upload
    stop peerd
    up --max-transfer-size 1
    wait_until 20 told_of "$theirs"
    told '.way == "own" and .to == "n0" and .rule == "large" and (.why | test("max-transfer-size"))'
    wait_until 10 is_in upload
    failover on D --at b
    wait_until 20 told_of "$theirs" # age and size do not count now
    told '.way == "divert" and .to == "b"'
    wait_until 10 eval '! is_in sealed && ! is_in upload'
    stop peerd
    up --transfer-linger 0
    failover clear D
    wait_until 20 told_of "$theirs"
    told '.way == "shard" and .to == "b" and .rule == "owner"'
    wait_until 10 eval '! is_in sealed && ! is_in upload'
    [ "$(stored | wc -l)" -ge 20 ]
}

@test "--failover observe decides and tells, and routes as if all were well" {
    peerd_up --failover observe
    failover on B | jq -e '.mode == "observe" and .databases[0].active'
    write B T 10
    in_upload() { [ "$(count upload B)" -eq 1 ]; }
    wait_until 10 in_upload
    spillway --spool "$SPOOL" explain B --json | jq -e '.way == "own"'
    grep -q 'failover-on .*mode=observe' "$T/peerd.log"
}

@test "wrong use is told in one line, exit 100" {
    write B T 1
    run spillway --spool "$SPOOL" failover on B
    [ "$status" -eq 75 ]
    [[ $output == *"peerd does not run"* ]]
    peerd_up
    for words in "on" "on B C" "maybe B" "on B --at nobody" "off B --at n0" "on a/b" "clear B --at n0" "on B --ttl 0"; do
        # shellcheck disable=SC2086 # words
        run spillway --spool "$SPOOL" failover $words
        [ "$status" -eq 100 ] || { echo "$words: $status: $output" >&2; false; }
        [ "${#lines[@]}" -eq 1 ]
    done
    run peerd --spool "$SPOOL" --drop-policy archive --check
    [ "$status" -eq 100 ]
    stop peerd
    run peerd --spool "$SPOOL" --drop-policy archive
    [ "$status" -eq 100 ]
    [[ $output == *"--archive-dir"* ]]
    run peerd --spool "$SPOOL" --drop-policy archive --archive-dir "$SPOOL/state"
    [ "$status" -eq 100 ]
}
