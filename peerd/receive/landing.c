#include "peerd/receive/landing.h"

#include <errno.h>

#include "common/base/log.h"
#include "peerd/receive/landing_parts.h"

enum { BUCKETS = 4096, LINES_MAX = 64 << 20 };

/* --- one -------------------------------------------------------------------------------------------- */

static void free_landing(struct landing *landing)
{
    writer_abandon(&landing->writer);
    origin_fini(&landing->origin);
    buf_fini(&landing->lines);
    free(landing->table);
    free(landing->schema);
    free(landing->head);
    free(landing);
}

static struct landing *new_landing(const struct landing_key *key)
{
    struct landing *landing = calloc(1, sizeof *landing);
    if (!landing)
        return NULL;
    landing->writer.fd = -1;
    landing->database = key->database;
    landing->table = strdup(key->table);
    landing->schema = strdup(key->schema);
    landing->schema_hash = key->schema_hash;
    landing->hops = key->hops;
    landing->head = malloc(MEMBER_HEAD_JSON_MAX);
    buf_init(&landing->lines, LINES_MAX);
    snprintf(landing->extra, sizeof landing->extra, "\"received\":true,\"hops\":%u", key->hops);
    if (landing->table && landing->schema && landing->head)
        return landing;
    free_landing(landing);
    return NULL;
}

/* Its head, and room for what a marker has more. */
static int write_head(struct landing *landing, struct err *err)
{
    int rc = origin_write_head(&landing->origin, landing->writer.id, landing->head, &landing->head_bytes);
    if (rc == 0 && landing->head_bytes + MARKER_EXTRA_MAX > MEMBER_HEAD_JSON_MAX)
        rc = -EINVAL;
    if (rc)
        return err_errno(err, rc, "table '%.200s': its head", landing->table);
    char *less = realloc(landing->head, landing->head_bytes);
    landing->head = less ? less : landing->head;
    return 0;
}

static int create(struct landings *landings, struct landing *landing, enum segment_format format,
                  uint64_t since_ms, struct err *err)
{
    struct lease *lease;
    int rc = origin_init(&landing->origin, landing->database->name, landing->table, landing->schema, format,
                         landings->settings->instance, err);
    if (rc)
        return rc;
    landing->origin.extra = landing->extra;
    landing->origin.since_ms = since_ms;
    rc = landings_lease(landings, landing->database, &lease, err);
    if (rc == 0)
        rc = writer_create(&landing->writer, landings->spool, lease, &landing->origin, WRITER_LANDING, err);
    if (rc == 0 && (rc = write_head(landing, err)) != 0)
        writer_discard(&landing->writer);
    return rc;
}

static int make(struct landings *landings, const struct landing_key *key, uint64_t since_ms,
                struct landing **out, struct err *err)
{
    if (landings->count >= landings->settings->open_max)
        return err_set(err, -EMFILE, "too many tables and large bodies at a time (max-open-files)");
    struct landing *landing = new_landing(key);
    if (!landing)
        return err_set(err, -ENOMEM, "out of memory");
    int rc = create(landings, landing, key->format, since_ms, err);
    if (rc) {
        free_landing(landing);
        return rc;
    }
    landings->count++;
    total_set(&landings->files_open, landings->count);
    *out = landing;
    return 0;
}

int landing_put_marker(struct landing *landing, const struct marker *marker, struct buf *out)
{
    char *text = malloc(landing->head_bytes + MARKER_EXTRA_MAX);
    if (!text)
        return -ENOMEM;
    size_t bytes = marker_write(marker, landing->head, landing->head_bytes, text), written = 0;
    int rc = buf_reserve(out, member_head_bytes(bytes));
    if (rc == 0)
        rc = member_encode_head(text, bytes, (uint32_t)(wall_now_ms() / 1000), out->data + out->len,
                                member_head_bytes(bytes), &written);
    out->len += written;
    free(text);
    return rc;
}

/* --- all -------------------------------------------------------------------------------------------- */

