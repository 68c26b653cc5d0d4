# libFuzzer targets: tests/fuzz/fuzz_*.c, built by clang with the sources they name (fuzz_X_src); the seeds are in
# tests/fuzz/corpus/X/. What a run adds to the corpus stays in $(BUILD)/fuzz/corpus/.
FUZZ_CC      ?= clang
FUZZ_SECONDS ?= 30
FUZZ_FLAGS   := -std=c17 -O1 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer

fuzz_segment_src := $(filter-out common/segment/codec_%,$(wildcard common/segment/*.c)) $(wildcard common/segment/codec_$(CODEC)*.c)
fuzz_base        := $(wildcard common/base/*.c)
fuzz_name_src    := $(fuzz_segment_src)
fuzz_conf_src    := $(fuzz_base) $(wildcard common/conf/*.c)
fuzz_message_src := $(fuzz_base) $(fuzz_segment_src) common/control/message.c common/control/lease_message.c
fuzz_transfer_src := $(fuzz_base) $(fuzz_segment_src) common/http/target.c peerd/receive/transfer_target.c peerd/receive/transfer_body.c
fuzz_plan_src    := $(fuzz_base) $(fuzz_segment_src) uploader/batch/plan.c

fuzz_peer_state_src := $(fuzz_base) $(fuzz_segment_src) common/control/health.c peerd/ring/peer_state.c peerd/ring/peer_state_json.c peerd/failover/overrides.c
fuzz_adx_src     := $(fuzz_base) $(fuzz_segment_src) $(addprefix uploader/adx/,resource_set.c target.c trust.c failures.c classify.c \
                    classify_storage.c outcome.c base64.c kql.c) uploader/token/token_parse.c
fuzz_dns_src     := peerd/ring/dns_answer.c
fuzz_dns_LIBS    := -lresolv

fuzz_targets := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))

define fuzz_rules
$(BUILD)/fuzz/fuzz_$(1): tests/fuzz/fuzz_$(1).c $$(fuzz_$(1)_src) $(wildcard common/*/*.h)
	@mkdir -p $$(@D)
	$(FUZZ_CC) $(CPPFLAGS) $(FUZZ_FLAGS) -o $$@ $$(filter %.c,$$^) $$(fuzz_$(1)_LIBS) $$(LIBS)
endef
$(foreach t,$(fuzz_targets),$(eval $(call fuzz_rules,$(t))))

fuzz-build: $(fuzz_targets:%=$(BUILD)/fuzz/fuzz_%)
fuzz: fuzz-build  ## run each libFuzzer target for FUZZ_SECONDS (30)
	@for t in $(fuzz_targets); do \
	    echo "fuzz_$$t: $(FUZZ_SECONDS) s"; mkdir -p $(BUILD)/fuzz/corpus/$$t tests/fuzz/corpus/$$t; \
	    $(BUILD)/fuzz/fuzz_$$t -max_total_time=$(FUZZ_SECONDS) -rss_limit_mb=1024 -timeout=10 -print_final_stats=0 \
	        -verbosity=0 -artifact_prefix=$(BUILD)/fuzz/ $(BUILD)/fuzz/corpus/$$t tests/fuzz/corpus/$$t || exit 1; \
	done
.PHONY: fuzz fuzz-build
