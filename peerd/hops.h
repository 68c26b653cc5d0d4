/* How often the rows of a segment were sent from one member to another: the head of a landing segment says
 * so, in a key beside those of segment.md ("received":true,"hops":N). Since when they are here, its id says:
 * a landing segment is made where they land. Thread-safe. */
#ifndef SPILLWAY_PEERD_HOPS_H
#define SPILLWAY_PEERD_HOPS_H

#include "common/segment/member.h"

/* Of the segment's open file; reads its head alone. 0 for rows that were written here, and for what has no
 * head that can be read: uploader or peerd says what is wrong with it. */
unsigned hops_read(int fd);

/* Of a head member that was parsed. */
unsigned hops_of_head(const struct member *member);

/* Likewise, of `file` in `dir`. */
unsigned hops_of(int dir, const char *file);

#endif
