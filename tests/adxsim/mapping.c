#include "tests/adxsim/mapping.h"

#include <errno.h>
#include <jansson.h>
#include <strings.h>

#include "tests/adxsim/csv.h"

/* Property names are read without regard to case: SDKs and samples differ. */
static const json_t *get(const json_t *object, const char *key)
{
    void *iter;

    for (iter = json_object_iter((json_t *)(uintptr_t)object); iter;
         iter = json_object_iter_next((json_t *)(uintptr_t)object, iter))
        if (strcasecmp(json_object_iter_key(iter), key) == 0)
            return json_object_iter_value(iter);
    return NULL;
}

/* In Properties, or (the old form) beside Column. */
static const json_t *get_property(const json_t *element, const char *key)
{
    const json_t *found = get(get(element, "Properties"), key);

    return found ? found : get(element, key);
}

/* Ordinal is a string in samples, a number in old mappings. */
static bool parse_ordinal(const json_t *value, size_t *ordinal)
{
    long long n = -1;
    char *end;

    if (json_is_integer(value)) {
        n = json_integer_value(value);
    } else if (json_is_string(value) && json_string_length(value)) {
        n = strtoll(json_string_value(value), &end, 10);
        if (*end)
            n = -1;
    }
    *ordinal = (size_t)n;
    return n >= 0 && n < CSV_FIELDS_MAX;
}

static int parse_csv_source(const json_t *element, const char *column, struct source *source,
                            struct sim_error *error)
{
    const json_t *ordinal = get_property(element, "Ordinal");
    const json_t *constant = get_property(element, "ConstValue");
    const json_t *transform = get_property(element, "Transform");

    if (ordinal && constant)
        return error_set(error, ERROR_MAPPING, "Column '%s' has both an Ordinal and a ConstValue", column);
    if (constant) {
        if (!json_is_string(constant))
            return error_set(error, ERROR_MAPPING, "The ConstValue of column '%s' is not a string", column);
        *source = (struct source){SOURCE_CONST, 0, mem_strdup(json_string_value(constant))};
        return 0;
    }
    if (transform && !ordinal && json_is_string(transform)) /* SourceLocation: there is none here */
        return 0;
    source->kind = SOURCE_FIELD;
    if (!parse_ordinal(ordinal, &source->ordinal))
        return error_set(error, ERROR_MAPPING, "Column '%s' has no valid Ordinal", column);
    return 0;
}

static int parse_json_source(const json_t *element, const char *column, struct source *source,
                             struct sim_error *error)
{
    const json_t *path = get_property(element, "Path");
    const json_t *constant = get_property(element, "ConstValue");

    if (path && constant)
        return error_set(error, ERROR_MAPPING, "Column '%s' has both a Path and a ConstValue", column);
    if (json_is_string(constant)) {
        *source = (struct source){SOURCE_CONST, 0, mem_strdup(json_string_value(constant))};
        return 0;
    }
    if (!json_is_string(path) || json_string_value(path)[0] != '$')
        return error_set(error, ERROR_MAPPING, "Column '%s' has no valid Path", column);
    *source = (struct source){SOURCE_PATH, 0, mem_strdup(json_string_value(path))};
    return 0;
}

static int check_type(const struct table *table, int column, const json_t *declared, struct sim_error *error)
{
    enum kusto_type type, actual = table->columns[column].type;
    const char *text = json_string_value(declared);

    if (!declared || json_is_null(declared) || (text && !*text))
        return 0;
    if (!text || type_parse(text, &type) < 0)
        return error_set(error, ERROR_MAPPING, "Column '%s' has an unknown DataType",
                         table->columns[column].name);
    if (type != actual)
        return error_set(error, ERROR_MAPPING, "Column '%s' is of type %s, the mapping says %s",
                         table->columns[column].name, type_name(actual), text);
    return 0;
}

static int parse_element(const struct table *table, const char *kind, const json_t *element,
                         struct mapping *mapping, struct sim_error *error)
{
    const json_t *named = get(element, "Column");
    const char *name = json_string_value(named ? named : get(element, "Name"));
    int column;

    if (!name)
        return error_set(error, ERROR_MAPPING, "An element of the mapping has no Column");
    column = table_column(table, name);
    if (column < 0)
        return error_set(error, ERROR_MAPPING, "Table '%s' has no column '%s'", table->name, name);
    if (mapping->sources[column].kind != SOURCE_NONE)
        return error_set(error, ERROR_MAPPING, "The mapping names column '%s' twice", name);
    if (check_type(table, column, get(element, "DataType"), error) < 0)
        return -EPROTO;
    return strcmp(kind, "Json") == 0 ? parse_json_source(element, name, &mapping->sources[column], error)
                                     : parse_csv_source(element, name, &mapping->sources[column], error);
}

static void mapping_init(struct mapping *mapping, const struct table *table)
{
    mapping->nsources = table->ncolumns;
    mapping->sources = mem_alloc(mapping->nsources * sizeof *mapping->sources);
}

int mapping_parse(const struct table *table, const char *kind, const char *text, struct mapping *mapping,
                  struct sim_error *error)
{
    json_error_t bad;
    json_t *json = json_loads(text, 0, &bad);
    int rc = 0;

    mapping_init(mapping, table);
    if (!json)
        return error_set(error, ERROR_MAPPING, "The mapping is not JSON: %s", bad.text);
    if (!json_is_array(json) || json_array_size(json) == 0)
        rc = error_set(error, ERROR_MAPPING, "The mapping is not a JSON array with elements");
    for (size_t i = 0; rc == 0 && i < json_array_size(json); i++)
        rc = parse_element(table, kind, json_array_get(json, i), mapping, error);
    json_decref(json);
    return rc;
}

void mapping_identity(const struct table *table, const char *kind, struct mapping *mapping)
{
    bool by_name = strcmp(kind, "Json") == 0;

    mapping_init(mapping, table);
    for (size_t i = 0; i < mapping->nsources; i++) {
        struct source *source = &mapping->sources[i];
        source->kind = by_name ? SOURCE_PATH : SOURCE_FIELD;
        source->ordinal = i;
        if (by_name && asprintf(&source->text, "$['%s']", table->columns[i].name) < 0)
            abort();
    }
}

void mapping_fini(struct mapping *mapping)
{
    for (size_t i = 0; i < mapping->nsources; i++)
        free(mapping->sources[i].text);
    free(mapping->sources);
    *mapping = (struct mapping){0};
}
