/* What a peer's answer to a transfer means, and what is done with our copy (failover.md §3). Pure.
 *
 * The one question that matters for "exactly once" is whether the peer may have stored it. An answer that
 * refuses says that this request did not; of earlier ones it says nothing. So a transfer is *in doubt* from
 * the first request of which some byte of the body left us and no answer came, and then only 202, 200 or 409
 * settles it: until then it is sent again, the same bytes under the same id to the same peer. */
#ifndef SPILLWAY_PEERD_ANSWER_H
#define SPILLWAY_PEERD_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum fate {
    FATE_DELIVERED,    /* 202, 200 */
    FATE_REFUSED,      /* 400: what we sent is not acceptable */
    FATE_CONFLICT,     /* 409: it has other content under this id */
    FATE_MISNAMED,     /* 400 wrong-peer: another instance listens there */
    FATE_UNAUTHORISED, /* 401, 403 */
    FATE_TOO_LARGE,    /* 413 */
    FATE_NO_BUDGET,    /* 429 */
    FATE_NOT_READY,    /* 503 */
    FATE_FOREIGN,      /* any other refusal: what listens there does not understand us */
    FATE_UNREACHABLE,  /* no byte of the body left us */
    FATE_UNKNOWN,      /* something left us, and no answer came; or one that says nothing (5xx) */
    FATE_LOCAL,        /* it could not be sent because of trouble here (a file, memory): nothing left us */
    FATE_COUNT,
};

const char *fate_word(enum fate fate);

enum {
    ANSWER_CODE_BYTES = 64,
    ANSWER_WHY_BYTES = 512,
    ANSWER_DB_BYTES = 256,
    ANSWER_RETRY_AFTER_MAX_MS = 3600 * 1000,
};

struct answer {
    enum fate fate;
    long status;                    /* 0: none came */
    char code[ANSWER_CODE_BYTES];   /* the peer's word for it; "" */
    char why[ANSWER_WHY_BYTES];     /* its sentence, or curl's */
    char failover[ANSWER_DB_BYTES]; /* 429: this database is in failover and full there; "" */
    int64_t retry_after_ms;         /* 0: it said nothing */
};

/* What came of a request. */
struct answer_facts {
    long status;         /* of a complete head of an answer; 0: none */
    bool is_complete;    /* nothing failed until its end */
    bool has_left;       /* some byte of the body was handed to the network */
    const char *failure; /* curl's words when something failed; NULL */
    const char *body;    /* JSON {"code":…,"why":…}, or whatever it is */
    size_t body_bytes;
    const char *failover; /* header Spillway-Failover; NULL */
    int64_t retry_after_ms;
};

void answer_read(const struct answer_facts *facts, struct answer *answer);

enum disposal {
    DISPOSE_DONE,       /* the peer has it: our copy goes */
    DISPOSE_QUARANTINE, /* refused for good */
    DISPOSE_DIVERT,     /* the peer has it not and will not: our own upload/ */
    DISPOSE_KEEP,       /* as it is, tried again */
};

/* `is_in_doubt`: an earlier request of this transfer may have been stored. */
enum disposal answer_dispose(enum fate fate, bool is_in_doubt);

/* Is it in doubt after this one? */
static inline bool answer_is_in_doubt(enum fate fate, bool was_in_doubt)
{
    return was_in_doubt || fate == FATE_UNKNOWN;
}

#endif
