/* What walwriter was asked to do: the configuration, checked and in the form that the code wants. Constant
 * after settings_init(). */
#ifndef SPILLWAY_SETTINGS_H
#define SPILLWAY_SETTINGS_H

#include "common/conf/conf.h"
#include "common/segment/effort.h"
#include "common/spool/origin.h"
#include "common/spool/sync_mode.h"

enum {
    SYNC_GROUP_MS = 20, /* with always: while rows come without a pause, so much of them shares one sync */
};

struct settings {
    const char *spool_path, *input_name;
    char instance[256];
    struct segment_origin origin;
    size_t block_bytes, row_max_bytes;
    uint64_t segment_bytes;
    int64_t segment_age_ms, flush_interval_ms;
    enum compression compression;
    enum sync_mode sync;
    bool is_strict, is_guarded, fails_when_full, wants_json;
};

/* The texts stay conf's. -EINVAL with a text when names or schema are refused: EXIT_USAGE. */
NODISCARD int settings_init(struct settings *settings, const struct conf *conf, struct err *err);
void settings_fini(struct settings *settings);

#endif
