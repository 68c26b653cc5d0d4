#include "common/control/lease.h"

#include <errno.h>
#include <jansson.h>
#include <pthread.h>

#include "common/base/clock.h"
#include "common/control/client.h"
#include "common/control/lease_message.h"
#include "common/control/message.h"

enum {
    BLOCK = 4096,
    ANSWER_MS = 400,      /* an answer takes 0.2 ms; this long when diskguard is busy or away */
    FAREWELL_MS = 150,    /* for what can be left unsaid */
    BUSY_MS = 200,        /* who asks again within this gets twice as much */
    CALM_MS = 1000,       /* who asks again after this gets half */
    SURPLUS_MS = 3000,    /* who has not asked for this long gives back what it did not use meanwhile */
    IDLE_MS = 1000,       /* who did nothing for this long gives back all but what it must keep */
    SPARE_MIN = 16 << 10, /* bytes asked for beyond the need */
    SPARE_START = 256 << 10,
    SPARE_MAX = 16 << 20,
    FILES_SPARE_MAX = 64,
    LEASES_MAX = 4096, /* open at a time in one process */
};

struct lease {
    struct ctl_client *client; /* NULL: not guarded */
    char db[NAME_MAX * 4 + 8]; /* 1024 bytes are the longest name of ADX */
    uint64_t id, seq;
    int64_t held;  /* may be negative for a moment, when a write took more than was taken for it */
    int64_t known; /* what diskguard surely counts as held; more may not be held, whatever is given back */
    int64_t spare; /* bytes to ask for beyond the need: follows the rate */
    int64_t held_files, spare_files; /* the same of files */
    bool is_unsure;                  /* an answer was lost: diskguard may think that we hold more */
    struct mono asked;               /* last message */
    struct mono asked_files;         /* last message that was for files */
    struct mono touched;             /* last use */
    int64_t held_least;              /* the least that was held since then: this much was not needed */
};

/* Numbers for the leases of this process, the smallest free one first: the successor of a lease whose
 * farewell was lost takes its place in diskguard's books. */
static struct {
    pthread_mutex_t lock;
    uint64_t taken[LEASES_MAX / 64];
} numbers = {.lock = PTHREAD_MUTEX_INITIALIZER};

static int take_number(uint64_t *number)
{
    int rc = -EMFILE;
    pthread_mutex_lock(&numbers.lock);
    for (unsigned i = 0; i < LEASES_MAX && rc; i++) {
        if (numbers.taken[i / 64] >> i % 64 & 1)
            continue;
        numbers.taken[i / 64] |= UINT64_C(1) << i % 64;
        *number = i + 1;
        rc = 0;
    }
    pthread_mutex_unlock(&numbers.lock);
    return rc;
}

static void give_number(uint64_t number)
{
    uint64_t i = number - 1;
    pthread_mutex_lock(&numbers.lock);
    numbers.taken[i / 64] &= ~(UINT64_C(1) << i % 64);
    pthread_mutex_unlock(&numbers.lock);
}

int lease_open(struct lease **out, const struct spool *spool, const char *db, bool guarded, struct err *err)
{
    struct lease *lease = calloc(1, sizeof *lease);
    if (!lease)
        return err_set(err, -ENOMEM, "out of memory");
    lease->spare = SPARE_START;
    lease->touched = mono_now();
    snprintf(lease->db, sizeof lease->db, "%s", db);
    int rc = 0;
    if (guarded) {
        /* seq goes on across leases that share a number, and across clocks that step: it is monotonic time to
         * begin with. */
        lease->seq = (uint64_t)mono_now().ns / 1000;
        rc = take_number(&lease->id);
        if (rc)
            err_set(err, rc, "more than %d leases of disk budget in one process", LEASES_MAX);
        else if ((rc = ctl_client_open(&lease->client, spool, "diskguard", err)) != 0)
            give_number(lease->id);
    }
    if (rc) {
        free(lease);
        return rc;
    }
    *out = lease;
    return 0;
}

/* Spent is only what was there: a diskguard that has not read the spool yet, or finds the disk unwritable,
 * does not say so. */
static int refusal_code(const json_t *reply)
{
    const char *reason = message_text(reply, "reason", "");
    if (strcmp(message_text(reply, "code", ""), "full") != 0)
        return -EPROTO;
    return strcmp(reason, "unread") == 0 || strcmp(reason, "unwritable") == 0 ? -ENOTCONN : -EDQUOT;
}

/* Say what is held and ask for more; what comes back is taken. */
static int ask(struct lease *lease, const char *op, struct lease_request *state, int timeout_ms,
               struct err *err)
{
    int64_t holding = lease->held > 0 ? lease->held : 0;
    int64_t holding_files = lease->held_files > 0 ? lease->held_files : 0;
    state->lease = lease->id;
    state->seq = ++lease->seq;
    state->holding = holding;
    state->holding_files = holding_files;
    json_t *request = lease_request_build(op, lease->db, state), *reply = NULL;
    if (!request)
        return err_set(err, -ENOMEM, "out of memory");
    int rc = ctl_client_ask(lease->client, request, timeout_ms, &reply, err);
    lease->is_unsure = rc != 0 && rc != -EREMOTEIO;
    lease->known = holding;
    if (rc == 0) {
        int64_t granted = message_number(reply, "granted", 0);
        int64_t files = message_number(reply, "granted_files", 0);
        lease->held = holding + (granted <= LEASE_BYTES_MAX ? granted : 0);
        lease->held_files = holding_files + (files <= LEASE_FILES_MAX ? files : 0);
        lease->known = lease->held;
        lease->asked = mono_now();
        lease->held_least = lease->held;
    } else if (rc == -EREMOTEIO) {
        /* It has heard what we hold; a refusal is an answer like any other. */
        lease->held = holding;
        lease->held_files = holding_files;
        rc = refusal_code(reply);
    } else if (rc == -ETIMEDOUT || rc == -EIO) {
        rc = -ENOTCONN;
    }
    json_decref(reply);
    json_decref(request);
    return rc;
}

