/* The answers of peerd's door, each with a JSON text {"v":1,"code":...,"why":...}. Thread-safe. */
#ifndef SPILLWAY_PEERD_TRANSFER_REPLY_H
#define SPILLWAY_PEERD_TRANSFER_REPLY_H

#include "peerd/receive/receiving.h"

enum { REPLY_WHY_BYTES = 512 };

struct refusal {
    unsigned status;  /* 0: not refused */
    const char *code; /* a word for programs */
    char why[REPLY_WHY_BYTES];
    int retry_s;          /* Retry-After; 0: none */
    const char *failover; /* the database that is in failover here; NULL: none. Borrowed */
};

void refusal_set(struct refusal *refusal, unsigned status, const char *code, const char *format, ...)
    PRINTF(4, 5);

/* Queue them. `is_last`: the connection is to end with it. */
enum MHD_Result reply_refused(struct receiving *receiving, struct MHD_Connection *connection,
                              const struct refusal *refusal, bool is_last);
enum MHD_Result reply_stored(struct receiving *receiving, struct MHD_Connection *connection, uint64_t rows,
                             uint64_t bytes, bool is_last);
enum MHD_Result reply_known(struct receiving *receiving, struct MHD_Connection *connection, bool is_last);

/* Write a refusal to the connection although the body is still coming; the caller ends it then. */
void reply_at_once(struct receiving *receiving, struct MHD_Connection *connection,
                   const struct refusal *refusal);

/* /healthz, /readyz, /peer/state; and the metrics that were gathered (taken; NULL: no memory). */
enum MHD_Result reply_health(struct receiving *receiving, struct MHD_Connection *connection);
enum MHD_Result reply_ready(struct receiving *receiving, struct MHD_Connection *connection);
enum MHD_Result reply_state(struct receiving *receiving, struct MHD_Connection *connection);
enum MHD_Result reply_metrics(struct receiving *receiving, struct MHD_Connection *connection,
                              char *take_text);

#endif
