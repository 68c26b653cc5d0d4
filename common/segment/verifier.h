/* Check a stream of members as its bytes arrive, with bounded memory and strictly: the first invalid byte
 * ends it. For bodies from peers (no forward search there: the sender has the whole and sends again).
 *
 *     verifier_init(&v);
 *     while (bytes > 0) {
 *         switch (verifier_push(&v, data, bytes, &used)) {
 *         case VERIFIER_MORE: break;                  all of data was taken
 *         case VERIFIER_MEMBER: ... v.member ...; break;   a member was completed; go on with the rest
 *         case VERIFIER_BAD: ... v.status at v.member.offset ...
 *         }
 *         data += used, bytes -= used;
 *     }
 *     if (!verifier_is_at_end(&v)) the stream stops in the middle of a member
 *
 * One thread at a time for one struct verifier. No allocation: the struct is 64 KiB, for the largest header.
 */
#ifndef SPILLWAY_SEGMENT_VERIFIER_H
#define SPILLWAY_SEGMENT_VERIFIER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/compiler.h"
#include "common/segment/member.h"

enum verifier_event {
    VERIFIER_MORE,   /* all bytes were taken, no member ended */
    VERIFIER_MEMBER, /* v->member is a valid member (clauses 1 to 4); its head_json lives until the next push
                      */
    VERIFIER_BAD,    /* v->status says why; sticky */
};

struct verifier {
    struct member member;      /* its offset counts from the first byte of the stream */
    enum member_status status; /* MEMBER_OK until VERIFIER_BAD */
    uint64_t stream_bytes;     /* bytes taken so far */
    /* private */
    enum { VERIFIER_HEADER, VERIFIER_BODY, VERIFIER_BAD_STREAM } state;
    size_t header_need, header_have; /* bytes of the header: wanted, and in header[] */
    size_t body_have;                /* bytes of payload and trailer seen */
    uint32_t crc;                    /* of the payload so far */
    uint8_t tail[MEMBER_TAIL_BYTES];
    uint8_t header[MEMBER_HEADER_MAX];
};

void verifier_init(struct verifier *v);

/* Take bytes from data, at most to the end of the member in hand. *used: how many (all of them, but for the
 * two other events). */
NODISCARD enum verifier_event verifier_push(struct verifier *v, const void *data, size_t bytes, size_t *used);

/* Whether the stream may end here: between two members (or before the first). */
NODISCARD bool verifier_is_at_end(const struct verifier *v);

#endif
