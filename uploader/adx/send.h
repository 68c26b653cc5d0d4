/* Sending one piece of a batch to its target: what the two kinds of target have in common. Runs in a worker.
 */
#ifndef UPLOADER_SEND_H
#define UPLOADER_SEND_H

#include "uploader/adx/adx.h"
#include "uploader/adx/http.h"
#include "uploader/batch/batch.h"

/* What a worker keeps from one batch to the next. */
struct worker {
    struct tools tools;
    struct http http;
    struct buf token; /* read anew for each batch; "" when there is none */
    struct buf text;  /* a command, a URL, rows for inline ingestion */
    struct part part;
    bool has_part;
};

struct sending {
    struct worker *worker;
    struct batch_dir *batch;
    const struct target *target;
    const struct adx_options *options;
    struct adx_endpoint *endpoint; /* ADX only */
    unsigned failures;             /* attempts at this batch before, by this process */
};

/* What was sent, or refused: rows from progress.at up to `next`. */
struct sent {
    struct cursor next;
    uint64_t rows, raw_bytes;
};

/* Send the next piece: for ADX one part, for dir: all there is. On VERDICT_SUCCESS and VERDICT_REFUSED `sent`
 * is filled. */
void adx_send(const struct sending *sending, struct sent *sent, struct outcome *outcome);
void dir_send(const struct sending *sending, struct sent *sent, struct outcome *outcome);

#endif
