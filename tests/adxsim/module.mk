# The ADX stand-in: an HTTP server over SQLite. Tests and the demo only. It shares no code with what it judges:
# neither it nor its unit tests link libspillway, so a fault of ours cannot hide itself by being on both sides.
adxsim_src  := $(wildcard tests/adxsim/*.c)
adxsim_LIBS := -lmicrohttpd -lsqlite3 -ljansson -lz -lcurl -lgnutls -pthread
adxsim_a    := $(BUILD)/lib/adxsim.a

all_extra += $(BUILD)/bin/adxsim

$(adxsim_a): $(patsubst %.c,$(BUILD)/obj/%.o,$(filter-out %/main.c,$(adxsim_src)))
	@mkdir -p $(@D); rm -f $@
	ar rcs $@ $^
$(BUILD)/bin/adxsim: $(BUILD)/obj/tests/adxsim/main.o $(adxsim_a)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(adxsim_LIBS)

# tests/module.mk leaves the unit tests of this area to this rule.
$(patsubst tests/unit/%.c,$(BUILD)/tests/%,$(wildcard tests/unit/adxsim/test_*.c)): \
    $(BUILD)/tests/%: $(BUILD)/obj/tests/unit/%.o $(adxsim_a)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ -lcmocka $(adxsim_LIBS)
