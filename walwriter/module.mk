programs += walwriter
walwriter_src := $(wildcard walwriter/*.c)

# Faults in tests come from wrapped calls.
spool_test_writer_LDFLAGS := $(foreach f,pwrite ftruncate fdatasync fsync lease_take lease_use,-Wl,--wrap=$(f))
walwriter_test_intake_LDFLAGS := $(foreach f,sink_put sink_settle refusals_begin refusals_bytes refusals_end refusals_flush,-Wl,--wrap=$(f))
