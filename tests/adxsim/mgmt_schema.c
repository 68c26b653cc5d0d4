/* Commands that make, change and drop tables. */
#include "tests/adxsim/mgmt.h"

#include <errno.h>
#include <limits.h>

struct wanted {
    struct column *columns;
    size_t ncolumns;
};

static void wanted_fini(struct wanted *wanted)
{
    for (size_t i = 0; i < wanted->ncolumns; i++)
        free(wanted->columns[i].name);
    free(wanted->columns);
}

/* Letters, digits, blank, _ . - and what is not ASCII; 1 to 1024 bytes. */
static bool is_entity_name(const char *name)
{
    size_t len = strlen(name);

    if (len == 0 || len > 1024)
        return false;
    for (const char *p = name; *p; p++) {
        bool plain = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9');
        if (!plain && !strchr(" _.-", *p) && (unsigned char)*p < 0x80)
            return false;
    }
    return true;
}

static int check_name(struct mgmt *mgmt, const char *name)
{
    return is_entity_name(name)
               ? 0
               : error_set(mgmt->error, ERROR_BAD_REQUEST, "'%.100s' is not a valid name", name);
}

/* name : type */
static int take_column(struct mgmt *mgmt, struct wanted *wanted)
{
    char *name, *type_text = NULL;
    enum kusto_type type;
    int rc;

    if ((rc = mgmt_take_name(mgmt, &name)) < 0)
        return rc;
    if ((rc = check_name(mgmt, name)) < 0 || (rc = mgmt_expect_punct(mgmt, ':')) < 0 ||
        (rc = mgmt_take_name(mgmt, &type_text)) < 0)
        goto out;
    if (type_parse(type_text, &type) < 0)
        rc = error_set(mgmt->error, ERROR_SYNTAX, "Syntax error: '%.80s' is not a type", type_text);
    for (size_t i = 0; i < wanted->ncolumns && rc == 0; i++)
        if (strcmp(wanted->columns[i].name, name) == 0)
            rc = error_set(mgmt->error, ERROR_SCHEMA, "Column '%.100s' is named twice", name);
    if (rc == 0 && wanted->ncolumns == TABLE_COLUMNS_MAX)
        rc = error_set(mgmt->error, ERROR_SCHEMA, "More than %d columns", TABLE_COLUMNS_MAX);
    if (rc == 0) {
        wanted->columns[wanted->ncolumns++] = (struct column){name, type};
        name = NULL;
    }
out:
    free(name);
    free(type_text);
    return rc;
}

static int take_columns(struct mgmt *mgmt, struct wanted *wanted)
{
    int rc = mgmt_expect_punct(mgmt, '(');

    wanted->columns = mem_alloc(TABLE_COLUMNS_MAX * sizeof *wanted->columns);
    do {
        if (rc == 0)
            rc = take_column(mgmt, wanted);
    } while (rc == 0 && csl_accept_punct(mgmt->csl, ','));
    return rc < 0 ? rc : mgmt_expect_punct(mgmt, ')');
}

/* Columns that both know must have one type. */
static int check_types(struct mgmt *mgmt, const struct table *table, const struct wanted *wanted)
{
    for (size_t i = 0; i < wanted->ncolumns; i++) {
        int at = table_column(table, wanted->columns[i].name);
        if (at >= 0 && table->columns[at].type != wanted->columns[i].type)
            return error_set(mgmt->error, ERROR_SCHEMA,
                             "Table '%s': column '%s' is of type %s and cannot become %s by .create-merge",
                             table->name, table->columns[at].name, type_name(table->columns[at].type),
                             type_name(wanted->columns[i].type));
    }
    return 0;
}

/* Within a transaction: make the table if it has no id yet, and add what is missing. */
static int apply(struct mgmt *mgmt, const char *name, const struct table *table, const struct wanted *wanted,
                 char *const *properties)
{
    int64_t id = table->id;
    size_t ordinal = table->ncolumns;
    int rc = 0;

    if (!id)
        rc = store_create_table(mgmt->store, mgmt->database, name, &id);
    for (size_t i = 0; i < wanted->ncolumns && rc == 0; i++)
        if (table_column(table, wanted->columns[i].name) < 0)
            rc = store_add_column(mgmt->store, id, ordinal++, wanted->columns[i].name,
                                  wanted->columns[i].type);
    if (rc == 0)
        rc = store_run(mgmt->store,
                       "UPDATE sim_table SET docstring = coalesce(?, docstring), folder = coalesce(?, folder)"
                       " WHERE id = ?",
                       "tti", properties[0], properties[1], id);
    return rc;
}

