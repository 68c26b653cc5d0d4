#include "tests/adxsim/batch.h"

void item_fini(struct item *item)
{
    queue_message_fini(&item->posted);
    message_fini(&item->message);
}

void batch_free(struct batch *batch)
{
    for (size_t i = 0; i < batch->nitems; i++)
        item_fini(&batch->items[i]);
    free(batch->items);
    free(batch->key);
    free(batch);
}

void batches_fini(struct batches *batches)
{
    while (batches->first) {
        struct batch *batch = batches->first;
        batches->first = batch->next;
        batch_free(batch);
    }
}

static bool has_tag(const struct message *m, const char *prefix)
{
    json_t *tags = m->tags ? json_loads(m->tags, 0, NULL) : NULL;
    bool found = false;

    for (size_t i = 0; i < json_array_size(tags); i++) {
        const char *tag = json_string_value(json_array_get(tags, i));
        found |= tag && strncmp(tag, prefix, strlen(prefix)) == 0;
    }
    json_decref(tags);
    return found;
}

/* Why this blob is ingested by itself; NULL: it is not. */
static const char *alone_because(const struct message *m)
{
    if (m->flush_immediately)
        return "SingleBlob_FlushImmediately";
    if (m->if_not_exists)
        return "SingleBlob_IngestIfNotExists";
    if (has_tag(m, "ingest-by:"))
        return "SingleBlob_IngestByTag";
    if (has_tag(m, "drop-by:"))
        return "SingleBlob_DropByTag";
    return m->raw_size <= 0 ? "SingleBlob_SizeUnknown" : NULL;
}

static const char *or_nothing(const char *text)
{
    return text ? text : "";
}

static char *make_key(const struct message *m)
{
    char *key;

    if (asprintf(&key, "%s\n%s\n%s\n%s\n%s\n%s\n%d", m->database, m->table, or_nothing(m->format),
                 or_nothing(m->mapping_name), or_nothing(m->mapping_json), or_nothing(m->tags),
                 m->skip_first) < 0)
        abort();
    return key;
}

static bool same_blob(const struct message *a, const struct message *b)
{
    int len = message_path_length(a);

    return len == message_path_length(b) && memcmp(a->blob_path, b->blob_path, (size_t)len) == 0;
}

/* Does a batch hold this very message of the queue? Then the receipt of its last delivery is the one that
 * counts. */
static bool renew(struct batches *batches, struct item *item)
{
    for (struct batch *batch = batches->first; batch; batch = batch->next) {
        for (size_t i = 0; i < batch->nitems; i++) {
            struct queue_message *held = &batch->items[i].posted;
            if (strcmp(held->id, item->posted.id) == 0) {
                queue_message_fini(held);
                *held = item->posted;
                message_fini(&item->message);
                return true;
            }
        }
    }
    return false;
}

static struct batch *open_batch(struct batches *batches, char *key, int64_t due_ms)
{
    struct batch **end = &batches->first;

    while (*end) {
        if (!(*end)->sealed_by && strcmp((*end)->key, key) == 0) {
            free(key);
            return *end;
        }
        end = &(*end)->next;
    }
    *end = mem_alloc(sizeof **end);
    (*end)->key = key;
    (*end)->due_ms = due_ms;
    return *end;
}

static void add_item(struct batch *batch, const struct item *item)
{
    struct item *items = mem_alloc((batch->nitems + 1) * sizeof *items);

    if (batch->nitems)
        memcpy(items, batch->items, batch->nitems * sizeof *items);
    free(batch->items);
    batch->items = items;
    batch->items[batch->nitems++] = *item;
    batch->bytes += item->message.raw_size > 0 ? item->message.raw_size : 0;
}

enum batch_placed batches_place(struct batches *batches, struct item *item, const struct settings *settings,
                                int64_t now_ms)
{
    const char *alone = alone_because(&item->message);
    char *key = alone ? mem_strdup(item->posted.id) : make_key(&item->message);

    if (renew(batches, item)) {
        free(key);
        return PLACED_AGAIN;
    }
    struct batch *batch = open_batch(batches, key, now_ms + settings_get(settings, SETTING_BATCH_MS));
    for (size_t i = 0; i < batch->nitems; i++)
        if (same_blob(&batch->items[i].message, &item->message))
            return PLACED_DUPLICATE;
    add_item(batch, item);
    if (alone)
        batch->sealed_by = alone;
    else if ((long long)batch->nitems >= settings_get(settings, SETTING_BATCH_COUNT))
        batch->sealed_by = "Count";
    else if (batch->bytes >= settings_get(settings, SETTING_BATCH_BYTES))
        batch->sealed_by = "Size";
    return PLACED;
}

struct batch *batches_take_sealed(struct batches *batches, int64_t now_ms)
{
    for (struct batch **at = &batches->first; *at; at = &(*at)->next) {
        struct batch *batch = *at;
        if (!batch->sealed_by && batch->due_ms <= now_ms)
            batch->sealed_by = "Time";
        if (batch->sealed_by) {
            *at = batch->next;
            return batch;
        }
    }
    return NULL;
}
