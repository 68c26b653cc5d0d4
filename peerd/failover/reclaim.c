#include "peerd/failover/reclaim.h"

#include <errno.h>

#include "common/base/clock.h"
#include "common/base/crash.h"
#include "common/base/log.h"
#include "common/spool/place.h"
#include "peerd/receive/hops.h"

struct reclaiming {
    const struct spool *spool;
    const struct view *view;
    const struct failover *failover;
    const char *db;
    int64_t taken, seen;
};

bool reclaim_is_due(const struct failover *failover)
{
    if (failover->is_active)
        return !failover->at->is_self;
    return !failover->is_reached && !failover->is_recovering && failover->reaching > 0;
}

struct failover_route reclaim_route(const struct view *view, const struct failover *failover, const char *db,
                                    int dir, const char *file)
{
    struct segment_name name;
    char schema[SCHEMA_HASH_TEXT_BYTES] = "-";
    if (segment_name_parse(file, &name) != NAME_OK)
        return (struct failover_route){.way = FAILOVER_OWN, .reason = "it is no segment"};
    if (name.has_schema)
        schema_hash_text(name.schema_hash, schema);
    const struct hops hops = hops_of(dir, file);
    const struct failover_segment segment = {.table = name.table,
                                             .schema = schema,
                                             .hops = hops.count,
                                             .held_ms = hops_held_ms(&hops, wall_now_ms()),
                                             .is_in_upload = true};
    return failover_route(view, failover, db, &segment);
}

static bool must_move_on(const struct reclaiming *reclaiming, int dir, const char *file)
{
    const struct failover_route route =
        reclaim_route(reclaiming->view, reclaiming->failover, reclaiming->db, dir, file);
    return route.way == FAILOVER_DETOUR || route.way == FAILOVER_DIVERT;
}

static int take_back(void *arg, const struct spool_place *place, int dir, const char *file)
{
    struct reclaiming *reclaiming = arg;
    struct spool_place to = spool_place(QUEUE_SEALED, place->db);
    if (++reclaiming->seen > RECLAIM_FILES_MAX)
        return 1;
    if (!must_move_on(reclaiming, dir, file))
        return 0;
    int rc = spool_move(reclaiming->spool, place, file, &to, false);
    crash_point("reclaim:after-move");
    reclaiming->taken += rc == 0;
    if (rc && rc != -ENOENT) /* uploader was there before */
        log_warn("cannot-reclaim", log_s("db", place->db), log_s("file", file),
                 log_s("cause", strerror(-rc)));
    return 0;
}

int64_t reclaim_run(const struct spool *spool, const struct view *view, const struct failover *failover,
                    const char *folder, const char *db)
{
    struct reclaiming reclaiming = {.spool = spool, .view = view, .failover = failover, .db = db};
    int rc = spool_walk(spool, QUEUE_UPLOAD, folder, take_back, &reclaiming);
    return rc < 0 && rc != -ENOENT ? rc : reclaiming.taken;
}
