/* One part of a batch into ADX: table and mapping first, when they are not known to be there, then the rows.
 */
#include <errno.h>
#include <jansson.h>

#include "common/base/crash.h"
#include "common/base/log.h"
#include "uploader/kql.h"
#include "uploader/send.h"
#include "uploader/token.h"

enum { COMMAND_BYTES_MAX = 512 << 10, INLINE_BYTES_MAX = 64 << 20 };

static void own_trouble(struct outcome *outcome, int rc, const char *what)
{
    outcome_set(outcome, VERDICT_RETRY, "local", "%s: %s", what, strerror(-rc));
}

static struct http_request request_of(const struct sending *s, const char *what, const char *url)
{
    return (struct http_request){.target = s->target,
                                 .what = what,
                                 .url = url,
                                 .token = s->worker->token.len > 0 ? s->worker->token.data : NULL,
                                 .timeout_ms = s->options->timeout_ms,
                                 .is_aborted = s->options->is_aborted};
}

/* --- commands
 * ------------------------------------------------------------------------------------------------ */

/* {"db":…,"csl":…}: JSON, with the rows of an inline ingestion in it perhaps. */
static int wrap_command(const char *db, const struct buf *csl, struct buf *out)
{
    json_t *root = json_object();
    json_t *text = json_stringn(csl->data, csl->len);
    if (!text) { /* not UTF-8: ADX could not take it either */
        json_decref(root);
        return -EILSEQ;
    }
    json_object_set_new(root, "db", json_string(db));
    json_object_set_new(root, "csl", text);
    char *dump = json_dumps(root, JSON_COMPACT);
    int rc = dump ? buf_puts(out, dump) : -ENOMEM;
    free(dump);
    json_decref(root);
    return rc;
}

static void run_command(const struct sending *s, const char *what, const struct buf *csl,
                        struct outcome *outcome)
{
    char url[HTTP_URL_BYTES];
    struct buf body;
    buf_init(&body, INLINE_BYTES_MAX);
    snprintf(url, sizeof url, "%s/v1/rest/mgmt", s->target->place);
    int rc = wrap_command(s->target->db, csl, &body);
    if (rc == -EILSEQ) {
        outcome_set(outcome, VERDICT_REFUSED, "not-utf8",
                    "the rows are not UTF-8: they cannot go into a command");
    } else if (rc) {
        own_trouble(outcome, rc, "a command cannot be put together");
    } else {
        struct http_request request = request_of(s, what, url);
        request.text = &body;
        http_send(&s->worker->http, &request, outcome);
    }
    buf_fini(&body);
}

/* --- which way rows go in
 * -------------------------------------------------------------------------------------- */

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

/* ADX_AUTO in the endpoint means that it is to be asked. False: `outcome` says why it could not be. */
static bool find_mode(const struct sending *s, enum adx_mode *mode, struct outcome *outcome)
{
    *mode = s->options->mode != ADX_AUTO ? s->options->mode : adx_mode_of(s->endpoint);
    if (*mode != ADX_AUTO)
        return true;
    struct buf *csl = &s->worker->text;
    buf_clear(csl);
    int rc = buf_puts(csl, ".show cluster details");
    if (rc)
        own_trouble(outcome, rc, "a command cannot be put together");
    else
        run_command(s, "detect", csl, outcome);
    if (outcome->verdict == VERDICT_REFUSED) /* an ADX that will not tell is none that can only do inline */
        *mode = ADX_STREAMING;
    else if (outcome->verdict == VERDICT_SUCCESS)
        *mode = is_emulator(&s->worker->http.answer) ? ADX_INLINE : ADX_STREAMING;
    else
        return false;
    adx_set_mode(s->endpoint, *mode);
    log_info("ingest-mode", log_s("db", s->target->db), log_s("mode", adx_mode_word(*mode)));
    return true;
}

/* --- table and mapping
 * ------------------------------------------------------------------------------------------ */

static bool make_schema(const struct sending *s, const struct schema *schema, struct outcome *outcome)
{
    const struct plan *plan = &s->batch->plan;
    struct buf *csl = &s->worker->text;
    buf_clear(csl);
    int rc = kql_create_table(csl, plan->table, schema);
    if (rc == 0)
        run_command(s, "createTable", csl, outcome);
    if (rc == 0 && outcome->verdict != VERDICT_SUCCESS)
        return false;
    buf_clear(csl);
    if (rc == 0)
        rc = kql_create_mapping(csl, plan->table, schema, plan->format);
    if (rc == 0)
        run_command(s, "createMapping", csl, outcome);
    if (rc)
        own_trouble(outcome, rc, "a command cannot be put together");
    return rc == 0 && outcome->verdict == VERDICT_SUCCESS;
}

/* Fills `mapping` ("" without a schema). False: `outcome` says why. */
static bool ensure_schema(const struct sending *s, char mapping[static KQL_MAPPING_NAME_BYTES],
                          struct outcome *outcome)
{
    const struct plan *plan = &s->batch->plan;
    struct schema schema;
    char error[SCHEMA_ERROR_BYTES];
    uint64_t key = adx_key(plan->table, plan->format, plan->schema);
    mapping[0] = '\0';
    if (!*plan->schema)
        return true;
    int rc = schema_parse(plan->schema, &schema, error);
    if (rc == -ENOMEM) {
        own_trouble(outcome, rc, "schema");
        return false;
    }
    if (rc) {
        outcome_set(outcome, VERDICT_REFUSED, "schema", "%s", error);
        return false;
    }
    kql_mapping_name(plan->table, &schema, mapping);
    bool ok = adx_is_known(s->endpoint, key);
    if (!ok && (ok = make_schema(s, &schema, outcome)))
        adx_learn(s->endpoint, key);
    schema_fini(&schema);
    return ok;
}

