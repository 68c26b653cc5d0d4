# The torture suite (tests/torture/torture): its shims, and the target that runs it. clockshim.so is for tests/system/clock.bats.
TORTURE_SECONDS ?= 600
TORTURE_SEED    ?=

$(BUILD)/tests/%.so: tests/torture/%.c $(BUILD)/flavour
	@mkdir -p $(@D)
	$(CC) -D_GNU_SOURCE -std=c17 -O2 -g $(WARNINGS) -fPIC -shared -o $@ $< -ldl
tests: $(BUILD)/tests/shim.so $(BUILD)/tests/clockshim.so
