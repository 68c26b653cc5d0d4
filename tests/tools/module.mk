# Programs that only tests use: built to $(BUILD)/tests/NAME.CODEC, each of one file and the common library, with each codec.
define tool_rules
$(BUILD)/tests/$(1).$(2): $(BUILD)/obj/tests/tools/$(1).o $(common_a) $(call codec_objs,$(2))
	@mkdir -p $$(@D)
	$(CC) $(LDFLAGS) -o $$@ $$^ $$(LIBS) $$(shell pkg-config --silence-errors --libs libisal libdeflate)
tests: $(BUILD)/tests/$(1).$(2)
endef
$(foreach t,$(patsubst tests/tools/%.c,%,$(wildcard tests/tools/*.c)),$(foreach c,$(codecs),$(eval $(call tool_rules,$(t),$(c)))))
