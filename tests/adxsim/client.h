/* HTTP requests to the storage behind the stand-in: one connection's worth, over libcurl. One owner each.
 *
 * Storage may be gone, or take a request and never answer it: so requests look, about once a second, at
 * whether the program ends. From when they see it all further waiting of a client has CLIENT_GRACE_MS
 * together. */
#ifndef ADXSIM_CLIENT_H
#define ADXSIM_CLIENT_H

#include "common/base/compiler.h"
#include "tests/adxsim/buf.h"

struct client;

struct client_request {
    const char *method;
    const char *url;            /* sent as it stands: no path is tidied up */
    const char *const *headers; /* "Name: value", ended by NULL; NULL: none */
    const void *body;           /* NULL: none */
    size_t len;
    size_t response_max; /* bytes of body; 0: 64 KiB */
};

struct client_response {
    int status;
    struct buf headers; /* "Name: value\n" each, of the last answer */
    struct buf body;
};

enum { CLIENT_GRACE_MS = 2000 };

/* `stop_fd`: readable once the program ends; -1: nobody tells. */
struct client *client_new(int stop_fd);
void client_free(struct client *client);

/* Neither Expect nor a Content-Type is added; redirects are not followed. 0 with any HTTP status;
 * -ECONNREFUSED, -ETIMEDOUT, -E2BIG (longer than response_max), -EIO: no whole answer; -ECANCELED: the
 * program ends. response is to be ended with client_response_fini in every case. */
NODISCARD int client_perform(struct client *client, const struct client_request *request,
                             struct client_response *response);
void client_response_fini(struct client_response *response);
/* A header's value, without regard to case, into value ("" when absent). */
void client_header(const struct client_response *response, const char *name, char *value, size_t size);

#endif