/* --- rows
 * ---------------------------------------------------------------------------------------------------------
 */

static int stream_url(const struct sending *s, const char *mapping, struct buf *url)
{
    const struct plan *plan = &s->batch->plan;
    buf_clear(url);
    int rc = buf_printf(url, "%s/v1/rest/ingest/", s->target->place);
    if (rc == 0)
        rc = http_put_encoded(url, s->target->db);
    if (rc == 0)
        rc = buf_puts(url, "/");
    if (rc == 0)
        rc = http_put_encoded(url, plan->table);
    if (rc == 0)
        rc = buf_printf(url, "?streamFormat=%s", kql_stream_format(plan->format));
    if (rc == 0 && *mapping)
        rc = buf_printf(url, "&mappingName=%s", mapping);
    return rc;
}

static void send_stream(const struct sending *s, const char *mapping, struct outcome *outcome)
{
    struct source source = {.dir = s->batch->fd, .plan = &s->batch->plan};
    struct body body;
    int rc = stream_url(s, mapping, &s->worker->text);
    if (rc) {
        own_trouble(outcome, rc, "the address cannot be put together");
        return;
    }
    body_init(&body, &source, &s->worker->part);
    struct http_request request = request_of(s, "stream", s->worker->text.data);
    request.body = &body;
    http_send(&s->worker->http, &request, outcome);
    body_fini(&body);
}

static void send_inline(const struct sending *s, const char *mapping, struct outcome *outcome)
{
    const struct plan *plan = &s->batch->plan;
    struct source source = {.dir = s->batch->fd, .plan = plan};
    struct buf *csl = &s->worker->text, rows;
    buf_clear(csl);
    buf_init(&rows, INLINE_BYTES_MAX);
    int rc = kql_ingest_inline(csl, plan->table, plan->format, *mapping ? mapping : NULL);
    if (rc == 0)
        rc = part_inflate(&s->worker->part, &s->worker->tools, &source, &rows);
    if (rc == 0)
        rc = buf_put(csl, rows.data, rows.len);
    buf_fini(&rows);
    if (rc)
        own_trouble(outcome, rc, "rows for inline ingestion cannot be put together");
    else
        run_command(s, "inline", csl, outcome);
}

static int gather(const struct sending *s, enum adx_mode mode, struct sent *sent)
{
    struct source source = {.dir = s->batch->fd, .plan = &s->batch->plan};
    struct part *part = &s->worker->part;
    part_reset(part);
    part->join.raw_limit = mode == ADX_INLINE ? ADX_INLINE_RAW_BYTES : ADX_STREAM_RAW_BYTES;
    int rc = part_gather(part, &s->worker->tools, &source, &s->batch->progress.at);
    *sent = (struct sent){.next = part->next, .rows = part->join.rows, .raw_bytes = part->join.raw_bytes};
    return rc;
}

static void send_rows(const struct sending *s, enum adx_mode mode, struct sent *sent, struct outcome *outcome)
{
    char mapping[KQL_MAPPING_NAME_BYTES];
    *sent = (struct sent){
        .next = {.file = (uint32_t)s->batch->plan.count}}; /* a refused schema refuses all that is left */
    if (!ensure_schema(s, mapping, outcome))
        return;
    crash_point("adx:after-schema");
    int rc = gather(s, mode, sent);
    if (rc)
        own_trouble(outcome, rc, "the batch's segments cannot be read");
    else if (sent->raw_bytes == 0)
        outcome_set(outcome, VERDICT_SUCCESS, "", "%s", "");
    else if (mode == ADX_INLINE)
        send_inline(s, mapping, outcome);
    else
        send_stream(s, mapping, outcome);
}

static void send_once(const struct sending *s, struct sent *sent, struct outcome *outcome)
{
    const struct plan *plan = &s->batch->plan;
    enum adx_mode mode;
    *outcome = (struct outcome){0};
    if (!tokens_take(s->options->tokens, s->target, &s->worker->token, outcome) ||
        !find_mode(s, &mode, outcome))
        return;
    send_rows(s, mode, sent, outcome);
    if (outcome->verdict == VERDICT_GONE && *plan->schema) {
        log_warn("schema-gone", log_s("db", s->target->db), log_s("table", plan->table),
                 log_s("cause", outcome->text));
        adx_forget(s->endpoint, adx_key(plan->table, plan->format, plan->schema));
        send_rows(s, mode, sent, outcome);
    }
    /* Made anew and still not there (or not ours to make): the table's trouble, not the batch's. */
    if (outcome->verdict == VERDICT_GONE) {
        adx_forget(s->endpoint, adx_key(plan->table, plan->format, plan->schema));
        outcome->verdict = VERDICT_UNAVAILABLE;
    }
    /* Another service may be at this address by the time it answers again. */
    if (outcome->verdict == VERDICT_DOWN)
        adx_set_mode(s->endpoint, ADX_AUTO);
}

void adx_send(const struct sending *s, struct sent *sent, struct outcome *outcome)
{
    send_once(s, sent, outcome);
    /* Nothing was taken. Once more, if there is another token now. */
    if (outcome->status == 401 && tokens_replace(s->options->tokens, s->target, &s->worker->token))
        send_once(s, sent, outcome);
}
