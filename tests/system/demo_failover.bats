#!/usr/bin/env bats
# What shows the heart of it, in its short form.

load lib

setup() { spillway_setup; }
teardown() { stop_all; }

demo() { # [VARIABLE=VALUE]...
    mkdir -p "$T/tmp"
    run env DEMO_SECONDS=14 TMPDIR="$T/tmp" "$@" "$REPO/scripts/demo-failover"
    echo "$output"
    [ "$status" -eq 0 ]
    [[ $output == *"failover at n"* ]]
    [[ $output == *"each instance's own audit adds up"* ]]
    [ "$(grep -cE '^[AB] +[1-9][0-9]* +[1-9][0-9]* +[0-9]+ +yes$' <<<"$output")" -eq 2 ]
    [ -z "$(ls -A "$T/tmp")" ]
    ! pgrep -f "$T/tmp"
}

@test "B dies and comes back: what had no room is in the ledger, the sum adds up to the row, nothing is left behind" {
    demo SHARE=1M
    [ "$(awk '$1 == "B" && NF == 5 { print ($4 > 0) }' <<<"$output")" = 1 ]
}

@test "with policy archive not one row is lost" {
    demo SHARE=1M DEMO_POLICY=archive
    [[ $output == *"requeued: "* ]]
    [ "$(awk '$1 == "B" && NF == 5 { print ($2 == $3 && $4 == 0) }' <<<"$output")" = 1 ]
}
