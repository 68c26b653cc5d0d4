#include "common/spool/place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/spool/ballast.h"
#include "common/spool/reader.h"

struct spool_place spool_place(enum spool_queue queue, const char *db_folder)
{
    struct spool_place place = {.queue = queue};
    snprintf(place.db, sizeof place.db, "%s", db_folder);
    return place;
}

struct spool_place spool_group(enum spool_queue queue, const char *db_folder, uint64_t id)
{
    struct spool_place place = spool_place(queue, db_folder);
    snprintf(place.group, sizeof place.group, "%016" PRIx64, id);
    return place;
}

static int open_below(int parent, const char *name, bool create)
{
    if (create)
        return file_open_dir(parent, name);
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

static int open_place(int queue, const struct spool_place *place, bool create)
{
    int db = open_below(queue, place->db, create);
    if (db < 0 || !*place->group)
        return db;
    int group = open_below(db, place->group, create);
    close(db);
    return group;
}

int spool_place_open(const struct spool *spool, const struct spool_place *place, bool create)
{
    int queue = spool->queues[place->queue], fd;
    if (queue < 0)
        return -ENOENT;
    do
        fd = open_place(queue, place, create);
    while (fd < 0 && create && ballast_helps(spool->ballast, fd));
    return fd;
}

const char *spool_place_text(const struct spool_place *place, char text[static SPOOL_PLACE_BYTES])
{
    snprintf(text, SPOOL_PLACE_BYTES, "%s/%s%s%s", spool_queue_name(place->queue), place->db,
             *place->group ? "/" : "", place->group);
    return text;
}

static int rename_new(int from, const char *file, int to, const char *name)
{
    return renameat2(from, file, to, name, RENAME_NOREPLACE) == 0 ? 0 : -errno;
}

int spool_move(const struct spool *spool, const struct spool_place *from, const char *file,
               const struct spool_place *to, bool durable)
{
    int source = spool_place_open(spool, from, false);
    if (source < 0)
        return source;
    int target = spool_place_open(spool, to, true);
    if (target < 0) {
        close(source);
        return target;
    }
    int rc;
    while ((rc = rename_new(source, file, target, file)) != 0 && ballast_helps(spool->ballast, rc))
        ;
    if (rc == 0 && durable)
        rc = file_sync_dir(target);
    if (rc == 0 && durable)
        rc = file_sync_dir(source);
    close(source);
    close(target);
    return rc;
}

/* "7,Cpu,-,00ab….csv.gz" is not a segment's name any more, and that is as it should be: a human looks at it.
 */
static int free_name(int quarantine, const char *file, char name[static SPOOL_NAME_BYTES])
{
    for (unsigned i = 0; i < 1000; i++) {
        size_t len = (size_t)(i == 0 ? snprintf(name, SPOOL_NAME_BYTES, "%s", file)
                                     : snprintf(name, SPOOL_NAME_BYTES, "%u,%s", i, file));
        if (len + strlen(".why") >= SPOOL_NAME_BYTES)
            return -ENAMETOOLONG;
        if (faccessat(quarantine, name, F_OK, 0) != 0)
            return errno == ENOENT ? 0 : -errno;
    }
    return -EEXIST;
}

static int write_why(const struct spool *spool, int dir, const char *file, json_t *why)
{
    char name[SPOOL_NAME_BYTES + 8], now[WALL_TEXT_BYTES];
    wall_format(wall_now_ms(), now);
    if (json_object_set_new(why, "time", json_string(now)) ||
        json_object_set_new(why, "file", json_string(file)))
        return -ENOMEM;
    char *text = json_dumps(why, JSON_INDENT(1));
    if (!text)
        return -ENOMEM;
    snprintf(name, sizeof name, "%s.why", file);
    int rc;
    while ((rc = file_replace(dir, name, text, strlen(text))) != 0 && ballast_helps(spool->ballast, rc))
        ;
    free(text);
    return rc;
}

int spool_quarantine(const struct spool *spool, const struct spool_place *from, const char *file, json_t *why)
{
    char text[SPOOL_PLACE_BYTES], name[SPOOL_NAME_BYTES];
    if (json_object_set_new(why, "from", json_string(spool_place_text(from, text))))
        return -ENOMEM;
    int source = spool_place_open(spool, from, false);
    if (source < 0)
        return source;
    struct spool_place to = spool_place(QUEUE_QUARANTINE, from->db);
    int target = spool_place_open(spool, &to, true);
    int rc = target < 0 ? target : free_name(target, file, name);
    if (rc == 0)
        rc = write_why(spool, target, name, why);
    if (rc == 0)
        rc = rename_new(source, file, target, name);
    if (rc == 0)
        rc = file_sync_dir(target);
    if (target >= 0)
        close(target);
    close(source);
    return rc;
}

int spool_write_why(const struct spool *spool, const char *db_folder, const char *file, json_t *why)
{
    struct spool_place place = spool_place(QUEUE_QUARANTINE, db_folder);
    int dir = spool_place_open(spool, &place, true);
    if (dir < 0)
        return dir;
    int rc = write_why(spool, dir, file, why);
    close(dir);
    return rc;
}

/* What one level of a walk does with each entry; `dir` is that of the level. */
typedef int visit_entry(void *arg, int dir, const char *name);

static int each_entry(int parent, const char *name, visit_entry *visit, void *arg)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) /* gone meanwhile, or not a directory: nothing of ours */
        return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
    DIR *dir = fdopendir(fd);
    if (!dir) {
        int rc = -errno;
        close(fd);
        return rc;
    }
    int rc = 0;
    for (struct dirent *entry; rc == 0 && (entry = readdir(dir));)
        if (entry->d_name[0] != '.')
            rc = visit(arg, fd, entry->d_name);
    closedir(dir);
    return rc;
}

