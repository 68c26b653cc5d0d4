/* Rows that ADX refused for good leave the batch for quarantine (batch.h, "refusal"). */
#include <errno.h>
#include <fcntl.h>

#include "common/base/crash.h"
#include "common/base/file.h"
#include "uploader/batch/extract.h"

int batch_refuse(struct batch_dir *batch, const struct cursor *end, const json_t *why)
{
    struct progress *progress = &batch->progress;
    const struct cursor *at = &progress->at;
    char *text = json_dumps(why, JSON_COMPACT);

    if (!text)
        return -ENOMEM;
    bool fits = snprintf(progress->why, sizeof progress->why, "%s", text) < (int)sizeof progress->why;
    free(text);
    if (!fits)
        return -ENOSPC;
    enum progress_state was = progress->state;
    struct cursor was_end = progress->end;
    progress->state = PROGRESS_REFUSED;
    progress->end = *end;
    progress->is_whole = at->file == 0 && at->offset == 0 && at->raw == 0 && progress->parts == 0 &&
                         end->file >= batch->plan.count;
    progress->quarantine_id = spool_next_id(batch->claim.spool);
    int rc = batch_record(batch, true);
    crash_point("refuse:after-mark");
    if (rc) { /* not decided, then */
        progress->state = was;
        progress->end = was_end;
    }
    return rc;
}

/* --- carrying it out -------------------------------------------------------------------------------- */

/* What was moved before a crash is not here any more. */
static int move_file(struct batch_dir *batch, const char *file, json_t *why)
{
    if (faccessat(batch->claim.fd, file, F_OK, 0) != 0)
        return errno == ENOENT ? 0 : -errno;
    return spool_quarantine(batch->claim.spool, &batch->claim.place, file, why);
}

static int move_all(struct batch_dir *batch, json_t *why)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < batch->plan.count; i++) {
        rc = move_file(batch, batch->plan.files[i].name, why);
        crash_point("refuse:after-move");
    }
    return rc;
}

static bool is_in_quarantine(const struct batch_dir *batch, const char *file)
{
    struct spool_place place = spool_place(QUEUE_QUARANTINE, batch->claim.place.db);
    int dir = spool_place_open(batch->claim.spool, &place, false);
    bool found = dir >= 0 && faccessat(dir, file, F_OK, 0) == 0;
    if (dir >= 0)
        close(dir);
    return found;
}

static int move_extract(struct batch_dir *batch, struct tools *tools, const char *instance, json_t *why,
                        uint64_t *rows)
{
    const struct progress *progress = &batch->progress;
    struct segment_name name;
    char file[NAME_FILE_MAX_BYTES + 1];
    if (segment_name_parse(batch->plan.files[0].name, &name) != NAME_OK)
        return -EINVAL;
    name.id = progress->quarantine_id;
    if (segment_name_build(&name, file) != NAME_OK)
        return -EINVAL;
    /* Extracted anew even if it was moved before a crash: that is how we know again how many rows it has. */
    bool was_moved = is_in_quarantine(batch, file);
    int rc = batch_extract(batch, tools, &name, instance, &progress->at, &progress->end, rows);
    crash_point("refuse:after-extract");
    if (rc || was_moved)
        return rc ? rc : unlinkat(batch->claim.fd, file, 0) == 0 ? 0 : -errno;
    json_object_set_new(why, "rows", json_integer((json_int_t)*rows));
    rc = spool_quarantine(batch->claim.spool, &batch->claim.place, file, why);
    crash_point("refuse:after-move");
    return rc;
}

int batch_finish_refusal(struct batch_dir *batch, struct tools *tools, const char *instance, uint64_t *rows)
{
    struct progress *progress = &batch->progress;
    json_t *why = json_loads(progress->why, 0, NULL);
    if (!json_is_object(why)) {
        json_decref(why);
        why = json_pack("{s:s}", "reason", "refused");
    }
    int rc;
    if (progress->is_whole) {
        *rows = batch->plan.rows;
        rc = move_all(batch, why);
    } else {
        rc = move_extract(batch, tools, instance, why, rows);
    }
    json_decref(why);
    if (rc)
        return rc;
    progress->state = PROGRESS_SENDING;
    progress->at = progress->end;
    progress->refused_rows += *rows;
    return batch_record(batch, true);
}
