# spillway. One non-recursive Makefile; each folder's module.mk says what is in it.
# `make help` lists what can be made. Variables: BUILD, CODEC, SANITIZE, CC.

BUILD    ?= build
SANITIZE ?=
CODEC    ?= $(shell pkg-config --exists libisal libdeflate && echo isal || echo zlib)
VERSION  := 0.1.0

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

# --- compiler -----------------------------------------------------------------------------------

WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes \
    -Wformat=2 -Wcast-qual -Wwrite-strings -Wundef -Wvla -Wswitch-enum -fno-common -Werror
HARDEN   := -fstack-protector-strong -fPIE
ifeq ($(SANITIZE),)
HARDEN   += -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
else
HARDEN   += -fsanitize=$(SANITIZE) -fno-omit-frame-pointer -fno-sanitize-recover=all
endif
CPPFLAGS := -D_GNU_SOURCE -DSPILLWAY_VERSION='"$(VERSION)"' -I. -include common/base/banned.h
CFLAGS   := -std=c17 -O2 -g $(WARNINGS) $(HARDEN)
LDFLAGS  := -pie -Wl,-z,relro,-z,now $(if $(SANITIZE),-fsanitize=$(SANITIZE))

# pkg-config is asked once for each library; a missing one is named, with what to do.
PACKAGES_LIB := libcurl jansson libxxhash zlib $(if $(filter isal,$(CODEC)),libisal libdeflate)
HTTP_LIBS := -lmicrohttpd -lgnutls  # for programs that use common/http/
LIBS     = $(shell pkg-config --libs $(PACKAGES_LIB)) -lnng -pthread

# --- what is built ------------------------------------------------------------------------------

# A module.mk adds to these:
common_src   :=
programs     :=
unit_tests   :=
all_extra    :=
check_extra  :=
codec_objs = $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard common/segment/codec_$(1)*.c))
codec_obj := $(call codec_objs,$(CODEC))
common_a  := $(BUILD)/lib/libspillway.a
include $(filter-out tests/module.mk,$(wildcard */module.mk)) tests/module.mk

bins := $(programs:%=$(BUILD)/bin/%)
mans := $(patsubst %,$(BUILD)/man/%.1,$(filter-out adxsim,$(programs)))
all: $(bins) $(mans) $(all_extra)  ## build everything to build/bin/ (the default)

# Objects of another flavour (sanitizer, codec, compiler) are never mixed.
flavour := $(CC) $(CODEC) $(SANITIZE) $(VERSION)
$(BUILD)/flavour: FORCE
	@mkdir -p $(@D); echo '$(flavour)' | cmp -s - $@ || echo '$(flavour)' >$@
FORCE:

$(BUILD)/obj/%.o: %.c $(BUILD)/flavour
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) $($(subst /,_,$*)_CFLAGS) -MMD -MP -c -o $@ $<

$(common_a): $(common_src:%.c=$(BUILD)/obj/%.o)
	@mkdir -p $(@D); rm -f $@
	ar rcs $@ $^

# A program is its folder: main.c and a library of all the rest, which its unit tests link too. What it uses of another
# program's library it names: PROGRAM_needs.
define program_rules
$(BUILD)/lib/$(1).a: $(patsubst %.c,$(BUILD)/obj/%.o,$(filter-out %/main.c,$($(1)_src)))
	@mkdir -p $$(@D); rm -f $$@
	ar rcs $$@ $$^
$(BUILD)/bin/$(1): $(patsubst %.c,$(BUILD)/obj/%.o,$(filter %/main.c,$($(1)_src))) $(BUILD)/lib/$(1).a $(patsubst %,$(BUILD)/lib/%.a,$($(1)_needs)) $(common_a) $(codec_obj)
	@mkdir -p $$(@D)
	$(CC) $(LDFLAGS) -o $$@ $$^ $$($(1)_LIBS) $$(LIBS)
endef
$(foreach p,$(programs),$(eval $(call program_rules,$(p))))

# The table of keys is help and manual as well.
$(BUILD)/man/%.1: $(BUILD)/bin/%
	@mkdir -p $(@D)
	$< --man >$@

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)

# --- for people ---------------------------------------------------------------------------------

deps:  ## install what is needed from Debian (asks for nothing when all is there)
	@scripts/deps

# The two commands that need nothing done before: they install, build, and run.
demo:  ## show the whole pipeline at work, with real input, in under a minute
	@scripts/deps
	@$(MAKE) --no-print-directory -s all
	@BUILD=$(BUILD) scripts/demo

demo-failover:  ## show one of two databases die and come back, with three instances; about two minutes
	@scripts/deps
	@$(MAKE) --no-print-directory -s all
	@BUILD=$(BUILD) scripts/demo-failover

check:  ## run every test; the last line is "N passed, N failed"
	@scripts/deps
	@$(MAKE) --no-print-directory -s -j2 all tests node
	@BUILD=$(BUILD) tests/run

bench:  ## measure: a table, and $(BUILD)/bench.json; some minutes (BENCH=quick: seconds, to try it)
	@$(MAKE) --no-print-directory -s -j2 all bench-programs
	@BUILD=$(BUILD) tests/bench/run

torture:  ## faults into every program, for TORTURE_SECONDS (600), from TORTURE_SEED; a table at the end
	@scripts/deps
	@$(MAKE) --no-print-directory -s -j2 all tests node
	@BUILD=$(BUILD) TORTURE_SECONDS=$(TORTURE_SECONDS) TORTURE_SEED=$(TORTURE_SEED) tests/torture/torture
include tests/torture/module.mk

format:  ## reformat all C files
	clang-format -i $$(git ls-files '*.c' '*.h')

lint:  ## clang-format, cppcheck, clang-tidy and shellcheck, changing nothing
	@scripts/lint

clean:  ## remove what was built
	rm -rf $(BUILD)

help:  ## show this
	@echo "spillway $(VERSION): make TARGET [BUILD=dir] [CODEC=isal|zlib] [SANITIZE=address,undefined]"
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## */  \1|/' | column -t -s '|'

.PHONY: all deps demo demo-failover check torture bench format lint clean help FORCE
