#!/usr/bin/env bats
# Payloads are checked while they are sent: what is found damaged then ends the sending before anything is committed, and what is good of
# it is sent all the same. uploader.bats has damage in general; torture flips bits at random.
# shellcheck disable=SC2154 # bats sets status and output

load lib
load adxsim
load sink
load uploader

setup() {
    spillway_setup
    sink_start
}

# Rows that deflate badly, so that blocks are long: NUMBER,HEX
rows() { seq "$1" "$2" | awk -v seed="$1" 'BEGIN { srand(seed) } { printf "%d,%x%x%x%x\n", $1, rand() * 2^31, rand() * 2^31, rand() * 2^31, rand() * 2^31 }'; }

# flip FILE PERCENT: one bit in the payload of the member that lies there
flip() {
    python3 - "$1" "$2" <<'PY'
import struct, sys
with open(sys.argv[1], "r+b") as f:
    data, at = f.read(), 0
    while at + struct.unpack_from("<I", data, at + 16)[0] <= len(data) * int(sys.argv[2]) // 100:
        at += struct.unpack_from("<I", data, at + 16)[0]
    at += struct.unpack_from("<I", data, at + 16)[0] // 2
    f.seek(at)
    f.write(bytes([data[at] ^ 0x10]))
PY
}

queued() { up --database D="$SINK" --data-management D="$SINK" --ingest queued "$@"; }

# Claimed and planned, then killed: what is in batch/ is about to be sent.
plan_only() {
    run env SPILLWAY_CRASH_AT=claim:after-plan uploader --spool "$SPOOL" --queue sealed --no-guard --once "$@"
    [ "$status" = 137 ]
}

# check_good FILE LEAST < ROWS: a subset of what was written, each once, at least LEAST
check_good() {
    local all=$1 least=$2
    sort >"$T/got"
    sort "$all" >"$T/all"
    # One list: whoever asks with || would have the last line's answer only.
    [ -z "$(uniq -d "$T/got")" ] && [ -z "$(comm -13 "$T/all" "$T/got")" ] &&
        [ "$(wc -l <"$T/got")" -ge "$least" ] && [ "$(wc -l <"$T/got")" -lt "$(wc -l <"$T/all")" ]
}

