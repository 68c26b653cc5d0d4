#include "common/control/metrics.h"

#include <inttypes.h>

void metrics_init(struct metrics *metrics)
{
    buf_init(&metrics->text, METRICS_BYTES_MAX);
}

void metrics_fini(struct metrics *metrics)
{
    buf_fini(&metrics->text);
}

/* A full buffer leaves the rest out: a lack of metrics is never a reason to fail. */
static void put(struct metrics *metrics, const char *text)
{
    (void)!buf_puts(&metrics->text, text);
}

void metrics_family(struct metrics *metrics, const char *name, enum metrics_type type, const char *help)
{
    (void)!buf_printf(&metrics->text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name,
                      type == METRICS_COUNTER ? "counter" : "gauge");
}

static void put_label_value(struct metrics *metrics, const char *value)
{
    for (; *value; value++) {
        char plain[2] = {*value, '\0'};
        put(metrics, *value == '"' ? "\\\"" : *value == '\\' ? "\\\\" : *value == '\n' ? "\\n" : plain);
    }
}

void metrics_sample(struct metrics *metrics, const char *name, const char *label, const char *value_of_label,
                    int64_t value)
{
    put(metrics, name);
    if (label) {
        (void)!buf_printf(&metrics->text, "{%s=\"", label);
        put_label_value(metrics, value_of_label);
        put(metrics, "\"}");
    }
    (void)!buf_printf(&metrics->text, " %" PRId64 "\n", value);
}

void metrics_sample_pair(struct metrics *metrics, const char *name, const char *label,
                         const char *value_of_label, const char *second, const char *value_of_second,
                         int64_t value)
{
    (void)!buf_printf(&metrics->text, "%s{%s=\"", name, label);
    put_label_value(metrics, value_of_label);
    (void)!buf_printf(&metrics->text, "\",%s=\"", second);
    put_label_value(metrics, value_of_second);
    (void)!buf_printf(&metrics->text, "\"} %" PRId64 "\n", value);
}

void metrics_single(struct metrics *metrics, const char *name, enum metrics_type type, const char *help,
                    int64_t value)
{
    metrics_family(metrics, name, type, help);
    metrics_sample(metrics, name, NULL, NULL, value);
}
