/* What a transfer is: plan.json of transfer/<db>/<id>/, written once, durably, before a byte of it leaves.
 * JSON text <-> struct; pure. The body on the wire is the files in this order, one after the other,
 * untouched. */
#ifndef SPILLWAY_PEERD_MANIFEST_H
#define SPILLWAY_PEERD_MANIFEST_H

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/segment/digest.h"
#include "common/segment/flake.h"
#include "common/segment/name.h"

enum {
    MANIFEST_VERSION = 1,
    MANIFEST_FILES_MAX = 1000,
    MANIFEST_BYTES_MAX = 512 << 10,                                 /* of plan.json: 1000 names of files */
    MANIFEST_PEER_BYTES = 64,                                       /* a member's name, with its terminator */
    TRANSFER_ID_BYTES = MANIFEST_PEER_BYTES + 1 + FLAKE_TEXT_BYTES, /* on the wire; with its terminator */
};

struct manifest_file {
    char *name;
    uint64_t bytes, rows, raw_bytes;
};

struct manifest {
    char id[TRANSFER_ID_BYTES];     /* on the wire: <instance>-<16 hex>, stable over retries */
    char peer[MANIFEST_PEER_BYTES]; /* who it is for; another one never gets it */
    char db[NAME_FILE_MAX_BYTES + 1], table[NAME_FILE_MAX_BYTES + 1]; /* as people write them */
    char schema[SCHEMA_HASH_TEXT_BYTES]; /* as in file names: hash in base 36, or "-" */
    enum segment_format format;
    unsigned hops;     /* how often its rows were sent before */
    int64_t frozen_ms; /* wall time */
    struct digest_value digest;
    struct manifest_file *files;
    size_t count;
    uint64_t bytes, rows, raw_bytes; /* of all files */
};

void manifest_init(struct manifest *manifest);
void manifest_fini(struct manifest *manifest);

/* Append a file and add it to the sums. `name` is copied. -ENOMEM, -ENOSPC beyond MANIFEST_FILES_MAX. */
NODISCARD int manifest_add(struct manifest *manifest, const char *name, const struct manifest_file *figures);

NODISCARD int manifest_write(const struct manifest *manifest, struct buf *out);

/* -EPROTO: of another version; -EINVAL: not a manifest, `err` says why. On success manifest_fini() it. Every
 * name in it is one of a segment of its table: nothing else can be named, no path either. */
NODISCARD int manifest_read(const char *text, size_t len, struct manifest *manifest, struct err *err);

#endif
