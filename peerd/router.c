#include "peerd/router.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "common/base/log.h"

enum { ROUTER_DROP_FILES = 32 }; /* given up at a time, before the pressure is looked at again */

struct routing_pass {
    struct router *router;
    const struct view *view;
    struct shipping *shipping;
    struct router_db *db;
    int dir; /* of its folder in sealed/ */
    int64_t now_ms;
    struct failover failover; /* of db */
};

void router_init(struct router *router, const struct spool *spool, const struct route_settings *settings,
                 const struct router_hooks *hooks)
{
    *router = (struct router){
        .spool = spool, .settings = *settings, .hooks = *hooks, .must_scan = true, .due_ms = -1};
}

void router_hold(struct router *router, const char *db, int64_t for_ms)
{
    for (size_t i = 0; i < router->db_count; i++)
        if (strcmp(router->dbs[i].db, db) == 0)
            router->dbs[i].held_until = mono_after(for_ms);
}

void router_fini(struct router *router)
{
    for (size_t i = 0; i < router->db_count; i++)
        waiting_fini(&router->dbs[i].queue);
    free(router->dbs);
    router->dbs = NULL;
    router->db_count = 0;
}

/* --- databases -------------------------------------------------------------------------------------------
 */

static struct router_db *find_db(struct router *router, const char *folder)
{
    for (size_t i = 0; i < router->db_count; i++)
        if (strcmp(router->dbs[i].folder, folder) == 0)
            return &router->dbs[i];
    struct router_db *dbs = realloc(router->dbs, (router->db_count + 1) * sizeof *dbs);
    if (!dbs)
        return NULL;
    router->dbs = dbs;
    struct router_db *db = &dbs[router->db_count];
    *db = (struct router_db){0};
    snprintf(db->folder, sizeof db->folder, "%s", folder);
    if (name_decode(folder, strlen(folder), db->db, sizeof db->db) != NAME_OK)
        snprintf(db->db, sizeof db->db, "%s", folder); /* uploader will say what is wrong with it */
    waiting_init(&db->queue);
    router->db_count++;
    return db;
}

static int find_dbs(struct router *router)
{
    int fd = openat(router->spool->queues[QUEUE_SEALED], ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        int rc = -errno;
        if (fd >= 0)
            close(fd);
        return rc;
    }
    int rc = 0;
    for (struct dirent *entry; rc == 0 && (entry = readdir(dir));)
        if (entry->d_name[0] != '.' && !find_db(router, entry->d_name))
            rc = -ENOMEM;
    closedir(dir);
    return rc;
}

static int scan(struct router *router)
{
    bool is_forced = router->must_scan;
    int rc = find_dbs(router);
    router->must_scan = false;
    router->strays = 0;
    for (size_t i = 0; rc == 0 && i < router->db_count; i++) {
        struct router_db *db = &router->dbs[i];
        rc = waiting_scan(&db->queue, router->spool, QUEUE_SEALED, db->folder, is_forced);
        router->strays += db->queue.strays;
    }
    if (router->strays > 0)
        log_warn("files-unknown", log_s("queue", "sealed"), log_u("files", router->strays),
                 log_s("advice", "their names are not those of segments; they are left alone"));
    return rc;
}

/* --- to upload/ ------------------------------------------------------------------------------------------
 */

static int set_aside(const struct spool *spool, const struct spool_place *from, const char *file)
{
    json_t *why = json_pack("{s:s}", "reason", "another segment of this name is in upload/ already");
    int rc = why ? spool_quarantine(spool, from, file, why) : -ENOMEM;
    json_decref(why);
    return rc;
}

static void upload_one(struct routing_pass *pass, const char *file, const char *reason)
{
    struct router *router = pass->router;
    struct spool_place from = spool_place(QUEUE_SEALED, pass->db->folder);
    struct spool_place to = spool_place(QUEUE_UPLOAD, pass->db->folder);
    struct stat st;
    int64_t bytes = fstatat(pass->dir, file, &st, AT_SYMLINK_NOFOLLOW) == 0 ? st.st_size : 0;
    int rc = spool_move(router->spool, &from, file, &to, false);
    if (rc == -EEXIST) {
        log_warn("name-taken", log_s("db", from.db), log_s("file", file),
                 log_s("do", "look at both: spillway verify"));
        rc = set_aside(router->spool, &from, file);
    } else if (rc == 0) {
        router->counts.segments++;
        router->counts.bytes += (uint64_t)bytes;
        log_debug("routed", log_s("db", from.db), log_s("file", file), log_s("to", "upload"),
                  log_s("reason", reason));
    }
    if (rc == 0 || rc == -ENOENT)
        return;
    log_warn("cannot-route", log_s("db", from.db), log_s("file", file), log_s("cause", strerror(-rc)),
             log_s("do", "it stays in sealed/ and is tried again"));
    router->counts.failures++;
    router->waiting++; /* forgotten here, found again by the next scan */
    router->must_scan = true;
}

