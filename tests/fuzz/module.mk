# libFuzzer targets: tests/fuzz/fuzz_*.c, built by clang with the sources they name; corpus in tests/fuzz/corpus/.
