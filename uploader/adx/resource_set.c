/* From ADX's answers to a set of resources. Columns are found by name (adx.md §1.2). */
#include <errno.h>

#include "common/base/buf.h"
#include "uploader/adx/resources.h"

static const struct {
    const char *name;
    enum resource_kind kind;
} kinds[] = {
    {"TempStorage", RESOURCE_CONTAINER},
    {"SecuredReadyForAggregationQueue", RESOURCE_QUEUE},
    {"FailedIngestionsQueue", RESOURCE_FAILURES},
};

static size_t find_column(const json_t *table, const char *name)
{
    size_t i;
    const json_t *column;
    json_array_foreach (json_object_get(table, "Columns"), i, column) {
        const char *text = json_string_value(json_object_get(column, "ColumnName"));
        if (text && strcmp(text, name) == 0)
            return i;
    }
    return SIZE_MAX;
}

static bool find_kind(const char *name, enum resource_kind *kind)
{
    for (size_t i = 0; name && i < ARRAY_LEN(kinds); i++) {
        if (strcmp(kinds[i].name, name) != 0)
            continue;
        *kind = kinds[i].kind;
        return true;
    }
    return false;
}

/* The host, or in a path-style address (an address of numbers, localhost) the first folder: Azurite. */
static void find_account(const char *place, char account[static RANKING_NAME_BYTES])
{
    const char *host = strstr(place, "://");
    host = host ? host + 3 : place;
    size_t len = strcspn(host, "/");
    size_t label = strcspn(host, "./:");
    bool is_path_style = (host[0] >= '0' && host[0] <= '9') || strncmp(host, "localhost", 9) == 0;
    const char *from = host;
    if (is_path_style && host[len] == '/') {
        from = host + len + 1;
        label = strcspn(from, "/");
    }
    snprintf(account, RANKING_NAME_BYTES, "%.*s",
             (int)(label < RANKING_NAME_BYTES ? label : RANKING_NAME_BYTES - 1), from);
}

/* False: not an address that we may use. */
static bool parse_root(const char *root, struct resource *resource)
{
    const char *question = strchr(root, '?');
    size_t len = question ? (size_t)(question - root) : 0;
    char text[TARGET_PLACE_BYTES];
    if (!question || !question[1] || len + 3 > sizeof text)
        return false;
    snprintf(text, sizeof text, "x=%.*s", (int)len, root);
    if (target_parse(text, &resource->at, NULL) != 0 || resource->at.kind != TARGET_ADX ||
        !resource->at.may_get_token)
        return false;
    snprintf(resource->at.place, sizeof resource->at.place, "%.*s", (int)len, root);
    resource->at.may_get_token = false; /* its signature is all that it is shown */
    find_account(resource->at.place, resource->account);
    resource->signature = strdup(question + 1);
    return resource->signature != NULL;
}

static int parse_resources(const json_t *table, struct resource_set *set, struct err *err)
{
    size_t i, type = find_column(table, "ResourceTypeName"), root = find_column(table, "StorageRoot");
    const json_t *rows = json_object_get(table, "Rows"), *row;
    if (type == SIZE_MAX || root == SIZE_MAX)
        return err_set(err, -EPROTO,
                       "the list of ingestion resources has no ResourceTypeName and StorageRoot");
    size_t capacity = json_array_size(rows) < RESOURCES_MAX ? json_array_size(rows) : RESOURCES_MAX;
    set->list = calloc(capacity + 1, sizeof *set->list);
    if (!set->list)
        return -ENOMEM;
    json_array_foreach (rows, i, row) {
        const char *address = json_string_value(json_array_get(row, root));
        struct resource *resource = &set->list[set->count];
        if (set->count == capacity)
            break;
        if (address && find_kind(json_string_value(json_array_get(row, type)), &resource->kind) &&
            parse_root(address, resource))
            set->count++;
        else
            *resource = (struct resource){0};
    }
    return 0;
}

static int parse_identity(const json_t *table, struct resource_set *set, struct err *err)
{
    size_t column = find_column(table, "AuthorizationContext");
    const json_t *rows = json_object_get(table, "Rows");
    const char *text = json_string_value(json_array_get(json_array_get(rows, 0), column));
    if (column == SIZE_MAX || json_array_size(rows) != 1 || !text || !*text)
        return err_set(err, -EPROTO, "the answer to .get kusto identity token holds no token");
    set->identity = strdup(text);
    return set->identity ? 0 : -ENOMEM;
}

static bool has(const struct resource_set *set, enum resource_kind kind)
{
    for (size_t i = 0; i < set->count; i++)
        if (set->list[i].kind == kind)
            return true;
    return false;
}

int resource_set_parse(const json_t *resources, const json_t *identity, struct resource_set **out,
                       struct err *err)
{
    struct resource_set *set = calloc(1, sizeof *set);
    if (!set)
        return err_set(err, -ENOMEM, "out of memory");
    atomic_init(&set->references, 1);
    set->fetched = mono_now();
    int rc = parse_resources(resources, set, err);
    if (rc == 0)
        rc = parse_identity(identity, set, err);
    if (rc == 0 && (!has(set, RESOURCE_CONTAINER) || !has(set, RESOURCE_QUEUE)))
        rc = err_set(
            err, -EPROTO,
            "the list of ingestion resources has no container or no queue that can be used (https, with a "
            "signature)");
    if (rc)
        resources_release(set);
    else
        *out = set;
    return rc;
}

void resources_release(struct resource_set *set)
{
    if (!set || atomic_fetch_sub(&set->references, 1) != 1)
        return;
    for (size_t i = 0; i < set->count; i++)
        free(set->list[i].signature);
    free(set->list);
    free(set->identity);
    free(set);
}

int resource_url(const struct resource *resource, const char *name, const char *more, struct buf *out)
{
    buf_clear(out);
    return buf_printf(out, "%s/%s?%s%s%s", resource->at.place, name, resource->signature, more ? "&" : "",
                      more ? more : "");
}
