programs += walwriter
walwriter_src := $(wildcard walwriter/*.c)
walwriter_LIBS := $(HTTP_LIBS)

# Faults in tests come from wrapped calls.
spool_test_writer_LDFLAGS := $(foreach f,pwrite ftruncate fdatasync fsync syncfs fallocate lease_take lease_take_file lease_use lease_use_file,-Wl,--wrap=$(f))
walwriter_test_intake_LDFLAGS := $(foreach f,sink_give sink_settle refusals_begin refusals_bytes refusals_end refusals_flush,-Wl,--wrap=$(f))

# The resolver of its target_clones runs before TSan is ready.
walwriter_lines_CFLAGS := -fno-sanitize=thread
