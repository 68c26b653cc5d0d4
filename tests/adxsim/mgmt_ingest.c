/* Commands about data: mappings, and .ingest inline. */
#include "tests/adxsim/mgmt.h"

#include <errno.h>

#include "tests/adxsim/ident.h"
#include "tests/adxsim/ingest.h"
#include "tests/adxsim/mapping.h"

static int put_mapping(struct mgmt *mgmt, const struct table *table, const char *kind, const char *name,
                       const char *json)
{
    char now[IDENT_TIME_SIZE];
    struct mapping mapping;
    int rc = mapping_parse(table, kind, json, &mapping, mgmt->error);

    mapping_fini(&mapping);
    if (rc < 0)
        return rc;
    ident_now(now);
    rc = store_run(mgmt->store,
                   "REPLACE INTO sim_mapping(table_id, kind, name, mapping, updated) VALUES(?, ?, ?, ?, ?)",
                   "itttt", table->id, kind, name, json, now);
    if (rc == 0) {
        result_add_columns(mgmt->result, "Name:string,Kind:string,Mapping:string,LastUpdatedOn:datetime,"
                                         "Database:string,Table:string");
        result_take_row(mgmt->result,
                        json_pack("[s,s,s,s,s,s]", name, kind, json, now, table->database, table->name));
    }
    return mgmt_io(mgmt, rc);
}

/* T ingestion csv|json mapping "M" '<json>' */
static int make_mapping(struct mgmt *mgmt, bool alter)
{
    struct table table;
    char *name = NULL, *json = NULL, *old = NULL;
    const char *kind;
    int rc;

    if ((rc = mgmt_take_table(mgmt, &table)) < 0 || (rc = mgmt_expect_word(mgmt, "ingestion")) < 0)
        goto out;
    kind = csl_accept_word(mgmt->csl, "csv") ? "Csv" : csl_accept_word(mgmt->csl, "json") ? "Json" : NULL;
    rc = kind ? mgmt_expect_word(mgmt, "mapping") : mgmt_syntax(mgmt, "csv or json");
    if (rc < 0)
        goto out;
    /* Two adjacent literals are two arguments here: the first one alone is the name. */
    if (mgmt->csl->kind == CSL_STRING || mgmt->csl->kind == CSL_WORD || mgmt->csl->kind == CSL_NAME) {
        name = mem_strdup(buf_text(&mgmt->csl->text));
        csl_next(mgmt->csl);
    }
    if (!name || !*name || !csl_take_string(mgmt->csl, &json)) {
        rc = mgmt_syntax(mgmt, "a mapping's name and its JSON");
        goto out;
    }
    if ((rc = mgmt_expect_end(mgmt)) < 0)
        goto out;
    rc = alter ? -ENOENT : store_find_mapping(mgmt->store, table.id, kind, name, &old);
    if (rc == 0)
        rc = error_set(mgmt->error, ERROR_BAD_REQUEST, "Mapping '%.200s' exists already", name);
    else
        rc = rc == -ENOENT ? put_mapping(mgmt, &table, kind, name, json) : mgmt_io(mgmt, rc);
out:
    table_fini(&table);
    free(name);
    free(json);
    free(old);
    return rc;
}

int mgmt_create_or_alter(struct mgmt *mgmt)
{
    return make_mapping(mgmt, true);
}

int mgmt_create_mapping(struct mgmt *mgmt)
{
    return make_mapping(mgmt, false);
}

/* The properties of ingestion that mean something here, then those that are known and ignored. */
enum { FORMAT, REFERENCE, TAGS, IF_NOT_EXISTS, PROPERTIES = 9 };
static const char *const property_names[PROPERTIES + 1] = {
    [FORMAT] = "format", [REFERENCE] = "ingestionMappingReference",
    [TAGS] = "tags",     [IF_NOT_EXISTS] = "ingestIfNotExists",
    "creationTime",      "ingestionMappingType",
    "persistDetails",    "policy_ingestiontime",
    "extend_schema",     NULL};

static int run_ingest(struct mgmt *mgmt, const struct table *table, char *const *properties)
{
    struct csl *csl = mgmt->csl;
    struct ingest_outcome outcome;
    struct ingest ingest = {.kind = "inline",
                            .format = properties[FORMAT] ? properties[FORMAT] : "csv",
                            .mapping_name = properties[REFERENCE],
                            .tags = properties[TAGS],
                            .if_not_exists = properties[IF_NOT_EXISTS],
                            .request_id = mgmt->request_id,
                            .data = csl->at,
                            .len = (size_t)(csl->end - csl->at)};

    int rc = ingest_run(mgmt->store, table, &ingest, &outcome, mgmt->error);
    if (rc < 0)
        return rc;
    result_add_columns(mgmt->result,
                       "ExtentId:guid,ItemLoaded:string,Duration:timespan,HasErrors:bool,OperationId:guid");
    result_take_row(mgmt->result,
                    json_pack("[s,s,s,b,s]", outcome.extent_id, outcome.skipped ? "" : "inproc:inline",
                              "00:00:00.0010000", 0, outcome.extent_id));
    csl->at = csl->end; /* all was data */
    csl_next(csl);
    return 0;
}

int mgmt_ingest_inline(struct mgmt *mgmt)
{
    char *properties[PROPERTIES] = {NULL};
    struct table table;
    int rc = mgmt_take_table(mgmt, &table);

    if (rc == 0)
        rc = mgmt_take_properties(mgmt, property_names, properties);
    if (rc == 0 && mgmt->csl->kind != CSL_DATA)
        rc = mgmt_syntax(mgmt, "<|");
    if (rc == 0)
        rc = run_ingest(mgmt, &table, properties);
    for (size_t i = 0; i < PROPERTIES; i++)
        free(properties[i]);
    table_fini(&table);
    return rc;
}
