#!/usr/bin/env bats
# The uploader with real segments: into a directory, and into the ADX stand-in over HTTP.
# shellcheck disable=SC2154 # bats sets status and output

load lib
load adxsim
load uploader

# is_one_member FILE: a gzip file of exactly one member
is_one_member() {
    python3 - "$1" <<'PYTHON'
import sys, zlib
data = open(sys.argv[1], "rb").read()
d = zlib.decompressobj(31)
d.decompress(data)
assert d.eof and d.unused_data == b"", len(d.unused_data)
PYTHON
}

# --- usage ---

@test "uploader: wrong targets end with 100 and a line that says what would do" {
    for target in D 'D=' '=dir:/x' 'D=ftp://h' 'D=dir:relative' 'D=http://u:p@h' 'D=https://h/?a=b' 'a/b=dir:/x' 'D=http://'; do
        run -100 up --database "$target"
        [[ $output == *"--database"* ]] || { echo "$target: $output"; false; }
    done
    run -100 up
    [[ $output == *"database"* ]]
    run -100 up --database D=dir:/x --database D=dir:/y
    [[ $output == *"before"* ]]
    run -100 up --database D=dir:/x --retry-min 1m --retry-max 1s
    echo t >"$T/token"
    run -100 up --database D=http://adx.example.com --adx-token-file "$T/token"
    [[ $output == *"in the clear"* ]]
}

@test "uploader: an empty queue is done at once" {
    run -0 up --database D=dir:"$T/out"
}

# --- dir: ---

@test "dir: one gzip member per batch, rows equal, several tables and formats" {
    numbers 1 50000 | write Numbers --block-bytes 4K --segment-bytes 100K
    numbers 50001 50010 | write Numbers
    seq 10 | sed 's/.*/{"n":&}/' | SCHEMA='' write 'Two words' --format json
    run -0 up --database D=dir:"$T/out"
    nothing_left
    [ "$(find "$T/out/D/Numbers" -type f | wc -l)" = 1 ]
    is_one_member "$T"/out/D/Numbers/*.csv.gz
    is_one_member "$T"/out/D/Two%20words/*.json.gz
    diff <(numbers 1 50010) <(out_rows Numbers)
    diff <(seq 10 | sed 's/.*/{"n":&}/') <(out_rows Two%20words)
    [ "$(jq .databases.D.rows_uploaded "$SPOOL/state/uploader.json")" = 50020 ]
}

