/* Table and mapping of a batch: made and extended before its rows go in (adx.md §1.5). A clash of types is
 * refused by ADX, and so is the batch, with ADX's words. */
#include <errno.h>

#include "uploader/adx/adx_parts.h"

static bool make_schema(const struct sending *s, const struct schema *schema, struct outcome *outcome)
{
    const struct plan *plan = &s->batch->plan;
    struct buf *csl = &s->worker->text;
    buf_clear(csl);
    int rc = kql_create_table(csl, plan->table, schema);
    if (rc == 0)
        adx_run_command(s, s->target, "createTable", csl, outcome);
    if (rc == 0 && outcome->verdict != VERDICT_SUCCESS)
        return false;
    buf_clear(csl);
    if (rc == 0)
        rc = kql_create_mapping(csl, plan->table, schema, plan->format);
    if (rc == 0)
        adx_run_command(s, s->target, "createMapping", csl, outcome);
    if (rc)
        adx_own_trouble(outcome, rc, "a command cannot be put together");
    return rc == 0 && outcome->verdict == VERDICT_SUCCESS;
}

bool adx_ensure_schema(const struct sending *s, char mapping[static KQL_MAPPING_NAME_BYTES],
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
        adx_own_trouble(outcome, rc, "schema");
        return false;
    }
    if (rc) {
        outcome_set(outcome, VERDICT_REFUSED, "schema", "%s", error);
        return false;
    }
    kql_mapping_name(plan->table, &schema, mapping);
    /* Of what is uploaded the message may be out already, and ADX took this schema before: refused now, the
     * rows would be in quarantine and in ADX. */
    bool ok = s->batch->progress.state == PROGRESS_UPLOADED || adx_is_known(s->endpoint, key);
    if (!ok && (ok = make_schema(s, &schema, outcome)))
        adx_learn(s->endpoint, key);
    schema_fini(&schema);
    return ok;
}
