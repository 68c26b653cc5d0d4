/* A blob of a batch: its name, and how its bytes get into a container (adx.md §2.3). Nothing is inflated or
 * held in memory: segments are joined window by window, and each window is read from its files as it is sent.
 */
#ifndef UPLOADER_BLOB_H
#define UPLOADER_BLOB_H

#include "uploader/adx/send.h"
#include "uploader/adx/uuid.h"

enum {
    BLOB_NAME_BYTES = 2 * NAME_FILE_MAX_BYTES + 64,
    /* One Put Blob up to here; above it blocks of about this size. Storage takes 256 MiB at once since long,
     * so this is not its limit but ours: what one broken connection costs, which at 100 Mbit/s is 5 s. */
    BLOB_BLOCK_BYTES = 64 << 20,
};

/* Most raw bytes of a blob: ADX takes 6 GB in one ingestion, and seals at 4 GiB at the latest (adx.md §7). */
#define BLOB_RAW_BYTES ((uint64_t)4 << 30)

/* DB__TABLE__ID-HASH.FORMAT.gz: a function of the plan, of where in it the blob begins, and of `sends` (how
 * often it was given up for a new one). The hash is of the names and sizes of all segments as well, so that
 * two instances whose ids happen to be the same never write over each other. What is not a letter, a digit, a
 * dot, a dash or a _ in the names becomes a _. */
void blob_name(const struct plan *plan, const struct cursor *at, uint64_t sends,
               char name[static BLOB_NAME_BYTES]);

/* Upload the rows from `at` on into one container. On success `sent` says how far they go and what they are;
 * no rows: there is no blob. Repeating it makes the same blob again. */
void blob_put(const struct sending *s, const struct resource *container, const char *name,
              const struct cursor *at, struct sent *sent, struct outcome *outcome);

#endif
