#include "tests/adxsim/journal.h"

#include <pthread.h>

#include "tests/adxsim/result.h"
#include "tests/adxsim/site.h"

enum { ENTRIES = 1000, PATHS_MAX = 1000, TARGET_MAX = 1000, TIMES_MAX = 100000, HOUR_S = 3600 };

struct journal {
    pthread_mutex_t lock;
    long long number; /* of the last entry */
    long long total;
    long long without_request_id;
    long long with_sig;
    json_t *by_status;
    json_t *by_path;
    json_t *by_host;
    json_t *by_endpoint;
    json_t *get_times; /* {command: [seconds]} */
    json_t *last;      /* array, oldest first */
};

struct journal *journal_new(void)
{
    struct journal *journal = mem_alloc(sizeof *journal);

    pthread_mutex_init(&journal->lock, NULL);
    journal->by_status = json_object();
    journal->by_path = json_object();
    journal->by_host = json_object();
    journal->by_endpoint = json_object();
    journal->get_times = json_object();
    journal->last = json_array();
    return journal;
}

void journal_free(struct journal *journal)
{
    json_decref(journal->by_status);
    json_decref(journal->by_path);
    json_decref(journal->by_host);
    json_decref(journal->by_endpoint);
    json_decref(journal->get_times);
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
    return json_pack("{s:I, s:s, s:s, s:s, s:o, s:i, s:o, s:s, s:o, s:o, s:I, s:o, s:i, s:s, s:f}", "n",
                     (json_int_t)number, "time", now, "host", host_name(request->host), "method",
                     request->method, "path", target(request, has_sig), "status",
                     reply->end == REPLY_DROP ? 0 : reply->status, "request_id",
                     optional(request->request_id), "activity_id", request->activity_id, "db",
                     optional(request->database), "csl", optional(request->csl_head), "bytes",
                     (json_int_t)request->body.len, "encoding", optional(request->content_encoding), "fault",
                     reply->fault_id, "end", ends[reply->end], "ms", duration_ms);
}

/* The first words of a command, in which no name occurs: two, but all of what begins with .get */
static char *command_words(const char *csl)
{
    size_t len = strcspn(csl, " ");
    bool all = strncmp(csl, ".get", 4) == 0;

    for (int words = 1; csl[len] && (all || words < 2); words++) {
        size_t next = strspn(csl + len + 1, "abcdefghijklmnopqrstuvwxyz-");
        if (!next)
            break;
        len += 1 + next;
    }
    return mem_strndup(csl, len);
}

static json_t *member(json_t *object, const char *key, json_t *fresh)
{
    json_t *found = json_object_get(object, key);

    if (found) {
        json_decref(fresh);
        return found;
    }
    json_object_set_new(object, key, fresh);
    return fresh;
}

static void count_command(struct journal *journal, json_t *host, const char *csl)
{
    char *words = command_words(csl);

    increment(member(host, "commands", json_object()), words);
    if (strncmp(words, ".get", 4) == 0) {
        json_t *times = member(journal->get_times, words, json_array());
        if (json_array_size(times) < TIMES_MAX)
            json_array_append_new(times, json_integer((json_int_t)time(NULL)));
    }
    free(words);
}

/* A signature in the command itself; what stands after <| is data. */
static bool command_has_sig(const struct request *request)
{
    const char *csl = request->csl_head, *data = csl ? strstr(csl, "<|") : NULL,
               *sig = csl ? strstr(csl, "sig=") : NULL;

    return sig && (!data || sig < data);
}

static void count_kusto(struct journal *journal, const struct request *request, const struct reply *reply,
                        bool has_sig)
{
    json_t *host = member(journal->by_host, host_name(request->host), json_object());
    char status[16];

    (void)snprintf(status, sizeof status, "%d", reply->end == REPLY_DROP ? 0 : reply->status);
    journal->total++;
    journal->without_request_id += request->request_id ? 0 : 1;
    journal->with_sig += has_sig || command_has_sig(request) ? 1 : 0;
    increment(journal->by_status, status);
    increment(journal->by_path, request->path);
    increment(host, "total");
    if (!request->request_id)
        increment(host, "without_request_id");
    if (request->csl_head)
        count_command(journal, host, request->csl_head);
}

static void count_other(struct journal *journal, const struct request *request)
{
    char endpoint[64];

    (void)snprintf(endpoint, sizeof endpoint, "%s %s", request->method,
                   request->host == HOST_STORAGE ? service_name(request->site->service)
                                                 : host_name(request->host));
    increment(journal->by_endpoint, endpoint);
}

void journal_add(struct journal *journal, const struct request *request, const struct reply *reply,
                 double duration_ms)
{
    bool has_sig = false;

    pthread_mutex_lock(&journal->lock);
    if (json_array_size(journal->last) == ENTRIES)
        json_array_remove(journal->last, 0);
    json_array_append_new(journal->last, entry(request, reply, duration_ms, ++journal->number, &has_sig));
    if (request->host == HOST_ENGINE || request->host == HOST_DM)
        count_kusto(journal, request, reply, has_sig);
    else
        count_other(journal, request);
    pthread_mutex_unlock(&journal->lock);
}

void journal_clear(struct journal *journal)
{
    pthread_mutex_lock(&journal->lock);
    journal->number = journal->total = journal->without_request_id = journal->with_sig = 0;
    json_object_clear(journal->by_status);
    json_object_clear(journal->by_path);
    json_object_clear(journal->by_host);
    json_object_clear(journal->by_endpoint);
    json_object_clear(journal->get_times);
    json_array_clear(journal->last);
    pthread_mutex_unlock(&journal->lock);
}

static json_t *get_commands(const struct journal *journal)
{
    json_t *report = json_object(), *times;
    json_int_t since = (json_int_t)time(NULL) - HOUR_S;
    const char *command;

    json_object_foreach (journal->get_times, command, times) {
        json_int_t recent = 0;
        for (size_t i = 0; i < json_array_size(times); i++)
            recent += json_integer_value(json_array_get(times, i)) >= since ? 1 : 0;
        json_object_set_new(
            report, command,
            json_pack("{s:I, s:I}", "total", (json_int_t)json_array_size(times), "last_hour", recent));
    }
    return report;
}

json_t *journal_report(struct journal *journal)
{
    pthread_mutex_lock(&journal->lock);
    json_t *report =
        json_pack("{s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o}", "total", (json_int_t)journal->total,
                  "without_request_id", (json_int_t)journal->without_request_id, "with_sig",
                  (json_int_t)journal->with_sig, "by_status", json_deep_copy(journal->by_status), "by_path",
                  json_deep_copy(journal->by_path), "by_host", json_deep_copy(journal->by_host),
                  "by_endpoint", json_deep_copy(journal->by_endpoint), "get_commands", get_commands(journal),
                  "last", json_deep_copy(journal->last));
    pthread_mutex_unlock(&journal->lock);
    return report;
}
