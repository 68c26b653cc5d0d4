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
    holder->outstanding = (struct amount){0};
    *out = holder;
    return 0;
}

static void set_outstanding(struct account *account, struct holder *holder, struct amount now)
{
    struct database *database = &account->databases.list[holder->db];
    int64_t bytes = now.bytes - holder->outstanding.bytes, files = now.files - holder->outstanding.files;
    database->bytes_due.outstanding += bytes;
    database->files_due.outstanding += files;
    account->outstanding.bytes += bytes;
    account->outstanding.files += files;
    holder->outstanding = now;
}

void account_restore(struct account *account, size_t number, const struct holder *like)
{
    struct holder *holder = &account->holders[number];
    *holder = *like;
    holder->is_used = true;
    holder->outstanding = (struct amount){0};
    set_outstanding(account, holder, like->outstanding);
    if (number >= account->holders_end)
        account->holders_end = number + 1;
}

struct amount account_report(struct account *account, struct holder *holder, struct amount holding)
{
    struct database *database = &account->databases.list[holder->db];
    const struct amount written = {.bytes = holder->outstanding.bytes - holding.bytes,
                                   .files = holder->outstanding.files - holding.files};
    set_outstanding(account, holder, holding);
    const struct amount settled = {.bytes = at_least(written.bytes, 0), .files = at_least(written.files, 0)};
    database->bytes_due.young += settled.bytes;
    database->files_due.young += settled.files;
    account->settled.bytes += settled.bytes;
    account->settled.files += settled.files;
    account->claims += written.bytes < 0 || written.files < 0;
    return (struct amount){.bytes = settled.bytes - written.bytes, .files = settled.files - written.files};
}

void account_end(struct account *account, struct holder *holder)
{
    (void)account_report(account, holder, (struct amount){0});
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
                 (account->holders[i].outstanding.bytes > 0 || account->holders[i].outstanding.files > 0 ||
                  is_waiting(&account->holders[i]));
    return count;
}

/* --- scans ------------------------------------------------------------------------------------------ */

static void grow_old(struct ledger *ledger)
{
    ledger->old += ledger->young;
    ledger->young = 0;
}

void account_scan_begin(struct account *account)
{
    files_begin(&account->files);
    for (size_t i = 0; i < account->databases.count; i++) {
        grow_old(&account->databases.list[i].bytes_due);
        grow_old(&account->databases.list[i].files_due);
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
static void age_settled(struct ledger *ledger, int64_t growth, int64_t *sum)
{
    int64_t missed = at_least(ledger->old - at_least(growth - ledger->missed, 0), 0);
    *sum -= ledger->old + ledger->missed - missed;
    ledger->old = 0;
    ledger->missed = missed;
}

void account_scan_end(struct account *account, const struct files_dirs *dirs, int64_t *freed)
{
    *freed = files_end(&account->files, dirs);
    for (size_t i = 0; i < account->databases.count; i++) {
        struct database *database = &account->databases.list[i];
        age_settled(&database->bytes_due, growth_of(database), &account->settled.bytes);
        age_settled(&database->files_due, database->new_segments, &account->settled.files);
    }
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
    return at_least(
        growth_of(database) - ledger_settled(&database->bytes_due) - database->bytes_due.outstanding, 0);
}

/* --- sums ------------------------------------------------------------------------------------------- */

int64_t account_used(const struct account *account)
{
    return account->files.bytes + account->settled.bytes;
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

struct amount account_room(const struct account *account)
{
    return (struct amount){.bytes = account->limit - account_reserve(account) - account_used(account) -
                                    account->outstanding.bytes,
                           .files = account->max_segments - account->files.segments - account->settled.files -
                                    account->outstanding.files};
}

struct shown account_shown(const struct account *account)
{
    struct shown shown = {.used =
                              at_least(account->files.bytes, at_most(account_used(account), account->limit))};
    shown.outstanding = at_most(account->outstanding.bytes, at_least(account->limit - shown.used, 0));
    shown.counted_twice = account_used(account) + account->outstanding.bytes - shown.used - shown.outstanding;
    return shown;
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

static void wait_in_line(struct holder *holder, struct amount lacks, int64_t now_ms)
{
    if (!holder->waiting_since_ms)
        holder->waiting_since_ms = now_ms;
    holder->refused_ms = now_ms;
    holder->waiting_need = lacks;
}

/* What it lacks, and beyond that what it wishes for, up to its share. */
static int64_t portion(int64_t lacks, int64_t wish, int64_t room, int64_t holders)
{
    return at_least(lacks, at_most(wish, at_least(room, 0) / (2 * at_least(holders, 1))));
}

bool account_grant(struct account *account, struct holder *holder, const struct wish *wish,
                   struct amount room, int64_t now_ms, struct amount *granted)
{
    const struct amount has = holder->outstanding;
    const struct amount lacks = {.bytes = at_least(wish->need.bytes - has.bytes, 0),
                                 .files = at_least(wish->need.files - has.files, 0)};
    const struct holder *first = first_in_line(account, now_ms);
    if (first && first != holder) {
        room.bytes -= first->waiting_need.bytes;
        room.files -= first->waiting_need.files;
    }
    *granted = (struct amount){0};
    if (lacks.bytes > at_least(room.bytes, 0) || lacks.files > at_least(room.files, 0)) {
        account->refusals++;
        wait_in_line(holder, lacks, now_ms);
        return false;
    }
    holder->waiting_since_ms = 0;
    int64_t holders = (int64_t)account_holders(account);
    granted->bytes = portion(lacks.bytes, wish->want.bytes - has.bytes, room.bytes, holders);
    granted->files = portion(lacks.files, wish->want.files - has.files, room.files, holders);
    set_outstanding(
        account, holder,
        (struct amount){.bytes = has.bytes + granted->bytes, .files = has.files + granted->files});
    account->grants++;
    return true;
}
