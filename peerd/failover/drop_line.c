#include "peerd/failover/drop_line.h"

#include <errno.h>
#include <fcntl.h>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/segment/name.h"
#include "peerd/failover/archive.h"

const char *drop_decoded(const char *folder, char db[static NAME_FILE_MAX_BYTES + 1])
{
    bool is_name = name_decode(folder, strlen(folder), db, NAME_FILE_MAX_BYTES + 1) == NAME_OK;
    return is_name ? db : folder;
}

struct drop_identity drop_identity_of(const struct stat *st)
{
    return (struct drop_identity){.inode = st->st_ino,
                                  .mtime_ns = st->st_mtim.tv_sec * INT64_C(1000000000) + st->st_mtim.tv_nsec};
}

int drop_unlink(int dir, const char *file, const struct drop_identity *identity)
{
    struct stat st;
    if (fstatat(dir, file, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return -errno;
    const struct drop_identity now = drop_identity_of(&st);
    if (now.inode != identity->inode || now.mtime_ns != identity->mtime_ns)
        return -ENOENT;
    return unlinkat(dir, file, 0) == 0 ? 0 : -errno;
}

/* --- writing ---------------------------------------------------------------------------------------- */

static json_t *json_of(const struct drop_line *line)
{
    char time[WALL_TEXT_BYTES], db[NAME_FILE_MAX_BYTES + 1];
    struct segment_name name;
    bool is_segment = segment_name_parse(line->file, &name) == NAME_OK;
    wall_format(wall_now_ms(), time);
    json_t *json =
        json_pack("{s:i, s:I, s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I}", "v", 1, "seq",
                  (json_int_t)line->seq, "time", time, "fate", drop_fate_word(line->fate), "reason",
                  drop_reason_word(line->reason), "db", drop_decoded(line->place->db, db), "table",
                  is_segment ? name.table : "", "file", line->file, "rows", (json_int_t)line->content.rows,
                  "raw_bytes", (json_int_t)line->content.raw_bytes, "bytes", (json_int_t)line->bytes,
                  "damaged_bytes", (json_int_t)(line->content.damaged_bytes + line->content.tail_bytes));
    json_object_set_new(json, "peer", json_string(line->peer));
    json_object_set_new(json, "queue", json_string(spool_queue_name(line->place->queue)));
    json_object_set_new(json, "folder", json_string(line->place->db));
    json_object_set_new(json, "group", json_string(line->place->group));
    json_object_set_new(json, "inode", json_integer((json_int_t)line->identity.inode));
    json_object_set_new(json, "mtime_ns", json_integer(line->identity.mtime_ns));
    if (json && line->archive) {
        json_object_set_new(json, "archive", json_string(line->archive));
        json_object_set_new(json, "temporary", json_string(line->temporary));
    }
    return json;
}

int drop_line_write(const struct drop_line *line, struct buf *out)
{
    json_t *json = json_of(line);
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    int rc = text ? buf_puts(out, text) : -ENOMEM;
    if (rc == 0)
        rc = buf_puts(out, "\n");
    free(text);
    json_decref(json);
    return rc;
}

/* --- carrying out ----------------------------------------------------------------------------------- */

static bool is_component(const char *name)
{
    return name && *name && !strchr(name, '/') && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

/* It was archived, by the line: its copy gets its name. The archive may be another by now, or gone. */
static void redo_archive(const json_t *line, const char *folder, const char *file)
{
    const char *dir = json_string_value(json_object_get(line, "archive"));
    const char *temporary = json_string_value(json_object_get(line, "temporary"));
    struct err err;
    if (dir && is_component(temporary) && archive_publish(dir, folder, temporary, file, &err))
        log_warn("archive-unfinished", log_s("cause", err.text),
                 log_s("do", "give the file in the archive its name by hand, without what precedes it"));
}

static bool read_place(const json_t *line, struct spool_place *place)
{
    const char *folder = json_string_value(json_object_get(line, "folder"));
    const char *group = json_string_value(json_object_get(line, "group"));
    const char *queue = json_string_value(json_object_get(line, "queue"));
    enum spool_queue from;
    if (!is_component(folder) || !queue || spool_queue_parse(queue, &from) ||
        (spool_queue_is_grouped(from) && !is_component(group)))
        return false;
    *place = spool_place(from, folder);
    if (spool_queue_is_grouped(from))
        snprintf(place->group, sizeof place->group, "%s", group);
    return true;
}

int drop_line_redo(const struct spool *spool, const json_t *line)
{
    const char *file = json_string_value(json_object_get(line, "file"));
    const struct drop_identity identity = {.inode = (ino_t)json_integer_value(json_object_get(line, "inode")),
                                           .mtime_ns = json_integer_value(json_object_get(line, "mtime_ns"))};
    struct spool_place place;
    if (!is_component(file) || !read_place(line, &place))
        return 0;
    if (json_object_get(line, "archive"))
        redo_archive(line, place.db, file);
    int dir = spool_place_open(spool, &place, false);
    if (dir < 0)
        return 0;
    int rc = drop_unlink(dir, file, &identity);
    if (rc == 0)
        rc = file_sync_dir(dir);
    if (rc == 0)
        log_info("drop-finished", log_s("db", place.db), log_s("file", file));
    close(dir);
    return rc == -ENOENT ? 0 : rc;
}
