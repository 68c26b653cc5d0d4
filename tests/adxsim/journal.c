#include "tests/adxsim/journal.h"

#include <pthread.h>

#include "tests/adxsim/result.h"

enum { ENTRIES = 1000, PATHS_MAX = 1000, TARGET_MAX = 1000 };

struct journal {
    pthread_mutex_t lock;
    long long total;
    long long without_request_id;
    long long with_sig;
    json_t *by_status;
    json_t *by_path;
    json_t *last; /* array, oldest first */
};

struct journal *journal_new(void)
{
    struct journal *journal = mem_alloc(sizeof *journal);

    pthread_mutex_init(&journal->lock, NULL);
    journal->by_status = json_object();
    journal->by_path = json_object();
    journal->last = json_array();
    return journal;
}

void journal_free(struct journal *journal)
{
    json_decref(journal->by_status);
    json_decref(journal->by_path);
    json_decref(journal->last);
    pthread_mutex_destroy(&journal->lock);
    free(journal);
}

static void increment(json_t *counters, const char *key)
{
    json_int_t n = json_integer_value(json_object_get(counters, key));

    if (n || json_object_size(counters) < PATHS_MAX)
        json_object_set_new(counters, key, json_integer(n + 1));
}

/* Path and query, with every sig=... replaced. */
static json_t *target(const struct request *request, bool *has_sig)
{
    struct buf text;
    const char *at = request->query;

    buf_init(&text, SIZE_MAX / 4);
    buf_printf(&text, "%s%s", request->path, *at ? "?" : "");
    while (*at) {
        size_t len = strcspn(at, "&");
        bool sig = strncmp(at, "sig=", 4) == 0;
        *has_sig |= sig;
        buf_printf(&text, "%.*s", sig ? 4 : (int)len, at);
        buf_puts(&text, sig ? "***" : "");
        at += len;
        if (*at)
            buf_putc(&text, *at++);
    }
    json_t *string = result_string(buf_text(&text), text.len < TARGET_MAX ? text.len : TARGET_MAX);
    buf_fini(&text);
    return string;
}

static json_t *optional(const char *text)
{
    return text ? result_string(text, strlen(text)) : json_null();
}

static json_t *entry(const struct request *request, const struct reply *reply, double duration_ms,
                     long long number, bool *has_sig)
{
    static const char *const ends[] = {[REPLY_WHOLE] = "whole", [REPLY_DROP] = "drop", [REPLY_CUT] = "cut"};
    char now[IDENT_TIME_SIZE];

    ident_now(now);
    return json_pack("{s:I, s:s, s:s, s:o, s:i, s:o, s:s, s:o, s:o, s:I, s:o, s:i, s:s, s:f}", "n",
                     (json_int_t)number, "time", now, "method", request->method, "path",
                     target(request, has_sig), "status", reply->end == REPLY_DROP ? 0 : reply->status,
                     "request_id", optional(request->request_id), "activity_id", request->activity_id, "db",
                     optional(request->database), "csl", optional(request->csl_head), "bytes",
                     (json_int_t)request->body.len, "encoding", optional(request->content_encoding), "fault",
                     reply->fault_id, "end", ends[reply->end], "ms", duration_ms);
}

void journal_add(struct journal *journal, const struct request *request, const struct reply *reply,
                 double duration_ms)
{
    char status[16];
    bool has_sig = false;

    (void)snprintf(status, sizeof status, "%d", reply->end == REPLY_DROP ? 0 : reply->status);
    pthread_mutex_lock(&journal->lock);
    journal->total++;
    journal->without_request_id += request->request_id ? 0 : 1;
    if (json_array_size(journal->last) == ENTRIES)
        json_array_remove(journal->last, 0);
    json_array_append_new(journal->last, entry(request, reply, duration_ms, journal->total, &has_sig));
    journal->with_sig += has_sig ? 1 : 0;
    increment(journal->by_status, status);
    increment(journal->by_path, request->path);
    pthread_mutex_unlock(&journal->lock);
}

void journal_clear(struct journal *journal)
{
    pthread_mutex_lock(&journal->lock);
    journal->total = journal->without_request_id = journal->with_sig = 0;
    json_object_clear(journal->by_status);
    json_object_clear(journal->by_path);
    json_array_clear(journal->last);
    pthread_mutex_unlock(&journal->lock);
}

json_t *journal_report(struct journal *journal)
{
    pthread_mutex_lock(&journal->lock);
    json_t *report =
        json_pack("{s:I, s:I, s:I, s:o, s:o, s:o}", "total", (json_int_t)journal->total, "without_request_id",
                  (json_int_t)journal->without_request_id, "with_sig", (json_int_t)journal->with_sig,
                  "by_status", json_deep_copy(journal->by_status), "by_path",
                  json_deep_copy(journal->by_path), "last", json_deep_copy(journal->last));
    pthread_mutex_unlock(&journal->lock);
    return report;
}
