/* What transfer.c, transfer_admit.c and transfer_wait.c share; private to them. */
#ifndef SPILLWAY_PEERD_TRANSFER_PARTS_H
#define SPILLWAY_PEERD_TRANSFER_PARTS_H

#include "common/http/head.h"
#include "peerd/receive/transfer_body.h"
#include "peerd/receive/transfer_reply.h"

enum phase { NEW, LOOKING, SCRAPING, ASKING, READING, PIECE, COMMITTING, REFUSED };

struct transfer {
    struct landing_job job; /* the first member: the lander gives it back */
    struct http_wait wait;
    struct scrape scrape;
    struct receiving *receiving;
    struct MHD_Connection *connection;
    struct client *client;
    struct transfer_target target;
    struct http_head head;
    enum phase phase;
    bool is_counted, is_claimed;
    bool has_ended;            /* the library knows it no more */
    bool is_full;              /* the piece is to be handed on before anything else */
    bool is_known;             /* the id is: its body is read to be compared */
    struct digest_value known; /* what is here under this id */
    struct digest_value told;  /* Spillway-Digest; bytes 0: none */
    struct ledger_claim claim;
    struct transfer_body *body;
    int64_t started_ns;
    struct refusal refusal;
};

/* Hand its job on, or have the metrics gathered. The handler is called again when that is done: job.result,
 * or scrape.text, says what came of it. */
void transfer_await_lander(struct transfer *transfer, enum land_kind kind, enum http_wait_how how);
void transfer_await_scrape(struct transfer *transfer);

#define transfer_refuse(transfer, status, code, ...) \
    refusal_set(&(transfer)->refusal, status, code, __VA_ARGS__)

/* What the head says: may it come in, is it here already, would we take it? False: transfer->refusal says
 * what to answer. Afterwards its id is claimed (or known), its database found, and memory for its body there.
 */
NODISCARD bool transfer_admit(struct transfer *transfer, const char *method);

/* Is it one of ours? All but /healthz and /readyz wants that. */
NODISCARD bool transfer_check_sender(struct transfer *transfer);

/* How long its body may be. */
uint64_t transfer_most_bytes(const struct transfer *transfer);

void transfer_refuse_room(struct transfer *transfer, bool is_spent, const char *why);
void transfer_refuse_memory(struct transfer *transfer);
void transfer_refuse_conflict(struct transfer *transfer);

/* 200: it is here already. */
void transfer_refuse_known(struct transfer *transfer);

#endif
