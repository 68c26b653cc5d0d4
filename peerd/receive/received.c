#include "peerd/receive/received.h"

void received_init(struct received *received)
{
    *received = (struct received){.lock = PTHREAD_MUTEX_INITIALIZER};
}

void received_fini(struct received *received)
{
    for (struct received_database *next, *d = received->first; d; d = next) {
        next = d->next;
        if (d->lease)
            lease_close(d->lease);
        free(d->name);
        free(d);
    }
    *received = (struct received){.lock = PTHREAD_MUTEX_INITIALIZER};
}

static struct received_database *add(struct received *received, const char *name)
{
    struct received_database *database =
        received->count < RECEIVED_DATABASES_MAX ? calloc(1, sizeof *database) : NULL;
    if (!database || !(database->name = strdup(name))) {
        free(database);
        return NULL;
    }
    database->next = received->first;
    received->first = database;
    received->count++;
    return database;
}

struct received_database *received_get(struct received *received, const char *name)
{
    pthread_mutex_lock(&received->lock);
    struct received_database *database = received->first;
    while (database && strcmp(database->name, name) != 0)
        database = database->next;
    if (!database)
        database = add(received, name);
    pthread_mutex_unlock(&received->lock);
    return database;
}

void received_set_full(struct received *received, struct received_database *database, int64_t ms,
                       bool is_spent, const char *why)
{
    pthread_mutex_lock(&received->lock);
    database->is_spent = is_spent;
    database->full_until = mono_after(ms);
    snprintf(database->why, sizeof database->why, "%.*s", (int)sizeof database->why - 1, why);
    pthread_mutex_unlock(&received->lock);
}

bool received_has_room(struct received *received, struct received_database *database, bool *is_spent,
                       char why[static RECEIVED_WHY_BYTES])
{
    pthread_mutex_lock(&received->lock);
    bool has_room = mono_is_past(database->full_until);
    *is_spent = database->is_spent;
    if (!has_room)
        memcpy(why, database->why, sizeof database->why);
    pthread_mutex_unlock(&received->lock);
    return has_room;
}

bool received_is_full(struct received *received)
{
    size_t full = 0;
    pthread_mutex_lock(&received->lock);
    for (struct received_database *d = received->first; d; d = d->next)
        full += !mono_is_past(d->full_until);
    bool is_full = full > 0 && full == received->count;
    pthread_mutex_unlock(&received->lock);
    return is_full;
}

void received_each(struct received *received, void (*visit)(void *arg, struct received_database *database),
                   void *arg)
{
    pthread_mutex_lock(&received->lock);
    for (struct received_database *d = received->first; d; d = d->next)
        visit(arg, d);
    pthread_mutex_unlock(&received->lock);
}
