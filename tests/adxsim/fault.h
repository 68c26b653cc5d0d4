/* Faults on order: rules that an admin adds and that requests run into (adx.md 10 G). Thread-safe. */
#ifndef ADXSIM_FAULT_H
#define ADXSIM_FAULT_H

#include <jansson.h>

#include "tests/adxsim/error.h"
#include "tests/adxsim/http.h"
#include "tests/adxsim/sim.h"

enum fault_mode {
    FAULT_STATUS,       /* answer the status with an error body; the request has no effect */
    FAULT_STATUS_AFTER, /* the request takes effect, and is then answered the same way */
    FAULT_DROP_BEFORE,  /* close the connection; no effect */
    FAULT_DROP_AFTER,   /* it takes effect, the connection is closed without an answer */
    FAULT_DELAY,        /* only wait (delay_ms works with every mode) */
    FAULT_TRUNCATE,     /* it takes effect, half of the JSON comes, as if it were all */
    FAULT_CUT,          /* it takes effect, half of the body comes, then the connection breaks */
    FAULT_EXCEPTIONS,   /* 200, with Tables and Exceptions; no effect */
    FAULT_GZIP,         /* it takes effect, the answer is gzip whether or not that was asked for */
    FAULT_MODES
};

/* A rule, or the copy of one that a request got. Empty strings match all. */
struct fault {
    int id;
    enum fault_mode mode;
    char match[16]; /* an endpoint, or all */
    char csl_prefix[256];
    char database[256];
    char table[256];
    char account[64]; /* of storage */
    char method[16];  /* of requests to storage */
    long long after;  /* requests that it still lets pass */
    int status;
    int retry_after_s; /* negative: no header */
    int permanent;     /* 1, 0, or -1: what goes with the status */
    char code[128];    /* "": what goes with the status */
    char message[512];
    int delay_ms;
    long long count; /* requests that it still hits; 0: all, until cleared */
    long long hits;
};

struct fault_subject {
    const char *endpoint; /* metadata, mgmt, dm, query, ingest, token, imds, queued, blob, queue, table */
    const char *database; /* NULL when not known */
    const char *table;
    const char *csl;
    const char *account;
    const char *method;
};

struct faults *faults_new(void);
void faults_free(struct faults *faults);
/* Add a rule from JSON: 0 and its id, or -EINVAL with a reason of static storage. */
NODISCARD int faults_add(struct faults *faults, const json_t *rule, int *id, const char **reason);
void faults_clear(struct faults *faults, int id); /* 0: all */
json_t *faults_list(struct faults *faults);

/* The oldest rule that fits, used up by one; fault->id is 0 when none does. */
void fault_take(struct faults *faults, const struct fault_subject *subject, struct fault *fault);
/* The error that a rule of a status is about. */
void fault_error(const struct fault *fault, struct sim_error *error);
/* What comes before the work: the wait, and the answers that need no work. True when reply is complete. */
bool fault_before(const struct sim *sim, const struct fault *fault, const struct request *request,
                  struct reply *reply);
/* What comes after it. */
void fault_after(const struct fault *fault, const struct request *request, struct reply *reply);

#endif
