/* The message by which ADX is told of a blob (adx.md §2.4), field for field as Kusto's own clients write it.
 * Pure; thread-safe. */
#ifndef UPLOADER_QUEUE_MESSAGE_H
#define UPLOADER_QUEUE_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/segment/format.h"

enum { QUEUE_MESSAGE_MAX = 48 << 10, QUEUE_BODY_MAX = 80 << 10 }; /* 64 KiB of base64 is the queue's limit */

struct queue_message {
    const char *id;        /* UUID: comes back as IngestionSourceId */
    const char *blob_path; /* address and signature */
    uint64_t raw_bytes;    /* exact, uncompressed */
    const char *db, *table;
    enum segment_format format;
    const char *mapping;   /* name of the mapping; NULL: none */
    const char *identity;  /* the identity token of the data-management endpoint */
    const char *dedup_key; /* NULL: none; else ADX skips what it has under this key */
    const char *created;   /* ISO 8601 */
};

/* The JSON text. 0; -EILSEQ: some text is not UTF-8; -ENOSPC; -ENOMEM. */
NODISCARD int queue_message_json(const struct queue_message *message, struct buf *out);

/* <QueueMessage> with the JSON in base64 in it: the body of a request. */
NODISCARD int queue_message_body(const char *json, size_t len, struct buf *out);

#endif
