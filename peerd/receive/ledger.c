#include "peerd/receive/ledger.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "peerd/receive/idset.h"
#include "peerd/receive/ledger_file.h"

enum { CLAIM_LISTS = 1024, DAY_MS = 24 * 3600 * 1000, SHORT_MS = 3600 * 1000 };

struct ledger {
    size_t ids_max;
    struct ledger_file file; /* of the one thread that writes */
    pthread_mutex_t lock;    /* of all below */
    struct idset newer, older, doubts;
    struct mono since; /* when `newer` was begun */
    struct link claims[CLAIM_LISTS];
};

/* --- who is at which id ----------------------------------------------------------------------------- */

static struct link *claims_of(struct ledger *ledger, const uint64_t key[static 2])
{
    return &ledger->claims[key[1] % CLAIM_LISTS];
}

static bool is_claimed(struct ledger *ledger, const uint64_t key[static 2])
{
    struct link *head = claims_of(ledger, key);
    for (struct link *l = head->next; l != head; l = l->next)
        if (memcmp(LIST_ENTRY(l, struct ledger_claim, link)->key, key, 2 * sizeof *key) == 0)
            return true;
    return false;
}

static const struct digest_value *find(const struct ledger *ledger, const uint64_t key[static 2])
{
    const struct digest_value *digest = idset_find(&ledger->newer, key);
    return digest ? digest : idset_find(&ledger->older, key);
}

enum ledger_found ledger_begin(struct ledger *ledger, const char *id, struct ledger_claim *claim,
                               struct digest_value *digest)
{
    enum ledger_found found = LEDGER_NEW;
    idset_key(id, claim->key);
    pthread_mutex_lock(&ledger->lock);
    const struct digest_value *known = find(ledger, claim->key);
    if (known) {
        *digest = *known;
        found = LEDGER_KNOWN;
    } else if (is_claimed(ledger, claim->key) || idset_find(&ledger->doubts, claim->key)) {
        found = LEDGER_BUSY;
    } else {
        list_append(claims_of(ledger, claim->key), &claim->link);
    }
    pthread_mutex_unlock(&ledger->lock);
    return found;
}

void ledger_end(struct ledger *ledger, struct ledger_claim *claim)
{
    pthread_mutex_lock(&ledger->lock);
    list_remove(&claim->link);
    pthread_mutex_unlock(&ledger->lock);
}

/* --- remembering ------------------------------------------------------------------------------------ */

int ledger_reserve(struct ledger *ledger, size_t count)
{
    pthread_mutex_lock(&ledger->lock);
    int rc = idset_reserve(&ledger->newer, count);
    if (rc == 0)
        rc = idset_reserve(&ledger->doubts, count);
    pthread_mutex_unlock(&ledger->lock);
    return rc;
}

void ledger_add(struct ledger *ledger, const char *id, struct digest_value digest)
{
    uint64_t key[2];
    idset_key(id, key);
    pthread_mutex_lock(&ledger->lock);
    if (ledger->newer.count == 0)
        ledger->since = mono_now();
    idset_put(&ledger->newer, key, digest);
    pthread_mutex_unlock(&ledger->lock);
}

void ledger_doubt(struct ledger *ledger, const char *id)
{
    uint64_t key[2];
    idset_key(id, key);
    pthread_mutex_lock(&ledger->lock);
    idset_put(&ledger->doubts, key, (struct digest_value){.bytes = 1});
    pthread_mutex_unlock(&ledger->lock);
}

void ledger_settle(struct ledger *ledger)
{
    pthread_mutex_lock(&ledger->lock);
    idset_fini(&ledger->doubts);
    pthread_mutex_unlock(&ledger->lock);
}

size_t ledger_count(struct ledger *ledger)
{
    pthread_mutex_lock(&ledger->lock);
    size_t count = ledger->newer.count + ledger->older.count;
    pthread_mutex_unlock(&ledger->lock);
    return count;
}

/* --- on disk ---------------------------------------------------------------------------------------- */

