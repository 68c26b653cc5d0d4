#!/usr/bin/env bats
# peerd as a sender, against a scripted peer: every answer, lost answers, dead peers, and kill -9 wherever it hurts.

load lib
load peers

setup() {
    spillway_setup
    FLAGS=(--name a --listen 127.0.0.1:0 --peer-poll 50ms --peer-hold 2s --scan-interval 50ms --transfer-linger 0 --retry-min 20ms
        --retry-max 200ms --no-guard)
}

# theirs N: N tables that b owns, one a line; ours N: that we do.
theirs() { python3 "$REPO/tests/tools/owner.py" --of b "$1" D a b; }
ours() { python3 "$REPO/tests/tools/owner.py" --of a "$1" D a b; }

write() { # TABLE FIRST LAST
    seq "$2" "$3" | walwriter --spool "$SPOOL" --db D --table "$1" --no-guard 2>/dev/null
}

run_peerd() { start peerd peerd --spool "$SPOOL" "${FLAGS[@]}" --peer "b=$PEER_URL" "$@"; }

status_of() { spillway --spool "$SPOOL" status --json | jq -r ".programs.peerd$1"; }

# is_at_rest: nothing is left in sealed/ or transfer/.
# Looked at twice: between two looks a segment may come from the one to the other.
is_at_rest() {
    for _ in 1 2; do
        [ -z "$(find "$SPOOL/transfer" -mindepth 2 2>/dev/null)" ] && [ "$(count sealed)" -eq 0 ] || return
    done
}

# is_here ROWS: so many are in upload/. diverted ROWS, sent ROWS: so many are there, or at the peer, and nothing is on its way.
is_here() { [ "$(rows upload | wc -l)" -eq "$1" ]; }
diverted() { is_here "$1" && is_at_rest; }
sent() { [ "$(stored | wc -l)" -eq "$1" ] && is_at_rest; }

# crash_at POINT: peerd runs until it dies there (it must), then again until nothing is left to do.
crash_at() {
    local code=0
    SPILLWAY_CRASH_AT=$1 run_peerd --transfer-linger 50ms
    wait_for peerd || code=$?
    [ $code -eq 137 ] || { echo "$1 was not reached: $code"; return 1; }
    run_peerd
    wait_until 20 is_at_rest
    stop peerd
}

