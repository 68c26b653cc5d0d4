/* The endpoints: one function for each, from a whole request to a whole reply. */
#ifndef ADXSIM_API_H
#define ADXSIM_API_H

#include "tests/adxsim/http.h"
#include "tests/adxsim/sim.h"

enum {
    MGMT_BODY_MAX = 64 << 20,
    INGEST_WIRE_MAX = 10 << 20, /* "payload never above 10 MB whatever format/compression" */
    INGEST_RAW_MAX = 4 << 20,
    STORAGE_BODY_MAX = 1 << 30
};

/* The largest body that this path of the host takes, in bytes. */
size_t api_body_max(enum host host, const char *path);
/* Route, authenticate, serve. reply is fresh, and complete afterwards. */
void api_serve(const struct sim *sim, struct request *request, struct reply *reply);

void api_metadata(const struct sim *sim, struct request *request, struct reply *reply);
void api_mgmt(const struct sim *sim, struct request *request, struct reply *reply);
void api_query(const struct sim *sim, struct request *request, struct reply *reply);
void api_ingest(const struct sim *sim, struct request *request, struct reply *reply);
/* Everything on the hosts that issue tokens, and on those before storage. */
void api_identity(const struct sim *sim, struct request *request, struct reply *reply);
void api_storage(const struct sim *sim, struct request *request, struct reply *reply);
/* Everything under /_sim/ (admin.c). */
void api_admin(const struct sim *sim, struct request *request, struct reply *reply);

#endif
