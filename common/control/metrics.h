/* Prometheus' text format, put together (https://prometheus.io/docs/instrumenting/exposition_formats/). One
 * thread. */
#ifndef SPILLWAY_METRICS_H
#define SPILLWAY_METRICS_H

#include <stdint.h>

#include "common/base/buf.h"

enum { METRICS_BYTES_MAX = 1 << 20 };

struct metrics {
    struct buf text; /* what does not fit below METRICS_BYTES_MAX is left out */
};

void metrics_init(struct metrics *metrics);
void metrics_fini(struct metrics *metrics);

enum metrics_type { METRICS_GAUGE, METRICS_COUNTER };

/* Begin a family: its # HELP and # TYPE lines. Names are constants of ours. */
void metrics_family(struct metrics *metrics, const char *name, enum metrics_type type, const char *help);

/* One sample. `label` and `value_of_label` may be NULL; the value is escaped. */
void metrics_sample(struct metrics *metrics, const char *name, const char *label, const char *value_of_label,
                    int64_t value);

/* One with two labels. */
void metrics_sample_pair(struct metrics *metrics, const char *name, const char *label,
                         const char *value_of_label, const char *second, const char *value_of_second,
                         int64_t value);

/* A family of one sample without labels. */
void metrics_single(struct metrics *metrics, const char *name, enum metrics_type type, const char *help,
                    int64_t value);

#endif