@test "dir: thin traffic is compressed anew, and rows stay in order" {
    for i in $(seq 1 60); do numbers "$((i * 10 - 9))" "$((i * 10))" | write Thin; done
    run -0 up --database D=dir:"$T/out"
    diff <(numbers 1 600) <(out_rows Thin)
    is_one_member "$T"/out/D/Thin/*.gz
    [ "$(stat -c %s "$T"/out/D/Thin/*.gz)" -lt 3000 ]
}

@test "batches end at batch-bytes; schemas do not mix" {
    for i in 1 2 3 4; do numbers 1 1000 | write A; done
    numbers 1 3 | SCHEMA='n:long,other:string' write A
    run -0 up --database D=dir:"$T/out" --batch-bytes 20K
    [ "$(find "$T/out/D/A" -type f | wc -l)" = 3 ]
    [ "$(out_rows A | wc -l)" = 4003 ]
}

@test "dir: a directory that cannot be written holds everything back, then lets go" {
    numbers 1 10 | SCHEMA='' write A
    touch "$T/out"
    run -75 up --database D=dir:"$T/out"
    [[ $output == *"batch-failed"*"verdict=down"* ]]
    [ "$(find "$SPOOL/batch" -name '*.csv.gz' | wc -l)" = 1 ]
    rm "$T/out"
    run -0 up --database D=dir:"$T/out"
    diff <(numbers 1 10) <(out_rows A)
    nothing_left
}

@test "a database without a target is left alone and spoken of" {
    numbers 1 3 | DB=Other write A
    numbers 1 3 | write A
    run -75 up --database D=dir:"$T/out"
    [[ $output == *"database-unknown"*"db=Other"* ]]
    [ "$(count sealed Other)" = 1 ]
    [ "$(out_rows A | wc -l)" = 3 ]
}

# --- what is wrong with a segment ---

@test "a damaged segment: its valid blocks are sent, the original is in quarantine" {
    numbers 1 3000 | write A --block-bytes 4K
    damage
    numbers 3001 3010 | write A
    run -0 up --database D=dir:"$T/out"
    nothing_left
    out_rows A >"$T/rows"
    got=$(wc -l <"$T/rows")
    [ "$got" -gt 2000 ]
    [ "$got" -lt 3010 ]
    [ -z "$(comm -13 <(numbers 1 3010 | sort) <(sort "$T/rows"))" ]
    [ "$(count quarantine)" = 1 ]
    jq -e ".reason == \"damaged\" and .rows_salvaged == $((got - 10))" "$SPOOL"/quarantine/D/*.why
}

@test "mending a damaged segment takes room from diskguard, and waits for it" {
    numbers 1 3000 | write A --block-bytes 4K
    damage
    run -75 uploader --spool "$SPOOL" --queue sealed --once --retry-min 10ms --retry-max 50ms --database D=dir:"$T/out"
    [ "$(count quarantine)" = 0 ]
    [ -z "$(out_rows A)" ]
    start guard diskguard --spool "$SPOOL" --max-disk-usage 100M
    wait_until 10 test -S "$SPOOL/run/diskguard.ctl"
    run -0 uploader --spool "$SPOOL" --queue sealed --once --retry-min 10ms --retry-max 50ms --database D=dir:"$T/out"
    [ "$(count quarantine)" = 1 ]
    [ "$(out_rows A | wc -l)" -gt 2000 ]
}

@test "a segment whose head belongs elsewhere goes to quarantine, the rest goes on" {
    numbers 1 3 | SCHEMA='' write A
    numbers 4 6 | SCHEMA='' write B
    mv "$(segments sealed | grep /B,)" "$SPOOL/sealed/D/A,-,0000000000000001.csv.gz"
    run -0 up --database D=dir:"$T/out"
    diff <(numbers 1 3) <(out_rows A)
    jq -e '.reason == "head-mismatch" and (.cause | contains("table B"))' "$SPOOL"/quarantine/D/*.why
    nothing_left
}

@test "a segment without rows is removed and never sent" {
    numbers 1 3 | write A
    file=$(segments sealed)
    head -c "$(python3 -c 'import struct,sys; d=open(sys.argv[1],"rb").read(); print(struct.unpack("<I", d[16:20])[0])' "$file")" \
        "$file" >"$T/head"
    mv "$T/head" "$file"
    run -0 up --database D=dir:"$T/out"
    [[ $output == *"segment-empty"* ]]
    nothing_left
    [ ! -e "$T/out/D/A" ] || [ -z "$(ls "$T/out/D/A")" ]
}

# --- crashes ---

@test "dir: killed at every step, and the rows are there exactly once" {
    local all=0
    for point in claim:after-take claim:after-take#2 claim:before-plan claim:after-plan dir:before-rename dir:after-rename \
        batch:after-part batch:before-done claim:after-done batch:after-count claim:after-unlink claim:after-unlink#2 \
        claim:after-plan-unlink claim:before-rmdir; do
        for _ in 1 2 3; do
            numbers $((all + 1)) $((all + 100)) | write A
            all=$((all + 100))
        done
        crash_at "$point" --database D=dir:"$T/out"
        diff <(numbers 1 $all) <(out_rows A | sort -n) || { echo "after $point" >&2; return 1; }
        [ "$(jq .databases.D.rows_uploaded "$SPOOL/state/uploader.json")" = $all ]
    done
}

@test "killed while a damaged segment is mended: nothing is lost, nothing is twice" {
    for point in mend:after-copy salvage:after-copy mend:after-quarantine; do
        rm -rf "$T/out"
        empty_spool
        numbers 1 3000 | write A --block-bytes 4K
        damage
        crash_at "$point" --database D=dir:"$T/out"
        [ "$(out_rows A | sort | uniq -d | wc -l)" = 0 ]
        [ "$(out_rows A | wc -l)" -gt 2000 ]
        [ "$(count quarantine)" = 1 ]
    done
}

# --- ADX ---

@test "adx: a kept connection that ends after the rows were sent: they are sent again, and not in silence" {
    sim_start --database D
    declare -A match=([streaming]='"match":"ingest"' [inline]='"csl_prefix":".ingest inline"')
    for way in streaming inline; do
        numbers 1 5 | write "A$way"
        sim_fault "{${match[$way]},\"mode\":\"drop-after\"}"
        run -0 up --database D="$SIM" --ingest "$way"
        [[ $output == *batch-failed*"it may have been taken all the same"* ]]
        [ "$(sim_rows "A$way" D)" = 10 ] # neither way has a key by which ADX would know them again
        nothing_left
    done
}

@test "adx: table and mapping are made, rows are streamed, csv and json" {
    sim_start --database D
    numbers 1 20000 | write 'Num bers'
    seq 10 | sed 's/.*/{"n":&,"s":"x"}/' | write J --format json
    run -0 up --database D="$SIM"
    nothing_left
    diff <(numbers 1 20000) <(sim_csv Num%20bers D)
    diff <(seq 10 | sed 's/.*/&,x/') <(sim_csv J D)
    [ "$(curl -sS "$SIM/_sim/requests" | jq .without_request_id)" = 0 ]
}

