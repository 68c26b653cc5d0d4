#!/usr/bin/env bats
# Queued ingestion through all of it: walwriter, the spool, uploader, Azurite as storage, and the ADX stand-in that reads it.
# Request by request: uploader_wire.bats.
# shellcheck disable=SC2154 # bats sets status and output

load lib
load adxsim
load azurite
load uploader

# One Azurite for the file; each test has two accounts of its own there, so that none meets the messages of another.
accounts_of() { echo "test$1a" "test$1b"; }
setup_file() {
    T=$BATS_FILE_TMPDIR
    export T
    mkdir -p "$T/.pids"
    ACCOUNTS=()
    for i in $(seq 1 20); do
        # shellcheck disable=SC2207
        ACCOUNTS+=($(accounts_of "$i"))
    done
    azurite_start
}
teardown_file() {
    T=$BATS_FILE_TMPDIR
    stop azurite || :
}
setup() {
    spillway_setup
    # shellcheck disable=SC2207
    ACCOUNTS=($(accounts_of "$BATS_TEST_NUMBER"))
}

# both_start [OPTION]...: engine and data management over this test's accounts
both_start() {
    # shellcheck disable=SC2046 # words are wanted
    sim_start --database D --dm 127.0.0.1:0 $(storage_options) --ready-file "$T/ready.json" "$@"
    DM=$(jq -r .dm "$T/ready.json")
}

flags() { echo --spool "$SPOOL" --queue sealed --no-guard --retry-min 10ms --retry-max 200ms --database D="$SIM" --data-management D="$DM"; }
# shellcheck disable=SC2046
up() { uploader $(flags) --once --ingest queued "$@"; }
has_rows() { [ "$(sim_rows "$1" D)" = "$2" ]; }

# is_there TABLE N: rows 1..N, each once, when ADX has dealt with all messages
all_ended() { [ "$(sim_messages '[.messages[] | select(.state == ("received", "retried"))] | length')" = 0 ]; }
is_there() {
    wait_until 20 has_rows "$1" "$2"
    wait_until 20 all_ended
    numbers 1 "$2" | diff - <(sim_csv "$1" D | sort -n)
}

@test "queued through storage: csv and json, several batches, with exact raw sizes" {
    both_start --set batch-ms=100
    for i in 1 2 3; do numbers $((i * 1000 - 999)) $((i * 1000)) | write A; done
    seq 10 | sed 's/.*/{"n":&,"s":"x"}/' | write J --format json
    run -0 up --batch-bytes 20K
    nothing_left
    is_there A 3000
    wait_until 20 has_rows J 10
    seq 10 | sed 's/.*/&,x/' | diff - <(sim_csv J D)
    [ "$(sim_messages '[.messages[] | select(.state != "succeeded" or .raw_size != .message.RawDataSize)] | length')" = 0 ]
    [ "$(sim_messages '.messages | length')" -ge 3 ]
}

@test "queued through storage: in blocks" {
    both_start --set batch-ms=100
    noise 150000 >"$T/rows"
    write B --block-bytes 4K <"$T/rows"
    run -0 up
    wait_until 30 has_rows B 150000
    sim_csv B D | cmp "$T/rows" -
}

@test "auto: small batches are streamed, large ones go through storage" {
    both_start --set batch-ms=100
    numbers 1 50 | write S
    seq 200000 | sed 's/.*/&,"some text, with a comma, to make the row longer: &"/' | write L
    run -0 up --ingest auto
    has_rows S 50
    wait_until 30 has_rows L 200000
    [ "$(sim_messages '[.messages[].message.TableName] | unique | .[]')" = L ]
}

@test "queued through storage: killed at every step, and the rows are there exactly once (--dedup strict)" {
    both_start --set batch-ms=100
    local all=0
    for point in claim:after-take claim:after-plan adx:after-schema queued:after-put queued:after-uploaded queued:after-post \
        batch:after-part batch:before-done claim:after-done batch:after-count claim:after-unlink claim:after-plan-unlink; do
        numbers $((all + 1)) $((all + 50)) | write A
        all=$((all + 50))
        crash_at "$point" --dedup strict
    done
    is_there A $all
    [ "$(sim_messages '[.messages[] | select(.state == "skipped")] | length')" -ge 1 ]
}

@test "queued through storage: without a key, what is posted twice is taken once as long as it is in one batch of ADX" {
    # The batch of ADX ends with its fifth blob, however long that takes.
    both_start --set batch-ms=1800000 --set batch-count=5
    local all=0
    twice() { [ "$(sim_messages '[.messages[] | select(.code == "BlobAlreadyReceived_BlobAlreadyFoundInBatch")] | length')" = 2 ]; }
    for point in queued:after-put queued:after-uploaded queued:after-post batch:before-done claim:after-done; do
        if [ $point = claim:after-done ]; then wait_until 20 twice; fi
        numbers $((all + 1)) $((all + 50)) | write A
        all=$((all + 50))
        crash_at "$point"
    done
    is_there A $all
}

