/* What an endpoint has to offer: the emulator only inline ingestion, a cluster queued ingestion where its
 * data-management endpoint lends containers and queues, and streaming. */
#include <jansson.h>

#include "common/base/log.h"
#include "uploader/adx/adx_parts.h"
#include "uploader/token/token.h"

static const char *first_name(const json_t *table)
{
    size_t i;
    const json_t *column;
    json_array_foreach (json_object_get(table, "Columns"), i, column) {
        const char *name = json_string_value(json_object_get(column, "ColumnName"));
        if (name && strcmp(name, "Name") == 0)
            return json_string_value(json_array_get(json_array_get(json_object_get(table, "Rows"), 0), i));
    }
    return NULL;
}

static bool is_emulator(const struct buf *answer)
{
    json_t *root = json_loadb(answer->data, answer->len, 0, NULL);
    const char *name = first_name(json_array_get(json_object_get(root, "Tables"), 0));
    bool is = name && strcmp(name, "KustoPersonal") == 0;
    json_decref(root);
    return is;
}

static bool ask(const struct sending *s, const struct target *target, const char *what, const char *command,
                struct outcome *outcome)
{
    struct buf *csl = &s->worker->text;
    buf_clear(csl);
    int rc = buf_puts(csl, command);
    if (rc)
        adx_own_trouble(outcome, rc, "a command cannot be put together");
    else
        adx_run_command(s, target, what, csl, outcome);
    return outcome->verdict == VERDICT_SUCCESS;
}

static bool ask_resources(void *arg, const char *command, json_t **table, struct outcome *outcome)
{
    const struct sending *s = arg;
    const struct target *dm = &s->endpoint->dm;
    bool is_told = ask(s, dm, "resources", command, outcome);
    /* At once, since a failure is remembered for all who want to queue. */
    if (!is_told && outcome->verdict == VERDICT_UNAUTHORISED && outcome->status == 401 &&
        tokens_replace(s->options->tokens, dm, &s->worker->token))
        is_told = ask(s, dm, "resources", command, outcome);
    if (!is_told)
        return false;
    json_t *root = json_loadb(s->worker->http.answer.data, s->worker->http.answer.len, 0, NULL);
    *table = json_incref(json_array_get(json_object_get(root, "Tables"), 0));
    json_decref(root);
    return true;
}

struct resource_set *adx_take_resources(const struct sending *s, struct outcome *outcome)
{
    struct sending asking = *s;
    return resources_take(s->endpoint->resources, ask_resources, &asking, s->options->retry_min_ms, outcome);
}

/* A data-management endpoint knows the command; what refuses it, or is not there, is none (adx.md §1.5). One
 * that does not answer may be: that is waited for, rather than to send gigabytes in pieces of 4 MiB. */
static bool find_queues(const struct sending *s, enum ingest_mode *offered, struct outcome *outcome)
{
    struct resource_set *set = adx_take_resources(s, outcome);
    if (set)
        *offered = INGEST_QUEUED;
    else if (outcome->verdict == VERDICT_REFUSED || outcome->verdict == VERDICT_MISSING)
        *offered = INGEST_STREAMING;
    resources_release(set);
    return *offered != INGEST_AUTO;
}

/* The emulator speaks no TLS. A real cluster is not asked what it is: that takes rights that bringing data
 * does not. False: `outcome` says why it is not known. */
static bool find_emulator(const struct sending *s, bool *is_it, struct outcome *outcome)
{
    *is_it = false;
    if (strncmp(s->target->place, "https:", 6) == 0)
        return true;
    bool is_told = ask(s, s->target, "detect", ".show cluster details", outcome);
    *is_it = is_told && is_emulator(&s->worker->http.answer);
    return is_told || outcome->verdict == VERDICT_REFUSED; /* one that will not tell is not the emulator */
}

bool adx_find_offered(const struct sending *s, enum ingest_mode *offered, struct outcome *outcome)
{
    bool is_emulated;
    *offered = adx_offered(s->endpoint);
    if (*offered != INGEST_AUTO)
        return true;
    if (!find_emulator(s, &is_emulated, outcome))
        return false;
    if (is_emulated)
        *offered = INGEST_INLINE;
    else if (!find_queues(s, offered, outcome))
        return false;
    adx_set_offered(s->endpoint, *offered);
    log_info("ingest-mode", log_s("db", s->target->db), log_s("mode", mode_word(*offered)));
    return true;
}
