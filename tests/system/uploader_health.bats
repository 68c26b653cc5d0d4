#!/usr/bin/env bats
# What the uploader says of its databases, and that one which is away holds up no other.
# shellcheck disable=SC2154,SC2030,SC2031,SC2317 # bats sets status and output; each test is a subshell

load lib
load adxsim
load uploader

metric() { ask '{"op":"metrics"}' | jq -r .text | grep -qx "$1"; }

# closed_port: one that nobody listens on
closed_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

is_in() { grep -q "$1" "$2"; }

@test "health: with every database away from the beginning it starts, says so of each, and uploads when they come" {
    local port
    port=$(closed_port)
    touch "$T/file"
    numbers 1 5 | write A
    numbers 1 5 | DB=E write A
    start_up --database D="http://127.0.0.1:$port" --database E=dir:"$T/file" --database Idle="http://127.0.0.1:$port" --idle-probe 50ms
    for db in D E Idle; do wait_until 10 status_is health down $db; done
    [ "$(status_of breaker)" = open ]
    [[ $(status_of reason) == *connect* ]]
    [[ $(status_of reason E) == *"$T/file"* ]]
    ask '{"op":"status"}' | jq -e '.databases[] | .next_probe_ms >= 0 and .since > 1600000000000 and .health == "down"'
    metric 'spillway_database_health{db="E"} 6'
    metric 'spillway_database_up{db="E"} 0'
    rm "$T/file"
    sim_start --listen "127.0.0.1:$port" --database D --database Idle
    wait_until 10 nothing_left
    for db in D E Idle; do wait_until 10 status_is health up $db; done
    [ "$(status_of reason)" = "" ]
    [ "$(sim_rows A D)" = 5 ]
    [ "$(zcat "$T"/file/E/A/*.gz | wc -l)" = 5 ]
    metric 'spillway_database_health{db="E"} 0'
    stop uploader
}

@test "health: an idle database is asked: unauthorised, missing, and up again" {
    echo secret >"$T/token"
    sim_start --database D --token-file "$T/token"
    start_up --database D="$SIM" --idle-probe 50ms
    wait_until 10 status_is health unauthorised
    stop uploader
    start_up --database Other="$SIM" --idle-probe 50ms --adx-token-file "$T/token"
    wait_until 10 status_is health missing Other
    curl -sSf -o /dev/null -X POST "$SIM/_sim/database?name=Other"
    wait_until 10 status_is health up Other
    stop uploader
}

@test "health: a directory that cannot be written is down before anything is uploaded to it" {
    touch "$T/file"
    mkdir "$T/out"
    start_up --database D=dir:"$T/file/x" --database E=dir:"$T/out" --database F=dir:"$T/none/x" --idle-probe 50ms
    wait_until 10 status_is health down
    wait_until 10 status_is health down F
    [ "$(status_of health E)" = up ]
    mkdir "$T/none"
    wait_until 10 status_is health up F
    [ -z "$(find "$T/out" "$T/none" -mindepth 1)" ] # asking leaves nothing behind
    stop uploader
}

@test "health: throttled is not down, and Retry-After is kept, whatever a probe says" {
    sim_start --database D
    sim_fault '{"match":"ingest","status":429,"retry_after":2,"count":3}'
    numbers 1 5 | write A
    begin=${EPOCHREALTIME/./}
    start_up --database D="$SIM" --idle-probe 50ms --breaker-failures 1
    wait_until 10 status_is health throttled
    [ "$(status_of breaker)" = closed ]
    wait_until 20 nothing_left
    [ $((${EPOCHREALTIME/./} - begin)) -ge 6000000 ]
    wait_until 10 status_is health up
    run -1 grep -q database-down "$T/uploader.log"
    stop uploader
}

@test "health: a batch that is refused says nothing about the database" {
    sim_start --database D
    sim_fault '{"match":"ingest","status":400,"count":0}'
    for i in 1 2 3 4 5 6; do numbers 1 5 | write "A$i"; done
    start_up --database D="$SIM" --breaker-failures 1
    wait_until 10 nothing_left
    [ "$(count quarantine)" = 6 ]
    status_is health up
    metric 'spillway_database_health_transitions_total{db="D"} 0'
    stop uploader
}

