/* A connection, as the parts of the server see it; private to them. It belongs to its loop's thread. */
#ifndef SPILLWAY_HTTP_CONNECTION_H
#define SPILLWAY_HTTP_CONNECTION_H

#include <microhttpd.h>

#include "common/http/addresses.h"
#include "common/http/clients.h"
#include "common/http/tls.h"

struct http_loop;

struct connection {
    struct client client; /* the first member */
    struct http_loop *loop;
    struct address address;
    bool is_counted; /* at its address */
    struct tls_credentials *credentials;
    struct tls_verdict verdict;
};

/* NULL: memory was out as it connected. */
struct connection *connection_of(struct MHD_Connection *handle);

/* MHD_NotifyConnectionCallback; `loop`: struct http_loop. */
void connection_notify(void *loop, struct MHD_Connection *handle, void **context,
                       enum MHD_ConnectionNotificationCode what);

#endif
