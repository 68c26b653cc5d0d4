# Micro benchmarks: built to $(BUILD)/bench/, not part of make check.
bench_bins := $(patsubst tests/bench/%.c,$(BUILD)/bench/%,$(wildcard tests/bench/bench_*.c))
$(bench_bins): $(BUILD)/bench/%: $(BUILD)/obj/tests/bench/%.o $(common_a) $(codec_obj)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(LIBS)
