/* Read a segment's file member by member, with pread and a buffer of one member: memory does not grow with
 * the file, and an I/O error is an error and not a signal. Damage is passed over as segment.md says: each
 * byte of the file is reported once, in order, as part of a valid member or of a damaged range.
 *
 *     struct segment_reader reader;
 *     rc = segment_reader_open(&reader, dir, file, &err);
 *     while ((rc = segment_reader_next(&reader, &item, &bytes)) > 0)
 *         if (item.is_member) ... item.member, bytes ... else ... a damaged range ...
 *     segment_reader_close(&reader);
 *
 * Safe on a file that grows meanwhile (active/): what is there at open counts. One thread at a time. */
#ifndef SPILLWAY_SPOOL_READER_H
#define SPILLWAY_SPOOL_READER_H

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/segment/head.h"
#include "common/segment/scan.h"

struct segment_reader {
    int fd;
    uint64_t size;   /* bytes, at open */
    uint64_t offset; /* of what is next */
    struct buf member;
    /* Once damage was met, the rest of the file is in memory and scanned there. */
    struct buf rest;
    uint64_t rest_offset;
    struct scan scan;
    bool is_scanning;
};

/* Open `file` in `dir` for reading. -ENOENT, -EMFILE, -EACCES, -EIO …: says nothing about the content, which
 * is to be left alone. */
NODISCARD int segment_reader_open(struct segment_reader *reader, int dir, const char *file, struct err *err);

/* The same for a descriptor, which stays the caller's. */
NODISCARD int segment_reader_init(struct segment_reader *reader, int fd, struct err *err);

/* Is this the name of a landing segment, that is of one which only its commit markers make part of the spool
 * (marker.h)? segment_reader_open() shows of it what its last marker covers. */
NODISCARD bool segment_is_landing(const char *file);

/* From now on, and from its beginning, the reader shows what its last commit marker covers. */
NODISCARD int segment_reader_end_at_marker(struct segment_reader *reader);

/* 1: `*item` is the next member or damaged range, and `*bytes` the member's bytes (item->member.member_bytes
 * of them; NULL for a damaged range), valid until the next call. 0: end of file. Negative errno: it cannot be
 * read (-EIO, -ENOMEM …). All four clauses of *valid* have been checked. */
NODISCARD int segment_reader_next(struct segment_reader *reader, struct scan_item *item,
                                  const uint8_t **bytes);

void segment_reader_close(struct segment_reader *reader);

/* One pass over a file: what it holds, and its head. `head` (may be NULL) is filled when the file starts with
 * a valid one (summary->starts_with_head), and is then the caller's to fini. 0 or a negative errno as above.
 */
NODISCARD int segment_read_summary(int dir, const char *file, struct scan_summary *summary,
                                   struct segment_head *head, struct err *err);

#endif
