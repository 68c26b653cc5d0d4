/* The body of a transfer as it arrives: verified member by member, each head compared with what the request
 * said, and kept in memory up to a piece. One thread at a time. */
#ifndef SPILLWAY_PEERD_TRANSFER_BODY_H
#define SPILLWAY_PEERD_TRANSFER_BODY_H

#include "common/base/memory.h"
#include "common/segment/digest.h"
#include "common/segment/verifier.h"
#include "common/spool/writer.h"
#include "peerd/receive/transfer_target.h"

enum transfer_body_status {
    BODY_OK,
    BODY_FULL,      /* the piece is to be handed on; then go on with the rest */
    BODY_NO_MEMORY, /* receive-memory is in use */
    BODY_BAD,       /* `why` says what is wrong */
};

enum { BODY_WHY_BYTES = 256 };

struct transfer_body {
    const struct transfer_target *target;
    struct memory *memory;
    size_t piece_max;
    char *data; /* the piece */
    size_t fill, room;
    struct writer_counts counts; /* of the members that end in the piece */
    uint64_t bytes, rows;        /* of all of it */
    uint64_t since_ms; /* so old are its oldest rows, as far as it was read; UINT64_MAX: no head says it */
    struct digest digest;
    char *schema; /* of the first head, canonical; NULL: no head yet */
    char why[BODY_WHY_BYTES];
    struct verifier verifier;
};

/* `expected`: how long it will be; 0: not known. NULL: no memory. */
struct transfer_body *transfer_body_new(const struct transfer_target *target, struct memory *memory,
                                        size_t piece_max, uint64_t expected);
void transfer_body_free(struct transfer_body *body);

/* Take bytes; `*bytes` becomes how many are left. */
NODISCARD enum transfer_body_status transfer_body_take(struct transfer_body *body, const char *data,
                                                       size_t *bytes);

/* The piece was handed on. */
void transfer_body_next(struct transfer_body *body);

/* It ends here: may it? BODY_OK or BODY_BAD. */
NODISCARD enum transfer_body_status transfer_body_finish(struct transfer_body *body);

#endif