static json_t *schema_json(const struct table *table)
{
    json_t *columns = json_array();

    for (size_t i = 0; i < table->ncolumns; i++)
        json_array_append_new(columns, json_pack("{s:s, s:s}", "Name", table->columns[i].name, "CslType",
                                                 type_name(table->columns[i].type)));
    json_t *schema = json_pack("{s:s, s:o}", "Name", table->name, "OrderedColumns", columns);
    char *text = json_dumps(schema, JSON_COMPACT);
    json_t *string = json_string(text);
    free(text);
    json_decref(schema);
    return string;
}

static int show_created(struct mgmt *mgmt, const char *name)
{
    struct table table;
    int rc = store_find_table(mgmt->store, mgmt->database, name, &table);

    if (rc == 0) {
        result_add_columns(
            mgmt->result,
            "TableName:string,Schema:string,DatabaseName:string,Folder:string,DocString:string");
        result_take_row(mgmt->result, json_pack("[s,o,s,s,s]", table.name, schema_json(&table),
                                                table.database, table.folder, table.docstring));
    }
    table_fini(&table);
    return mgmt_io(mgmt, rc);
}

/* With the whole command read. */
static int make_table(struct mgmt *mgmt, const char *name, const struct wanted *wanted,
                      char *const *properties, bool merge)
{
    struct table table;
    int rc = store_find_table(mgmt->store, mgmt->database, name, &table);

    if (rc == 0)
        rc = merge ? check_types(mgmt, &table, wanted)
                   : error_set(mgmt->error, ERROR_BAD_REQUEST, "Table '%s' exists already", name);
    else if (rc == -ENOENT)
        rc = 0;
    if (rc == 0)
        rc = mgmt_io(mgmt, store_begin(mgmt->store));
    if (rc == 0)
        rc = mgmt_io(mgmt, apply(mgmt, name, &table, wanted, properties));
    if (rc == 0)
        rc = mgmt_io(mgmt, store_commit(mgmt->store));
    store_rollback(mgmt->store);
    table_fini(&table);
    return rc < 0 ? mgmt_io(mgmt, rc) : show_created(mgmt, name);
}

static int create_table(struct mgmt *mgmt, bool merge)
{
    static const char *const names[] = {"docstring", "folder", NULL};
    char *properties[2] = {NULL, NULL};
    struct wanted wanted = {0};
    char *name;
    int rc;

    if ((rc = mgmt_take_name(mgmt, &name)) < 0)
        return rc;
    if ((rc = check_name(mgmt, name)) == 0 && (rc = take_columns(mgmt, &wanted)) == 0 &&
        (rc = mgmt_take_properties(mgmt, names, properties)) == 0 && (rc = mgmt_expect_end(mgmt)) == 0)
        rc = make_table(mgmt, name, &wanted, properties, merge);
    wanted_fini(&wanted);
    free(properties[0]);
    free(properties[1]);
    free(name);
    return rc;
}

int mgmt_create_merge_table(struct mgmt *mgmt)
{
    return create_table(mgmt, true);
}

/* .create table T (..) and .create table T ingestion csv mapping ..: the lexer is copied to look one token
 * ahead. */
int mgmt_create_table(struct mgmt *mgmt)
{
    struct csl ahead;
    const char *rest = mgmt->csl->at;
    bool mapping;

    csl_init(&ahead, rest, (size_t)(mgmt->csl->end - rest));
    mapping = csl_is_word(&ahead, "ingestion");
    csl_fini(&ahead);
    return mapping ? mgmt_create_mapping(mgmt) : create_table(mgmt, false);
}

static int drop_mapping(struct mgmt *mgmt, const struct table *table)
{
    const char *kind;
    char *name = NULL, *json = NULL;
    int rc;

    kind = csl_accept_word(mgmt->csl, "csv") ? "Csv" : csl_accept_word(mgmt->csl, "json") ? "Json" : NULL;
    if (!kind)
        return mgmt_syntax(mgmt, "csv or json");
    if ((rc = mgmt_expect_word(mgmt, "mapping")) < 0)
        return rc;
    if (!csl_take_name_or_string(mgmt->csl, &name))
        return mgmt_syntax(mgmt, "the name of a mapping");
    if ((rc = mgmt_expect_end(mgmt)) == 0) {
        rc = store_find_mapping(mgmt->store, table->id, kind, name, &json);
        if (rc == -ENOENT)
            rc = error_set(mgmt->error, ERROR_ENTITY_NOT_FOUND, "Mapping '%.200s' was not found", name);
        if (rc == 0)
            rc =
                store_run(mgmt->store, "DELETE FROM sim_mapping WHERE table_id = ? AND kind = ? AND name = ?",
                          "itt", table->id, kind, name);
    }
    free(json);
    free(name);
    return mgmt_io(mgmt, rc);
}

