#include "uploader/uploader.h"

struct batch *batches_new(struct database *d, const struct spool_place *place)
{
    struct batch *batch = calloc(1, sizeof *batch);
    if (!batch)
        return NULL;
    batch->place = *place;
    batch->id = strtoull(place->group, NULL, 16);
    batch->database = d;
    return batch;
}

void batches_free(struct batch *batch)
{
    free(batch->table);
    free(batch->known);
    free(batch);
}

bool batches_set_key(struct batch *batch, const char *table, bool has_schema, uint64_t schema_hash,
                     enum segment_format format)
{
    batch->table = strdup(table);
    batch->has_schema = has_schema;
    batch->schema_hash = schema_hash;
    batch->format = format;
    return batch->table != NULL;
}

void batches_insert(struct database *d, struct batch *batch)
{
    struct batch **at = &d->batches;
    while (*at && (*at)->id < batch->id)
        at = &(*at)->next;
    batch->next = *at;
    *at = batch;
    d->batch_count++;
}

struct batch *batches_take(struct database *d)
{
    for (struct batch **at = &d->batches; *at; at = &(*at)->next) {
        struct batch *batch = *at;
        if (batch->is_given_up || !mono_is_past(batch->not_before))
            continue;
        *at = batch->next;
        batch->next = NULL;
        d->batch_count--;
        return batch;
    }
    return NULL;
}

void batches_post(struct database *d, struct batch *batch)
{
    struct posted *posted = &d->posted;
    batch->next = NULL;
    if (posted->last)
        posted->last->next = batch;
    else
        posted->first = batch;
    posted->last = batch;
    posted->count++;
}

struct batch *batches_take_posted(struct database *d)
{
    struct posted *posted = &d->posted;
    struct batch *batch = posted->first;
    if (!batch || posted->is_asking || !mono_is_past(batch->not_before))
        return NULL;
    posted->first = batch->next;
    if (!posted->first)
        posted->last = NULL;
    posted->count--;
    posted->is_asking = true;
    batch->next = NULL;
    return batch;
}

void batches_fly(struct batch *batch)
{
    struct database *d = batch->database;
    batch->next = d->flying;
    d->flying = batch;
    d->in_flight++;
}

void batches_land(struct batch *batch)
{
    struct database *d = batch->database;
    struct batch **at = &d->flying;
    while (*at != batch)
        at = &(*at)->next;
    *at = batch->next;
    batch->next = NULL;
    d->in_flight--;
}

/* Does one wait that is of the same table, schema and format? Then no more of it is claimed: it would fail
 * likewise. */
bool batches_has(const struct database *d, const struct waiting_group *group)
{
    for (const struct batch *b = d->batches; b; b = b->next)
        if (b->attempts > 0 && b->schema_hash == group->schema_hash && b->has_schema == group->has_schema &&
            b->format == group->format && b->table && strcmp(b->table, group->table) == 0)
            return true;
    return false;
}
