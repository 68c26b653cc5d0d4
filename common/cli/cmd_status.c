#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <sys/stat.h>

#include "common/base/clock.h"
#include "common/base/exit.h"
#include "common/base/units.h"
#include "common/cli/command.h"
#include "common/cli/inventory.h"
#include "common/control/client.h"
#include "common/control/message.h"
#include "common/segment/flake.h"
#include "common/segment/name.h"
#include "common/spool/place.h"

enum { ANSWER_MS = 1000 };

static json_t *ask_program(const struct cli *cli, const char *program)
{
    json_t *request = message_request("status"), *reply;
    struct err err;
    int rc = ctl_ask_once(&cli->spool, program, request, ANSWER_MS, &reply, &err);
    json_decref(request);
    if (rc == 0) {
        json_object_del(reply, "v");
        json_object_del(reply, "ok");
        json_object_set_new(reply, "running", json_true());
        return reply;
    }
    json_decref(reply);
    return rc == -ENOENT ? json_pack("{s:b}", "running", 0)
                         : json_pack("{s:b, s:s}", "running", 0, "error", err.text);
}

/* The segments of one database in one queue. */
struct sum {
    enum spool_queue queue;
    char db[SPOOL_NAME_BYTES]; /* the folder's name */
    int64_t segments, bytes;
    uint64_t oldest_id; /* 0: none of them has one */
};

struct sums {
    struct sum *list;
    size_t count;
};

static struct sum *find_sum(struct sums *sums, const struct spool_place *place)
{
    for (size_t i = sums->count; i-- > 0;) /* files come folder by folder: it is the last */
        if (sums->list[i].queue == place->queue && strcmp(sums->list[i].db, place->db) == 0)
            return &sums->list[i];
    struct sum *list = realloc(sums->list, (sums->count + 1) * sizeof *list);
    if (!list)
        return NULL;
    sums->list = list;
    struct sum *sum = &list[sums->count++];
    *sum = (struct sum){.queue = place->queue};
    snprintf(sum->db, sizeof sum->db, "%s", place->db);
    return sum;
}

