/* What an answer of ADX means (adx.md §1.2-1.4, §6). Pure; thread-safe. */
#ifndef UPLOADER_CLASSIFY_H
#define UPLOADER_CLASSIFY_H

#include <stdbool.h>
#include <stddef.h>

#include "uploader/outcome.h"

struct http_answer {
    const char *failure; /* no answer came: curl's words. NULL: there is a status */
    long status;
    const char *body; /* need not be terminated */
    size_t body_bytes;
    bool is_cut; /* the body was longer than we keep */
};

/* Sets verdict, status, code, type and text of `outcome`; its ids and retry_after_ms are the caller's.
 *
 * No answer: down. Only a 200 whose body is a V1 answer without exceptions is a success. Otherwise, in this
 * order: codes that speak of the database, of its settings or of a table that is gone; then
 * body.error.@permanent; then the status (429, 408, 5xx: transient; other 4xx: for good). An answer that is
 * not ADX's own JSON is never "for good": some proxy spoke. */
void classify(const struct http_answer *answer, struct outcome *outcome);

#endif
