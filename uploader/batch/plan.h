/* What a batch is (plan.json: written once, durably, before anything of it leaves: frozen) and how far it has
 * come (progress.json: replaced at each step). JSON text <-> structs; pure. That all of it is done is not in
 * these texts: then plan.json is called done.json, because a rename needs no room on a full disk (batch.h).
 *
 * The cursor is the truth: all before it is done with, so files that lie wholly behind it may be gone
 * already. */
#ifndef UPLOADER_PLAN_H
#define UPLOADER_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/segment/format.h"
#include "common/segment/member.h"
#include "common/segment/name.h"

enum {
    PLAN_VERSION = 1,
    PLAN_FILES_MAX = 1000,      /* segments in a batch (peers.md 15) */
    PLAN_BYTES_MAX = 512 << 10, /* of plan.json: 1000 names, and the longest schema */
    PLAN_MEMBERS_MAX = 8192,    /* blocks that are remembered, in all: 576 KiB */
    PROGRESS_BYTES_MAX = 32 << 10,
    PLAN_WHY_BYTES = 4096,
    PROGRESS_BLOB_BYTES = 4096,
};

struct plan_file {
    char *name;
    uint64_t bytes, raw_bytes;
    uint64_t rows, blocks;
    struct member *members; /* its blocks, where somebody has just looked at them: not read again. Or NULL */
};

struct plan {
    uint64_t id;
    char db[NAME_FILE_MAX_BYTES + 1], table[NAME_FILE_MAX_BYTES + 1]; /* as people write them */
    enum segment_format format;
    char *schema; /* "" or the text of the head; owned */
    struct plan_file *files;
    size_t count;
    uint64_t bytes, raw_bytes, rows, blocks; /* of all files */
};

void plan_init(struct plan *plan);
void plan_fini(struct plan *plan);

/* Append a file and add it to the sums. `name` is copied, `members` (heap, `blocks` of them) taken, if only
 * to free it. -ENOMEM, -ENOSPC beyond PLAN_FILES_MAX. */
NODISCARD int plan_add(struct plan *plan, const char *name, const struct plan_file *figures);

NODISCARD int plan_set_schema(struct plan *plan, const char *schema);

/* Are its blocks so small on average that they are deflated anew while joining (segment.md)? A function of
 * the plan alone, so that a second sending has the same bytes. */
bool plan_is_thin(const struct plan *plan);

NODISCARD int plan_write(const struct plan *plan, struct buf *out);

/* -EPROTO: of another version; -EINVAL: not a plan, `err` says why. On success plan_fini() it. */
NODISCARD int plan_read(const char *text, size_t len, struct plan *plan, struct err *err);

/* A place in the rows of a plan. */
struct cursor {
    uint32_t file;   /* index in plan.files; = count: the end */
    uint64_t offset; /* in that file: of the next member */
    uint64_t
        raw; /* of that member's block: raw bytes that are behind the cursor (large blocks go in pieces) */
};

enum progress_state {
    PROGRESS_SENDING, /* rows before `at` are done with */
    PROGRESS_REFUSED, /* rows from `at` to `end` are on their way to quarantine, because of `why` */

    /* Queued ingestion: rows from `at` to `end` are one blob. */
    PROGRESS_UPLOADED, /* it is at `blob`; the message about it may have been posted or not */
    PROGRESS_POSTED,   /* it was; whether ADX failed to ingest it is not known yet (--confirm) */
};

struct progress {
    enum progress_state state;
    struct cursor at;
    struct cursor end;           /* all but SENDING */
    bool is_whole;               /* REFUSED: nothing was sent before, and all files move as they are */
    uint64_t quarantine_id;      /* REFUSED and not whole: id of the segment that the rows become */
    uint64_t parts;              /* sent */
    uint64_t rows, refused_rows; /* uploaded, put into quarantine */
    uint64_t left_rows;          /* not sent: in files that were damaged on the way (rescue.h) */
    uint32_t left_file;          /* the last of them whose rows are in that number, plus 1; 0: none */
    char why[PLAN_WHY_BYTES];    /* REFUSED: JSON text of the .why */

    uint64_t sends; /* how often this blob was given up for a new one: ADX had failed on it */
    uint64_t blob_rows, blob_raw_bytes; /* UPLOADED, POSTED: what is in it */
    int64_t step_ms;                    /* UPLOADED, POSTED: wall time of that step */
    char blob[PROGRESS_BLOB_BYTES]; /* UPLOADED: its address with its signature: a secret, gone when POSTED */
};

NODISCARD int progress_write(const struct progress *progress, struct buf *out);

/* As plan_read(). */
NODISCARD int progress_read(const char *text, size_t len, struct progress *progress, struct err *err);

#endif