/* Nothing is kept of a file but its share of the sum. */
static int add_file(void *arg, const struct spool_place *place, int dir, const char *file)
{
    struct stat st;
    struct segment_name name;
    if (fstatat(dir, file, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? 0 : -errno; /* it moved on */
    struct sum *sum = find_sum(arg, place);
    if (!sum)
        return -ENOMEM;
    sum->segments++;
    sum->bytes += st.st_size;
    if (inventory_read_name(file, &name) != INVENTORY_OTHER && (!sum->oldest_id || name.id < sum->oldest_id))
        sum->oldest_id = name.id;
    return 0;
}

static int compare_sums(const void *left, const void *right)
{
    const struct sum *a = left, *b = right;
    return a->queue != b->queue ? (int)a->queue - (int)b->queue : strcmp(a->db, b->db);
}

static json_t *sum_json(const struct sum *sum)
{
    char db[NAME_FILE_MAX_BYTES + 1];
    if (name_decode(sum->db, strlen(sum->db), db, sizeof db) != NAME_OK)
        snprintf(db, sizeof db, "%s", sum->db);
    struct flake oldest;
    flake_decompose(sum->oldest_id, &oldest);
    return json_pack("{s:s, s:s, s:I, s:I, s:I}", "queue", spool_queue_name(sum->queue), "db", db, "segments",
                     (json_int_t)sum->segments, "bytes", (json_int_t)sum->bytes, "oldest_ms",
                     (json_int_t)(sum->oldest_id ? wall_now_ms() - (int64_t)oldest.unix_ms : 0));
}

static int sum_queues(const struct cli *cli, json_t *queues)
{
    struct sums sums = {0};
    int rc = 0;
    for (size_t queue = 0; rc == 0 && queue < QUEUE_COUNT; queue++)
        rc = spool_walk(&cli->spool, (enum spool_queue)queue, NULL, add_file, &sums);
    if (rc == 0 && sums.count)
        qsort(sums.list, sums.count, sizeof *sums.list, compare_sums);
    for (size_t i = 0; rc == 0 && i < sums.count; i++)
        rc = json_array_append_new(queues, sum_json(&sums.list[i])) ? -ENOMEM : 0;
    free(sums.list);
    return rc;
}

static void print_program(const char *name, const json_t *program)
{
    char uptime[UNITS_TEXT_BYTES];
    if (json_is_true(json_object_get(program, "running")))
        printf("%-10s  up    pid %-8lld %s%s\n", name, (long long)message_number(program, "pid", 0),
               units_format_time(message_number(program, "uptime_ms", 0), uptime),
               json_is_true(json_object_get(program, "draining")) ? ", draining" : "");
    else if (strcmp(name, "walwriter") != 0) /* which need not be a daemon */
        printf("%-10s  down  %s\n", name, message_text(program, "error", ""));
}

static void print_disk(const json_t *guard)
{
    if (!json_is_true(json_object_get(guard, "running")))
        return;
    char used[UNITS_TEXT_BYTES], limit[UNITS_TEXT_BYTES], leased[UNITS_TEXT_BYTES];
    int64_t used_bytes = message_number(guard, "used_bytes", 0),
            limit_bytes = message_number(guard, "limit_bytes", 0);
    const char *reason = message_text(guard, "reason", "none");
    bool has_reason = strcmp(reason, "none") != 0;
    printf("\ndisk: %s of %s used (%.1f %%), %s leased, pressure %s%s%s\n",
           units_format_size(used_bytes, used), units_format_size(limit_bytes, limit),
           limit_bytes ? 100.0 * (double)used_bytes / (double)limit_bytes : 0.0,
           units_format_size(message_number(guard, "outstanding_bytes", 0), leased),
           message_text(guard, "pressure", "unknown"), has_reason ? ", because of " : "",
           has_reason ? reason : "");
}

static void print_ring(const json_t *peerd)
{
    int64_t members = message_number(peerd, "members", 0);
    if (members > 1)
        printf("\nring: %lld of %lld members present%s (spillway peers)\n",
               (long long)message_number(peerd, "present", 0), (long long)members,
               json_is_true(json_object_get(peerd, "settled")) ? "" : ", not settled yet");
}

static void print_queues(const json_t *queues)
{
    size_t i;
    json_t *queue;
    printf("\n%-10s  %-20s  %9s  %11s  %9s\n", "QUEUE", "DATABASE", "SEGMENTS", "SIZE", "OLDEST");
    json_array_foreach (queues, i, queue) {
        char bytes[UNITS_TEXT_BYTES], oldest[UNITS_TEXT_BYTES];
        printf("%-10s  %-20s  %9lld  %11s  %9s\n", message_text(queue, "queue", ""),
               message_text(queue, "db", ""), (long long)message_number(queue, "segments", 0),
               units_format_size(message_number(queue, "bytes", 0), bytes),
               units_format_time(message_number(queue, "oldest_ms", 0), oldest));
    }
    if (!json_array_size(queues))
        puts("(nothing waits)");
}

static void print_databases(json_t *uploader)
{
    const char *name;
    json_t *db, *databases = json_object_get(uploader, "databases");
    if (!json_object_size(databases))
        return;
    printf("\n%-20s  %-12s  %12s  %12s  %s\n", "UPLOADS OF", "HEALTH", "ROWS SENT", "ROWS REFUSED", "TO");
    json_object_foreach (databases, name, db) {
        printf("%-20s  %-12s  %12lld  %12lld  %s\n", name, message_text(db, "health", "unknown"),
               (long long)message_number(db, "rows_uploaded", 0),
               (long long)message_number(db, "rows_quarantined", 0), message_text(db, "target", ""));
        const char *error = message_text(db, "last_error", "");
        if (*error && strcmp(message_text(db, "health", ""), "up") != 0)
            printf("%-20s  last error: %s\n", "", error);
    }
}

static void print_all(const struct cli *cli, const json_t *programs, const json_t *queues)
{
    printf("spool %s\n\n", cli->spool.path);
    for (size_t i = 0; cli_daemons[i]; i++)
        print_program(cli_daemons[i], json_object_get(programs, cli_daemons[i]));
    print_disk(json_object_get(programs, "diskguard"));
    print_ring(json_object_get(programs, "peerd"));
    print_queues(queues);
    print_databases(json_object_get(programs, "uploader"));
}

int cmd_status(struct cli *cli)
{
    json_t *programs = json_object(), *queues = json_array();
    for (size_t i = 0; cli_daemons[i]; i++)
        json_object_set_new(programs, cli_daemons[i], ask_program(cli, cli_daemons[i]));
    int rc = sum_queues(cli, queues);
    if (rc == 0 && cli->is_json) {
        json_t *all =
            json_pack("{s:s, s:O, s:O}", "spool", cli->spool.path, "programs", programs, "queues", queues);
        char *text = all ? json_dumps(all, JSON_COMPACT) : NULL;
        rc = text ? puts(text) < 0 : -ENOMEM;
        free(text);
        json_decref(all);
    } else if (rc == 0) {
        print_all(cli, programs, queues);
    }
    json_decref(programs);
    json_decref(queues);
    return rc < 0 ? cli_fail(EXIT_TROUBLE, "spool %s: cannot be listed: %s", cli->spool.path, strerror(-rc))
                  : EXIT_DONE;
}
