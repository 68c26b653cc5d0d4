#include "diskguard/account.h"

#include <errno.h>

enum { BLOCK = 4096, RESERVE_MIN = 64 << 10, RESERVE_MAX = 16 << 20 };

static int64_t at_most(int64_t value, int64_t most)
{
    return value < most ? value : most;
}

static int64_t at_least(int64_t value, int64_t least)
{
    return value > least ? value : least;
}

int account_init(struct account *account, int64_t limit, int64_t max_segments)
{
    *account = (struct account){.limit = limit, .max_segments = max_segments};
    account->holders = calloc(HOLDERS_MAX, sizeof *account->holders);
    int rc = account->holders ? databases_init(&account->databases) : -ENOMEM;
    if (rc == 0)
        rc = files_init(&account->files, &account->databases);
    if (rc)
        account_fini(account);
    return rc;
}

void account_fini(struct account *account)
{
    files_fini(&account->files);
    databases_fini(&account->databases);
    free(account->holders);
    account->holders = NULL;
}

/* --- holders ---------------------------------------------------------------------------------------- */

struct holder *account_find(struct account *account, uint32_t connection, int64_t pid, uint64_t start,
                            uint64_t lease)
{
    for (size_t i = 0; i < account->holders_end; i++) {
        struct holder *holder = &account->holders[i];
        if (!holder->is_used || holder->lease != lease || holder->pid != pid)
            continue;
        if (connection ? holder->connection == connection : holder->start == start)
            return holder;
    }
    return NULL;
}

int account_add(struct account *account, const struct holder *like, struct holder **out)
{
    size_t i = 0;
    while (i < account->holders_end && account->holders[i].is_used)
        i++;
    if (i == HOLDERS_MAX)
        return -ENOSPC;
    if (i == account->holders_end)
        account->holders_end++;
    struct holder *holder = &account->holders[i];
    *holder = *like;
    holder->is_used = true;
    holder->outstanding = 0;
    *out = holder;
    return 0;
}

static void set_outstanding(struct account *account, struct holder *holder, int64_t bytes)
{
    account->databases.list[holder->db].outstanding += bytes - holder->outstanding;
    account->outstanding += bytes - holder->outstanding;
    holder->outstanding = bytes;
}

void account_restore(struct account *account, size_t number, const struct holder *like)
{
    struct holder *holder = &account->holders[number];
    *holder = *like;
    holder->is_used = true;
    holder->outstanding = 0;
    set_outstanding(account, holder, like->outstanding);
    if (number >= account->holders_end)
        account->holders_end = number + 1;
}

int64_t account_report(struct account *account, struct holder *holder, int64_t holding)
{
    int64_t written = holder->outstanding - holding;
    set_outstanding(account, holder, holding);
    if (written < 0) {
        account->claims++;
        return -written;
    }
    account->databases.list[holder->db].settled_young += written;
    account->settled += written;
    return 0;
}

void account_end(struct account *account, struct holder *holder)
{
    (void)account_report(account, holder, 0);
    *holder = (struct holder){0};
    while (account->holders_end && !account->holders[account->holders_end - 1].is_used)
        account->holders_end--;
}

static bool is_waiting(const struct holder *holder)
{
    return holder->is_used && holder->waiting_since_ms;
}

size_t account_holders(const struct account *account)
{
    size_t count = 0;
    for (size_t i = 0; i < account->holders_end; i++)
        count += account->holders[i].is_used &&
                 (account->holders[i].outstanding > 0 || is_waiting(&account->holders[i]));
    return count;
}

/* --- scans ------------------------------------------------------------------------------------------ */

void account_scan_begin(struct account *account)
{
    files_begin(&account->files);
    for (size_t i = 0; i < account->databases.count; i++) {
        struct database *database = &account->databases.list[i];
        database->settled_old += database->settled_young;
        database->settled_young = 0;
    }
}

static int64_t growth_of(const struct database *database)
{
    int64_t sum = 0;
    for (size_t i = 0; i < AREA_COUNT; i++)
        sum += database->growth[i];
    return sum;
}

/* What a writer wrote before this scan must be growth that the scan came upon; what is not may have moved
 * behind it (or was given back unwritten, or is deleted already), and is counted until the next one. Growth
 * that makes up for what the scan before missed cannot make up for anything else. */