@test "another member's table goes to it, ours to upload/, and all that is sent says who it is" {
    peer b
    t=$(theirs 1)
    write "$t" 1 10
    write "$t" 11 15
    ours=$(ours 1)
    write "$ours" 1 3
    run_peerd
    wait_until 15 sent 15
    [ "$(stored | sort -n | uniq | wc -l)" -eq 15 ]
    [ "$(rows upload | wc -l)" -eq 3 ]
    [ "$(requests | jq -r .query.db)" = D ]
    [ "$(requests | jq -r '.query.table, .query.format, .query.schema')" = "$t"$'\n'csv$'\n'- ]
    [[ $(requests | jq -r .query.id) =~ ^a-[0-9a-f]{16}$ ]]
    [ "$(requests | jq -r '.headers["Spillway-From"], .headers["Spillway-To"], .headers["Content-Type"]')" = $'a\nb\napplication/gzip' ]
    [[ $(requests | jq -r '.headers["Spillway-Digest"]') =~ ^$(stat -c %s "$PEER"/stored/*.gz)-[0-9a-f]{16}$ ]]
    request=$(requests | jq -r '.headers["X-Request-Id"]')
    grep -q "segments-sent.* request=$request" "$T/peerd.log"
    # The bytes on the wire are the segments', untouched.
    gzip -t "$PEER"/stored/*.gz
    [ "$(status_of .transfers.totals.D.rows_sent)" -eq 15 ]
    [ "$(status_of .transfers.totals.D.segments_sent)" -eq 2 ]
}

@test "large bodies wait for the peer's word, and a refusal from the head alone costs no body" {
    peer b
    t=$(theirs 1)
    seq 1 200000 | shuf | walwriter --spool "$SPOOL" --db D --table "$t" --no-guard 2>/dev/null
    script '{"status":413,"early":true,"code":"too-large"}'
    run_peerd
    wait_until 15 diverted 200000
    [ "$(requests | jq -r '.did, .headers.Expect')" = $'early\n100-continue' ]
    [ "$(stored | wc -l)" -eq 0 ]
    write "$t" 1 10 # small: sent at once
    wait_until 15 sent 10
    [ "$(requests | tail -n 1 | jq -r .headers.Expect)" = null ]
}

@test "400 and 409: our copy goes to quarantine with the peer's words" {
    peer b
    t=$(theirs 1)
    for status in 400 409; do
        write "$t" 1 5
        write "$t" 6 9
        script '{"status":'$status',"code":"unknown-database","why":"there is no D here"}'
    done
    run_peerd --transfer-linger 1s
    aside() { [ "$(rows quarantine | wc -l)" -gt 0 ] && is_at_rest; }
    wait_until 15 aside
    why=$(find "$SPOOL/quarantine" -name '*.why' | head -n 1)
    jq -e '.reason == "refused" and .by == "peerd" and .peer == "b" and .code == "unknown-database" and .message == "there is no D here"' "$why"
    jq -e --arg id "$(requests | head -n 1 | jq -r .query.id)" '.transfer == $id' "$why"
    grep -q "^error transfer-refused" "$T/peerd.log"
    [ "$(status_of .transfers.totals.D.rows_refused)" -eq "$(rows quarantine | wc -l)" ]
    [ "$(($(rows quarantine | wc -l) + $(stored | wc -l)))" -eq 18 ]
}

@test "a segment that was damaged here does not take others with it into quarantine" {
    peer b
    t=$(theirs 1)
    write "$t" 1 500
    write "$t" 501 505
    file=$(segments sealed | head -n 1)
    printf 'XXXX' | dd of="$file" bs=1 seek=$(($(stat -c %s "$file") - 40)) conv=notrunc status=none
    script '{"status":400,"code":"bad-segment","why":"payload"}'
    run_peerd --transfer-linger 100ms
    wait_until 15 eval '[ "$(count upload)" -eq 2 ] && is_at_rest' # and not its rows: it cannot be read
    [ "$(count quarantine)" -eq 0 ]
    mkdir "$T/out"
    run -0 uploader --spool "$SPOOL" --database "D=dir:$T/out" --once --no-guard
    [ "$(zcat "$T"/out/D/*/*.gz | wc -l)" -eq 5 ] # and the damaged one is uploader's to salvage
}

@test "401: kept, said loudly, tried slowly; delivered once the token is right" {
    peer b --token secret-of-b
    t=$(theirs 1)
    echo wrong >"$T/token"
    write "$t" 1 5
    run_peerd --token-file "$T/token" --retry-max 100ms
    refused() { grep -q '^error transfer-failed.*answer=unauthorised' "$T/peerd.log"; }
    wait_until 15 refused
    [ "$(find "$SPOOL/transfer" -name '*.gz' | wc -l)" -eq 1 ]
    echo secret-of-b >"$T/token"
    kill -HUP "$(pid_of peerd)"
    wait_until 15 sent 5
    run grep -c -e secret-of-b -e wrong "$T/peerd.log"
    [ "$output" -eq 0 ]
}

@test "403: the same as 401: kept, said loudly, sent under the same id once it is let in" {
    peer b
    t=$(theirs 1)
    script '{"status":403,"code":"forbidden","why":"not you"}' '{"status":403,"code":"forbidden","why":"not you"}'
    write "$t" 1 5
    run_peerd --retry-max 100ms --peer-unhealthy 20ms
    wait_until 20 sent 5
    grep -q '^error transfer-failed.*answer=unauthorised.*not you' "$T/peerd.log"
    [ "$(requests | wc -l)" -eq 3 ]
    [ "$(requests | jq -r .query.id | sort -u | wc -l)" -eq 1 ]
    [ "$(count upload) $(count quarantine)" = "0 0" ]
}

@test "429 with Spillway-Failover where we know of no failover: nothing is dropped, and the peer is not blamed for its other databases" {
    peer b
    t=$(theirs 1)
    script '{"status":429,"headers":{"Retry-After":"600","Spillway-Failover":"D"},"code":"failover","why":"D is full here"}'
    write "$t" 1 5
    run_peerd --peer-unhealthy 10m
    wait_until 15 diverted 5
    other=$(python3 "$REPO/tests/tools/owner.py" --of b 1 E a b)
    seq 1 7 | walwriter --spool "$SPOOL" --db E --table "$other" --no-guard 2>/dev/null
    wait_until 15 sent 7
    [ "$(requests | jq -r .query.db)" = $'D\nE' ]
}

@test "413, 429, a foreign answer and another instance's name: we upload it ourselves" {
    t=$(theirs 1)
    for step in '{"status":413}' '{"status":429}' '{"status":404}' '{"status":400,"code":"wrong-peer"}'; do
        rm -rf "$T/b"
        peer b
        script "$step"
        write "$t" 1 5
        run_peerd
        wait_until 15 diverted 5
        [ "$(stored | wc -l)" -eq 0 ]
        grep -q "^warn transfer-diverted" "$T/peerd.log"
        stop peerd
        stop b || :
        rm -rf "$SPOOL"/upload/* "$T/peerd.log"
    done
}

@test "after a 429 the peer is left alone, for a minute or as it says, and its tables are uploaded from here" {
    peer b
    t=$(theirs 1)
    script '{"status":429,"headers":{"Retry-After":"10"}}'
    write "$t" 1 5
    run_peerd --peer-unhealthy 50ms
    wait_until 15 diverted 5
    [ "$(status_of '.transfers.peers[0].trouble')" = true ]
    [ "$(status_of '.transfers.peers[0].trouble_ms')" -gt 300 ] # Retry-After, not --peer-unhealthy
    write "$t" 6 10
    wait_until 15 diverted 10
    [ "$(requests | wc -l)" -eq 1 ]
    recovered() { [ "$(status_of '.transfers.peers[0].trouble')" = false ]; }
    wait_until 25 recovered
    write "$t" 11 15
    wait_until 15 sent 5
    [ "$(grep -c peer-unhealthy "$T/peerd.log")" -eq 1 ]
}

@test "503: tried again, Retry-After honoured; uploaded from here when the peer has left" {
    peer b
    t=$(theirs 1)
    script '{"status":503,"headers":{"Retry-After":"1"}}' '{"status":503}'
    write "$t" 1 5
    run_peerd
    wait_until 20 sent 5
    [ "$(requests | wc -l)" -eq 3 ]
    [ "$(requests | jq -r .query.id | sort -u | wc -l)" -eq 1 ]
    retry=$(grep -m1 -o 'retry_ms=[0-9]*' "$T/peerd.log")
    [ "${retry#*=}" -ge 1000 ]
    # Whoever says that it is leaving, and leaves: it has surely not got it, so another has it: here, ourselves.
    script '{"status":503,"code":"draining","why":"this instance is about to leave","headers":{"Retry-After":"8"}}'
    write "$t" 6 10
    wait_until 15 grep -q '^warn transfer-failed.*status=503.*code=draining' "$T/peerd.log"
    [ "$(count upload)" -eq 0 ]
    stop b KILL || : # between two requests
    wait_until 20 diverted 5
    [ "$(rows upload)" = "$(seq 6 10)" ]
}

@test "a lost answer: the same bytes under the same id to the same peer, until it answers, and once" {
    peer b
    t=$(theirs 1)
    for step in '{"do":"lose"}' '{"do":"cut"}' '{"do":"reset","after":20}' '{"do":"stall"}' '{"status":500}'; do
        : >"$PEER/requests.jsonl"
        rm -f "$PEER"/stored/*
        script "$step" '{"status":429}' '{"status":503}' '{"do":"lose"}' # what comes then settles nothing
        write "$t" 1 50
        run_peerd --transfer-stall 1s --peer-unhealthy 20ms
        wait_until 30 sent 50
        [ "$(requests | jq -r .query.id | sort -u | wc -l)" -eq 1 ]
        [ "$(requests | wc -l)" -eq 5 ]
        [ "$(count upload)" -eq 0 ]
        stop peerd
    done
    [ "$(jq .databases.D.rows_sent "$SPOOL/state/peerd.json")" -eq 250 ]
}

@test "a peer that dies in the middle: what it was sent stays frozen, what it was not sent is uploaded from here" {
    peer b
    t=$(theirs 1)
    port=$(cat "$PEER/port")
    script '{"do":"stall"}'
    write "$t" 1 50
    run_peerd --transfer-stall 30s --peer-hold 1m
    wait_until 15 test -s "$PEER/requests.jsonl"
    stop b KILL || :
    failed() { grep -q '^warn transfer-failed.*answer=unknown' "$T/peerd.log"; }
    wait_until 15 failed
    write "$t" 51 60
    wait_until 15 is_here 10
    [ "$(find "$SPOOL/transfer" -name plan.json | wc -l)" -eq 1 ]
    [ "$(status_of .transfers.in_doubt)" -eq 1 ]
    peer b --port "$port"
    wait_until 20 is_at_rest
    [ "$(stored | sort -n | uniq -c | awk '$1 != 1' | wc -l)" -eq 0 ]
    [ "$(stored | wc -l)" -eq 50 ]
}

@test "given up: uploaded from here, and counted as possibly twice" {
    peer b
    t=$(theirs 1)
    script '{"do":"lose"}'
    for _ in $(seq 200); do script '{"status":503}'; done
    write "$t" 1 50
    run_peerd --transfer-give-up 1s --peer-unhealthy 20ms
    wait_until 20 diverted 50
    grep -q '^error transfer-possibly-twice' "$T/peerd.log"
    [ "$(status_of .transfers.totals.D.rows_possibly_twice)" -eq 50 ]
    stop peerd
    # The same when its peer has left the configuration.
    : >"$PEER/script"
    script '{"do":"lose"}'
    for _ in $(seq 200); do script '{"status":503}'; done
    write "$t" 51 60
    run_peerd --peer-unhealthy 20ms
    failed() { [ "$(find "$SPOOL/transfer" -name plan.json | wc -l)" -eq 1 ] && grep -q answer=unknown "$T/peerd.log"; }
    wait_until 15 failed
    stop peerd
    start peerd peerd --spool "$SPOOL" --scan-interval 50ms --no-guard --name a
    wait_until 15 is_here 60
    [ "$(status_of .transfers.totals.D.rows_possibly_twice)" -eq 60 ]
}

@test "several at a time, not more than allowed, and over few connections" {
    peer b
    for t in $(theirs 12); do write "$t" 1 5; done
    for _ in $(seq 3); do script '{"do":"late","until":"'"$T/go"'"}'; done
    run_peerd --transfers-per-peer 3
    three() { [ "$(requests | wc -l)" -eq 3 ] && [ "$(status_of .transfers.in_flight)" -eq 3 ]; }
    wait_until 15 three
    touch "$T/go"
    wait_until 20 sent 60
    [ "$(requests | jq .connection | sort -u | wc -l)" -le 3 ]
}

@test "what is too old or too much is uploaded from here; what lingers goes together" {
    peer b
    t=$(theirs 1)
    write "$t" 1 5
    run_peerd --max-transfer-age 0
    wait_until 15 diverted 5
    stop peerd
    write "$t" 6 10
    run_peerd --max-transfer-size 100
    wait_until 15 diverted 10
    stop peerd
    [ "$(requests | wc -l)" -eq 0 ]
    run_peerd --transfer-linger 2s
    for i in 1 2 3; do write "$t" "$i" "$i"; done
    wait_until 15 sent 3
    [ "$(requests | wc -l)" -le 2 ]
}

@test "over TLS, both sides verified" {
    self_signed
    peer b --cert "$T/cert.pem" --key "$T/key.pem" --ca "$T/cert.pem"
    t=$(theirs 1)
    PEER_URL=https://127.0.0.1:$(cat "$PEER/port")
    write "$t" 1 5
    run_peerd --tls-ca "$T/cert.pem" --tls-cert "$T/cert.pem" --tls-key "$T/key.pem"
    wait_until 20 sent 5
}

@test "killed at each point and started again: nothing is lost, nothing is sent twice, each row is counted once" {
    peer b
    t=$(theirs 1)
    first=1
    for point in claim:after-take claim:before-plan claim:after-plan transfer:after-answer transfer:before-done claim:after-done \
        transfer:after-count claim:after-unlink claim:after-plan-unlink claim:before-rmdir; do
        write "$t" $first $((first + 4))
        write "$t" $((first + 5)) $((first + 9))
        first=$((first + 10))
        crash_at "$point"
        [ "$(stored | sort -n | uniq | wc -l)" -eq $((first - 1)) ] || { echo "after $point rows are missing"; false; }
        [ "$(stored | wc -l)" -eq $((first - 1)) ] || { echo "after $point rows are there twice"; false; }
        [ "$(jq .databases.D.rows_sent "$SPOOL/state/peerd.json")" -eq $((first - 1)) ] || { echo "$point: counted $(jq .databases.D.rows_sent "$SPOOL/state/peerd.json")"; false; }
    done
}

@test "killed while a refusal or a diversion is carried out: the rest follows" {
    peer b
    t=$(theirs 1)
    first=1
    for point in transfer:after-refusal transfer:after-quarantine claim:after-unfreeze claim:after-move; do
        write "$t" $first $((first + 4))
        write "$t" $((first + 5)) $((first + 9))
        first=$((first + 10))
        case $point in transfer:*) script '{"status":400}' ;; *) script '{"status":413}' ;; esac
        crash_at "$point"
        all() { stored; rows upload; rows quarantine; }
        [ "$(all | sort -n | uniq | wc -l)" -eq $((first - 1)) ] || { echo "after $point rows are missing"; false; }
        [ "$(all | wc -l)" -eq $((first - 1)) ] || { echo "after $point rows are there twice"; false; }
    done
    [ "$(rows quarantine | wc -l)" -eq 20 ]
    [ "$(jq .databases.D.rows_refused "$SPOOL/state/peerd.json")" -eq 20 ]
}

@test "kill -9 at random under load, with a peer that loses answers: each row once" {
    peer b
    mapfile -t tables < <(theirs 3)
    for i in $(seq 1 60); do
        case $((RANDOM % 4)) in
        0) script '{"do":"lose"}' ;;
        1) script '{"do":"reset","after":30}' ;;
        *) script '{}' ;;
        esac
    done
    for i in $(seq 1 15); do
        run_peerd --peer-unhealthy 10ms --max-transfer-age 1h
        for t in "${tables[@]}"; do write "$t" $((i * 10)) $((i * 10 + 9)); done
        delay=$(printf '0.%03d' $((RANDOM % 300)))
        read -rt "$delay" <> <(:) || : # how long it lives is what is tried out
        stop peerd KILL || :
    done
    run_peerd --peer-unhealthy 10ms --max-transfer-age 1h
    answers() { [ "$(status_of .pid)" = "$(pid_of peerd)" ]; }
    wait_until 30 answers # there may be nothing left to do: SIGTERM could come before it is asked for
    wait_until 30 is_at_rest
    stop peerd
    all() { stored; rows upload; } # what came while the peer was in trouble is uploaded from here
    [ "$(all | wc -l)" -eq 450 ]
    [ "$(all | sort -n | uniq -c | awk '{print $1}' | sort -u)" = 3 ]
    [ "$(stored | wc -l)" -gt 0 ]
    [ "$(jq .databases.D.rows_sent "$SPOOL/state/peerd.json")" -eq "$(stored | wc -l)" ]
}