@test "adx: large batches go in parts of 4 MiB, blocks over that are cut between rows" {
    sim_start --database D
    seq 400000 | sed 's/.*/&,"some text, with a comma, to make the row longer: &"/' >"$T/rows"
    write A --block-bytes 16M <"$T/rows"
    run -0 up --database D="$SIM"
    [ "$(sim_rows A D)" = 400000 ]
    cmp "$T/rows" <(sim_csv A D) || diff <(cut -d, -f1 "$T/rows") <(sim_csv A D | cut -d, -f1)
    [ "$(curl -sS "$SIM/_sim/ingestions?db=D&table=A" | jq '.ingestions | length')" -gt 5 ]
}

@test "adx: the emulator is detected and gets inline commands" {
    sim_start --database D --emulator
    numbers 1 30000 | write A
    printf '{"n":1,"s":"it'"'"'s \\\\ \\"x\\" <| é"}\n' | write J --format json
    run -0 up --database D="$SIM"
    [[ $output == *"ingest-mode"*"mode=inline"* ]]
    diff <(numbers 1 30000) <(sim_csv A D)
    [ "$(sim_rows J D)" = 1 ]
}

@test "adx: without a schema the table must be there; a missing one is waited for, not refused" {
    sim_start --database D
    numbers 1 5 | SCHEMA='' write A
    run -75 up --database D="$SIM"
    [[ $output == *"verdict=unavailable"* ]]
    [ "$(count quarantine)" = 0 ]
    sim_mgmt ".create table A (n:long, s:string)" D
    run -0 up --database D="$SIM"
    diff <(numbers 1 5) <(sim_csv A D)
}

@test "adx: 503, then success; Retry-After is honoured" {
    sim_start --database D
    numbers 1 5 | write A
    sim_fault '{"match":"ingest","status":503,"retry_after":1}'
    begin=${EPOCHREALTIME/./}
    run -0 up --database D="$SIM"
    [ $((${EPOCHREALTIME/./} - begin)) -ge 1000000 ]
    [ "$(sim_rows A D)" = 5 ]
}

