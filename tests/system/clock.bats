#!/usr/bin/env bats
# The wall clock steps, by days, forward and back, while everything runs: rotation goes by monotonic time, neither frozen nor stormed;
# ids stay unique and in the order of the rows. The clock is that of a shim (tests/torture/clockshim.c).
# shellcheck disable=SC2016,SC2154 # eval; bats sets $output, $status

load lib
load diskguard

setup() {
    diskguard_setup
    SHIM=$REPO/${BUILD:-build}/tests/clockshim.so
    [ -e "$SHIM" ] || skip "not built: make tests"
    export CLOCK_SHIFT_FILE=$T/shift
}

DAY=86400000

step() { # MILLISECONDS: the clock is off by so much from now on
    echo "$1" >"$T/shift.new"
    mv "$T/shift.new" "$T/shift"
}
under_shim() { env LD_PRELOAD="$SHIM" ASAN_OPTIONS="${ASAN_OPTIONS:-}:verify_asan_link_order=0" "$@"; }
from_pipe() { exec env LD_PRELOAD="$SHIM" ASAN_OPTIONS="${ASAN_OPTIONS:-}:verify_asan_link_order=0" walwriter --spool "$SPOOL" --db D --table T --no-guard "$@" <"$T/pipe"; }

# The steps that the tests take, in milliseconds from the true time.
STEPS="$DAY -$((365 * DAY)) 0 $((400 * DAY)) 1 -1000"

# By id: rows in the order in which they were put, each id once.
check_order() { # QUEUE WANTED-ROWS
    [ "$(rows "$1")" = "$2" ]
    [ -z "$(segments "$1" | sed 's/.*,//' | sort | uniq -d)" ]
}

receive() {
    start rcv env LD_PRELOAD="$SHIM" ASAN_OPTIONS="${ASAN_OPTIONS:-}:verify_asan_link_order=0" walwriter --spool "$SPOOL" --http "unix:$T/http" --no-guard "$@"
    wait_until 10 grep -q 'info started' "$T/rcv.log"
}
post() { curl -sf -o "$T/answer" --unix-socket "$T/http" --data-binary @- "http://x/ingest/D/$1?format=csv"; }

@test "the shim: date follows the file, monotonic time does not" {
    now=$(date +%s)
    step "$DAY"
    there=$(under_shim date +%s)
    [ $((there - now)) -ge 86400 ]
    [ $((there - now)) -lt 86500 ]
    step -1500
    [ "$(under_shim date +%s)" -lt "$(date +%s)" ]
}

@test "walwriter: every segment is sealed at its age, whatever the clock does meanwhile" {
    mkfifo "$T/pipe"
    start wal from_pipe --flush-interval 20ms --segment-age 200ms
    exec 9>"$T/pipe"
    n=0
    for by in 0 $STEPS; do
        step "$by"
        echo $((++n)) >&9
        wait_until 10 eval '[ "$(count sealed)" -eq '$n' ]'
    done
    exec 9>&-
    wait_for wal
    check_order sealed "$(seq $n)"
}

@test "walwriter: a segment that is open stays open when the clock leaps" {
    mkfifo "$T/pipe"
    start wal from_pipe --flush-interval 20ms --segment-age 1h
    exec 9>"$T/pipe"
    n=0
    for by in 0 $STEPS; do
        step "$by"
        echo $((++n)) >&9
        wait_until 10 eval '[ "$(rows active | tail -n 1)" = '$n' ]'
    done
    [ "$(count active) $(count sealed)" = "1 0" ]
    exec 9>&-
    wait_for wal
    [ "$(count sealed)" -eq 1 ]
    check_order sealed "$(seq $n)"
}

@test "walwriter --http: sealed at their age and not before, ids in order, answers all the while" {
    receive --segment-age 300ms --sync always
    n=0
    for by in 0 $STEPS; do
        step "$by"
        n=$((n + 1))
        echo "$n" | post T
        wait_until 10 eval '[ "$(count sealed)" -eq '$n' ]'
    done
    stop rcv
    check_order sealed "$(seq $n)"
    : >"$T/rcv.log"
    receive --segment-age 1h
    for by in $STEPS; do
        step "$by"
        echo "$by" | post U
    done
    [ "$(segments active | grep -c /U,)" -eq 1 ]
    [ "$(segments sealed | grep -c /U,)" -eq 0 ]
}

@test "ids are unique and in order across processes whose clocks differ, and after kill -9" {
    n=0
    for by in 0 $STEPS; do
        step "$by"
        n=$((n + 1))
        echo "$n" | under_shim walwriter --spool "$SPOOL" --db D --table T --no-guard
        n=$((n + 1))
        echo "$n" | SPILLWAY_CRASH_AT=append:after-write under_shim walwriter --spool "$SPOOL" --db D --table T --no-guard || :
    done
    n=$((n + 1))
    echo "$n" | walwriter --spool "$SPOOL" --db D --table T --no-guard
    check_order sealed "$(seq $n)"
}

@test "uploader: batches become due by monotonic time; segments from the future are not held back" {
    step $((30 * DAY))
    echo 1 | under_shim walwriter --spool "$SPOOL" --db D --table T --no-guard
    step 0
    start up env LD_PRELOAD="$SHIM" ASAN_OPTIONS="${ASAN_OPTIONS:-}:verify_asan_link_order=0" uploader --spool "$SPOOL" --queue sealed --no-guard --database "D=dir:$T/out" \
        --batch-age 200ms --scan-interval 50ms
    wait_until 10 eval '[ "$(zcat "$T"/out/D/T/*.gz)" = 1 ]'
    n=1
    for by in $STEPS; do
        step "$by"
        n=$((n + 1))
        echo "$n" | under_shim walwriter --spool "$SPOOL" --db D --table T --no-guard
        wait_until 10 eval '[ "$(zcat "$T"/out/D/T/*.gz | sort -n | tail -n 1)" = '$n' ]'
    done
    [ "$(zcat "$T"/out/D/T/*.gz | sort -n)" = "$(seq $n)" ]
    wait_until 10 eval '[ "$(count sealed) $(count batch)" = "0 0" ]'
    stop up
}

@test "diskguard: grants, counts and gives back under a clock that steps" {
    start guard env LD_PRELOAD="$SHIM" ASAN_OPTIONS="${ASAN_OPTIONS:-}:verify_asan_link_order=0" diskguard --spool "$SPOOL" \
        --max-disk-usage 16M --min-free 0 --scan-interval 50ms
    wait_until 10 is .ready
    n=0
    for by in 0 $STEPS; do
        step "$by"
        n=$((n + 1))
        head -c 300000 /dev/urandom | base64 -w 100 | under_shim walwriter --spool "$SPOOL" --db D --table T
        wait_until 10 is ".segments == $n and .settled_bytes == 0 and .used_bytes >= $((n * 300000))"
    done
    is .ready
    find "$SPOOL/sealed" -name '*.gz' -delete
    step "-$DAY"
    wait_until 10 is_in_budget_again 15000000
    stop guard
}
