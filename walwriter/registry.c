#include "walwriter/registry.h"

#include <errno.h>
#include <xxhash.h>

enum { FIRST_BUCKETS = 1024, DATABASE_IDLE_MS = 60000 };

int registry_init(struct registry *registry, const char *instance, size_t tables_max)
{
    *registry = (struct registry){.lock = PTHREAD_MUTEX_INITIALIZER,
                                  .instance = instance,
                                  .tables_max = tables_max,
                                  .bucket_count = FIRST_BUCKETS};
    list_init(&registry->databases);
    registry->buckets = calloc(FIRST_BUCKETS, sizeof *registry->buckets);
    return registry->buckets ? 0 : -ENOMEM;
}

/* --- databases -------------------------------------------------------------------------------------- */

static void free_database(struct registry *registry, struct database *database)
{
    list_remove(&database->link);
    registry->database_count--;
    lease_close(database->lease);
    free(database->name);
    free(database);
}

static struct database *find_database(const struct registry *registry, const char *name)
{
    for (struct link *l = registry->databases.next; l != &registry->databases; l = l->next) {
        struct database *database = LIST_ENTRY(l, struct database, link);
        if (strcmp(database->name, name) == 0)
            return database;
    }
    return NULL;
}

static int get_database(struct registry *registry, const char *name, struct database **out, struct err *err)
{
    *out = find_database(registry, name);
    if (*out)
        return 0;
    if (registry->database_count >= DATABASES_MAX)
        return err_set(err, -ENFILE, "rows for %d databases are under way: no more at a time", DATABASES_MAX);
    struct database *database = calloc(1, sizeof *database);
    char *copy = strdup(name);
    if (!database || !copy) {
        free(database);
        free(copy);
        return err_set(err, -ENOMEM, "out of memory");
    }
    database->name = copy;
    database->idle_since = mono_now();
    list_append(&registry->databases, &database->link);
    registry->database_count++;
    *out = database;
    return 0;
}

/* --- tables ----------------------------------------------------------------------------------------- */

static uint64_t hash_of(const struct route *route)
{
    uint64_t hash = XXH3_64bits_withSeed(route->db, strlen(route->db), (uint64_t)route->format);
    hash = XXH3_64bits_withSeed(route->table, strlen(route->table), hash);
    return XXH3_64bits_withSeed(route->schema, strlen(route->schema), hash);
}

static const char *schema_key(const struct table *table)
{
    return table->storage + strlen(table->origin.db) + strlen(table->origin.table) + 2;
}

static bool is_for(const struct table *table, const struct route *route, uint64_t hash)
{
    return table->hash == hash && table->origin.format == route->format &&
           strcmp(table->origin.db, route->db) == 0 && strcmp(table->origin.table, route->table) == 0 &&
           strcmp(schema_key(table), route->schema) == 0;
}

static struct table **bucket_of(const struct registry *registry, uint64_t hash)
{
    return &registry->buckets[hash & (registry->bucket_count - 1)];
}

/* Twice as many buckets; without memory for them it only gets slower. */
static void grow(struct registry *registry)
{
    size_t count = 2 * registry->bucket_count;
    struct table **buckets = calloc(count, sizeof *buckets), *table;
    if (!buckets)
        return;
    for (size_t i = 0; i < registry->bucket_count; i++)
        while ((table = registry->buckets[i]) != NULL) {
            registry->buckets[i] = table->next;
            table->next = buckets[table->hash & (count - 1)];
            buckets[table->hash & (count - 1)] = table;
        }
    free(registry->buckets);
    registry->buckets = buckets;
    registry->bucket_count = count;
}

static void free_table(struct table *table)
{
    origin_fini(&table->origin);
    free(table->storage);
    free(table);
}

/* A table of its own, in no bucket yet. */
static int make_table(const struct registry *registry, const struct route *route, uint64_t hash,
                      struct table **out, struct err *err)
{
    size_t db = strlen(route->db) + 1, name = strlen(route->table) + 1, schema = strlen(route->schema) + 1;
    struct table *table = calloc(1, sizeof *table);
    char *storage = malloc(db + name + schema);
    if (!table || !storage) {
        free(table);
        free(storage);
        return err_set(err, -ENOMEM, "out of memory");
    }
    memcpy(storage, route->db, db);
    memcpy(storage + db, route->table, name);
    memcpy(storage + db + name, route->schema, schema);
    err->code = 0;
    int rc = origin_init(&table->origin, storage, storage + db, route->schema, route->format,
                         registry->instance, err);
    if (rc) {
        free(storage);
        free(table);
        return rc;
    }
    table->storage = storage;
    table->hash = hash;
    *out = table;
    return 0;
}

static struct table *find_table(const struct registry *registry, const struct route *route, uint64_t hash)
{
    struct table *table = *bucket_of(registry, hash);
    while (table && !is_for(table, route, hash))
        table = table->next;
    return table;
}

