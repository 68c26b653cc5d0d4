/* What all requests at peerd's door share: set up and taken down by receiving.c, constant in between but for
 * what says of itself that it is thread-safe. The server's threads touch nothing else of peerd. */
#ifndef SPILLWAY_PEERD_RECEIVING_H
#define SPILLWAY_PEERD_RECEIVING_H

#include "common/base/memory.h"
#include "common/control/metrics.h"
#include "common/http/server.h"
#include "peerd/receive/lander.h"
#include "peerd/receive/watch.h"
#include "peerd/ring/view.h"

struct receive_settings {
    struct http_settings http;
    struct landing_settings landing;
    const char *name;       /* ours */
    char *const *databases; /* that we know; none: all are taken */
    size_t database_count;
    uint64_t body_max_bytes;
    size_t piece_bytes; /* a body that is larger has a file of its own, and comes into it in such pieces */
    size_t ids_max;
};

/* Answers, by what they say; the order of receiving_codes. */
enum { RECEIVING_CODES = 12 };

struct receiving {
    struct receive_settings settings;
    struct memory memory;
    struct received received;
    struct ledger *ledger;
    struct lander *lander;
    struct watch *watch;
    struct views *views;
    struct http_server server;
    struct http_hooks hooks;
    struct lander_hooks lander_hooks;
    _Atomic bool is_draining;
    _Atomic uint64_t in_flight; /* transfers between head and answer */
    _Atomic uint64_t clients_cut;
    _Atomic uint64_t answers[RECEIVING_CODES];
    /* of the main thread */
    struct mono bodies_until;
    uint64_t published;
};

/* Status codes that are counted; 0: others. */
extern const unsigned receiving_codes[RECEIVING_CODES];
void receiving_count(struct receiving *receiving, unsigned status);

/* Why it is not ready: words and sentences; the caller's. Empty: it is. */
json_t *receiving_reasons(struct receiving *receiving);

/* Is the database in failover, and is it us who buffer it, as far as we know? */
bool receiving_buffers(struct receiving *receiving, const char *db);

/* The text of our own /peer/state, malloc'd. NULL: no memory. */
char *receiving_peer_state(struct receiving *receiving);

/* Can a peerd with --listen run with it? -EINVAL with a text. */
NODISCARD int receiving_check(const struct conf *conf, struct err *err);

void receiving_status(struct receiving *receiving, json_t *out);
void receiving_metrics(struct receiving *receiving, struct metrics *out);

#endif
