# Unit tests: tests/unit/<area>/test_*.c, one program each, linked with the common library and the library of
# the program that the area is named after. What touches the codec (area "segment") is built with each codec there is.
include tests/adxsim/module.mk

unit_src  := $(wildcard tests/unit/*/test_*.c)
codecs    := $(sort zlib $(shell pkg-config --exists libisal libdeflate && echo isal))
unit_bins := $(patsubst tests/unit/%.c,$(BUILD)/tests/%,$(filter-out tests/unit/segment/%,$(unit_src))) \
    $(foreach c,$(codecs),$(patsubst tests/unit/%.c,$(BUILD)/tests/%.$(c),$(filter tests/unit/segment/%,$(unit_src))))

UNIT_LIBS = -lcmocka $(LIBS) $(shell pkg-config --silence-errors --libs libisal libdeflate)

# The area's own library, when the area is a program.
area_lib = $(patsubst %,$(BUILD)/lib/%.a,$(filter $(programs),$(1)))

define unit_rules
$(BUILD)/tests/$(1): $(BUILD)/obj/tests/unit/$(1).o $(call area_lib,$(firstword $(subst /, ,$(1)))) $(common_a) $(codec_obj)
	@mkdir -p $$(@D)
	$(CC) $(LDFLAGS) $$($(subst /,_,$(1))_LDFLAGS) -o $$@ $$^ $$($(firstword $(subst /, ,$(1)))_LIBS) $$(UNIT_LIBS)
endef
define codec_unit_rules
$(BUILD)/tests/$(1).$(2): $(BUILD)/obj/tests/unit/$(1).o $(common_a) $(call codec_objs,$(2))
	@mkdir -p $$(@D)
	$(CC) $(LDFLAGS) -o $$@ $$^ $$(UNIT_LIBS)
endef
$(foreach t,$(patsubst tests/unit/%.c,%,$(filter-out tests/unit/segment/% tests/unit/adxsim/%,$(unit_src))),$(eval $(call unit_rules,$(t))))
$(foreach c,$(codecs),$(foreach t,$(patsubst tests/unit/%.c,%,$(filter tests/unit/segment/%,$(unit_src))),$(eval $(call codec_unit_rules,$(t),$(c)))))

tests: $(unit_bins)  ## build the unit tests and test programs
unit: $(unit_bins)  ## run the unit tests alone
	@BUILD=$(BUILD) tests/run unit
.PHONY: tests unit

include tests/node/module.mk tests/fuzz/module.mk tests/tools/module.mk tests/bench/module.mk