@test "health: while it is held, data flows and it still counts as away" {
    sim_start --database D
    sim_fault '{"db":"D","status":503,"count":0}'
    numbers 1 5 | write A
    start_up --database D="$SIM" --breaker-failures 3 --recovery-hold 1h
    wait_until 10 status_is breaker open
    [ "$(status_of health)" = down ]
    sim_no_faults
    wait_until 10 nothing_left
    wait_until 10 status_is breaker recovering
    for table in B C D; do numbers 6 9 | write $table; done
    wait_until 10 nothing_left
    [ "$(status_of health)" = down ]
    [ "$(status_of rows_uploaded)" = 17 ]
    stop uploader
}

@test "health: events tell each change, once" {
    sim_start --database D
    start_up --database D="$SIM" --breaker-failures 3 --breaker-time 300ms
    wait_until 10 status_is health up
    start events spillway --spool "$SPOOL" events
    is_heard() { # whoever subscribes hears what comes after that
        numbers 1 1 | write Hello && wait_until 1 is_in batch-uploaded "$T/events.log"
    }
    wait_until 20 is_heard
    sim_fault '{"db":"D","status":503,"count":0}'
    numbers 1 5 | write A
    wait_until 10 status_is health down
    sim_no_faults
    wait_until 10 status_is health up
    wait_until 10 is_in database-up "$T/events.log"
    stop events || :
    jq -e -s 'map(select(.type | startswith("database-"))) | map([.db, .type, .was, .health]) ==
        [["D", "database-suspect", "up", "suspect"], ["D", "database-down", "suspect", "down"], ["D", "database-up", "down", "up"]]' "$T/events.log"
    jq -e -s 'map(select(.type == "database-down")) | all(.reason | contains("503"))' "$T/events.log"
    metric 'spillway_database_health_transitions_total{db="D"} 3'
    stop uploader
}

@test "health: one that hangs takes no place from another, and is found out while it hangs" {
    sim_start --database D --database B
    sim_fault '{"db":"B","mode":"delay","delay_ms":600000,"count":0}'
    for i in 1 2 3 4; do numbers 1 5 | DB=B write "T$i"; done
    start_up --database B="$SIM" --database D="$SIM" --uploads 4 --idle-probe 300ms --probe-timeout 200ms
    wait_until 10 status_is in_flight 4 B
    for i in 1 2 3 4 5 6; do numbers 1 5 | write "T$i"; done
    all_of_d() { status_is rows_uploaded 30; }
    wait_until 10 all_of_d
    wait_until 10 status_is health down B
    [ "$(status_of in_flight B)" = 4 ]
    [ "$(status_of health)" = up ]
    # More than one at a time, while all four of B still hang.
    sim_fault '{"db":"D","match":"ingest","mode":"delay","delay_ms":600000,"count":0}'
    for i in 1 2 3; do numbers 1 5 | write "T$i"; done
    wait_until 10 status_is in_flight 3
    [ "$(status_of in_flight B)" = 4 ]
    stop uploader KILL || :
}

@test "health: who may bring data but not look is not called unauthorised" {
    sim_start --database D
    sim_fault '{"match":"mgmt","csl_prefix":".show tables","status":403,"count":0}'
    sim_fault '{"match":"ingest","status":503,"count":4}'
    numbers 1 5 | write A
    start_up --database D="$SIM" --breaker-failures 3
    wait_until 10 nothing_left # opened by 503, probes forbidden, a batch tried all the same
    is_in database-down "$T/uploader.log"
    numbers 1 5 | write B
    wait_until 10 nothing_left
    [ "$(sim_rows A D)" = 5 ]
    stop uploader
    start_up --database D="$SIM" --breaker-failures 1 --idle-probe 50ms
    numbers 6 9 | write B
    has_nine() { [ "$(sim_rows B D)" = 9 ]; }
    wait_until 10 has_nine
    asked() { [ "$(curl -sS "$SIM/_sim/requests" | jq '.by_status."403"')" -gt "$1" ]; }
    wait_until 10 asked $(($(curl -sS "$SIM/_sim/requests" | jq '.by_status."403"') + 3))
    wait_until 10 status_is health up
    stop uploader
}

@test "health: a probe on request is at once, and a stop does not wait for one that hangs" {
    sim_start --database D
    sim_fault '{"db":"D","mode":"delay","delay_ms":600000,"count":0}'
    start_up --database D="$SIM" --idle-probe 1d --probe-timeout 10m
    ask '{"op":"probe","db":"D"}' | jq -e .ok
    asked() { [ "$(curl -sS "$SIM/_sim/requests" | jq .total)" -gt 0 ] || status_is next_probe_ms 0; }
    wait_until 10 asked
    stop uploader
}
