#!/usr/bin/env bats
# spillway audit: each row that came is somewhere, across restarts, crashes and everything that an operator does.

load lib
load receive

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

@test "what was noted and not yet renamed when its writer died counts where it lies, before anybody comes to adopt it" {
    anew() { rm -rf "$SPOOL"; mkdir "$SPOOL"; }
    SPILLWAY_CRASH_AT=arrivals:after-note write A 100 || :
    [ "$(count active)" = 1 ]
    audit
    is '"\(.came) \(.spool)"' "100 100"
    # Rows that were taken, and rows that were refused: two segments, the second of which is noted when the first has gone.
    for nth in 1 2; do
        anew
        printf '1\n%0100d\n2\n' 7 | SPILLWAY_CRASH_AT="arrivals:after-note#$nth" walwriter --spool "$SPOOL" --db D --table C --no-guard \
            --max-row-bytes 64 --log-level error || :
        audit
    done
    [ -n "$(find "$SPOOL/active" -name '*.bad')" ]
    is .came 3
    # Received: rows up to the last commit marker, not what follows it.
    anew
    seq 1 30 | segment a
    SPILLWAY_CRASH_AT=arrivals:after-note receiver --no-guard
    [ "$(post "$(to n0-1)" "$T/a.gz")" = 202 ]
    stop rcv || :
    landed=$(find "$SPOOL/active/D" -name 'T,*.land')
    [ -n "$landed" ]
    audit
    is '"\(.came) \(.spool)"' "30 30"
    cat "$T/a.gz" >>"$landed"
    audit
    is '"\(.came) \(.spool)"' "30 30"
    route
    audit
    is '"\(.came) \(.spool)"' "30 30"
    [ -z "$(find "$SPOOL/active" -type f)" ]
}

@test "what peerd was putting aside when it died did not come: its sender has it" {
    seq 1 30 | segment a
    seq 31 90 | segment b
    SPILLWAY_CRASH_AT=arrivals:after-note receiver --no-guard
    [ "$(post "$(to n0-1)" "$T/a.gz")" = 202 ]
    post "$(to n0-1)" "$T/b.gz" || : # another content under its id
    wait_until 10 has_ended rcv
    audit
    is .came 60
    receiver --no-guard
    audit
    land
    audit
    is '"\(.came) \(.spool)"' "30 30"
}
