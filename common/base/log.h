/* The log: stderr, one line an event, made for grep:
 *
 *     info sealed time=2026-11-22T06:00:00.123Z program=walwriter pid=42 db=Metrics rows=1200
 *
 * Level first, then the event's name, then key=value; a value that holds anything but plain characters is
 * quoted and escaped, so that no input can forge a line. Values never hold a secret. Lines of one event
 * beyond LOG_BURST within LOG_WINDOW_MS are counted instead of written; the next line of it says
 * suppressed=N. Any thread may log; a line is one write(2). */
#ifndef SPILLWAY_LOG_H
#define SPILLWAY_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level { LEVEL_ERROR, LEVEL_WARN, LEVEL_INFO, LEVEL_DEBUG };

enum { LOG_BURST = 50, LOG_WINDOW_MS = 10000 };

struct log_field {
    const char *key; /* NULL ends a list */
    enum { FIELD_STRING, FIELD_NUMBER } type;
    const char *string;
    int64_t number;
};

static inline struct log_field log_s(const char *key, const char *value)
{
    return (struct log_field){.key = key, .type = FIELD_STRING, .string = value ? value : ""};
}

static inline struct log_field log_n(const char *key, int64_t value)
{
    return (struct log_field){.key = key, .type = FIELD_NUMBER, .number = value};
}

static inline struct log_field log_u(const char *key, uint64_t value)
{
    return log_n(key, value > INT64_MAX ? INT64_MAX : (int64_t)value);
}

/* Call once, before threads. `program` must outlive the process's logging. */
void log_init(const char *program, enum log_level most_verbose, bool with_timestamps);

/* Are lines of this level written? For those whose fields cost something to put together. */
bool log_is_wanted(enum log_level level);

/* `event`: a constant word with dashes. `fields` ends with a field whose key is NULL. */
void log_emit(enum log_level level, const char *event, const struct log_field *fields);

#define LOG_FIELDS(...) ((const struct log_field[]){__VA_ARGS__, {.key = NULL}})
#define log_error(event, ...) log_emit(LEVEL_ERROR, event, LOG_FIELDS(__VA_ARGS__))
#define log_warn(event, ...) log_emit(LEVEL_WARN, event, LOG_FIELDS(__VA_ARGS__))
#define log_info(event, ...) log_emit(LEVEL_INFO, event, LOG_FIELDS(__VA_ARGS__))
#define log_debug(event, ...) log_emit(LEVEL_DEBUG, event, LOG_FIELDS(__VA_ARGS__))

/* The names of the levels, as --log-level takes them. */
const char *log_level_name(enum log_level level);

#endif
