#include "diskguard/databases.h"

#include <errno.h>

const char *area_name(enum area area)
{
    if ((unsigned)area < QUEUE_COUNT)
        return spool_queue_name((enum spool_queue)area);
    return area == AREA_STATE ? "state" : area == AREA_RUN ? "run" : "other";
}

int databases_init(struct databases *databases)
{
    size_t none;
    *databases = (struct databases){0};
    return databases_index(databases, "", &none);
}

void databases_fini(struct databases *databases)
{
    free(databases->list);
    *databases = (struct databases){0};
}

static int add(struct databases *databases, const char *folder, size_t *index)
{
    if (databases->count == DATABASES_MAX)
        return -ENOSPC;
    if (databases->count == databases->capacity) {
        size_t capacity = databases->capacity ? databases->capacity * 2 : 8;
        struct database *list = realloc(databases->list, capacity * sizeof *list);
        if (!list)
            return -ENOMEM;
        databases->list = list;
        databases->capacity = capacity;
    }
    struct database *database = &databases->list[databases->count];
    *database = (struct database){0};
    snprintf(database->folder, sizeof database->folder, "%s", folder);
    *index = databases->count++;
    return 0;
}

/* Looked for once for each directory of a scan, mostly in one order: the one after the last is tried first.
 */
int databases_index(struct databases *databases, const char *folder, size_t *index)
{
    for (size_t i = 0; i < databases->count; i++) {
        size_t at = (databases->found_last + 1 + i) % databases->count;
        if (strcmp(databases->list[at].folder, folder) != 0)
            continue;
        databases->found_last = *index = at;
        return 0;
    }
    return add(databases, folder, index);
}

int64_t database_seen(const struct database *database)
{
    int64_t sum = 0;
    for (size_t i = 0; i < AREA_COUNT; i++)
        sum += database->bytes[i];
    return sum;
}

int64_t ledger_settled(const struct ledger *ledger)
{
    return ledger->young + ledger->old + ledger->missed;
}

int64_t database_charge(const struct database *database)
{
    return database_seen(database) + ledger_settled(&database->bytes_due) + database->bytes_due.outstanding;
}
