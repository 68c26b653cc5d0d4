#include "diskguard/holders.h"

#include <errno.h>
#include <signal.h>

#include "common/base/log.h"
#include "common/control/lease_message.h"
#include "diskguard/process.h"

enum { ORPHAN_LATELY_MS = 1000 };

static size_t number_of(const struct guard *guard, const struct holder *holder)
{
    return (size_t)(holder - guard->account.holders);
}

/* There is room for the slot whenever it holds anything that was granted. */
void holders_save(struct guard *guard, size_t number)
{
    const struct holder *holder = &guard->account.holders[number];
    struct slot slot = {0};
    if (holder->is_used && (holder->outstanding.bytes > 0 || holder->outstanding.files > 0)) {
        slot = (struct slot){.pid = holder->pid,
                             .start = holder->start,
                             .lease = holder->lease,
                             .seq = holder->seq,
                             .bytes = holder->outstanding.bytes,
                             .files = holder->outstanding.files};
        snprintf(slot.folder, sizeof slot.folder, "%s", guard->account.databases.list[holder->db].folder);
    }
    slots_write(&guard->slots, number, &slot);
}

void holders_end(struct guard *guard, struct holder *holder)
{
    size_t number = number_of(guard, holder);
    guard->wants_scan = true;
    drift_note_left(&guard->drift, holder, guard->scans);
    account_end(&guard->account, holder);
    holders_save(guard, number);
}

/* A connection that ended by itself says nothing of what the process still writes: what it holds stays
 * promised to it until it is back, or dead. */
static void drop_connection(struct guard *guard, struct holder *holder)
{
    holder->connection = 0;
    holder->waiting_since_ms = 0;
    guard->orphans_until_ms = guard_now_ms() + ORPHAN_LATELY_MS;
    if ((holder->outstanding.bytes == 0 && holder->outstanding.files == 0) ||
        !process_is_alive(holder->pid, holder->start))
        holders_end(guard, holder);
}

void guard_gone(void *state, uint32_t connection)
{
    struct guard *guard = state;
    for (size_t i = 0; i < guard->account.holders_end; i++) {
        struct holder *holder = &guard->account.holders[i];
        if (holder->is_used && holder->connection == connection)
            drop_connection(guard, holder);
    }
}

bool holders_look_after_orphans(struct guard *guard)
{
    bool has_some = false;
    for (size_t i = 0; i < guard->account.holders_end; i++) {
        struct holder *holder = &guard->account.holders[i];
        if (!holder->is_used)
            continue;
        if (holder->connection) {
            /* The skeleton's list of ended connections is finite. */
            if (kill((pid_t)holder->pid, 0) != 0 && errno == ESRCH)
                holders_end(guard, holder);
        } else if (process_is_alive(holder->pid, holder->start)) {
            has_some = true;
        } else {
            holders_end(guard, holder);
        }
    }
    return has_some;
}

static int restore_slot(struct guard *guard, size_t number)
{
    const struct slot *slot = slots_at(&guard->slots, number);
    static const struct slot none = {0};
    if (!slot)
        return 0;
    if (slot->bytes < 0 || slot->bytes > LEASE_BYTES_MAX || slot->files < 0 ||
        slot->files > LEASE_FILES_MAX || number >= HOLDERS_MAX || !process_is_alive(slot->pid, slot->start)) {
        slots_write(&guard->slots, number, &none); /* what it wrote is there for the first scan to see */
        return 0;
    }
    struct holder holder = {.pid = slot->pid,
                            .start = slot->start,
                            .lease = slot->lease,
                            .seq = slot->seq,
                            .outstanding = {.bytes = slot->bytes, .files = slot->files}};
    char folder[SPOOL_NAME_BYTES];
    snprintf(folder, sizeof folder, "%.*s", (int)sizeof folder - 1, slot->folder);
    int rc = databases_index(&guard->account.databases, folder, &holder.db);
    if (rc)
        return rc;
    account_restore(&guard->account, number, &holder);
    log_info("lease-kept", log_n("holder", holder.pid), log_s("db", folder),
             log_n("bytes", holder.outstanding.bytes), log_n("files", holder.outstanding.files));
    return 0;
}

int holders_restore(struct guard *guard)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < guard->slots.count; i++)
        rc = restore_slot(guard, i);
    return rc;
}
