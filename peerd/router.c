#include "peerd/router.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "common/base/log.h"

struct routing {
    const struct spool *spool;
    struct router_counts *counts;
    int64_t left;
};

static int set_aside(const struct spool *spool, const struct spool_place *from, const char *file)
{
    json_t *why = json_pack("{s:s}", "reason", "another segment of this name is in upload/ already");
    int rc = why ? spool_quarantine(spool, from, file, why) : -ENOMEM;
    json_decref(why);
    return rc;
}

static int route(void *arg, const struct spool_place *place, int dir, const char *file)
{
    struct routing *routing = arg;
    struct stat st;
    int64_t bytes = fstatat(dir, file, &st, AT_SYMLINK_NOFOLLOW) == 0 ? st.st_size : 0;
    struct spool_place to = spool_place(QUEUE_UPLOAD, place->db);
    int rc = spool_move(routing->spool, place, file, &to, false);
    if (rc == -EEXIST) {
        log_warn("name-taken", log_s("db", place->db), log_s("file", file),
                 log_s("do", "look at both: spillway verify"));
        rc = set_aside(routing->spool, place, file);
    } else if (rc == 0) {
        routing->counts->segments++;
        routing->counts->bytes += (uint64_t)bytes;
        log_debug("routed", log_s("db", place->db), log_s("file", file), log_s("to", "upload"));
    }
    if (rc && rc != -ENOENT) {
        log_warn("cannot-route", log_s("db", place->db), log_s("file", file), log_s("cause", strerror(-rc)),
                 log_s("do", "it stays in sealed/ and is tried again"));
        routing->counts->failures++;
        routing->left++;
    }
    return 0; /* one segment's trouble is not the next one's */
}

int64_t router_run(const struct spool *spool, struct router_counts *counts)
{
    struct routing routing = {.spool = spool, .counts = counts};
    int rc = spool_walk(spool, QUEUE_SEALED, NULL, route, &routing);
    return rc ? rc : routing.left;
}