static int add_table(struct registry *registry, struct table *table, struct err *err)
{
    if (registry->table_count >= registry->tables_max)
        return err_set(err, -ENFILE, "rows for %zu tables are under way: no more at a time (max-tables)",
                       registry->tables_max);
    int rc = get_database(registry, table->origin.db, &table->database, err);
    if (rc)
        return rc;
    if (registry->table_count >= registry->bucket_count)
        grow(registry);
    struct table **bucket = bucket_of(registry, table->hash);
    table->next = *bucket;
    *bucket = table;
    table->database->tables++;
    registry->table_count++;
    return 0;
}

int registry_get(struct registry *registry, const struct route *route, struct table **out, struct err *err)
{
    uint64_t hash = hash_of(route);
    struct table *made = NULL;
    pthread_mutex_lock(&registry->lock);
    struct table *table = find_table(registry, route, hash);
    int rc = 0;
    if (!table) {
        /* Names and schema are checked without the lock; meanwhile another may have made the same table. */
        pthread_mutex_unlock(&registry->lock);
        rc = make_table(registry, route, hash, &made, err);
        if (rc)
            return rc;
        pthread_mutex_lock(&registry->lock);
        table = find_table(registry, route, hash);
    }
    if (!table) {
        rc = add_table(registry, made, err);
        if (rc == 0) {
            table = made;
            made = NULL;
        }
    }
    if (rc == 0)
        table->requests++;
    pthread_mutex_unlock(&registry->lock);
    if (made)
        free_table(made);
    *out = table;
    return rc;
}

/* When nobody needs it any more. With the lock. */
static void drop_if_unused(struct registry *registry, struct table *table)
{
    if (table->requests > 0 || table->is_used)
        return;
    struct table **at = bucket_of(registry, table->hash);
    while (*at != table)
        at = &(*at)->next;
    *at = table->next;
    registry->table_count--;
    if (--table->database->tables == 0)
        table->database->idle_since = mono_now();
    free_table(table);
}

void registry_put(struct registry *registry, struct table *table)
{
    pthread_mutex_lock(&registry->lock);
    table->requests--;
    drop_if_unused(registry, table);
    pthread_mutex_unlock(&registry->lock);
}

void registry_use(struct registry *registry, struct table *table)
{
    pthread_mutex_lock(&registry->lock);
    table->is_used = true;
    pthread_mutex_unlock(&registry->lock);
}

void registry_release(struct registry *registry, struct table *table)
{
    pthread_mutex_lock(&registry->lock);
    table->is_used = false;
    drop_if_unused(registry, table);
    pthread_mutex_unlock(&registry->lock);
}

/* --- room ------------------------------------------------------------------------------------------- */

void registry_refuse(struct registry *registry, struct database *database, int64_t ms, const char *reason)
{
    pthread_mutex_lock(&registry->lock);
    database->refusal.until = ms > 0 ? mono_after(ms) : (struct mono){0};
    snprintf(database->refusal.reason, sizeof database->refusal.reason, "%s", reason);
    pthread_mutex_unlock(&registry->lock);
}

bool registry_has_room(struct registry *registry, struct database *database, struct refusal *refusal)
{
    pthread_mutex_lock(&registry->lock);
    *refusal = database->refusal;
    pthread_mutex_unlock(&registry->lock);
    return refusal->until.ns == 0 || mono_is_past(refusal->until);
}

/* --- all of them ------------------------------------------------------------------------------------ */

void registry_each(struct registry *registry, registry_visit *visit, void *arg)
{
    pthread_mutex_lock(&registry->lock);
    for (struct link *l = registry->databases.next; l != &registry->databases; l = l->next)
        visit(arg, LIST_ENTRY(l, struct database, link));
    pthread_mutex_unlock(&registry->lock);
}

/* Closing a lease may wait: not under the lock. */
static struct database *take_idle(struct registry *registry)
{
    struct database *idle = NULL;
    pthread_mutex_lock(&registry->lock);
    for (struct link *l = registry->databases.next; !idle && l != &registry->databases; l = l->next) {
        struct database *database = LIST_ENTRY(l, struct database, link);
        if (database->tables == 0 && mono_since_ms(database->idle_since) > DATABASE_IDLE_MS)
            idle = database;
    }
    if (idle) {
        list_remove(&idle->link);
        registry->database_count--;
    }
    pthread_mutex_unlock(&registry->lock);
    return idle;
}

void registry_sweep(struct registry *registry)
{
    struct database *idle = take_idle(registry);
    if (!idle)
        return;
    lease_close(idle->lease);
    free(idle->name);
    free(idle);
}

void registry_fini(struct registry *registry)
{
    for (size_t i = 0; i < registry->bucket_count; i++)
        for (struct table *table; (table = registry->buckets[i]) != NULL;) {
            registry->buckets[i] = table->next;
            free_table(table);
        }
    while (!list_is_empty(&registry->databases))
        free_database(registry, LIST_ENTRY(registry->databases.next, struct database, link));
    free(registry->buckets);
    registry->buckets = NULL;
}
