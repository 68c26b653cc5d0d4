#!/usr/bin/env bats
# A short pass of each libFuzzer target, so that they do not rot (make fuzz runs them longer). Needs clang.

@test "2 s of each fuzz target find nothing" {
    command -v clang >/dev/null || skip "no clang"
    printf 'int LLVMFuzzerTestOneInput(const unsigned char *d, unsigned long n) { (void)d; (void)n; return 0; }' |
        clang -x c -fsanitize=fuzzer,address,undefined -o /dev/null - 2>/dev/null || skip "clang lacks its fuzzer runtime"
    cd "$BATS_TEST_DIRNAME/../.."
    run make -s BUILD="${BUILD:-build}" FUZZ_SECONDS="${FUZZ_SECONDS:-2}" fuzz
    echo "$output"
    [ "$status" -eq 0 ]
}
