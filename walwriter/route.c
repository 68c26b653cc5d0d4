#include "walwriter/route.h"

#include <errno.h>

#include "common/http/target.h"

/* `value`: what was given, or "". */
static void refuse(struct route *route, const char *what, const char *value, const char *why)
{
    route->kind = ROUTE_BAD;
    snprintf(route->why, sizeof route->why, "%s%s%.60s%s: %s", what, *value ? " '" : "", value,
             *value ? "'" : "", why);
}

/* --- the query -------------------------------------------------------------------------------------- */

static bool take_format(struct route *route, const char *value)
{
    bool is_json = strcmp(value, "json") == 0;
    route->format = is_json ? SEGMENT_JSON : SEGMENT_CSV;
    return is_json || strcmp(value, "csv") == 0;
}

static bool take_schema(struct route *route, const char *value)
{
    route->schema = value;
    return true;
}

static bool take_partial(struct route *route, const char *value)
{
    route->is_partial = strcmp(value, "1") == 0;
    return route->is_partial || strcmp(value, "0") == 0;
}

enum { FORMAT, SCHEMA, PARTIAL, PARAMETERS };

static const struct {
    bool (*take)(struct route *route, const char *value);
    const char *accepted;
} parameters[PARAMETERS] = {
    [FORMAT] = {take_format, "csv or json"},
    [SCHEMA] = {take_schema, ""},
    [PARTIAL] = {take_partial, "0 or 1"},
};

static void take_query(struct route *route, char *query)
{
    static const char *const names[PARAMETERS] = {
        [FORMAT] = "format", [SCHEMA] = "schema", [PARTIAL] = "partial"};
    static const char *const texts[] = {[HTTP_QUERY_OK] = "",
                                        [HTTP_QUERY_TWICE] = "given twice",
                                        [HTTP_QUERY_ENCODED] = "has no percent-encoded value",
                                        [HTTP_QUERY_UNKNOWN] = "not known: format, schema and partial are"};
    const char *values[PARAMETERS], *which;
    enum http_query_status status = http_query_take(query, names, PARAMETERS, false, values, &which);
    if (status != HTTP_QUERY_OK)
        refuse(route, "parameter", which, texts[status]);
    for (size_t i = 0; i < PARAMETERS && route->kind != ROUTE_BAD; i++)
        if (values[i] && !parameters[i].take(route, values[i]))
            refuse(route, names[i], values[i], parameters[i].accepted);
    if (route->kind != ROUTE_BAD && !values[FORMAT])
        refuse(route, "format", "", "missing: add ?format=csv or ?format=json");
}

/* --- the path --------------------------------------------------------------------------------------- */

static void take_ingest(struct route *route, char *path, char *query)
{
    char *table = strchr(path, '/');
    if (!table || table == path || !table[1] || strchr(table + 1, '/')) {
        refuse(route, "path", "", "not /ingest/<database>/<table>");
        return;
    }
    *table++ = '\0';
    route->kind = ROUTE_INGEST;
    route->db = path;
    route->table = table;
    if (!http_decode(path, false) || !http_decode(table, false))
        refuse(route, "path", "", "not percent-encoded as it should be");
    else
        take_query(route, query);
}

int route_init(struct route *route, const char *target)
{
    static const struct {
        const char *path;
        enum route_kind kind;
    } fixed[] = {{"/healthz", ROUTE_HEALTHZ}, {"/readyz", ROUTE_READYZ}, {"/metrics", ROUTE_METRICS}};
    static const char ingest[] = "/ingest/";
    *route = (struct route){.schema = "", .storage = strdup(target)};
    char *path = route->storage;
    if (!path)
        return -ENOMEM;
    char *query = strchr(path, '?');
    if (query)
        *query++ = '\0';
    for (size_t i = 0; i < ARRAY_LEN(fixed); i++)
        if (strcmp(path, fixed[i].path) == 0)
            route->kind = fixed[i].kind;
    if (strncmp(path, ingest, sizeof ingest - 1) == 0)
        take_ingest(route, path + sizeof ingest - 1, query);
    return 0;
}

void route_fini(struct route *route)
{
    free(route->storage);
    route->storage = NULL;
}