static void age_settled(struct account *account, struct database *database)
{
    int64_t growth = at_least(growth_of(database) - database->settled_missed, 0);
    int64_t missed = at_least(database->settled_old - growth, 0);
    account->settled -= database->settled_old + database->settled_missed - missed;
    database->settled_old = 0;
    database->settled_missed = missed;
}

void account_scan_end(struct account *account, const struct files_dirs *dirs, int64_t *freed)
{
    *freed = files_end(&account->files, dirs);
    for (size_t i = 0; i < account->databases.count; i++)
        age_settled(account, &account->databases.list[i]);
}

/* Whatever a scan finds to have grown since the one before was outstanding at some time in between: it is
 * outstanding still, or was settled since. */
int64_t account_drift(const struct account *account, size_t db, enum area *area)
{
    const struct database *database = &account->databases.list[db];
    *area = 0;
    for (size_t i = 1; i < AREA_COUNT; i++)
        if (database->growth[i] > database->growth[*area])
            *area = (enum area)i;
    int64_t drift = growth_of(database) - database_settled(database) - database->outstanding;
    return drift > 0 ? drift : 0;
}

/* --- sums ------------------------------------------------------------------------------------------- */

int64_t account_used(const struct account *account)
{
    return account->files.bytes + account->settled;
}

int64_t account_reserve(const struct account *account)
{
    int64_t folders = 0;
    for (size_t i = 1; i < account->databases.count; i++)
        folders +=
            QUEUE_COUNT - __builtin_popcount(account->databases.list[i].folders & ((1u << QUEUE_COUNT) - 1));
    return at_most(at_least(account->limit / 32, RESERVE_MIN), RESERVE_MAX) +
           at_most(folders * BLOCK, account->limit / 16);
}

int64_t account_room(const struct account *account)
{
    return account->limit - account_reserve(account) - account_used(account) - account->outstanding;
}

int64_t account_shown_used(const struct account *account)
{
    return at_least(account->files.bytes, at_most(account_used(account), account->limit));
}

int64_t account_shown_outstanding(const struct account *account)
{
    return at_most(account->outstanding, at_least(account->limit - account_shown_used(account), 0));
}

/* --- grants ----------------------------------------------------------------------------------------- */

/* The one that has waited longest and whose turn is not over; NULL: nobody waits. */
static struct holder *first_in_line(struct account *account, int64_t now_ms)
{
    struct holder *first = NULL;
    for (size_t i = 0; i < account->holders_end; i++) {
        struct holder *holder = &account->holders[i];
        if (!is_waiting(holder))
            continue;
        if (now_ms - holder->refused_ms > ABSENT_MS)
            holder->waiting_since_ms = 0;
        else if (!first || holder->waiting_since_ms < first->waiting_since_ms)
            first = holder;
    }
    if (first && now_ms - first->waiting_since_ms > TURN_MS && account_holders(account) > 1) {
        first->waiting_since_ms = now_ms; /* to the end of the line; whoever asks now is let through */
        return NULL;
    }
    return first;
}

static void wait_in_line(struct holder *holder, int64_t lacks, int64_t now_ms)
{
    if (!holder->waiting_since_ms)
        holder->waiting_since_ms = now_ms;
    holder->refused_ms = now_ms;
    holder->waiting_need = lacks;
}

int64_t account_grant(struct account *account, struct holder *holder, int64_t need, int64_t want,
                      int64_t room, int64_t now_ms)
{
    int64_t lacks = at_least(need - holder->outstanding, 0), wish = at_least(want - holder->outstanding, 0);
    const struct holder *first = first_in_line(account, now_ms);
    if (first && first != holder)
        room -= first->waiting_need;
    if (lacks > at_least(room, 0)) {
        account->refusals++;
        wait_in_line(holder, lacks, now_ms);
        return -1;
    }
    holder->waiting_since_ms = 0;
    int64_t holders = (int64_t)account_holders(account);
    int64_t share = at_least(room, 0) / (2 * at_least(holders, 1));
    int64_t granted = at_least(lacks, at_most(wish, share));
    set_outstanding(account, holder, holder->outstanding + granted);
    account->grants++;
    return granted;
}
