#include "common/base/log.h"

#include <ctype.h>
#include <pthread.h>

#include "common/base/clock.h"
#include "common/base/compiler.h"

enum { LINE_BYTES = 8192, EVENTS_REMEMBERED = 64 };

/* How often each event was written in its present window; guarded by `lock`. */
struct burst {
    const char *event;
    struct mono window_end;
    unsigned written;
    uint64_t suppressed;
};

static struct {
    const char *program;
    enum log_level most_verbose;
    bool with_timestamps;
    pthread_mutex_t lock;
    struct burst bursts[EVENTS_REMEMBERED];
} the = {.program = "spillway", .most_verbose = LEVEL_INFO, .lock = PTHREAD_MUTEX_INITIALIZER};

static const char *const level_names[] = {"error", "warn", "info", "debug"};

const char *log_level_name(enum log_level level)
{
    return level_names[level];
}

void log_init(const char *program, enum log_level most_verbose, bool with_timestamps)
{
    the.program = program;
    the.most_verbose = most_verbose;
    the.with_timestamps = with_timestamps;
}

struct line {
    char text[LINE_BYTES];
    size_t used;
};

static void put_char(struct line *line, char c)
{
    if (line->used < sizeof line->text - 1)
        line->text[line->used++] = c;
}

static void put_text(struct line *line, const char *text)
{
    while (*text)
        put_char(line, *text++);
}

static bool is_plain(const char *text)
{
    if (!*text)
        return false;
    for (; *text; text++)
        if (!isalnum((unsigned char)*text) && !strchr("_-./:%+@,~", *text))
            return false;
    return true;
}

static void put_quoted(struct line *line, const char *text)
{
    put_char(line, '"');
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\') {
            put_char(line, '\\');
            put_char(line, *text);
        } else if (c == '\n') {
            put_text(line, "\\n");
        } else if (c < 0x20 || c == 0x7f) {
            char escaped[8];
            snprintf(escaped, sizeof escaped, "\\x%02x", c);
            put_text(line, escaped);
        } else {
            put_char(line, *text);
        }
    }
    put_char(line, '"');
}

static void put_field(struct line *line, const struct log_field *field)
{
    put_char(line, ' ');
    put_text(line, field->key);
    put_char(line, '=');
    if (field->type == FIELD_NUMBER) {
        char number[32];
        snprintf(number, sizeof number, "%lld", (long long)field->number);
        put_text(line, number);
    } else if (is_plain(field->string)) {
        put_text(line, field->string);
    } else {
        put_quoted(line, field->string);
    }
}

/* The slot of an event; when there are more events than slots, the first slot serves them all. */
static struct burst *burst_of(const char *event)
{
    for (size_t i = 0; i < ARRAY_LEN(the.bursts); i++) {
        if (!the.bursts[i].event)
            the.bursts[i].event = event;
        if (strcmp(the.bursts[i].event, event) == 0)
            return &the.bursts[i];
    }
    return &the.bursts[0];
}

bool log_is_wanted(enum log_level level)
{
    return level <= the.most_verbose;
}

/* May this line be written? If so, `*suppressed` is how many were not since the last. */
static bool is_admitted(const char *event, uint64_t *suppressed)
{
    bool admitted = true;
    pthread_mutex_lock(&the.lock);
    struct burst *burst = burst_of(event);
    if (mono_is_past(burst->window_end)) {
        burst->window_end = mono_after(LOG_WINDOW_MS);
        burst->written = 0;
    }
    if (burst->written < LOG_BURST) {
        burst->written++;
        *suppressed = burst->suppressed;
        burst->suppressed = 0;
    } else {
        burst->suppressed++;
        admitted = false;
    }
    pthread_mutex_unlock(&the.lock);
    return admitted;
}

void log_emit(enum log_level level, const char *event, const struct log_field *fields)
{
    uint64_t suppressed;
    if (!log_is_wanted(level) || !is_admitted(event, &suppressed))
        return;
    struct line line;
    line.used = 0;
    put_text(&line, level_names[level]);
    put_char(&line, ' ');
    put_text(&line, event);
    if (the.with_timestamps) {
        char now[WALL_TEXT_BYTES];
        wall_format(wall_now_ms(), now);
        put_field(&line, &(struct log_field){.key = "time", .type = FIELD_STRING, .string = now});
    }
    put_field(&line, &(struct log_field){.key = "program", .type = FIELD_STRING, .string = the.program});
    for (; fields->key; fields++)
        put_field(&line, fields);
    if (suppressed)
        put_field(&line, &(struct log_field){
                             .key = "suppressed", .type = FIELD_NUMBER, .number = (int64_t)suppressed});
    line.text[line.used++] = '\n';
    /* Nowhere to complain to when stderr is gone. */
    ssize_t ignored = write(STDERR_FILENO, line.text, line.used);
    (void)ignored;
}
