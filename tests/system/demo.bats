#!/usr/bin/env bats
# What a newcomer runs first.

load lib

@test "the demo ends by itself, shows all rows arrived, and leaves nothing behind" {
    mkdir "$T/tmp"
    run env DEMO_SECONDS=2 TMPDIR="$T/tmp" "$REPO/scripts/demo"
    echo "$output"
    [ "$status" -eq 0 ]
    [[ $output == *"All rows arrived, each once; the spool is empty."* ]]
    [ "$(grep -cE '^(HostMetrics|MachineLog) +[1-9][0-9]* +[1-9][0-9]* +yes$' <<<"$output")" -eq 2 ]
    [ -z "$(ls -A "$T/tmp")" ]
    if pgrep -f "$T/tmp"; then return 1; fi
}

@test "the demo's comparison can fail" {
    printf '1,a\n2,"b\nc"\n' >"$T/sent"
    printf '2,"b\nc"\n1.0,a\n' >"$T/arrived"
    "$REPO/scripts/demo-compare" "$T/sent" "$T/arrived"
    printf '2,"b\nc"\n1,a\n1,a\n' >"$T/twice"
    run "$REPO/scripts/demo-compare" "$T/sent" "$T/twice"
    [ "$status" -eq 1 ]
    [[ $output == *"not sent, or twice: 1 x"* ]]
    printf '{"n": 1, "s": "a"}\n{"n": 2, "s": "b\\nc"}\n' >"$T/json"
    "$REPO/scripts/demo-compare" "$T/json" "$T/arrived"
    printf '1,a\n' >"$T/less"
    run "$REPO/scripts/demo-compare" "$T/json" "$T/less"
    [ "$status" -eq 1 ]
    [[ $output == *"missing: 1 x"* ]]
}

@test "scripts/deps says nothing and does nothing where all is there" {
    run "$REPO/scripts/deps"
    [ "$status" -eq 0 ]
    [ -z "$output" ]
    run "$REPO/scripts/deps" --install-everything
    [ "$status" -eq 100 ]
}

@test "host-metrics gives rows of its five columns and ends by itself" {
    "$REPO/scripts/host-metrics" 1 0.3 >"$T/rows"
    [ "$(wc -l <"$T/rows")" -gt 50 ]
    python3 - "$T/rows" <<'END'
import csv, sys
for row in csv.reader(open(sys.argv[1])):
    assert len(row) == 5, row
    float(row[4])
END
    run "$REPO/scripts/host-metrics"
    [ "$status" -eq 100 ]
}
