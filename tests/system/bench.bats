#!/usr/bin/env bats
# A quick pass of make bench: that its rows still run, not what they say.

load lib

@test "make bench: every row runs, and its figures are in bench.json" {
    cd "$REPO"
    export BUILD=${BUILD:-build}
    make -s BUILD="$BUILD" bench-programs
    # Figures of its own, so that a long run's stay.
    BENCH=quick BENCH_OUT=$T/bench.json run tests/bench/run
    echo "$output"
    [ "$status" -eq 0 ]
    [ "$(jq -r '[.figures[].row] | unique | map(select(test("^P(1|2|4|5|6|7|8|9|11)$"))) | length' "$T/bench.json")" -eq 9 ]
    jq -e '.figures | all(.value | type == "number")' "$T/bench.json"
}