static void upload(struct routing_pass *pass, struct waiting_group *group, size_t count, const char *reason)
{
    char file[NAME_FILE_MAX_BYTES + 1];
    for (size_t i = 0; i < count; i++) {
        waiting_name(&pass->db->queue, group, i, file);
        upload_one(pass, file, reason);
    }
    waiting_drop(&pass->db->queue, group, count);
}

/* --- what is known of a table's segments
 * -------------------------------------------------------------------- */

static int64_t seen_ms(const struct waiting_segment *segment)
{
    return (int64_t)(uint32_t)((uint32_t)(uint64_t)(mono_now().ns / 1000000) - segment->seen_ms);
}

static uint64_t bytes_of(struct routing_pass *pass, const struct waiting_group *group, size_t index)
{
    struct waiting_segment *segment = &pass->db->queue.segments[group->first + index];
    struct stat st;
    if (!segment->is_measured) {
        char file[NAME_FILE_MAX_BYTES + 1];
        waiting_name(&pass->db->queue, group, index, file);
        if (fstatat(pass->dir, file, &st, AT_SYMLINK_NOFOLLOW) == 0)
            segment->raw_bytes = (uint64_t)st.st_size;
        segment->is_measured = true;
    }
    return segment->raw_bytes;
}

/* The batch at hand: the oldest segments, until they are many or large. */
static void measure(struct routing_pass *pass, const struct waiting_group *group, struct route_facts *facts)
{
    const struct route_settings *settings = &pass->router->settings;
    while (facts->files < group->count && facts->files < settings->files &&
           facts->bytes <= settings->max_bytes)
        facts->bytes += bytes_of(pass, group, facts->files++);
}

/* Where failover.h has it go: comes before age and size. What waits in sealed/ does not rest: that is done in
 * upload/ (reclaim.h). */
static struct failover_route look(struct routing_pass *pass, const struct waiting_group *group)
{
    char schema[SCHEMA_HASH_TEXT_BYTES] = "-";
    if (group->has_schema)
        schema_hash_text(group->schema_hash, schema);
    const struct failover_segment segment = {.table = group->table, .schema = schema};
    return failover_route(pass->view, &pass->failover, pass->db->db, &segment);
}

static void gather(struct routing_pass *pass, const struct waiting_group *group,
                   const struct view_member *owner, struct route_facts *facts)
{
    assert(owner); /* there is always one: in the worst case it is us */
    const struct waiting_segment *oldest = &pass->db->queue.segments[group->first];
    *facts = (struct route_facts){
        .is_own = owner->is_self, .is_settled = pass->view->is_settled, .is_alone = pass->view->count == 1};
    facts->seen_ms = seen_ms(oldest);
    facts->age_ms = route_age_ms(oldest->id, pass->now_ms, facts->seen_ms);
    if (owner->is_self)
        return;
    facts->is_trouble = shipping_is_trouble(pass->shipping, owner->name);
    facts->has_slot = shipping_has_slot(pass->shipping, owner->name);
    measure(pass, group, facts);
}

/* Those from the oldest on that are too old. */
static size_t count_old(const struct routing_pass *pass, const struct waiting_group *group)
{
    size_t count = 1;
    while (count < group->count) {
        const struct waiting_segment *segment = &pass->db->queue.segments[group->first + count];
        if (route_age_ms(segment->id, pass->now_ms, seen_ms(segment)) <= pass->router->settings.max_age_ms)
            break;
        count++;
    }
    return count;
}

/* --- acting -----------------------------------------------------------------------------------------------
 */

static void linger(struct router *router, const struct route_facts *facts)
{
    int64_t left_ms = router->settings.linger_ms - facts->seen_ms;
    if (left_ms > 0 && (router->due_ms < 0 || left_ms < router->due_ms))
        router->due_ms = left_ms;
}

static bool ship(struct routing_pass *pass, struct waiting_group *group, size_t count,
                 const struct view_member *to, bool is_failing)
{
    int rc = shipping_send(pass->shipping, pass->db->folder, &pass->db->queue, group, count, to, is_failing);
    waiting_drop(&pass->db->queue, group, count);
    pass->router->must_scan = pass->router->must_scan || rc;
    return rc == 0;
}

/* What cannot be uploaded from here: sent whatever its age and size, or held. */
static bool move_on(struct routing_pass *pass, struct waiting_group *group, const struct failover_route *way)
{
    struct route_facts facts;
    if (way->way == FAILOVER_REST)
        return false;
    gather(pass, group, way->to, &facts);
    bool is_held = way->way == FAILOVER_DIVERT && !mono_is_past(pass->db->held_until);
    bool lingers = facts.seen_ms < pass->router->settings.linger_ms &&
                   facts.files < pass->router->settings.files &&
                   facts.bytes <= pass->router->settings.max_bytes;
    if (lingers)
        linger(pass->router, &facts);
    if (is_held || lingers || facts.is_trouble || !facts.has_slot)
        return false;
    return ship(pass, group, facts.files, way->to, true);
}