int landings_init(struct landings *landings, const struct landing_settings *settings, struct spool *spool,
                  struct ledger *ledger, struct err *err)
{
    *landings = (struct landings){.settings = settings, .spool = spool, .ledger = ledger};
    list_init(&landings->open);
    list_init(&landings->ready);
    list_init(&landings->own);
    landings->table = calloc(BUCKETS, sizeof(struct landing *));
    return landings->table ? 0 : err_set(err, -ENOMEM, "out of memory");
}

static void free_list(struct link *head)
{
    for (struct link *next, *l = head->next; l != head; l = next) {
        next = l->next;
        free_landing(LIST_ENTRY(l, struct landing, link));
    }
    list_init(head);
}

void landings_fini(struct landings *landings)
{
    if (!landings->table)
        return;
    free_list(&landings->open);
    free_list(&landings->ready);
    free_list(&landings->own);
    free(landings->table);
    landings->table = NULL;
}

int landings_lease(struct landings *landings, struct received_database *database, struct lease **lease,
                   struct err *err)
{
    int rc = database->lease ? 0
                             : lease_open(&database->lease, landings->spool, database->name,
                                          landings->settings->is_guarded, err);
    *lease = database->lease;
    return rc;
}

static uint64_t hash_of(const struct landing_key *key)
{
    const uint64_t numbers[] = {key->schema_hash,
                                *key->schema != '\0',
                                (uint64_t)key->format,
                                key->hops,
                                XXH3_64bits(key->table, strlen(key->table)),
                                (uintptr_t)key->database};
    return XXH3_64bits(numbers, sizeof numbers) | 1; /* 0: it is in no table */
}

static bool is_for(const struct landing *landing, uint64_t hash, const struct landing_key *key)
{
    return landing->hash == hash && landing->database == key->database && landing->hops == key->hops &&
           landing->origin.format == key->format && landing->schema_hash == key->schema_hash &&
           strcmp(landing->table, key->table) == 0 && !*landing->schema == !*key->schema;
}

struct landing *landings_find(struct landings *landings, const struct landing_key *key)
{
    uint64_t hash = hash_of(key);
    struct landing *landing = landings->table[hash % BUCKETS];
    while (landing && !is_for(landing, hash, key))
        landing = landing->next_hash;
    return landing;
}

int landings_get(struct landings *landings, const struct landing_key *key, uint64_t since_ms,
                 struct landing **out, struct err *err)
{
    *out = landings_find(landings, key);
    if (*out)
        return 0;
    int rc = make(landings, key, since_ms, out, err);
    if (rc)
        return rc;
    uint64_t hash = hash_of(key);
    struct landing **bucket = &landings->table[hash % BUCKETS];
    (*out)->hash = hash;
    (*out)->next_hash = *bucket;
    *bucket = *out;
    list_append(&landings->open, &(*out)->link);
    return 0;
}

int landings_new_own(struct landings *landings, const struct landing_key *key, uint64_t since_ms,
                     struct landing **out, struct err *err)
{
    int rc = make(landings, key, since_ms, out, err);
    if (rc)
        return rc;
    (*out)->is_own = true;
    list_append(&landings->own, &(*out)->link);
    return 0;
}

/* No more transfers for it. */
void landing_detach(struct landings *landings, struct landing *landing)
{
    struct landing **at = &landings->table[landing->hash % BUCKETS];
    while (*at && *at != landing)
        at = &(*at)->next_hash;
    if (*at)
        *at = landing->next_hash;
    list_remove(&landing->link);
}

void landing_end(struct landings *landings, struct landing *landing)
{
    landing_detach(landings, landing);
    free_landing(landing);
    landings->count--;
    total_set(&landings->files_open, landings->count);
}

void landings_finish(struct landings *landings, struct landing *landing)
{
    landing_detach(landings, landing);
    list_append(&landings->ready, &landing->link);
}

void landings_discard(struct landings *landings, struct landing *landing)
{
    writer_discard(&landing->writer);
    landing_end(landings, landing);
}

void landings_let_go(struct landings *landings, struct landing *landing)
{
    landing_end(landings, landing);
}
