#include "tests/adxsim/result.h"

#include <ctype.h>
#include <errno.h>

void result_init(struct result *result)
{
    *result = (struct result){json_array(), json_array()};
}

void result_fini(struct result *result)
{
    json_decref(result->columns);
    json_decref(result->rows);
}

void result_add_column(struct result *result, const char *name, enum kusto_type type)
{
    json_array_append_new(result->columns, json_pack("{s:s, s:s, s:s}", "ColumnName", name, "DataType",
                                                     type_net_name(type), "ColumnType", type_name(type)));
}

void result_add_columns(struct result *result, const char *schema)
{
    struct csl csl;
    char *name, *type_text;
    enum kusto_type type;

    csl_init(&csl, schema, strlen(schema));
    while (csl_take_name(&csl, &name)) {
        if (!csl_accept_punct(&csl, ':') || !csl_take_name(&csl, &type_text) ||
            type_parse(type_text, &type) < 0)
            abort(); /* a bug: the text is ours */
        result_add_column(result, name, type);
        free(name);
        free(type_text);
        csl_accept_punct(&csl, ',');
    }
    csl_fini(&csl);
}

void result_take_row(struct result *result, json_t *row)
{
    if (!row || json_array_append_new(result->rows, row) < 0)
        abort();
}

void result_write(const struct result *result, struct buf *out)
{
    json_t *body = json_pack("{s:[{s:s, s:O, s:O}]}", "Tables", "TableName", "Table_0", "Columns",
                             result->columns, "Rows", result->rows);
    char *text = json_dumps(body, JSON_COMPACT | JSON_REAL_PRECISION(17));

    buf_puts(out, text);
    free(text);
    json_decref(body);
}

/* Columns of V2 have no DataType. */
static json_t *v2_columns(const struct result *result)
{
    json_t *columns = json_deep_copy(result->columns);

    for (size_t i = 0; i < json_array_size(columns); i++)
        json_object_del(json_array_get(columns, i), "DataType");
    return columns;
}

void result_write_v2(const struct result *result, struct buf *out)
{
    json_t *frames = json_array();

    json_array_append_new(frames, json_pack("{s:s, s:b, s:s}", "FrameType", "DataSetHeader", "IsProgressive",
                                            0, "Version", "v2.0"));
    json_array_append_new(frames,
                          json_pack("{s:s, s:i, s:s, s:s, s:[{s:s, s:s}, {s:s, s:s}, {s:s, s:s}], s:[]}",
                                    "FrameType", "DataTable", "TableId", 0, "TableKind", "QueryProperties",
                                    "TableName", "@ExtendedProperties", "Columns", "ColumnName", "TableId",
                                    "ColumnType", "int", "ColumnName", "Key", "ColumnType", "string",
                                    "ColumnName", "Value", "ColumnType", "dynamic", "Rows"));
    json_array_append_new(frames,
                          json_pack("{s:s, s:i, s:s, s:s, s:o, s:O}", "FrameType", "DataTable", "TableId", 1,
                                    "TableKind", "PrimaryResult", "TableName", "PrimaryResult", "Columns",
                                    v2_columns(result), "Rows", result->rows));
    json_array_append_new(frames, json_pack("{s:s, s:b, s:b}", "FrameType", "DataSetCompletion", "HasErrors",
                                            0, "Cancelled", 0));
    char *text = json_dumps(frames, JSON_COMPACT | JSON_REAL_PRECISION(17));

    buf_puts(out, text);
    free(text);
    json_decref(frames);
}

json_t *result_string(const char *text, size_t len)
{
    json_t *string = json_stringn(text, len);

    if (string)
        return string;
    char *copy = mem_strndup(text, len);
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)copy[i] >= 0x80)
            copy[i] = '?';
    string = json_stringn(copy, len);
    free(copy);
    return string;
}

static int column_at(const struct result *result, const char *name)
{
    for (size_t i = 0; i < json_array_size(result->columns); i++) {
        const json_t *column = json_array_get(result->columns, i);
        if (strcmp(json_string_value(json_object_get(column, "ColumnName")), name) == 0)
            return (int)i;
    }
    return -1;
}

/* A column's name at hand: its index, or -EPROTO. */
static int take_column(const struct result *result, struct csl *csl, struct sim_error *error)
{
    char *name;
    int at;

    if (!csl_take_name(csl, &name))
        return error_set(error, ERROR_SYNTAX, "Syntax error: a column name is missing");
    at = column_at(result, name);
    if (at < 0)
        at = error_set(error, ERROR_SEMANTIC, "Semantic error: column '%s' does not exist", name);
    free(name);
    return at;
}

static int pipe_project(struct result *result, struct csl *csl, struct sim_error *error)
{
    struct result to;
    size_t nrows = json_array_size(result->rows);

    result_init(&to);
    for (size_t i = 0; i < nrows; i++)
        result_take_row(&to, json_array());
    do {
        int from = take_column(result, csl, error);
        if (from < 0) {
            result_fini(&to);
            return from;
        }
        json_array_append(to.columns, json_array_get(result->columns, (size_t)from));
        for (size_t i = 0; i < nrows; i++)
            json_array_append(json_array_get(to.rows, i),
                              json_array_get(json_array_get(result->rows, i), (size_t)from));
    } while (csl_accept_punct(csl, ','));
    result_fini(result);
    *result = to;
    return 0;
}

