#!/usr/bin/env bats
# A short pass of the torture suite (make torture: all of it): a sample of each fault, judged by the oracle.
bats_require_minimum_version 1.5.0

@test "torture: a sample of every fault, and not a row is lost" {
    cd "$BATS_TEST_DIRNAME/../.."
    [ -e "${BUILD:-build}/tests/shim.so" ] || skip "not built: make tests"
    run env BUILD="${BUILD:-build}" tests/torture/torture --short
    echo "$output"
    [ "$status" -eq 0 ]
}
