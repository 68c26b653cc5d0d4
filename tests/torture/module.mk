# The torture suite (tests/torture/torture): its shim, and the target that runs it.
TORTURE_SECONDS ?= 600
TORTURE_SEED    ?=

$(BUILD)/tests/shim.so: tests/torture/shim.c $(BUILD)/flavour
	@mkdir -p $(@D)
	$(CC) -D_GNU_SOURCE -std=c17 -O2 -g $(WARNINGS) -fPIC -shared -o $@ $< -ldl
tests: $(BUILD)/tests/shim.so
