/* What can be turned while the stand-in runs: numbers with names, set by --set NAME=N and POST
 * /_sim/settings. Thread-safe: each is one atomic. */
#ifndef ADXSIM_SETTINGS_H
#define ADXSIM_SETTINGS_H

#include <jansson.h>
#include <stdatomic.h>

#include "common/base/compiler.h"

enum setting {
    SETTING_SAS_S,       /* lifetime of the SAS in .get ingestion resources; negative: expired at birth */
    SETTING_IDENTITY_S,  /* lifetime of a Kusto identity token */
    SETTING_TOKEN_S,     /* lifetime of an access token */
    SETTING_BATCH_MS,    /* a batch is sealed this long after its first blob */
    SETTING_BATCH_COUNT, /* or with so many blobs */
    SETTING_BATCH_BYTES, /* or with so much raw data */
    SETTING_HIDDEN_S,    /* how long a message stays hidden beyond batch-ms when we die with it */
    SETTING_RETRIES,     /* reads of a blob that fail for passing causes before its ingestion does */
    SETTING_PAUSED,      /* 1: queued ingestion stands still, as when the engine is down */
    SETTING_DATABASE_MISSING, /* the status of an unknown database: 404, or 400 as the docs still say */
    SETTING_STREAMING,        /* 0: streaming ingestion is off for the cluster */
    SETTINGS
};

struct settings {
    _Atomic long long values[SETTINGS];
};

void settings_init(struct settings *settings);
long long settings_get(const struct settings *settings, enum setting setting);
/* NAME=N. 0 or -EINVAL: no such name, not a number, out of its range. */
NODISCARD int settings_parse(struct settings *settings, const char *text);
/* All of {"name": number, ..}, or nothing: -EINVAL. */
NODISCARD int settings_set_json(struct settings *settings, const json_t *object);
json_t *settings_json(const struct settings *settings);

#endif
