/* A request that waits, for the lander or for who gathers metrics, and its end: its connection may go while
 * it waits, and then it goes when what it waits for is there. */
#include "peerd/receive/transfer.h"

#include "peerd/receive/transfer_parts.h"

static struct transfer *transfer_of(struct http_wait *wait)
{
    return (struct transfer *)(void *)((char *)wait - offsetof(struct transfer, wait));
}

/* --- the end ---------------------------------------------------------------------------------------- */

static void free_transfer(struct transfer *transfer)
{
    struct receiving *receiving = transfer->receiving;
    transfer_body_free(transfer->body);
    free(transfer->scrape.text);
    if (transfer->is_claimed)
        ledger_end(receiving->ledger, &transfer->claim);
    if (transfer->is_counted)
        total_sub(&receiving->in_flight, 1);
    transfer_target_fini(&transfer->target);
    free(transfer);
}

/* It has ended, and nothing waits for it. What it wrote goes first. */
static void on_waited(struct http_wait *wait);
static void let_go(struct transfer *transfer)
{
    if (!transfer->job.own) {
        free_transfer(transfer);
        return;
    }
    transfer->job.kind = LAND_DISCARD;
    http_wait_begin(&transfer->wait, NULL, HTTP_WAIT_ENDED, on_waited);
}

static void on_waited(struct http_wait *wait)
{
    struct transfer *transfer = transfer_of(wait);
    if (transfer->has_ended)
        let_go(transfer);
}

/* Its connection may end while it waits. */
void transfer_end(void *arg, struct MHD_Connection *connection, void **slot,
                  enum MHD_RequestTerminationCode how)
{
    struct receiving *receiving = arg;
    struct transfer *transfer = *slot;
    (void)connection, (void)how;
    *slot = NULL;
    if (!transfer)
        return;
    clients_await_head(&receiving->server.clients, transfer->client);
    transfer->has_ended = true;
    if (!http_wait_is_pending(&transfer->wait))
        let_go(transfer);
}

/* --- waiting ---------------------------------------------------------------------------------------- */

void transfer_begun(void *arg, struct http_wait *waits)
{
    struct receiving *receiving = arg;
    struct landing_jobs jobs = {0};
    for (struct http_wait *next; waits; waits = next) {
        struct transfer *transfer = transfer_of(waits);
        next = waits->next;
        if (transfer->phase == SCRAPING)
            watch_scrape(receiving->watch, &transfer->scrape);
        else
            landing_jobs_add(&jobs, &transfer->job);
    }
    if (jobs.first)
        lander_submit(receiving->lander, &jobs);
}

static void begin_wait(struct transfer *transfer, enum http_wait_how how)
{
    clients_rest(transfer->client);
    http_wait_begin(&transfer->wait, transfer->connection, how, on_waited);
}

static void on_done(struct landing_job *job)
{
    http_wait_end(&((struct transfer *)(void *)job)->wait);
}

static void prepare(struct transfer *transfer, enum land_kind kind)
{
    struct landing_job *job = &transfer->job;
    job->kind = kind;
    job->done = on_done;
    if (transfer->body) {
        job->key.schema = transfer->body->schema;
        job->data = transfer->body->data;
        job->bytes = transfer->body->fill;
        job->counts = transfer->body->counts;
        job->since_ms = transfer->body->since_ms;
        job->marker.digest = digest_value(&transfer->body->digest);
    }
}

void transfer_await_lander(struct transfer *transfer, enum land_kind kind, enum http_wait_how how)
{
    prepare(transfer, kind);
    begin_wait(transfer, how);
}

static void on_scraped(struct scrape *scrape)
{
    struct transfer *transfer =
        (struct transfer *)(void *)((char *)scrape - offsetof(struct transfer, scrape));
    http_wait_end(&transfer->wait);
}

void transfer_await_scrape(struct transfer *transfer)
{
    transfer->scrape.done = on_scraped;
    begin_wait(transfer, HTTP_WAIT_ANSWER);
}
