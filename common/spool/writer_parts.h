/* What writer.c, writer_sync.c, writer_seal.c and writer_group.c share; private to them. */
#ifndef SPILLWAY_SPOOL_WRITER_PARTS_H
#define SPILLWAY_SPOOL_WRITER_PARTS_H

#include "common/spool/writer.h"

/* The name that the file has while it is in active/. */
const char *writer_active_name(const struct writer *w, char name[static SPOOL_NAME_BYTES]);

/* Bytes that the file `fd` occupies; 0 when that cannot be told. */
int64_t writer_allocated(int fd);

/* Tell the lease by how much the file grew, or shrank. */
void writer_account(struct writer *w);

/* What must be held besides the bytes of an append, so that the sealing never lacks it. */
int64_t writer_seal_reserve(enum writer_fate fate);

/* Open a database's folder, making it when it is missing; what that cost is told to the lease. */
NODISCARD int writer_open_folder(struct writer *w, enum spool_queue queue, bool durable);

/* Does upload/, where it goes when it is sealed, have a file of that name? Only asked of a landing segment,
 * whose id may have been given before a power cut (spool_next_id_at()). */
NODISCARD bool writer_is_taken(const struct writer *w);

/* Cut off what is behind the last whole member; what cannot be cut off now is remembered (is_torn). */
int writer_cut_back(struct writer *w);

/* writer_sync() but for the file's name. */
NODISCARD int writer_sync_data(struct writer *w, struct err *err);

/* The steps of writer_seal() after the content is as durable as it is to be: to where its fate says (what
 * comes beside it first), and closed. Directories are not synced. */
NODISCARD int writer_move_sealed(struct writer *w, json_t *why, bool durable, struct err *err);

static inline enum spool_queue writer_goal(const struct writer *w)
{
    if (writer_is_refused(w->fate))
        return QUEUE_QUARANTINE;
    return w->fate == WRITER_LANDING ? QUEUE_UPLOAD : QUEUE_SEALED;
}

#endif
