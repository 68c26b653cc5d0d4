/* A commit marker: the head-like member that ends what one transfer brought to a landing segment. It says
 * that all before it is there, and whose it is:
 *
 *     {...the keys of the segment's head...,"transfer":{"id":ID,"digest":DIGEST,"from":NAME}}
 *
 * Bytes after the last marker of a landing segment are not part of it. Thread-safe. */
#ifndef SPILLWAY_SEGMENT_MARKER_H
#define SPILLWAY_SEGMENT_MARKER_H

#include <stdbool.h>

#include "common/segment/digest.h"
#include "common/segment/flake.h"
#include "common/segment/head.h"
#include "common/segment/member.h"

enum {
    TRANSFER_ID_MAX = 200,   /* bytes of an id: 1 to so many of [A-Za-z0-9._-] */
    TRANSFER_FROM_MAX = 255, /* bytes of the sender's name, of the same characters; it may be "" */
    MARKER_EXTRA_MAX = 640,  /* what a marker's text has more than the head's */
    MARKER_OWNER_BYTES = FLAKE_TEXT_BYTES + SEGMENT_INSTANCE_MAX + 2,
};

struct marker {
    char id[TRANSFER_ID_MAX + 1];
    char from[TRANSFER_FROM_MAX + 1];
    struct digest_value digest;
};

/* Are these the characters of an id, and 1 to `most` of them? */
NODISCARD bool transfer_word_is_valid(const char *text, size_t most);

/* Write the text of a marker to `out` (room: head_bytes + MARKER_EXTRA_MAX), from that of the segment's head,
 * an object. Returns its length. */
size_t marker_write(const struct marker *marker, const char *head_json, size_t head_bytes, char *out);

/* False: it is not a marker, or not one that marker_write() wrote. `owner` becomes the id of the segment that
 * the head is of, and the instance which made it. */
NODISCARD bool marker_read(const char *json, size_t bytes, struct marker *marker,
                           char owner[static MARKER_OWNER_BYTES]);

/* Which heads of a landing segment are markers of its own. What a peer had received before it sent it holds
 * markers too, of that peer's segments: they end nothing here. Zeroed before the first head. */
struct marker_filter {
    bool has_owner; /* false: the first head cannot be read, and every marker counts */
    char owner[MARKER_OWNER_BYTES];
};

/* Shown all heads of the file, in order: is this one of its markers? */
NODISCARD bool marker_is_own(struct marker_filter *filter, const struct member *head, struct marker *marker);

/* Called for each marker, in order; not 0 ends the walk. */
typedef int marker_visit(void *arg, const struct marker *marker);

/* Walk over the content of a landing segment, past any damage: `*end` is where its last marker ends, 0 when
 * there is none. `visit` may be NULL. Returns what `visit` returned last. */
NODISCARD int marker_walk(const void *data, size_t bytes, marker_visit *visit, void *arg, uint64_t *end);

#endif
