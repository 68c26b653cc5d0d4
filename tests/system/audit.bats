#!/usr/bin/env bats
# spillway audit: each row that came is somewhere, across restarts, crashes and everything that an operator does.

load lib

setup() {
    spillway_setup
    mkdir -p "$T/out"
}

write() { # TABLE ROWS
    seq "$2" | walwriter --spool "$SPOOL" --db D --table "$1" --schema n:long --no-guard --log-level error
}
audit() { spillway --spool "$SPOOL" audit "$@"; }
is() { [ "$(audit --json | jq -r "$1")" = "$2" ]; }
route() { peerd --spool "$SPOOL" --once --log-level error; }
upload() { uploader --spool "$SPOOL" --database "D=dir:$T/out" --no-guard --once --log-level error --retry-min 10ms --retry-max 20ms; }

@test "it adds up at each stage, and after each removal" {
    route # makes the spool
    run audit
    [ "$status" -eq 0 ]
    [[ $output == *"nothing has come yet"* ]]
    write A 100
    write B 50
    audit
    is .spool 150
    route
    upload
    write A 30
    is '"\(.came) \(.uploaded) \(.spool)"' "180 150 30"
    spillway --spool "$SPOOL" rm D --in sealed --yes
    audit
    is '"\(.removed) \(.spool)"' "30 0"
    printf '1\n%0100d\n2\n' 7 | walwriter --spool "$SPOOL" --db D --table C --no-guard --max-row-bytes 64 --log-level error || :
    audit
    is '"\(.spool) \(.quarantine)"' "2 1"
    run audit nonsense
    [ "$status" -eq 100 ]
}

@test "what is missing, and what is too many, is told, exit 1" {
    write A 100
    write B 50
    rm "$SPOOL"/sealed/D/A,*
    run audit
    [ "$status" -eq 1 ]
    [[ $output == *"100 rows MISSING"* ]]
    is '"\(.difference) \(.adds_up)"' "-100 false"
    file=$(ls "$SPOOL"/sealed/D/B,*)
    cp "$file" "${file/B,/A,}"
    cp "$file" "${file/B,/C,}"
    cp "$file" "${file/B,/E,}"
    run audit
    [ "$status" -eq 1 ]
    [[ $output == *"50 rows TOO MANY"* ]]
}

@test "killed at each step on the way, it adds up when all were started again" {
    total=0
    for point in seal:after-sync arrivals:after-note seal:after-rename; do
        SPILLWAY_CRASH_AT=$point write A 100 || :
        total=$((total + 100))
        route # adopts what lies in active/
        audit
        is .came "$total"
    done
    for point in claim:after-take claim:after-plan dir:after-rename batch:after-part batch:before-done claim:after-done batch:after-count \
        claim:after-unlink claim:before-rmdir; do
        write A 10
        total=$((total + 10))
        route
        SPILLWAY_CRASH_AT=$point upload || :
        upload
        audit || { echo "$point" >&2; false; }
        is '"\(.came) \(.uploaded)"' "$total $total"
    done
}
