/* The files of a request's own, for a body that is larger than a stage: its rows, piece by piece; sealed when
 * the body was good to its end, removed when it was not, and removed by who adopts when the receiver dies
 * meanwhile: all of the body is kept, or nothing. The committer's thread only. */
#ifndef SPILLWAY_UPLOAD_H
#define SPILLWAY_UPLOAD_H

#include "walwriter/slots.h"

struct upload {
    struct slots *slots;
    struct table *table;
    struct writer rows, bad;
    struct faults faults;
    bool is_sealed;
};

/* -EMFILE: there are too many already. */
NODISCARD int upload_new(struct upload **upload, struct slots *slots, struct table *table, struct err *err);

/* Removes what is not sealed. NULL is allowed. */
void upload_free(struct upload *upload);

/* Append one member. */
NODISCARD int upload_append(struct upload *upload, bool is_bad, const void *member, size_t bytes,
                            const struct writer_counts *counts, struct err *err);

/* Seal the files of all of them. `results[i]` is 0, or why the i-th could not be: nothing of it is kept then.
 */
void uploads_seal(struct upload *const *uploads, size_t count, int *results);

#endif
