#include "walwriter/route.h"

#include <errno.h>
#include <strings.h>

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

/* In place. A NUL is refused: what follows it would vanish. */
static bool decode(char *text, bool plus_is_space)
{
    char *to = text;
    for (const char *from = text; *from; from++) {
        char c = *from;
        if (c == '%') {
            int high = hex_digit(from[1]), low = high < 0 ? -1 : hex_digit(from[2]);
            if (low < 0 || high + low == 0)
                return false;
            c = (char)(high << 4 | low);
            from += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        *to++ = c;
    }
    *to = '\0';
    return true;
}

/* `value`: what was given, or "". */
static void refuse(struct route *route, const char *what, const char *value, const char *why)
{
    route->kind = ROUTE_BAD;
    snprintf(route->why, sizeof route->why, "%s%s%.60s%s: %s", what, *value ? " '" : "", value,
             *value ? "'" : "", why);
}

/* --- the query ------------------------------------------------------------------------------------- */

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
    const char *name;
    bool (*take)(struct route *route, const char *value);
    const char *accepted;
} parameters[PARAMETERS] = {
    [FORMAT] = {"format", take_format, "csv or json"},
    [SCHEMA] = {"schema", take_schema, ""},
    [PARTIAL] = {"partial", take_partial, "0 or 1"},
};

/* `pair` is name=value, encoded. `seen`: which there were before. */
static void take_pair(struct route *route, char *pair, unsigned *seen)
{
    char *value = strchr(pair, '=');
    if (value)
        *value++ = '\0';
    for (unsigned i = 0; i < PARAMETERS; i++) {
        if (strcmp(pair, parameters[i].name) != 0)
            continue;
        if (*seen >> i & 1)
            refuse(route, "parameter", pair, "given twice");
        else if (!value || !decode(value, true))
            refuse(route, "parameter", pair, "has no percent-encoded value");
        else if (!parameters[i].take(route, value))
            refuse(route, parameters[i].name, value, parameters[i].accepted);
        *seen |= 1u << i;
        return;
    }
    refuse(route, "parameter", pair, "not known: format, schema and partial are");
}

static void take_query(struct route *route, char *query)
{
    unsigned seen = 0;
    char *rest = query;
    while (route->kind != ROUTE_BAD && rest && *rest) {
        char *pair = strsep(&rest, "&");
        if (*pair)
            take_pair(route, pair, &seen);
    }
    if (route->kind != ROUTE_BAD && !(seen >> FORMAT & 1))
        refuse(route, "format", "", "missing: add ?format=csv or ?format=json");
}

/* --- the path -------------------------------------------------------------------------------------- */

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
    if (!decode(path, false) || !decode(table, false))
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