int mgmt_drop_table(struct mgmt *mgmt)
{
    struct table table;
    int rc = mgmt_take_table(mgmt, &table);

    if (rc == 0 && csl_accept_word(mgmt->csl, "ingestion")) {
        rc = drop_mapping(mgmt, &table);
        table_fini(&table);
        return rc;
    }
    bool if_exists = csl_accept_word(mgmt->csl, "ifexists");
    bool missing = rc < 0 && mgmt->error->status != 500;
    if (missing && if_exists)
        rc = 0;
    if (rc == 0)
        rc = mgmt_expect_end(mgmt);
    if (rc == 0 && !missing)
        rc = mgmt_io(mgmt, store_drop_table(mgmt->store, table.id));
    table_fini(&table);
    return rc < 0 ? rc : mgmt_show_tables(mgmt);
}

/* .clear table T data */
int mgmt_clear_table(struct mgmt *mgmt)
{
    struct table table;
    char sql[64];
    int rc = mgmt_take_table(mgmt, &table);

    if (rc == 0)
        rc = mgmt_expect_word(mgmt, "data");
    if (rc == 0)
        rc = mgmt_expect_end(mgmt);
    if (rc == 0) {
        (void)snprintf(sql, sizeof sql, "DELETE FROM rows_%lld", (long long)table.id);
        rc = mgmt_io(mgmt, store_run(mgmt->store, sql, ""));
        result_add_columns(mgmt->result, "Status:string");
        result_take_row(mgmt->result, json_pack("[s]", "Succeeded"));
    }
    table_fini(&table);
    return rc;
}

/* enable, disable, or '{"IsEnabled": true}'. */
static int alter_streaming(struct mgmt *mgmt, const struct table *table)
{
    char *text = NULL;
    int on = -1, rc;

    if (csl_accept_word(mgmt->csl, "enable")) {
        on = 1;
    } else if (csl_accept_word(mgmt->csl, "disable")) {
        on = 0;
    } else if (csl_take_string(mgmt->csl, &text)) {
        json_t *policy = json_loads(text, 0, NULL);
        const json_t *enabled = json_object_get(policy, "IsEnabled");
        on = json_is_boolean(enabled) ? json_is_true(enabled) : -1;
        json_decref(policy);
        free(text);
    }
    if (on < 0)
        return mgmt_syntax(mgmt, "enable, disable or a policy with IsEnabled");
    if ((rc = mgmt_expect_end(mgmt)) < 0)
        return rc;
    return mgmt_io(mgmt, store_run(mgmt->store, "UPDATE sim_table SET streaming = ? WHERE id = ?", "ii",
                                   (int64_t)on, table->id));
}

static int alter_batching(struct mgmt *mgmt, const struct table *table)
{
    char *text = NULL;
    int rc;

    if (!csl_take_string(mgmt->csl, &text))
        return mgmt_syntax(mgmt, "the policy as a string");
    json_t *policy = json_loads(text, 0, NULL);
    rc = json_is_object(policy) ? mgmt_expect_end(mgmt)
                                : error_set(mgmt->error, ERROR_BAD_REQUEST,
                                            "The ingestion batching policy is not a JSON object");
    if (rc == 0)
        rc = mgmt_io(mgmt, store_run(mgmt->store, "UPDATE sim_table SET batching = ? WHERE id = ?", "ti",
                                     text, table->id));
    json_decref(policy);
    free(text);
    return rc;
}

int mgmt_alter_table(struct mgmt *mgmt)
{
    struct table table;
    int rc = mgmt_take_table(mgmt, &table);

    if (rc == 0)
        rc = mgmt_expect_word(mgmt, "policy");
    if (rc == 0) {
        if (csl_accept_word(mgmt->csl, "streamingingestion"))
            rc = alter_streaming(mgmt, &table);
        else if (csl_accept_word(mgmt->csl, "ingestionbatching"))
            rc = alter_batching(mgmt, &table);
        else
            rc = mgmt_syntax(mgmt, "streamingingestion or ingestionbatching");
    }
    if (rc == 0) {
        result_add_columns(mgmt->result, "PolicyName:string,EntityName:string,EntityType:string");
        result_take_row(mgmt->result, json_pack("[s,s,s]", "Policy", table.name, "Table"));
    }
    table_fini(&table);
    return rc;
}
