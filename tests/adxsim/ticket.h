/* What the stand-in has issued and will know again: access tokens and Kusto identity tokens, each with what
 * it is for, who has it and until when. In the store, so that a restart does not make strangers of its
 * clients. Thread-safe. */
#ifndef ADXSIM_TICKET_H
#define ADXSIM_TICKET_H

#include <jansson.h>
#include <stdint.h>

#include "tests/adxsim/store.h"

#define TICKET_IDENTITY "identity" /* the audience of Kusto identity tokens */

enum { TICKET_SIZE = 128 };

enum ticket_state { TICKET_UNKNOWN, TICKET_EXPIRED, TICKET_WRONG_AUDIENCE, TICKET_GOOD };

/* A new random token. 0 or -EIO. */
NODISCARD int ticket_issue(struct store *store, const char *audience, const char *principal,
                           long long lifetime_s, char token[static TICKET_SIZE]);
/* principal (of size bytes; may be NULL) is set when the token is good. */
enum ticket_state ticket_check(struct store *store, const char *token, const char *audience, char *principal,
                               size_t size);
/* {"issued", "last_minute", "max_per_minute", "by_audience": {}} of access and identity tokens. */
json_t *ticket_report(struct store *store);

#endif
