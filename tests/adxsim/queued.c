#include "tests/adxsim/queued.h"

#include <errno.h>

#include "tests/adxsim/blob.h"
#include "tests/adxsim/ingest.h"
#include "tests/adxsim/ticket.h"

static int check_identity(const struct sim *sim, const struct message *m, struct sim_error *error)
{
    switch (ticket_check(sim->store, m->identity ? m->identity : "", TICKET_IDENTITY, NULL, 0)) {
    case TICKET_GOOD:
        return 0;
    case TICKET_EXPIRED:
        return error_set(error, ERROR_IDENTITY_TOKEN, "The Kusto identity token has expired");
    case TICKET_UNKNOWN:
    case TICKET_WRONG_AUDIENCE:
        break;
    }
    return error_set(error, ERROR_IDENTITY_TOKEN,
                     "authorizationContext is not a Kusto identity token of this cluster");
}

static int check_format(const struct message *m, struct sim_error *error)
{
    const char *kind = ingest_mapping_kind(m->format ? m->format : "csv");

    if (!kind)
        return error_set(error, ERROR_FORMAT, "Format '%.80s' is not supported", m->format);
    if (m->mapping_name && m->mapping_json)
        return error_set(error, ERROR_DUPLICATE_MAPPING,
                         "Both ingestionMapping and ingestionMappingReference are given");
    if (m->mapping_type && strcmp(m->mapping_type, kind) != 0)
        return error_set(error, ERROR_PROPERTY, "ingestionMappingType '%.40s' is not %s", m->mapping_type,
                         kind);
    return 0;
}

/* With the store's lock held. */
static int find_table(const struct sim *sim, const struct message *m, struct table *table,
                      struct sim_error *error)
{
    *table = (struct table){0};
    if (!store_has_database(sim->store, m->database))
        return error_set(error, ERROR_DATABASE_NOT_EXIST, "Database '%.200s' was not found", m->database);
    switch (store_find_table(sim->store, m->database, m->table, table)) {
    case 0:
        return 0;
    case -ENOENT:
        return error_set(error, ERROR_TABLE_NOT_EXIST, "Table '%.200s' was not found in database '%.200s'",
                         m->table, m->database);
    default:
        return error_set(error, ERROR_INTERNAL, "The store failed; see adxsim's standard error");
    }
}

/* Before the blob is read: is there what the message names? */
static int check_names(const struct sim *sim, const struct message *m, struct sim_error *error)
{
    const char *kind = ingest_mapping_kind(m->format ? m->format : "csv");
    struct table table;
    char *json = NULL;

    store_lock(sim->store);
    int rc = find_table(sim, m, &table, error);
    if (rc == 0 && m->mapping_name &&
        store_find_mapping(sim->store, table.id, kind, m->mapping_name, &json) == -ENOENT)
        rc = error_set(error, ERROR_MAPPING_NOT_FOUND,
                       "Mapping reference '%.200s' of type '%s' in table '%.200s' could not be found.",
                       m->mapping_name, kind, m->table);
    store_unlock(sim->store);
    table_fini(&table);
    free(json);
    return rc;
}

static int store_rows(const struct sim *sim, const struct message *m, const struct buf *raw,
                      struct queued_outcome *outcome, struct sim_error *error)
{
    const struct ingest ingest = {.kind = "queued",
                                  .format = m->format ? m->format : "csv",
                                  .mapping_name = m->mapping_name,
                                  .mapping_json = m->mapping_json,
                                  .tags = m->tags,
                                  .if_not_exists = m->if_not_exists,
                                  .request_id = m->id,
                                  .skip_first = m->skip_first,
                                  .caller_remembers = true,
                                  .data = raw->data,
                                  .len = raw->len};
    struct ingest_outcome done = {0};
    struct table table;

    store_lock(sim->store);
    int rc = find_table(sim, m, &table, error);
    if (rc == 0)
        rc = ingest_run(sim->store, &table, &ingest, &done, error);
    store_unlock(sim->store);
    table_fini(&table);
    outcome->skipped = done.skipped;
    outcome->rows = done.rows;
    return rc;
}

int queued_ingest(const struct sim *sim, struct client *client, const struct message *m,
                  struct queued_outcome *outcome, struct sim_error *error)
{
    struct buf raw;
    int rc;

    *outcome = (struct queued_outcome){.raw_size = -1};
    if ((rc = check_identity(sim, m, error)) < 0 || (rc = check_format(m, error)) < 0 ||
        (rc = check_names(sim, m, error)) < 0)
        return rc;
    rc = blob_fetch(client, m->blob_path, &raw, error);
    if (rc == 0) {
        outcome->raw_size = (int64_t)raw.len;
        rc = store_rows(sim, m, &raw, outcome, error);
    }
    buf_fini(&raw);
    return rc;
}
