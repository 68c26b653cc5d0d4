# What every program is made of. Folders: base (no knowledge of spillway), segment (the format; pure),
# spool (the directory tree), conf (keys, flags, files), control (sockets, leases, the daemon's skeleton),
# http (a server; who uses it links $(HTTP_LIBS)), cli (the spillway command). codec_*.c are two implementations of one interface (the second half of isal is codec_isal_small.c): one is linked.
common_src := $(filter-out common/segment/codec_%,$(wildcard common/base/*.c common/segment/*.c common/spool/*.c \
    common/conf/*.c common/control/*.c common/http/*.c))

# Its commands live with the program whose truth they show.
programs += spillway
spillway_needs := uploader peerd
spillway_src := $(wildcard common/cli/*.c)
