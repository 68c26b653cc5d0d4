/* How often the rows of a segment were sent from one member to another, and since when they are here: the
 * head of a landing segment says so, which is made where they land, by a key beside those of segment.md
 * ("received":true, "hops":N) and by the time when it was written. (Its id has the time of the oldest rows.)
 * Thread-safe. */
#ifndef SPILLWAY_PEERD_HOPS_H
#define SPILLWAY_PEERD_HOPS_H

#include "common/segment/member.h"

struct hops {
    unsigned count;    /* 0 for rows that were written here */
    uint32_t landed_s; /* seconds since 1970 */
};

/* Of the segment's open file; reads its head alone. None for what has no head that can be read: uploader or
 * peerd says what is wrong with it. */
struct hops hops_read(int fd);

/* Of a head member that was parsed. */
struct hops hops_of_head(const struct member *member);

/* Likewise, of `file` in `dir`. */
struct hops hops_of(int dir, const char *file);

/* For how long it is here; a clock that went back since says nothing, and it counts as long. */
int64_t hops_held_ms(const struct hops *hops, int64_t wall_ms);

#endif
