/* HTTP answers: a status, headers and a JSON text. Thread-safe. */
#ifndef SPILLWAY_ANSWER_H
#define SPILLWAY_ANSWER_H

#include <microhttpd.h>

#include "walwriter/faults.h"
#include "walwriter/reception.h"

enum { ANSWER_WHY_BYTES = 512 };

/* A refusal, put together while the request goes on. */
struct refused {
    unsigned status;  /* 0: not refused */
    const char *code; /* a word for programs */
    char why[ANSWER_WHY_BYTES];
    struct fault fault; /* the row that is bad; row 0: none */
    int retry_s;        /* Retry-After; 0: none */
};

/* Queue it. `is_last`: the connection is to end with it. */
enum MHD_Result answer_refused(struct reception *reception, struct MHD_Connection *connection,
                               const struct refused *refused, bool is_last);

/* {"rows":N,"bytes":N,...}. `first`: the first row that was put aside, or NULL. */
enum MHD_Result answer_taken(struct reception *reception, struct MHD_Connection *connection,
                             const struct job *job, const struct fault *first, bool is_last);

/* /healthz, /readyz, /metrics */
enum MHD_Result answer_health(struct reception *reception, struct MHD_Connection *connection);
enum MHD_Result answer_ready(struct reception *reception, struct MHD_Connection *connection);
enum MHD_Result answer_metrics(struct reception *reception, struct MHD_Connection *connection);

/* Write a refusal to the connection although the body is still coming; the caller ends the connection then.
 */
void answer_at_once(struct reception *reception, struct MHD_Connection *connection,
                    const struct refused *refused);

#endif