@test "adx: what is refused for good goes to quarantine with ADX's words" {
    sim_start --database D
    numbers 1 5 | write A
    numbers 1 5 | write B
    sim_fault '{"match":"ingest","table":"A","status":400,"code":"BadRequest_Special","message":"no such luck sig=geheim","count":0}'
    run -0 up --database D="$SIM"
    nothing_left
    [ "$(sim_rows B D)" = 5 ]
    [ "$(count quarantine)" = 1 ]
    jq -e '.reason == "refused" and .code == "BadRequest_Special" and .status == 400 and (.message | contains("no such luck"))
        and (.type | startswith("Kusto")) and (.request_id | startswith("SPW.")) and (.activity_id | length) == 36' "$SPOOL"/quarantine/D/*.why
    run -1 grep -r geheim "$SPOOL/quarantine"
    zcat "$SPOOL"/quarantine/D/*.gz | diff <(numbers 1 5) -
    [ "$(jq .databases.D.rows_quarantined "$SPOOL/state/uploader.json")" = 5 ]
}

@test "adx: one bad part of a batch goes to quarantine alone, also when killed on the way" {
    seq 200000 | sed 's/.*/&,"some text, with a comma, to make the row longer: &"/' >"$T/rows"
    for point in none refuse:after-mark refuse:after-extract refuse:after-move; do
        rm -rf "$T/adx"
        empty_spool
        sim_start --database D
        write A <"$T/rows"
        # The first part goes well, the second is refused, the third goes well. A delay of nothing uses up the first.
        sim_fault '{"match":"ingest","mode":"delay","delay_ms":1}'
        sim_fault '{"match":"ingest","status":400}'
        if [ "$point" = none ]; then
            run -0 up --database D="$SIM"
            nothing_left
        else
            crash_at "$point" --database D="$SIM"
        fi
        [ "$(count quarantine)" = 1 ]
        [ "$(sim_csv A D | wc -l)" -gt 50000 ]
        sort -n <(sim_csv A D) <(zcat "$SPOOL"/quarantine/D/*.gz) | cut -d, -f1 | diff <(seq 200000) - || { echo "at $point" >&2; return 1; }
        jq -e ".rows == $(zcat "$SPOOL"/quarantine/D/*.gz | wc -l)" "$SPOOL"/quarantine/D/*.why
        [ "$(jq .databases.D.rows_uploaded "$SPOOL/state/uploader.json")" = "$(sim_rows A D)" ]
        stop adxsim
    done
}

@test "adx: a crash in the middle of a batch sends one part again at most" {
    sim_start --database D
    seq 300000 | sed 's/.*/&,"some text, with a comma, to make the row longer: &"/' >"$T/rows"
    write A <"$T/rows"
    crash_at batch:after-progress#2 --database D="$SIM"
    sim_csv A D | cut -d, -f1 | diff <(seq 300000) -
}

@test "adx: killed at any step, no row is lost" {
    sim_start --database D
    local all=0
    for point in claim:after-take claim:before-plan claim:after-plan adx:after-schema batch:before-done claim:after-done \
        claim:after-unlink claim:after-plan-unlink; do
        numbers $((all + 1)) $((all + 100)) | write A
        all=$((all + 100))
        crash_at "$point" --database D="$SIM"
        # All but the answer itself is known to us: only dying between it and the record of it can send something twice.
        if [ "$point" = batch:before-done ]; then
            [ "$(sim_csv A D | sort -un | wc -l)" = $all ]
        else
            numbers 1 $all | diff - <(sim_csv A D | sort -un)
        fi
    done
}

@test "adx: an answer that never comes is not a success" {
    sim_start --database D
    numbers 1 5 | write A
    sim_fault '{"match":"ingest","mode":"drop-before"}'
    sim_fault '{"match":"ingest","mode":"exceptions"}'
    run -0 up --database D="$SIM"
    [ "$(sim_csv A D | sort -u | wc -l)" = 5 ]
    [[ $output == *"batch-failed"* ]]
}

@test "adx: a table that was dropped is made again at once" {
    sim_start --database D
    start_up --database D="$SIM"
    numbers 1 5 | write A
    wait_until 10 nothing_left
    sim_mgmt '.drop table A' D
    numbers 6 9 | write A
    wait_until 10 nothing_left
    has_four() { [ "$(sim_rows A D)" = 4 ]; }
    wait_until 10 has_four
    stop uploader
}

@test "adx: token from a file, never in a log; without it: unauthorised, kept" {
    echo secret-token-42 >"$T/token"
    sim_start --database D --token-file "$T/token"
    numbers 1 5 | write A
    run -75 up --database D="$SIM"
    [[ $output == *"verdict=unauthorised"* ]]
    [ "$(count quarantine)" = 0 ]
    run -75 up --database D="$SIM" --adx-token-file "$T/nothing"
    [[ $output == *"token-file"* ]]
    run -0 up --database D="$SIM" --adx-token-file "$T/token" --log-level debug
    [[ $output != *secret-token* ]]
    [ "$(sim_rows A D)" = 5 ]
}

@test "adx: an unknown database is missing, not refused; streaming that is off is waited for" {
    sim_start --database Else
    numbers 1 5 | write A
    run -75 up --database D="$SIM"
    [[ $output == *"verdict=missing"* ]]
    [ "$(count quarantine)" = 0 ]
    stop adxsim
    rm -rf "$T/adx"
    sim_start --database D --no-streaming
    run -75 up --database D="$SIM"
    [[ $output == *"verdict=unavailable"* ]]
    [ "$(count quarantine)" = 0 ]
}

@test "adx: one dead database does not hold up the other" {
    sim_start --database D
    numbers 1 5 | DB=Dead write A
    numbers 1 5 | write A
    start_up --database Dead=http://127.0.0.1:1 --database D="$SIM" --uploads 1
    wait_until 10 status_is health down Dead
    for i in 1 2 3 4 5; do
        numbers "$i" "$i" | DB=Dead write "A$i"
        numbers "$i" "$i" | write "A$i"
    done
    d_is_done() { [ "$(sim_rows A D)" = 5 ] && [ "$(sim_rows A5 D)" = 1 ]; }
    wait_until 10 d_is_done
    wait_until 5 status_is health up
    ask '{"op":"status"}' | jq -e '.databases.Dead | .health == "down" and (.last_error | length) > 0 and .failures_in_a_row > 0'
    stop uploader
    [ "$(find "$SPOOL" -path '*Dead*' -name '*.gz' | wc -l)" = 6 ]
}

# in_flight DB N: so many are being uploaded there
in_flight() { [ "$(ask '{"op":"status"}' | jq ".databases.$1.in_flight")" = "$2" ]; }

@test "adx: uploads are limited in all and in each database, and shared by those that have any" {
    sim_start --database D --database B
    sim_fault '{"match":"ingest","mode":"delay","delay_ms":60000,"count":0}' # they hang, so what is in flight stands still
    for i in 1 2 3 4 5 6 7 8; do numbers 1 5 | write "A$i"; done
    for limits in "--uploads 6 --uploads-per-database 3:3" "--uploads 6:6" "--uploads 2 --uploads-per-database 3:2"; do
        # shellcheck disable=SC2086
        start_up --database D="$SIM" --ingest streaming --idle-probe 1h ${limits%:*}
        wait_until 10 in_flight D "${limits#*:}"
        for _ in $(seq 20); do in_flight D "${limits#*:}"; done
        stop uploader KILL || :
    done
    for i in 1 2 3 4 5 6 7 8; do numbers 1 5 | DB=B write "A$i"; done
    start_up --database D="$SIM" --database B="$SIM" --ingest streaming --idle-probe 1h --uploads 6
    both() { in_flight D 3 && in_flight B 3; }
    wait_until 10 both
    stop uploader KILL || :
}

@test "a batch is of --batch-segments at most" {
    for i in 1 2 3 4 5; do numbers "$i" "$i" | write A; done
    run -0 up --database D=dir:"$T/out" --batch-segments 2
    [ "$(find "$T/out/D/A" -name '*.gz' | wc -l)" = 3 ]
    out_rows A | diff <(numbers 1 5) -
}

# --- the daemon ---

@test "daemon: starts with its target away, uploads when it comes; status, metrics, pause, resume" {
    start_up --database D=http://127.0.0.1:9
    numbers 1 5 | write A
    wait_until 10 status_is health down
    [ "$(status_of last_error_verdict)" = down ]
    stop uploader
    sim_start --database D
    start_up --database D="$SIM"
    wait_until 10 nothing_left
    wait_until 5 status_is rows_uploaded 5
    status_is health up
    status_is mode streaming
    ask '{"op":"metrics"}' | jq -r .text | grep -q 'spillway_uploaded_rows_total{db="D"} 5'
    run -0 spillway --spool "$SPOOL" pause D
    [[ $output == "D  paused"* ]]
    numbers 6 9 | write A
    wait_until 5 status_is queued.segments 1
    status_is paused true
    spillway --spool "$SPOOL" status | grep -Eq '^ +paused$'
    run -100 spillway --spool "$SPOOL" pause none
    [[ $output == *"pause none: uploader: no --database of that name"* ]]
    run -0 spillway --spool "$SPOOL" resume
    [ "$output" = "D  resumed" ]
    wait_until 5 status_is rows_uploaded 9
    status_is paused false
    spillway --spool "$SPOOL" probe --json D | jq -e '.ok and .databases == ["D"]'
    grep -q '^info uploads-paused.*db=D' "$T/uploader.log"
    stop uploader
    run -75 spillway --spool "$SPOOL" resume D
    [[ $output == *"uploader does not run"* ]]
}

@test "daemon: SIGTERM ends a slow upload between parts or after it; nothing is lost" {
    sim_start --database D
    sim_fault '{"match":"ingest","mode":"delay","delay_ms":300,"count":0}'
    seq 300000 | sed 's/.*/&,"some text, with a comma, to make the row longer: &"/' >"$T/rows"
    write A <"$T/rows"
    start_up --database D="$SIM"
    has_some() { [ "$(sim_rows A D)" -gt 0 ]; }
    wait_until 10 has_some
    stop uploader
    sim_no_faults
    run -0 up --database D="$SIM"
    sim_csv A D | cut -d, -f1 | diff <(seq 300000) -
}

@test "daemon: data whose upload hangs is old, too, and that is said" {
    sim_start --database D
    sim_fault '{"match":"ingest","mode":"delay","delay_ms":5000,"count":0}'
    numbers 1 5 | write A
    start_up --database D="$SIM" --max-age 500ms
    says() { grep "^warn data-old" "$T/uploader.log" | grep -q 'table=A.*segments=1.*cause="it is being sent'; }
    wait_until 20 says
    [ "$(status_of in_flight)" = 1 ]
    stop uploader KILL || :
}

@test "daemon: kill -9 under load, again and again: every row once in a directory" {
    start_up --database D=dir:"$T/out"
    for i in $(seq 1 12); do
        numbers $((i * 1000 - 999)) $((i * 1000)) | write A --segment-bytes 4K --block-bytes 4K
        kill -KILL "$(pid_of uploader)"
        wait_for uploader || :
        start_up --database D=dir:"$T/out"
    done
    wait_until 20 nothing_left
    wait_until 10 status_is in_flight 0
    stop uploader
    diff <(numbers 1 12000) <(out_rows A | sort -n)
}