static int pipe_count(struct result *result, struct csl *csl, struct sim_error *error)
{
    json_int_t n = (json_int_t)json_array_size(result->rows);

    (void)csl, (void)error;
    result_fini(result);
    result_init(result);
    result_add_column(result, "Count", TYPE_LONG);
    result_take_row(result, json_pack("[I]", n));
    return 0;
}

static int pipe_take(struct result *result, struct csl *csl, struct sim_error *error)
{
    if (csl->kind != CSL_NUMBER)
        return error_set(error, ERROR_SYNTAX, "Syntax error: take needs a number");
    size_t n = (size_t)strtoul(csl->text.data, NULL, 10);
    csl_next(csl);
    while (json_array_size(result->rows) > n)
        json_array_remove(result->rows, json_array_size(result->rows) - 1);
    return 0;
}

/* Values are compared as text. */
static bool equals(const json_t *value, const char *text)
{
    if (json_is_string(value))
        return strcmp(json_string_value(value), text) == 0;
    char *dump = json_dumps(value, JSON_ENCODE_ANY);
    bool same = dump && strcmp(dump, text) == 0;
    free(dump);
    return same;
}

/* What follows `COLUMN >`: ago(90m), for times that are UTC and so compare as text. */
static int where_newer(struct result *result, int column, struct csl *csl, struct sim_error *error)
{
    static const char units[] = "smhd";
    static const long seconds[] = {1, 60, 3600, 86400};
    char *unit = NULL, least[32];

    if (!csl_accept_word(csl, "ago") || !csl_accept_punct(csl, '(') || csl->kind != CSL_NUMBER)
        return error_set(error, ERROR_SYNTAX, "Syntax error: after > comes ago(TIME), in adxsim");
    long number = strtol(csl->text.data, &unit, 10);
    const char *known = *unit && !unit[1] ? strchr(units, *unit) : NULL;
    if (!known)
        return error_set(error, ERROR_SYNTAX, "Syntax error: '%s' is not a time", csl->text.data);
    csl_next(csl);
    if (!csl_accept_punct(csl, ')'))
        return error_set(error, ERROR_SYNTAX, "Syntax error: ) is missing");
    time_t when = time(NULL) - number * seconds[known - units];
    struct tm tm;
    strftime(least, sizeof least, "%Y-%m-%dT%H:%M:%S", gmtime_r(&when, &tm));
    for (size_t i = json_array_size(result->rows); i-- > 0;) {
        const char *text = json_string_value(json_array_get(json_array_get(result->rows, i), (size_t)column));
        if (!text || strcmp(text, least) < 0)
            json_array_remove(result->rows, i);
    }
    return 0;
}

static int pipe_where(struct result *result, struct csl *csl, struct sim_error *error)
{
    do {
        int column = take_column(result, csl, error);
        if (column < 0)
            return column;
        if (csl_accept_punct(csl, '>')) {
            int rc = where_newer(result, column, csl, error);
            if (rc)
                return rc;
            continue;
        }
        bool negated = csl_accept_punct(csl, '!');
        if ((!negated && !csl_accept_punct(csl, '=')) || !csl_accept_punct(csl, '='))
            return error_set(error, ERROR_SYNTAX,
                             "Syntax error: where knows ==, != and > ago() only, in adxsim");
        char *text = NULL;
        if (!csl_take_string(csl, &text)) {
            if (csl->kind != CSL_NUMBER && csl->kind != CSL_WORD)
                return error_set(error, ERROR_SYNTAX, "Syntax error: where needs a literal");
            text = mem_strdup(csl->text.data);
            csl_next(csl);
        }
        for (size_t i = json_array_size(result->rows); i-- > 0;)
            if (equals(json_array_get(json_array_get(result->rows, i), (size_t)column), text) == negated)
                json_array_remove(result->rows, i);
        free(text);
    } while (csl_accept_word(csl, "and"));
    return 0;
}

struct pipe {
    const char *name;
    int (*run)(struct result *, struct csl *, struct sim_error *);
};

static const struct pipe operators[] = {
    {"project", pipe_project}, {"count", pipe_count}, {"take", pipe_take},
    {"limit", pipe_take},      {"where", pipe_where},
};

int result_pipe(struct result *result, struct csl *csl, struct sim_error *error)
{
    int rc = 0;

    while (rc == 0 && csl_accept_punct(csl, '|')) {
        size_t i = 0;
        while (i < ARRAY_LEN(operators) && !csl_accept_word(csl, operators[i].name))
            i++;
        if (i == ARRAY_LEN(operators))
            return error_set(error, ERROR_SYNTAX, "Syntax error: adxsim has no operator '%s'",
                             buf_text(&csl->text));
        rc = operators[i].run(result, csl, error);
    }
    if (rc == 0 && csl->kind != CSL_END)
        return error_set(error, ERROR_SYNTAX, "Syntax error: A recognition error occurred near '%s'",
                         csl->kind == CSL_PUNCT ? (char[]){csl->punct, '\0'} : buf_text(&csl->text));
    return rc;
}
