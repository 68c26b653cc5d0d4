#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "common/base/log.h"
#include "peerd/send/router_parts.h"

enum { ROUTER_DROP_FILES = 32 }; /* given up at a time, before the pressure is looked at again */

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

/* --- databases -------------------------------------------------------------------------------------- */

struct router_db *router_find(struct router *router, const char *folder)
{
    for (size_t i = 0; i < router->db_count; i++)
        if (strcmp(router->dbs[i].folder, folder) == 0)
            return &router->dbs[i];
    return NULL;
}

static struct router_db *make_db(struct router *router, const char *folder)
{
    struct router_db *db = router_find(router, folder);
    if (db)
        return db;
    struct router_db *dbs = realloc(router->dbs, (router->db_count + 1) * sizeof *dbs);
    if (!dbs)
        return NULL;
    router->dbs = dbs;
    db = &dbs[router->db_count];
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
        if (entry->d_name[0] != '.' && !make_db(router, entry->d_name))
            rc = -ENOMEM;
    closedir(dir);
    return rc;
}

int router_scan(struct router *router)
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

/* --- to upload/ ------------------------------------------------------------------------------------- */

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

/* --- acting ----------------------------------------------------------------------------------------- */

static bool ship(struct routing_pass *pass, struct waiting_group *group, const struct choice *choice)
{
    int rc = shipping_send(pass->shipping, pass->db->folder, &pass->db->queue, group, choice->count,
                           choice->owner, choice->is_failing);
    waiting_drop(&pass->db->queue, group, choice->count);
    pass->router->must_scan = pass->router->must_scan || rc;
    return rc == 0;
}

/* One decision; false: the rest of the group waits. */
static bool route_some(struct routing_pass *pass, struct waiting_group *group)
{
    struct router *router = pass->router;
    const struct choice choice = router_choose(pass, group);
    switch (choice.route.way) {
    case ROUTE_UPLOAD:
        upload(pass, group, choice.count, choice.route.reason);
        return true;
    case ROUTE_SEND:
        return ship(pass, group, &choice);
    case ROUTE_WAIT:
        break;
    }
    if (choice.route.rule == ROUTE_LINGER && (router->due_ms < 0 || choice.wait_ms < router->due_ms))
        router->due_ms = choice.wait_ms;
    return false;
}

/* --- giving up -------------------------------------------------------------------------------------- */

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

/* How much of the disk's limit may be given up before the pressure was measured again: high pressure ends so
 * far below where it begins. All that waits could be gone before diskguard has seen that the first of it was
 * enough. */
enum { RELIEF_PERMILLE = 50 };

/* So many of the group's oldest, of `count` at most, one at least after each measurement. */
static size_t take_relief(struct routing_pass *pass, const struct waiting_group *group, size_t count)
{
    const struct peer_state *self = view_self(pass->view)->state;
    uint64_t most = (uint64_t)self->disk_limit / 1000 * RELIEF_PERMILLE, *taken = &pass->db->relieved_bytes;
    if (mono_between_ms(pass->db->relieved_at, self->disk_at) > 0)
        *taken = 0;
    size_t n = 0;
    for (uint64_t bytes; n < count; *taken += bytes, n++) {
        bytes = router_bytes_of(pass, group, n);
        if (*taken > 0 && *taken + bytes > most)
            break;
    }
    if (n > 0)
        pass->db->relieved_at = mono_now();
    return n;
}

/* The sacrificial instance takes nothing now: by policy, some may have to go. */
static void relieve(struct routing_pass *pass)
{
    size_t count;
    const struct view_member *at = pass->failover.at;
    bool is_full = !mono_is_past(pass->db->held_until);
    if (!pass->failover.is_active || at->is_self || !pass->view->is_settled ||
        (!is_full && !shipping_is_trouble(pass->shipping, at->name)))
        return;
    if (shipping_is_dropping(pass->shipping, pass->db->folder)) {
        pass->db->relieved_at = mono_now();
        return;
    }
    const struct drop_decision drop =
        pass->router->hooks.policy(pass->router->hooks.arg, pass->view, is_full);
    struct waiting_group *group = drop.action == DROP_OLDEST ? find_oldest(pass, &count) : NULL;
    if (!group || (count = take_relief(pass, group, count)) == 0)
        return;
    if (shipping_drop(pass->shipping, pass->db->folder, &pass->db->queue, group, count, at, &drop) != 0)
        pass->router->must_scan = true;
    waiting_drop(&pass->db->queue, group, count);
}

bool router_begin(struct routing_pass *pass)
{
    struct spool_place place = spool_place(QUEUE_SEALED, pass->db->folder);
    if (pass->db->queue.count == 0)
        return false;
    pass->dir = spool_place_open(pass->router->spool, &place, false);
    pass->failover = pass->router->hooks.look(pass->router->hooks.arg, pass->view, pass->db->db);
    return pass->dir >= 0;
}

static void route_db(struct routing_pass *pass)
{
    struct waiting *queue = &pass->db->queue;
    if (!router_begin(pass))
        return;
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
    int rc = router_scan(router);
    router->waiting = 0;
    router->due_ms = -1;
    for (size_t i = 0; i < router->db_count; i++) {
        pass.db = &router->dbs[(router->turn + i) % router->db_count];
        route_db(&pass);
    }
    router->turn = router->db_count > 0 ? (router->turn + 1) % router->db_count : 0;
    return rc ? rc : (int64_t)router->waiting;
}
