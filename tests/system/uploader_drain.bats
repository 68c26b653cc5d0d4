#!/usr/bin/env bats
# A database that was away is back: how it is met, by one uploader and by several.
# shellcheck disable=SC2154,SC2030,SC2031,SC2317 # bats sets status and output; each test is a subshell

load lib
load adxsim
load uploader

away() { sim_fault '{"db":"D","status":503,"count":0}'; }

# age SECONDS TABLE...: segments of these tables were begun so long ago (their ids say when).
age() {
    python3 - "$SPOOL/sealed/D" "$@" <<'END'
import os, sys
folder, seconds, *tables = sys.argv[1:]
for name in os.listdir(folder):
    table, schema, rest = name.split(",")
    if table in tables:
        number, _, suffix = rest.partition(".")
        os.rename(f"{folder}/{name}", f"{folder}/{table},{schema},{int(number, 16) - (int(seconds) * 1000 << 23):016x}.{suffix}")
END
}

# arrived: the tables that were ingested into, in that order.
arrived() { curl -sS "$SIM/_sim/ingestions?db=D" | jq -r '.ingestions[].table'; }

@test "drain: old data has its share of the batches, and new data the rest; the oldest first" {
    local before=0
    sim_start --database D
    for share in 75 100; do
        away
        for i in 1 2 3 4 5 6 7 8; do numbers 1 5 | write "Old$i"; done
        age 600 Old{1..8}
        for i in 1 2 3 4 5 6 7 8; do numbers 1 5 | write "New$i"; done
        start_up --database D="$SIM" --uploads 1 --batch-segments 1 --drain-share $share
        wait_until 10 status_is breaker open
        sim_no_faults
        wait_until 20 nothing_left
        [ "$(arrived | wc -l)" -eq $((before + 16)) ]
        # Of each four, one is new, while there are old ones; the old ones came in the order in which they were begun.
        [ "$(arrived | tail -n 16 | head -n 8 | grep -c New)" -eq $(((100 - share) * 8 / 100)) ]
        [ "$(arrived | tail -n 16 | grep Old)" = "$(printf 'Old%d\n' 1 2 3 4 5 6 7 8)" ]
        stop uploader
        before=16
    done
}

# uploads: begin and end of each upload that adxsim has seen since it was asked to forget, with its status; in seconds.
uploads() {
    curl -sS "$SIM/_sim/requests" | python3 -c '
import json, sys
from datetime import datetime
for one in json.load(sys.stdin)["last"]:
    if "/rest/ingest/" in one["path"]:
        end = datetime.fromisoformat(one["time"].rstrip("Z")[:26] + "+00:00").timestamp()
        print(end - one["ms"] / 1000, end, one["status"])'
}

@test "drain: 429 is honoured meanwhile, Retry-After and all" {
    sim_start --database D
    away
    for i in $(seq 24); do numbers 1 5 | write "T$i"; done
    start_up --database D="$SIM" --uploads 8 --batch-segments 1
    wait_until 10 status_is breaker open
    sim_no_faults
    sim_fault '{"match":"ingest","db":"D","after":5,"status":429,"retry_after":2,"count":3}'
    wait_until 30 nothing_left
    [ "$(arrived | wc -l)" -eq 24 ]
    run -1 grep -q 'database-down.*was=throttled' "$T/uploader.log"
    # For two seconds after such an answer nothing begins, but what was under way before it was heard.
    uploads | python3 -c '
import sys
all = [tuple(map(float, line.split())) for line in sys.stdin]
refused = [end for _, end, status in all if status == 429]
assert refused
for end in refused:
    early = [begin - end for begin, _, _ in all if 0.5 < begin - end < 1.9]
    assert not early, early'
    stop uploader
}

@test "drain: several instances have data for it, and none falls upon it with all that it could send at once" {
    sim_start --database D
    away
    mkdir "$T"/s1 "$T"/s2 "$T"/s3
    for n in 1 2 3; do
        for i in $(seq 30); do numbers 1 3 | SPOOL=$T/s$n write "T$((n * 100 + i))"; done
        start "up$n" uploader --spool "$T/s$n" --queue sealed --no-guard --batch-age 0 --batch-segments 1 --scan-interval 20ms --retry-min 10ms \
            --retry-max 50ms --breaker-failures 2 --breaker-time 0 --probe-interval 100ms --recovery-hold 50ms --uploads 24 --database D="$SIM"
    done
    are_away() { for n in 1 2 3; do SPOOL=$T/s$n status_is breaker open || return 1; done; }
    wait_until 30 are_away
    curl -sSf -X DELETE "$SIM/_sim/requests"
    sim_no_faults
    sim_fault '{"match":"ingest","db":"D","mode":"delay","delay_ms":400,"count":0}'
    all_there() { [ "$(arrived | wc -l)" -eq 90 ] && [ "$(uploads | wc -l)" -ge 90 ]; }
    wait_until 60 all_there
    # At any time no more of them run than one for each instance, and one for each upload that had succeeded by then: so it begins with
    # three. Without that it would be up to 72. And it does not stay that slow.
    uploads | python3 -c '
import sys
all = [tuple(map(float, line.split())) for line in sys.stdin]
most = 0
for begin, _, _ in all:
    running = sum(b <= begin < e for b, e, _ in all)
    done = sum(e <= begin + 0.01 and s == 200 for _, e, s in all)
    assert running <= 3 + done, (running, done)
    most = max(most, running)
assert most > 6, most'
    for n in 1 2 3; do stop "up$n"; done
}

@test "drain: an uploader that is started again is of the last one's opinion, and asks at once; not of another target" {
    local port
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    start_up --database D="http://127.0.0.1:$port" --idle-probe 50ms
    wait_until 10 status_is health down
    since=$(status_of since)
    stop uploader KILL || true
    start_up --database D="http://127.0.0.1:$port" --idle-probe 1h --probe-interval 1h --breaker-failures 1000
    wait_until 10 status_is health down
    [ "$(status_of since)" = "$since" ]
    [[ $(status_of reason) == *connect* ]]
    asked_again() { tac "$T/uploader.log" | sed '/database-still-down/q' | grep -q '^warn probe .*db=D'; }
    wait_until 10 asked_again
    run -1 grep -q database-up "$T/uploader.log"
    stop uploader
    sim_start --listen "127.0.0.1:$port" --database D
    start_up --database D="http://127.0.0.1:$port" --idle-probe 1h --probe-interval 1h
    wait_until 10 status_is health up
    stop uploader
    run -1 grep -q '"D"' "$SPOOL/state/health.json"
    start_up --database D="http://127.0.0.1:1" --idle-probe 50ms
    wait_until 10 status_is health down
    stop uploader
    start_up --database D="$SIM" --idle-probe 1h
    wait_until 10 status_is health up
    [ "$(tac "$T/uploader.log" | sed '/info started/q' | grep -c database-still-down)" -eq 0 ]
    echo nonsense >"$SPOOL/state/health.json"
    stop uploader
    start_up --database D="$SIM" --idle-probe 1h
    wait_until 10 grep -q health-forgotten "$T/uploader.log"
    stop uploader
}