struct walk {
    struct spool_place place;
    spool_visit *visit;
    spool_visit_group *visit_group;
    void *arg;
    bool is_any; /* whatever a file is called */
};

static bool is_segment_name(const char *name)
{
    size_t len = strlen(name);
    return len > 3 && strcmp(name + len - 3, ".gz") == 0;
}

static int walk_file(void *arg, int dir, const char *name)
{
    struct walk *walk = arg;
    bool is_one = walk->is_any || is_segment_name(name) ||
                  (walk->place.queue == QUEUE_ACTIVE && segment_is_landing(name));
    return is_one ? walk->visit(walk->arg, &walk->place, dir, name) : 0;
}

static int walk_group(void *arg, int dir, const char *name)
{
    struct walk *walk = arg;
    snprintf(walk->place.group, sizeof walk->place.group, "%s", name);
    if (!walk->visit_group)
        return each_entry(dir, name, walk_file, walk);
    int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
    int rc = walk->visit_group(walk->arg, &walk->place, fd);
    close(fd);
    return rc;
}

static int walk_db(void *arg, int dir, const char *name)
{
    struct walk *walk = arg;
    snprintf(walk->place.db, sizeof walk->place.db, "%s", name);
    return each_entry(dir, name, spool_queue_is_grouped(walk->place.queue) ? walk_group : walk_file, walk);
}

int spool_walk(const struct spool *spool, enum spool_queue queue, const char *db_folder, spool_visit *visit,
               void *arg)
{
    struct walk walk = {.place.queue = queue, .visit = visit, .arg = arg};
    if (spool->queues[queue] < 0)
        return 0;
    return db_folder ? walk_db(&walk, spool->queues[queue], db_folder)
                     : each_entry(spool->queues[queue], ".", walk_db, &walk);
}

int spool_walk_any(const struct spool *spool, enum spool_queue queue, spool_visit *visit, void *arg)
{
    struct walk walk = {.place.queue = queue, .visit = visit, .arg = arg, .is_any = true};
    return spool->queues[queue] < 0 ? 0 : each_entry(spool->queues[queue], ".", walk_db, &walk);
}

int spool_walk_groups(const struct spool *spool, enum spool_queue queue, spool_visit_group *visit, void *arg)
{
    struct walk walk = {.place.queue = queue, .visit_group = visit, .arg = arg};
    return spool->queues[queue] < 0 ? 0 : each_entry(spool->queues[queue], ".", walk_db, &walk);
}