@test "queued through storage: uploader killed again and again while rows come in, each row is there once" {
    both_start --set batch-ms=50
    local all=0
    for _ in $(seq 1 12); do
        # shellcheck disable=SC2046
        start uploader uploader $(flags) --batch-age 0 --scan-interval 10ms --ingest queued --dedup strict
        for _ in 1 2 3; do
            numbers $((all + 1)) $((all + 20)) | write K
            all=$((all + 20))
        done
        stop uploader KILL || :
    done
    run -0 up --dedup strict
    is_there K $all
}

@test "queued through storage: faults of blobs, queues, data management and the engine; nothing is lost or twice" {
    both_start --set batch-ms=100 --storage-proxy
    local all=0
    # Of blobs, the PUT: ADX's GET of the one before may come late, and there a 403 is for good.
    for fault in '{"match":"blob","method":"PUT","status":503}' '{"match":"blob","method":"PUT","mode":"drop-before","count":2}' \
        '{"match":"blob","method":"PUT","mode":"status-after","status":500}' '{"match":"blob","method":"PUT","status":403}' \
        '{"match":"queue","status":503}' '{"match":"queue","method":"POST","mode":"status-after","status":500}' \
        '{"match":"queue","method":"POST","mode":"drop-before","count":3}' '{"match":"queue","method":"POST","mode":"drop-after"}' \
        '{"match":"dm","status":503}' '{"match":"dm","status":429}' '{"match":"dm","mode":"exceptions"}' '{"match":"dm","mode":"truncate"}' \
        '{"match":"mgmt","status":503}' '{"match":"mgmt","status":429}' \
        "{\"match\":\"blob\",\"method\":\"PUT\",\"account\":\"${ACCOUNTS[0]}\",\"mode\":\"drop-before\",\"count\":6}"; do
        numbers $((all + 1)) $((all + 20)) | write A
        all=$((all + 20))
        sim_fault "$fault"
        run -0 up --dedup strict || { echo "with $fault: $output" >&2; return 1; }
        nothing_left
        sim_no_faults
    done
    is_there A $all
    [ "$(count quarantine)" = 0 ]
}

@test "queued through storage: signatures that have ended are asked for anew" {
    both_start --set batch-ms=100 --set sas-seconds=-60
    numbers 1 20 | write A
    # shellcheck disable=SC2046
    start uploader uploader $(flags) --batch-age 0 --scan-interval 10ms --ingest queued --breaker-time 0 --probe-interval 50ms --recovery-hold 50ms
    refused() { grep -q blob-not-put "$T/uploader.log"; }
    wait_until 20 refused
    sim_set sas-seconds=3600
    wait_until 60 has_rows A 20 # they may have been asked for again just before, which is done once a minute
    is_there A 20
    stop uploader
}

@test "confirm: what ADX could not ingest comes back: to quarantine in its words, or once more" {
    both_start --set batch-ms=100
    numbers 1 20 | write Bad
    sim_fault '{"match":"queued","table":"Bad","status":400,"code":"Stream_WrongNumberOfFields","message":"too few"}'
    run -0 up --confirm show --confirm-after 3s
    nothing_left
    jq -e '.code == "Stream_WrongNumberOfFields" and (.message | contains("too few"))' "$SPOOL"/quarantine/D/*.why
    numbers 1 20 | write Again
    sim_fault '{"match":"queued","table":"Again","status":400,"code":"BadRequest_TableNotExist","message":"no such table","permanent":true}'
    run -0 up --confirm peek --confirm-after 3s
    [[ $output == *"it is sent again"* ]]
    is_there Again 20
    [ "$(count quarantine)" = 1 ]
}

@test "a clash of types goes to quarantine in ADX's own words" {
    both_start --set batch-ms=100
    sim_mgmt ".create table A (n:string, s:string)" D
    numbers 1 5 | write A
    for way in queued streaming auto; do
        run -0 up --ingest "$way"
        numbers 1 5 | write A
    done
    [ "$(count quarantine)" = 3 ]
    jq -es 'all(.reason == "refused" and (.message | test("type"; "i")))' "$SPOOL"/quarantine/D/*.why
}

@test "queued: without its engine a database is degraded, or down where that counts; without data management it is down" {
    health_is() { [ "$(spillway --spool "$SPOOL" status --json | jq -r ".programs.uploader.databases.$1.health")" = "$2" ]; }
    # shellcheck disable=SC2046
    daemon() { start uploader uploader $(flags) --ingest queued --idle-probe 50ms --breaker-failures 2 --breaker-time 0 --probe-interval 50ms --recovery-hold 50ms "$@"; }
    both_start
    daemon
    wait_until 10 health_is D up
    sim_fault '{"match":"mgmt","status":503,"count":0}'
    wait_until 10 health_is D degraded
    sim_fault '{"match":"dm","status":503,"count":0}'
    wait_until 10 health_is D down
    sim_no_faults
    wait_until 10 health_is D up
    stop uploader
    sim_fault '{"match":"mgmt","status":503,"count":0}'
    daemon --health engine
    wait_until 10 health_is D down
    sim_no_faults
    wait_until 10 health_is D up
    stop uploader
    # Data of a database that its engine does not know would go into the queue, and nowhere from there.
    daemon --database Other="$SIM" --data-management Other="$DM"
    wait_until 10 health_is Other missing
    wait_until 10 health_is D up
    stop uploader
}