/* One decision; false: the rest of the group waits. */
static bool route_some(struct routing_pass *pass, struct waiting_group *group)
{
    struct route_facts facts;
    const struct failover_route way = look(pass, group);
    const struct view_member *owner = way.to ? way.to : view_self(pass->view);
    if (way.way == FAILOVER_DETOUR || way.way == FAILOVER_DIVERT || way.way == FAILOVER_REST)
        return move_on(pass, group, &way);
    gather(pass, group, owner, &facts);
    struct route route = route_decide(&pass->router->settings, &facts);
    size_t count = facts.is_own || facts.is_alone ? group->count : facts.files;
    if (route.way == ROUTE_WAIT) {
        linger(pass->router, &facts);
        return false;
    }
    if (route.way == ROUTE_UPLOAD) {
        bool is_old = facts.age_ms > pass->router->settings.max_age_ms && !facts.is_own;
        upload(pass, group, is_old ? count_old(pass, group) : count, route.reason);
        return true;
    }
    return ship(pass, group, count, owner, false);
}

/* --- giving up --------------------------------------------------------------------------------------------
 */

static uint64_t oldest_of(const struct routing_pass *pass, const struct waiting_group *group)
{
    return pass->db->queue.segments[group->first].id;
}

/* The oldest segments of the database: those of one group that are older than any other's. */
static struct waiting_group *find_oldest(struct routing_pass *pass, size_t *count)
{
    struct waiting *queue = &pass->db->queue;
    struct waiting_group *oldest = NULL;
    uint64_t next = UINT64_MAX;
    for (size_t i = 0; i < queue->group_count; i++) {
        struct waiting_group *group = &queue->groups[i];
        if (group->count == 0)
            continue;
        if (!oldest || oldest_of(pass, group) < oldest_of(pass, oldest)) {
            next = oldest ? oldest_of(pass, oldest) : next;
            oldest = group;
        } else if (oldest_of(pass, group) < next) {
            next = oldest_of(pass, group);
        }
    }
    *count = 0;
    while (oldest && *count < oldest->count && *count < ROUTER_DROP_FILES &&
           (*count == 0 || queue->segments[oldest->first + *count].id < next))
        ++*count;
    return oldest;
}

/* The sacrificial instance takes nothing now: by policy, some may have to go. */
static void relieve(struct routing_pass *pass)
{
    size_t count;
    const struct view_member *at = pass->failover.at;
    bool is_full = !mono_is_past(pass->db->held_until);
    if (!pass->failover.is_active || at->is_self || !pass->view->is_settled ||
        (!is_full && !shipping_is_trouble(pass->shipping, at->name)) ||
        shipping_is_dropping(pass->shipping, pass->db->folder))
        return;
    const struct drop_decision drop =
        pass->router->hooks.policy(pass->router->hooks.arg, pass->view, is_full);
    struct waiting_group *group = drop.action == DROP_OLDEST ? find_oldest(pass, &count) : NULL;
    if (!group)
        return;
    if (shipping_drop(pass->shipping, pass->db->folder, &pass->db->queue, group, count, at, &drop) != 0)
        pass->router->must_scan = true;
    waiting_drop(&pass->db->queue, group, count);
}

static void route_db(struct routing_pass *pass)
{
    struct spool_place place = spool_place(QUEUE_SEALED, pass->db->folder);
    struct waiting *queue = &pass->db->queue;
    if (queue->count == 0 || (pass->dir = spool_place_open(pass->router->spool, &place, false)) < 0)
        return;
    pass->failover = pass->router->hooks.look(pass->router->hooks.arg, pass->view, pass->db->db);
    relieve(pass);
    for (size_t i = 0; i < queue->group_count; i++) {
        struct waiting_group *group = &queue->groups[i];
        while (group->count > 0 && route_some(pass, group))
            continue;
        pass->router->waiting += group->count;
    }
    close(pass->dir);
}

int64_t router_run(struct router *router, const struct view *view, struct shipping *shipping)
{
    struct routing_pass pass = {
        .router = router, .view = view, .shipping = shipping, .now_ms = wall_now_ms()};
    int rc = scan(router);
    router->waiting = 0;
    router->due_ms = -1;
    for (size_t i = 0; i < router->db_count; i++) {
        pass.db = &router->dbs[(router->turn + i) % router->db_count];
        route_db(&pass);
    }
    router->turn = router->db_count > 0 ? (router->turn + 1) % router->db_count : 0;
    return rc ? rc : (int64_t)router->waiting;
}
