#include "diskguard/drift.h"

#include "common/base/clock.h"
#include "common/base/log.h"

enum { LATELY_SCANS = 2 };

void drift_note_left(struct drift *drift, const struct holder *holder, uint64_t scan)
{
    drift->left[drift->next_left++ % DRIFT_LEFT] =
        (struct drift_left){.pid = holder->pid, .db = holder->db, .scan = scan};
}

static void name_client(struct drift_finding *finding, int64_t pid)
{
    for (size_t i = 0; i < finding->client_count; i++)
        if (finding->clients[i] == pid)
            return;
    if (finding->client_count < DRIFT_CLIENTS)
        finding->clients[finding->client_count++] = pid;
}

static void name_clients(const struct drift *drift, const struct account *account, uint64_t scan,
                         struct drift_finding *finding)
{
    for (size_t i = 0; i < account->holders_end; i++)
        if (account->holders[i].is_used && account->holders[i].db == finding->db)
            name_client(finding, account->holders[i].pid);
    for (size_t i = 0; i < DRIFT_LEFT; i++)
        if (drift->left[i].pid && drift->left[i].db == finding->db &&
            scan - drift->left[i].scan <= LATELY_SCANS)
            name_client(finding, drift->left[i].pid);
}

static void warn(const struct account *account, const struct drift_finding *finding)
{
    char pids[DRIFT_CLIENTS * 24] = "";
    size_t len = 0;
    for (size_t i = 0; i < finding->client_count; i++)
        len += (size_t)snprintf(pids + len, sizeof pids - len, "%s%lld", len ? "," : "",
                                (long long)finding->clients[i]);
    log_warn("drift", log_s("queue", area_name(finding->area)),
             log_s("db", account->databases.list[finding->db].folder), log_n("bytes", finding->bytes),
             log_s("clients", len ? pids : "none"),
             log_s("cause", len ? "the spool grew by more than these had leased: one of them wrote more "
                                  "than it said, or something else writes here without a lease"
                                : "something writes here without a lease"));
}

void drift_find(struct drift *drift, const struct account *account, uint64_t scan)
{
    drift->bytes = 0;
    for (size_t i = 0; i < account->databases.count; i++) {
        enum area area;
        int64_t bytes = account_drift(account, i, &area);
        drift->bytes += bytes;
        drift->total_by_area[area] += bytes;
        if (bytes <= account->limit / 100)
            continue;
        drift->findings++;
        drift->last = (struct drift_finding){.bytes = bytes, .db = i, .area = area, .wall_ms = wall_now_ms()};
        name_clients(drift, account, scan, &drift->last);
        warn(account, &drift->last);
    }
}
