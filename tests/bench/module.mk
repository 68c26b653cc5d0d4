# Benchmarks: tests/bench/run measures with the real programs, beside which it sets the small ones of tests/bench/*.c, built to
# $(BUILD)/bench/. make check runs a quick pass (tests/system/bench.bats).
bench_bins := $(patsubst tests/bench/%.c,$(BUILD)/bench/%,$(wildcard tests/bench/*.c))
tests_bench_deflate_CFLAGS := $(if $(filter isal,$(CODEC)),-DHAVE_ISAL)
# Libraries of one of them: NAME_LIBS.
bench_transfer_LIBS := $(HTTP_LIBS)
bench_sink_LIBS := $(HTTP_LIBS)
$(bench_bins): $(BUILD)/bench/%: $(BUILD)/obj/tests/bench/%.o $(common_a) $(codec_obj)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $($(notdir $@)_LIBS) $(LIBS)
tests: $(BUILD)/bench/measure  # tests/system/uploader_wire.bats weighs with it
bench-programs: $(bench_bins) $(BUILD)/tests/ctl.$(CODEC)
.PHONY: bench-programs