static void follow_rate(struct lease *lease)
{
    int64_t since_ms = mono_since_ms(lease->asked);
    if (since_ms < BUSY_MS && lease->spare < SPARE_MAX)
        lease->spare *= 2;
    else if (since_ms > CALM_MS && lease->spare > SPARE_MIN)
        lease->spare /= 2;
}

static void follow_rate_of_files(struct lease *lease)
{
    int64_t since_ms = mono_since_ms(lease->asked_files);
    if (since_ms < BUSY_MS && lease->spare_files < FILES_SPARE_MAX)
        lease->spare_files = lease->spare_files ? lease->spare_files * 2 : 1;
    else if (since_ms > CALM_MS)
        lease->spare_files /= 2;
    lease->asked_files = mono_now();
}

static int take(struct lease *lease, int64_t bytes, int64_t files, struct err *err)
{
    lease->touched = mono_now();
    if (!lease->client || (lease->held >= bytes && lease->held_files >= files))
        return 0;
    if (bytes > LEASE_BYTES_MAX - SPARE_MAX)
        return err_set(err, -EDQUOT, "a write of %lld bytes is beyond any disk budget", (long long)bytes);
    struct lease_request wish = {.need = bytes, .want = bytes, .need_files = files, .want_files = files};
    if (lease->held < bytes) {
        follow_rate(lease);
        wish.want += lease->spare;
    }
    if (lease->held_files < files) {
        follow_rate_of_files(lease);
        wish.want_files += lease->spare_files;
    }
    int rc = ask(lease, "lease", &wish, ANSWER_MS, err);
    if (rc == 0 && (lease->held < bytes || lease->held_files < files))
        rc = err_set(err, -EPROTO, "diskguard: granted less than it was asked for");
    return rc;
}

int lease_take(struct lease *lease, int64_t bytes, struct err *err)
{
    return take(lease, bytes, 0, err);
}

bool lease_holds(const struct lease *lease, int64_t bytes)
{
    return !lease->client || lease->held >= bytes;
}

int lease_take_file(struct lease *lease, int64_t bytes, struct err *err)
{
    return take(lease, bytes, 1, err);
}

void lease_use_file(struct lease *lease)
{
    lease->touched = mono_now();
    lease->held_files--;
}

static bool holds_more(const struct lease *lease, int64_t keep)
{
    return lease->held > keep || lease->held_files > 0 || lease->is_unsure;
}

void lease_settle(struct lease *lease, int64_t keep)
{
    if (!lease->client || !holds_more(lease, keep))
        return;
    if (!ctl_client_is_connected(lease->client)) {
        ctl_client_tend(lease->client);
        return;
    }
    int64_t held = lease->held;
    struct lease_request nothing = {0};
    lease->held = held > keep ? keep : held;
    lease->held_files = 0;
    /* When this gets lost, we do not hold it any more all the same; the next message says so again. */
    (void)ask(lease, "settle", &nothing, FAREWELL_MS, NULL);
}

struct mono lease_due(const struct lease *lease, int64_t keep)
{
    if (!lease->client || !holds_more(lease, keep))
        return (struct mono){INT64_MAX};
    return (struct mono){lease->touched.ns + (int64_t)IDLE_MS * 1000000};
}

void lease_tick(struct lease *lease, int64_t keep)
{
    if (!mono_is_past(lease_due(lease, keep)))
        return;
    lease->touched = mono_now(); /* without a connection: again later */
    lease->spare = SPARE_MIN;
    lease->spare_files = 0;
    lease_settle(lease, keep);
}

void lease_use(struct lease *lease, int64_t bytes)
{
    lease->touched = mono_now();
    lease->held -= bytes;
    /* Bytes that diskguard has heard of are its own to find deleted. */
    if (lease->client && lease->held > lease->known)
        lease->held = lease->known;
    if (lease->held < lease->held_least)
        lease->held_least = lease->held;
    if (!lease->client || mono_since_ms(lease->asked) < SURPLUS_MS)
        return;
    if (lease->held_least > SPARE_MIN || lease->is_unsure) {
        lease->spare = SPARE_MIN;
        lease_settle(lease, lease->held - (lease->held_least > 0 ? lease->held_least : 0) + SPARE_MIN);
    }
    lease->asked = mono_now();
    lease->held_least = lease->held;
}

void lease_close(struct lease *lease)
{
    if (!lease)
        return;
    if (lease->client) {
        lease->is_unsure = true; /* say it in any case: bytes that were used are not known yet either */
        lease_settle(lease, 0);
        ctl_client_close(lease->client);
        give_number(lease->id);
    }
    free(lease);
}

int64_t lease_cost(int64_t size)
{
    return size <= 0 ? 0 : ((size + BLOCK - 1) / BLOCK + 1) * BLOCK;
}
