/* What came of an attempt, in one struct: a verdict for the program, the server's words for people. */
#ifndef UPLOADER_OUTCOME_H
#define UPLOADER_OUTCOME_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/compiler.h"

enum verdict {
    VERDICT_SUCCESS,
    VERDICT_STOPPED, /* by ourselves, between two parts (draining): nothing went wrong */
    VERDICT_PENDING, /* posted, and not confirmed yet: to be looked after again */

    /* What speaks of the database, not of one batch: tried again after a while, other batches of it wait too.
     */
    VERDICT_DOWN,         /* no answer, or 5xx: DNS, connect, TLS, timeout, gateway */
    VERDICT_THROTTLED,    /* 429 */
    VERDICT_UNAUTHORISED, /* 401, 403 */
    VERDICT_MISSING,      /* no such database, or no such service at this address */

    /* What speaks of a table or its settings: this batch is tried again, slowly; others go on. */
    VERDICT_UNAVAILABLE, /* streaming is off, the table is not there and we have no schema to make it */
    VERDICT_RETRY,       /* said to be transient by ADX, or trouble of our own (disk, memory) */

    VERDICT_GONE,    /* table or mapping is not there (any more): make it anew and send again */
    VERDICT_REFUSED, /* for good: quarantine */
    VERDICT_KINDS,
};

enum { OUTCOME_WORD_BYTES = 128, OUTCOME_ID_BYTES = 80, OUTCOME_TEXT_BYTES = 768 };

struct outcome {
    enum verdict verdict;
    long status;                   /* HTTP, 0: no answer */
    int64_t retry_after_ms;        /* 0: not said */
    bool has_left;                 /* it failed, but the other side may have taken it all the same */
    bool is_damaged;               /* not sent: what was to be sent is damaged on disk (RETRY) */
    char code[OUTCOME_WORD_BYTES]; /* body.error.code, or a word of our own */
    char type[OUTCOME_WORD_BYTES]; /* body.error.@type */
    char request_id[OUTCOME_ID_BYTES];
    char activity_id[OUTCOME_ID_BYTES];
    char text[OUTCOME_TEXT_BYTES]; /* for people; secrets are cut out */
};

/* "success", "down" … : for log, status and .why. */
const char *verdict_word(enum verdict verdict);

/* Does it speak of the database as a whole? */
int verdict_is_of_database(enum verdict verdict);

/* Fill `outcome` (its ids stay). `code` and the text are redacted. */
void outcome_set(struct outcome *outcome, enum verdict verdict, const char *code, const char *format, ...)
    PRINTF(4, 5);

/* Take secrets out of a text, in place: what follows "sig=", "Bearer " and the like becomes stars. */
void outcome_redact(char *text);

#endif