@test "queued: a bit flips between planning and sending: one blob, of the good rows, and one message" {
    rows 1 20000 | tee "$T/rows" | write A --block-bytes 16K
    plan_only --database D="$SINK" --data-management D="$SINK" --ingest queued
    flip "$(segments batch)" 50
    run -0 queued
    [[ $output == *damage-found* ]]
    nothing_left
    [ "$(sink_blobs | wc -l)" = 1 ]
    [ "$(sink_messages | wc -l)" = 1 ]
    sink_rows | check_good "$T/rows" 18000
    [ "$(sink_messages | jq .RawDataSize)" = "$(sink_rows | wc -c)" ]
    jq -e '.reason == "damaged"' "$SPOOL"/quarantine/D/*.why
}

@test "queued: damage behind the first block of a blob: its list is never put" {
    seq 3000000 | sed 's/$/,a row of some length/' >"$T/rows"
    write A --block-bytes 16K <"$T/rows"
    flip "$(segments sealed)" 98
    run -0 queued
    [[ $output == *damage-found* ]]
    nothing_left
    [ "$(sink_blobs | wc -l)" = 1 ]
    [ "$(sink_log '[.[] | select(.method == "PUT" and (.query | test("comp=block(&|$)")))] | length')" -gt 3 ]
    [ "$(sink_rows | wc -l)" -gt 2990000 ]
    [ "$(sink_rows | diff - "$T/rows" | grep -c '^<')" = 0 ]
}

@test "queued: damage in blocks so thin that they are deflated anew" {
    rows 1 50000 | tee "$T/rows" | write A --block-bytes 4K
    flip "$(segments sealed)" 50
    run -0 queued
    [[ $output == *damage-found* ]]
    nothing_left
    [ "$(sink_blobs | wc -l)" = 1 ]
    sink_rows | check_good "$T/rows" 49000
}

@test "queued: the last block is the damaged one; killed while the batch is thawed and mended" {
    for point in claim:after-unfreeze mend:after-copy mend:after-quarantine claim:before-plan#2; do
        empty_spool
        sink_reset
        rows 1 5000 | tee "$T/rows" | write A --block-bytes 16K
        flip "$(segments sealed)" 98
        SPILLWAY_CRASH_AT=$point run queued
        [ "$status" = 137 ] || { echo "did not die at $point: $status $output" >&2; return 1; }
        [ "$(sink_blobs | wc -l)" = 0 ]
        run -0 queued
        nothing_left
        [ "$(sink_blobs | wc -l)" = 1 ]
        sink_rows | check_good "$T/rows" 3000
        [ "$(count quarantine)" = 1 ]
    done
}

@test "queued: damaged through and through, there is nothing to send, and the next batch goes on" {
    rows 1 10 | write A
    flip "$(segments sealed)" 99
    run -0 queued
    nothing_left
    [ -z "$(sink_blobs)" ]
    [ "$(count quarantine)" = 1 ]
    rows 11 20 | tee "$T/rows" | write A
    run -0 queued
    sink_rows | cmp "$T/rows" -
}

@test "streaming, inline, dir: a bit flips between planning and sending: what is good of it is there, once" {
    sim_start --database D
    rows 1 20000 >"$T/rows"
    for way in "--database D=$SIM --ingest streaming" "--database D=$SIM --ingest inline" "--database D=dir:$T/out"; do
        sim_mgmt ".drop table A ifexists" D >"$T/dropped"
        empty_spool
        write A --block-bytes 16K <"$T/rows"
        # shellcheck disable=SC2086
        plan_only $way
        flip "$(segments batch)" 50
        # shellcheck disable=SC2086
        run -0 up $way
        nothing_left
        if [ -d "$T/out" ]; then zcat "$T"/out/D/A/*; else sim_csv A D; fi | check_good "$T/rows" 18000
        [ "$(count quarantine)" = 1 ]
    done
}

# begin: the first part of what is in sealed/ is sent, then killed
begin() {
    run env SPILLWAY_CRASH_AT=batch:after-progress uploader --spool "$SPOOL" --queue sealed --no-guard --once --database D="$SINK" --ingest streaming
    [ "$status" = 137 ]
}

# rescue POINT FILE: that file of a batch (1: the first part ended in it; 2: nothing of it was sent) is damaged between two parts; killed at
# the point, if any; in the end all is there once but for one block
rescue() {
    empty_spool
    sink_reset
    write A <"$T/first" --block-bytes 64K
    write A <"$T/second" --block-bytes 64K
    begin
    flip "$(segments batch | sed -n "${2}p")" 90
    if [ "$1" != none ]; then
        SPILLWAY_CRASH_AT=$1 run up --database D="$SINK" --ingest streaming
        [ "$status" = 137 ] || { echo "did not die at $1: $status $output" >&2; return 1; }
    fi
    run -0 up --database D="$SINK" --ingest streaming
    nothing_left
    sink_rows >"$T/taken"
    # A block of 64 KiB is some 1,200 rows.
    check_good "$T/rows" 118000 <"$T/taken" || { echo "$1 $2: $(wc -l <"$T/taken")" >&2; return 1; }
    [ "$(count quarantine)" = 1 ]
    jq -e '.reason == "damaged" and .salvaged and .rows_salvaged > 0' "$SPOOL"/quarantine/D/*.why
    [ "$(jq .databases.D.rows_uploaded "$SPOOL/state/uploader.json")" = "$(wc -l <"$T/taken")" ]
}

@test "streaming: damage between two parts: what is good of that file is sent all the same, and nothing is twice; killed at every step" {
    seq 1000001 1100000 | sed 's/$/,a row of some length that deflates rather well/' >"$T/first"
    seq 2000001 2020000 | sed 's/$/,a row of some length that deflates rather well/' >"$T/second"
    cat "$T/first" "$T/second" >"$T/rows"
    rescue none 2
    for point in none rescue:after-extract rescue:after-count rescue:after-quarantine rescue:after-rename rescue:after-move; do
        rescue $point 1
    done
}
