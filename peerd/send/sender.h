/* One transfer as one HTTP request at a time, over a curl handle that a worker keeps (and with it
 * connections). HTTP/1.1, no redirects, only http and https; the server's certificate is verified, with
 * tls-ca where given. A struct sender belongs to one thread. curl_global_init() was called before threads. */
#ifndef SPILLWAY_PEERD_SENDER_H
#define SPILLWAY_PEERD_SENDER_H

#include <curl/curl.h>
#include <stdatomic.h>

#include "common/base/buf.h"
#include "peerd/credentials.h"
#include "peerd/ring/view.h"
#include "peerd/send/answer.h"
#include "peerd/send/outbox.h"

enum {
    SENDER_EXPECT_BYTES = 64 << 10, /* larger bodies wait for the peer's word before they are sent */
    SENDER_REQUEST_ID_BYTES = TRANSFER_ID_BYTES + 16,
    SENDER_TOTAL_MS = 600000, /* the longest request, whatever moves */
};

/* Constant while workers run. */
struct sender_settings {
    const char *instance;            /* our name */
    struct credentials *credentials; /* how peers know us, and we them */
    int64_t connect_ms;              /* --peer-connect-timeout */
    int64_t stall_ms;        /* --transfer-stall: nothing moved for so long; whole seconds, at least one */
    atomic_bool *is_aborted; /* set by another thread: requests end at once */
};

/* Where to. */
struct sender_peer {
    char name[PEER_NAME_BYTES];
    char url[VIEW_URL_BYTES];
    char connect_to[VIEW_CONNECT_BYTES];
};

struct sender {
    CURL *easy;
    struct buf text; /* of the answer */
    char failover[ANSWER_DB_BYTES];
};

struct sent {
    struct answer answer;
    char request_id[SENDER_REQUEST_ID_BYTES]; /* in both logs */
    bool was_begun_anew; /* a kept connection was found dead, and some of the body had been sent on it */
};

/* Send a frozen transfer and read the answer. */
void sender_send(struct sender *sender, const struct sender_settings *settings,
                 const struct sender_peer *peer, const struct outbox *outbox, struct sent *sent);

void sender_fini(struct sender *sender);

#endif
