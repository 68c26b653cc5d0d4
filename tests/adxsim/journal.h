/* What was asked of the stand-in, for assertions: counters, and the last requests. No header's value but the
 * request id is kept; signatures in targets are masked. Thread-safe. */
#ifndef ADXSIM_JOURNAL_H
#define ADXSIM_JOURNAL_H

#include <jansson.h>

#include "tests/adxsim/http.h"

struct journal *journal_new(void);
void journal_free(struct journal *journal);
void journal_add(struct journal *journal, const struct request *request, const struct reply *reply,
                 double duration_ms);
void journal_clear(struct journal *journal);
/* Of Kusto's hosts: {"total", "without_request_id", "with_sig" (in a query string or a command), "by_status",
 * "by_path", "by_host": {HOST: {"total", "without_request_id", "commands": {"the first words": n}}},
 * "get_commands": {".get ..": {"total", "last_hour"}}}; of all: {"by_endpoint": {"METHOD service": n} of
 * storage, tokens and identities, "last": [...oldest first]} */
json_t *journal_report(struct journal *journal);

#endif
