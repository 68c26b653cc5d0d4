#include "common/spool/claim.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>

#include "common/base/crash.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/spool/ballast.h"

static const char plan_name[] = "plan.json";
static const char done_name[] = "done.json";

int claim_take(struct spool *spool, const struct spool_place *place, enum spool_queue from, const char *file)
{
    struct spool_place source = spool_place(from, place->db);
    int rc = spool_move(spool, &source, file, place, false);
    crash_point("claim:after-take");
    return rc;
}

int claim_open(struct claim *claim, struct spool *spool, const struct spool_place *place)
{
    *claim = (struct claim){.spool = spool, .place = *place};
    claim->fd = spool_place_open(spool, place, false);
    return claim->fd < 0 ? claim->fd : 0;
}

void claim_close(struct claim *claim)
{
    if (claim->fd >= 0)
        close(claim->fd);
    claim->fd = -1;
}

int claim_read(struct claim *claim, enum claim_state *state, struct buf *plan)
{
    *state = CLAIM_FROZEN;
    int rc = file_read(claim->fd, plan_name, plan);
    if (rc == -ENOENT) {
        *state = CLAIM_DONE;
        rc = file_read(claim->fd, done_name, plan);
    }
    if (rc == -ENOENT) {
        *state = CLAIM_CLAIMED;
        rc = 0;
    }
    return rc;
}

/* --- steps ------------------------------------------------------------------------------------------ */

/* The directories above it, in which its name and that of the database's folder are new. */
static int sync_parents(struct claim *claim)
{
    struct spool_place parent = spool_place(claim->place.queue, claim->place.db);
    int dir = spool_place_open(claim->spool, &parent, false);
    if (dir < 0)
        return dir;
    int rc = file_sync_dir(dir);
    close(dir);
    return rc ? rc : file_sync_dir(claim->spool->queues[claim->place.queue]);
}

int claim_freeze(struct claim *claim, const void *plan, size_t bytes)
{
    crash_point("claim:before-plan");
    int rc = sync_parents(claim);
    while (rc == 0 && (rc = file_replace(claim->fd, plan_name, plan, bytes)) != 0 &&
           ballast_helps(claim->spool->ballast, rc))
        rc = 0;
    crash_point("claim:after-plan");
    return rc;
}

int claim_set_done(struct claim *claim)
{
    if (renameat(claim->fd, plan_name, claim->fd, done_name) != 0 &&
        (errno != ENOENT || faccessat(claim->fd, done_name, F_OK, 0) != 0))
        return -errno;
    int rc = file_sync_dir(claim->fd);
    crash_point("claim:after-done");
    return rc;
}

/* --- what is in it ---------------------------------------------------------------------------------- */

static bool has_suffix(const char *name, const char *suffix)
{
    size_t len = strlen(name), tail = strlen(suffix);
    return len > tail && strcmp(name + len - tail, suffix) == 0;
}

static int is_segment(const struct dirent *entry)
{
    return entry->d_name[0] != '.' && has_suffix(entry->d_name, ".gz");
}

static int is_temporary(const struct dirent *entry)
{
    return entry->d_name[0] == '.' && strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

/* What the owner wrote, and what a writing that was interrupted left. */
static int is_ours(const struct dirent *entry)
{
    return is_temporary(entry) || (entry->d_name[0] != '.' && has_suffix(entry->d_name, ".json"));
}

static int each_entry(struct claim *claim, int (*filter)(const struct dirent *), claim_visit *visit,
                      void *arg)
{
    struct dirent **list;
    int count = scandirat(claim->fd, ".", &list, filter, alphasort);
    if (count < 0)
        return -errno;
    int rc = 0;
    for (int i = 0; i < count; i++) {
        if (rc == 0)
            rc = visit(arg, claim, list[i]->d_name);
        free(list[i]);
    }
    free(list);
    return rc;
}

int claim_each(struct claim *claim, claim_visit *visit, void *arg)
{
    return each_entry(claim, is_segment, visit, arg);
}

int claim_each_temporary(struct claim *claim, claim_visit *visit, void *arg)
{
    return each_entry(claim, is_temporary, visit, arg);
}

/* --- its end ---------------------------------------------------------------------------------------- */

static int unlink_name(int dir, const char *name)
{
    return unlinkat(dir, name, 0) == 0 || errno == ENOENT ? 0 : -errno;
}

static int unlink_segment(void *arg, struct claim *claim, const char *file)
{
    (void)arg;
    int rc = unlink_name(claim->fd, file);
    crash_point("claim:after-unlink");
    return rc;
}

static int unlink_ours(void *arg, struct claim *claim, const char *file)
{
    (void)arg;
    return unlink_name(claim->fd, file);
}

static int remove_dir(struct claim *claim)
{
    struct spool_place parent = spool_place(claim->place.queue, claim->place.db);
    int dir = spool_place_open(claim->spool, &parent, false);
    if (dir < 0)
        return dir;
    int rc = unlinkat(dir, claim->place.group, AT_REMOVEDIR) == 0 || errno == ENOENT ? 0 : -errno;
    close(dir);
    return rc;
}

static int remove_shell(struct claim *claim)
{
    int rc = unlink_name(claim->fd, plan_name);
    if (rc == 0)
        rc = unlink_name(claim->fd, done_name);
    crash_point("claim:after-plan-unlink");
    if (rc == 0)
        rc = each_entry(claim, is_ours, unlink_ours, NULL);
    crash_point("claim:before-rmdir");
    return rc ? rc : remove_dir(claim);
}

int claim_remove(struct claim *claim)
{
    int rc = claim_each(claim, unlink_segment, NULL);
    return rc ? rc : remove_shell(claim);
}

static int set_aside(struct claim *claim, const char *file, enum spool_queue queue)
{
    char reason[128];
    snprintf(reason, sizeof reason, "another segment of this name is in %s/ already",
             spool_queue_name(queue));
    json_t *why = json_pack("{s:s}", "reason", reason);
    int rc = why ? spool_quarantine(claim->spool, &claim->place, file, why) : -ENOMEM;
    json_decref(why);
    log_warn("name-taken", log_s("db", claim->place.db), log_s("file", file),
             log_s("do", "look at both: spillway verify"));
    return rc;
}

int claim_give_back(struct claim *claim, const char *file, enum spool_queue queue)
{
    struct spool_place to = spool_place(queue, claim->place.db);
    int rc = spool_move(claim->spool, &claim->place, file, &to, false);
    if (rc == -EEXIST)
        rc = set_aside(claim, file, queue);
    crash_point("claim:after-move");
    return rc == -ENOENT ? 0 : rc;
}

static int release_segment(void *arg, struct claim *claim, const char *file)
{
    const enum spool_queue *queue = arg;
    return claim_give_back(claim, file, *queue);
}

int claim_thaw(struct claim *claim)
{
    int rc = unlink_name(claim->fd, plan_name);
    crash_point("claim:after-unfreeze");
    return rc;
}

int claim_release(struct claim *claim, enum spool_queue queue)
{
    int rc = claim_thaw(claim);
    if (rc == 0)
        rc = claim_each(claim, release_segment, &queue);
    return rc ? rc : remove_shell(claim);
}
