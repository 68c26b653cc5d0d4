#include "tests/adxsim/ingest.h"

#include <errno.h>
#include <jansson.h>
#include <strings.h>

#include "tests/adxsim/failure.h"
#include "tests/adxsim/rows.h"

typedef int reader(struct rows *rows, const char *data, size_t len, struct sim_error *error);

struct format {
    const char *name;
    const char *mapping_kind;
    reader *read;
};

static const struct format formats[] = {
    {"csv", "Csv", rows_read_csv},
    {"json", "Json", rows_read_json_lines},
    {"multijson", "Json", rows_read_multijson},
};

static const struct format *find_format(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(formats); i++)
        if (strcasecmp(formats[i].name, name) == 0)
            return &formats[i];
    return NULL;
}

static int load_mapping(struct store *store, const struct table *table, const struct format *format,
                        const struct ingest *ingest, struct mapping *mapping, struct sim_error *error)
{
    const char *name = ingest->mapping_name;
    char *json = NULL;
    int rc;

    if (ingest->mapping_json)
        return mapping_parse(table, format->mapping_kind, ingest->mapping_json, mapping, error);
    if (!name) {
        mapping_identity(table, format->mapping_kind, mapping);
        return 0;
    }
    rc = store_find_mapping(store, table->id, format->mapping_kind, name, &json);
    if (rc == -ENOENT)
        return error_set(
            error, ERROR_MAPPING_NOT_FOUND,
            "Mapping reference '%s' of type '%s' in table '%s' of database '%s' could not be found.", name,
            format->mapping_kind, table->name, table->database);
    if (rc == 0)
        rc = mapping_parse(table, format->mapping_kind, json, mapping, error);
    free(json);
    return rc;
}

/* A list of strings, written as JSON in a string. NULL text is an empty list. */
static int parse_list(const char *name, const char *text, json_t **list, struct sim_error *error)
{
    *list = text ? json_loads(text, 0, NULL) : json_array();
    bool good = json_is_array(*list);

    for (size_t i = 0; good && i < json_array_size(*list); i++)
        good = json_is_string(json_array_get(*list, i));
    return good ? 0 : error_set(error, ERROR_PROPERTY, "Property '%s' is not a JSON array of strings", name);
}

/* Is there an ingestion into the table that carries any of the tags ingest-by:<K>? */
static bool has_tag(struct store *store, const struct table *table, const json_t *wanted)
{
    bool found = false;

    for (size_t i = 0; i < json_array_size(wanted) && !found; i++) {
        sqlite3_stmt *stmt = store_query(store,
                                         "SELECT 1 FROM sim_ingestion, json_each(tags) WHERE table_id = ? "
                                         "AND json_each.value = 'ingest-by:' || ?",
                                         "it", table->id, json_string_value(json_array_get(wanted, i)));
        found = stmt && sqlite3_step(stmt) == SQLITE_ROW;
        sqlite3_finalize(stmt);
    }
    return found;
}

static int remember(struct store *store, const struct table *table, const struct ingest *ingest,
                    const char *extent_id)
{
    char now[IDENT_TIME_SIZE];

    ident_now(now);
    return store_run(store,
                     "INSERT INTO sim_ingestion(time, db, tbl, table_id, rows, bytes, tags, kind, request_id,"
                     " extent_id) VALUES(?, ?, ?, ?, 0, ?, ?, ?, ?, ?)",
                     "tttiitttt", now, table->database, table->name, table->id, (int64_t)ingest->len,
                     ingest->tags ? ingest->tags : "[]", ingest->kind, ingest->request_id, extent_id);
}

/* Within a transaction. */
static int write_rows(struct store *store, const struct table *table, const struct ingest *ingest,
                      const struct format *format, const struct mapping *mapping,
                      struct ingest_outcome *outcome, struct sim_error *error)
{
    struct rows rows;
    int64_t id;
    int rc = remember(store, table, ingest, outcome->extent_id);

    if (rc < 0)
        return rc;
    id = store_last_id(store);
    rc = rows_init(&rows, store, table, mapping, id);
    rows.skip_first = ingest->skip_first;
    if (rc == 0)
        rc = format->read(&rows, ingest->data, ingest->len, error);
    if (rc == 0 && rows.count == 0)
        rc = error_set(error, ERROR_NO_DATA, "The body holds no records");
    outcome->rows = rows.count;
    rows_fini(&rows);
    if (rc == 0)
        rc = store_run(store, "UPDATE sim_ingestion SET rows = ? WHERE id = ?", "ii", outcome->rows, id);
    return rc;
}

static int ingest_locked(struct store *store, const struct table *table, const struct ingest *ingest,
                         struct ingest_outcome *outcome, struct sim_error *error)
{
    const struct format *format = find_format(ingest->format);
    json_t *tags = NULL, *wanted = NULL;
    struct mapping mapping = {0};
    int rc;

    if (!format)
        return error_set(error, ERROR_FORMAT, "Format '%s' is not supported (csv, json and multijson are)",
                         ingest->format);
    if ((rc = parse_list("tags", ingest->tags, &tags, error)) < 0 ||
        (rc = parse_list("ingestIfNotExists", ingest->if_not_exists, &wanted, error)) < 0)
        goto out;
    if (has_tag(store, table, wanted)) {
        outcome->skipped = true;
        goto out;
    }
    if ((rc = load_mapping(store, table, format, ingest, &mapping, error)) < 0)
        goto out;
    ident_guid(outcome->extent_id);
    if ((rc = store_begin(store)) == 0)
        rc = write_rows(store, table, ingest, format, &mapping, outcome, error);
    if (rc == 0)
        rc = store_commit(store);
    store_rollback(store);
out:
    mapping_fini(&mapping);
    json_decref(tags);
    json_decref(wanted);
    return rc;
}

static void remember_failure(struct store *store, const struct table *table, const struct ingest *ingest,
                             const struct sim_error *error)
{
    char operation[IDENT_GUID_SIZE];
    const struct failure failure = {.operation_id = operation,
                                    .database = table->database,
                                    .table = table->name,
                                    .source_path = "",
                                    .properties = "",
                                    .kind = ingest->kind,
                                    .error = error};

    ident_guid(operation);
    failure_remember(store, &failure);
}

const char *ingest_mapping_kind(const char *name)
{
    const struct format *format = find_format(name);

    return format ? format->mapping_kind : NULL;
}

int ingest_run(struct store *store, const struct table *table, const struct ingest *ingest,
               struct ingest_outcome *outcome, struct sim_error *error)
{
    *outcome = (struct ingest_outcome){.extent_id = IDENT_ZERO_GUID};
    int rc = ingest_locked(store, table, ingest, outcome, error);

    if (rc == 0)
        return 0;
    if (rc != -EPROTO)
        error_set(error, ERROR_INTERNAL, "The store failed; see adxsim's standard error");
    *outcome = (struct ingest_outcome){.extent_id = IDENT_ZERO_GUID};
    if (!ingest->caller_remembers)
        remember_failure(store, table, ingest, error);
    return -EPROTO;
}
