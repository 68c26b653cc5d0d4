/* What the receiver daemon was asked to do, in the form that the code wants. Constant after it was made. */
#ifndef SPILLWAY_RECEIVE_SETTINGS_H
#define SPILLWAY_RECEIVE_SETTINGS_H

#include "common/conf/conf.h"
#include "common/http/settings.h"
#include "walwriter/settings.h"

struct receive_settings {
    struct http_settings http;
    char *const *databases; /* those that are taken (conf_words_have); none: all */
    size_t database_count;
    const char *instance;
    size_t block_bytes, row_max_bytes;
    uint64_t segment_bytes, body_max_bytes;
    int64_t memory_bytes, segment_age_ms;
    size_t open_max, tables_max;
    enum compression compression;
    enum sync_mode sync;
    bool is_guarded;
};

/* The texts stay conf's. -EINVAL with a text. */
NODISCARD int receive_settings_init(struct receive_settings *settings, const struct conf *conf,
                                    struct err *err);

#endif