int ledger_line(struct buf *lines, const char *id, struct digest_value digest)
{
    char text[DIGEST_TEXT_BYTES + 1];
    digest_print(digest, text);
    return buf_printf(lines, "%" PRIx64 " %s %s\n", (uint64_t)wall_now_ms(), id, text);
}

/* What is still to be written stays known: it is in the generation that becomes the older one. */
static int rotate(struct ledger *ledger, struct err *err)
{
    pthread_mutex_lock(&ledger->lock);
    size_t count = ledger->newer.count;
    int64_t age_ms = count > 0 ? mono_since_ms(ledger->since) : 0;
    pthread_mutex_unlock(&ledger->lock);
    if (count < ledger->ids_max / 2 && age_ms < DAY_MS)
        return 0;
    int rc = ledger_file_rotate(&ledger->file, err);
    if (rc)
        return rc;
    if (age_ms < SHORT_MS)
        log_warn("ledger-short", log_u("ids", count), log_n("age_ms", age_ms),
                 log_s("meaning", "a transfer that is sent again after longer than this may be stored twice"),
                 log_s("action", "raise received-ids"));
    pthread_mutex_lock(&ledger->lock);
    struct idset forgotten = ledger->older;
    ledger->older = ledger->newer;
    ledger->newer = (struct idset){0};
    pthread_mutex_unlock(&ledger->lock);
    idset_fini(&forgotten);
    return 0;
}

int ledger_write(struct ledger *ledger, const struct buf *lines, bool durable, int64_t *grown,
                 struct err *err)
{
    *grown = 0;
    if (lines->len == 0)
        return 0;
    int rc = rotate(ledger, err);
    return rc ? rc : ledger_file_append(&ledger->file, lines, durable, grown, err);
}

/* --- start and end ---------------------------------------------------------------------------------- */

struct loading {
    struct idset *set;
    int64_t first_ms; /* of the first line */
    size_t count;
};

static int load_line(void *arg, int64_t time_ms, const char *id, struct digest_value digest)
{
    struct loading *loading = arg;
    uint64_t key[2];
    int rc = idset_reserve(loading->set, 1);
    if (rc)
        return rc;
    idset_key(id, key);
    idset_put(loading->set, key, digest);
    if (loading->count++ == 0)
        loading->first_ms = time_ms;
    return 0;
}

/* A clock that was set back makes the generation young again: it is then kept for longer. */
static struct mono begun(int64_t first_ms)
{
    int64_t age_ms = wall_now_ms() - first_ms;
    struct mono now = mono_now();
    return age_ms > 0 ? (struct mono){now.ns - age_ms * 1000000} : now;
}

int ledger_open(struct ledger **out, const struct spool *spool, size_t ids_max, struct err *err)
{
    struct ledger *ledger = calloc(1, sizeof *ledger);
    if (!ledger)
        return err_set(err, -ENOMEM, "out of memory");
    ledger->ids_max = ids_max;
    pthread_mutex_init(&ledger->lock, NULL);
    for (size_t i = 0; i < CLAIM_LISTS; i++)
        list_init(&ledger->claims[i]);
    struct loading older = {.set = &ledger->older}, newer = {.set = &ledger->newer};
    int rc = ledger_file_open(&ledger->file, spool, err);
    if (rc == 0)
        rc = ledger_file_read(&ledger->file, true, load_line, &older, err);
    if (rc == 0)
        rc = ledger_file_read(&ledger->file, false, load_line, &newer, err);
    if (rc) {
        ledger_close(ledger);
        return rc;
    }
    ledger->since = begun(newer.count > 0 ? newer.first_ms : wall_now_ms());
    *out = ledger;
    return 0;
}

void ledger_close(struct ledger *ledger)
{
    if (!ledger)
        return;
    ledger_file_close(&ledger->file);
    idset_fini(&ledger->newer);
    idset_fini(&ledger->older);
    idset_fini(&ledger->doubts);
    pthread_mutex_destroy(&ledger->lock);
    free(ledger);
}
