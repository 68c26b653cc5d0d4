#include "peerd/receive/transfer_parts.h"

#include <inttypes.h>
#include <strings.h>

#include "common/base/log.h"
#include "peerd/receive/transfer.h"

enum { HOPS_TEXT_MAX = 3 };

#define refuse transfer_refuse

/* --- refusals --------------------------------------------------------------------------------------- */

/* Only where the budget is spent does the sender's drop policy apply: what passes by itself is waited for. */
void transfer_refuse_room(struct transfer *transfer, bool is_spent, const char *why)
{
    const char *db = transfer->target.db;
    bool is_failover = is_spent && receiving_buffers(transfer->receiving, db);
    refuse(transfer, MHD_HTTP_TOO_MANY_REQUESTS, is_failover ? "failover" : "full", "no room: %s", why);
    transfer->refusal.failover = is_failover ? db : NULL;
    if (transfer->job.key.database)
        total_add(&transfer->job.key.database->refused, 1);
}

void transfer_refuse_memory(struct transfer *transfer)
{
    refuse(transfer, MHD_HTTP_TOO_MANY_REQUESTS, "busy",
           "bodies that are being received fill the memory that is set aside for them (receive-memory)");
}

void transfer_refuse_conflict(struct transfer *transfer)
{
    refuse(transfer, MHD_HTTP_CONFLICT, "conflict",
           "a transfer with id %s is here already, with other content", transfer->target.id);
    if (transfer->job.key.database)
        total_add(&transfer->job.key.database->conflicts, 1);
}

void transfer_refuse_known(struct transfer *transfer)
{
    if (transfer->job.key.database)
        total_add(&transfer->job.key.database->known, 1);
    refuse(transfer, MHD_HTTP_OK, "known", "this transfer is here already");
}

/* --- who asks for what ------------------------------------------------------------------------------ */

bool transfer_check_sender(struct transfer *transfer)
{
    switch (http_server_check(&transfer->receiving->server, transfer->connection)) {
    case AUTH_NOBODY:
        refuse(transfer, MHD_HTTP_UNAUTHORIZED, "unauthorized",
               "a token (Authorization: Bearer ...) or a client certificate is wanted here");
        return false;
    case AUTH_WRONG:
        refuse(transfer, MHD_HTTP_FORBIDDEN, "forbidden", "this is not the token that is wanted here");
        return false;
    case AUTH_OK:
        break;
    }
    return true;
}

static bool take_hops(struct transfer *transfer)
{
    const char *hops = http_header(transfer->connection, "Spillway-Hops");
    size_t digits = hops ? strspn(hops, "0123456789") : 0;
    if (hops && (digits == 0 || digits > HOPS_TEXT_MAX || hops[digits])) {
        refuse(transfer, MHD_HTTP_BAD_REQUEST, "bad-request", "Spillway-Hops '%.20s': not a number", hops);
        return false;
    }
    unsigned long count = hops ? strtoul(hops, NULL, 10) + 1 : 1;
    transfer->job.key.hops = count < LANDING_HOPS_MAX ? (unsigned)count : LANDING_HOPS_MAX;
    return true;
}

static bool take_headers(struct transfer *transfer)
{
    const char *from = http_header(transfer->connection, "Spillway-From");
    const char *to = http_header(transfer->connection, "Spillway-To");
    const char *digest = http_header(transfer->connection, "Spillway-Digest");
    const char *encoding = http_header(transfer->connection, MHD_HTTP_HEADER_CONTENT_ENCODING);
    const char *name = transfer->receiving->settings.name;
    if (to && strcmp(to, name) != 0)
        refuse(transfer, MHD_HTTP_BAD_REQUEST, "wrong-peer", "this is '%s', not '%.60s'", name, to);
    else if (digest && (!digest_parse(digest, &transfer->told) || transfer->told.bytes == 0))
        refuse(transfer, MHD_HTTP_BAD_REQUEST, "bad-request",
               "Spillway-Digest '%.60s': <bytes>-<16 hexadecimal digits> is wanted", digest);
    else if (from && !transfer_word_is_valid(from, TRANSFER_FROM_MAX))
        refuse(transfer, MHD_HTTP_BAD_REQUEST, "bad-request", "Spillway-From '%.60s': not an instance's name",
               from);
    else if (encoding && strcasecmp(encoding, "identity") != 0)
        refuse(transfer, MHD_HTTP_BAD_REQUEST, "bad-request",
               "Content-Encoding '%.60s': a segment is sent as it is", encoding);
    if (transfer->refusal.status || !take_hops(transfer))
        return false;
    snprintf(transfer->job.marker.from, sizeof transfer->job.marker.from, "%s", from ? from : "");
    return true;
}

/* What it asks for can be understood, and what is here is known. */
static bool check_request(struct transfer *transfer, const char *method)
{
    const struct transfer_target *target = &transfer->target;
    if (strcmp(method, MHD_HTTP_METHOD_POST) != 0)
        refuse(transfer, MHD_HTTP_METHOD_NOT_ALLOWED, "method", "segments are sent by POST");
    else if (target->kind == TARGET_BAD)
        refuse(transfer, MHD_HTTP_BAD_REQUEST, "bad-name", "%s", target->why);
    else if (!lander_is_ready(transfer->receiving->lander))
        refuse(transfer, MHD_HTTP_SERVICE_UNAVAILABLE, "starting",
               "what an earlier process received is not known yet");
    else if (transfer->head.has_length && transfer->told.bytes &&
             transfer->told.bytes != transfer->head.length)
        refuse(transfer, MHD_HTTP_BAD_REQUEST, "bad-request",
               "Spillway-Digest and Content-Length tell different sizes");
    return transfer->refusal.status == 0;
}

/* One that is here already may be as long as it is, to be compared. */
uint64_t transfer_most_bytes(const struct transfer *transfer)
{
    uint64_t most = transfer->receiving->settings.body_max_bytes;
    return transfer->is_known && transfer->known.bytes > most ? transfer->known.bytes : most;
}

/* Would we take it? */
static bool check_target(struct transfer *transfer)
{
    const struct receive_settings *settings = &transfer->receiving->settings;
    const char *db = transfer->target.db;
    if (settings->database_count > 0 && !conf_words_have(settings->databases, settings->database_count, db))
        refuse(transfer, MHD_HTTP_BAD_REQUEST, "unknown-database", "database '%.60s' is not known here", db);
    else if (atomic_load(&transfer->receiving->is_draining))
        refuse(transfer, MHD_HTTP_SERVICE_UNAVAILABLE, "draining",
               "this instance is about to leave: send to another");
    else if (transfer->head.has_length && transfer->head.length > transfer_most_bytes(transfer))
        refuse(transfer, MHD_HTTP_CONTENT_TOO_LARGE, "too-large",
               "a body of %" PRIu64 " bytes: at most %" PRIu64 " are taken (max-transfer-bytes)",
               transfer->head.length, settings->body_max_bytes);
    return transfer->refusal.status == 0;
}

/* The ledger is asked before anything that could refuse a transfer of that id: whoever sends one again
 * because the answer was lost must hear that it is here, and not be turned away to store it elsewhere, too.
 * True: its body is to be read. */
static bool check_id(struct transfer *transfer)
{
    struct receiving *receiving = transfer->receiving;
    const char *id = transfer->target.id;
    snprintf(transfer->job.marker.id, sizeof transfer->job.marker.id, "%s", id);
    switch (ledger_begin(receiving->ledger, id, &transfer->claim, &transfer->known)) {
    case LEDGER_NEW:
        transfer->is_claimed = true;
        return true;
    case LEDGER_BUSY:
        refuse(transfer, MHD_HTTP_SERVICE_UNAVAILABLE, "busy", "a transfer with this id is under way");
        return false;
    case LEDGER_KNOWN:
        break;
    }
    transfer->is_known = true;
    transfer->job.key.database = received_get(&receiving->received, transfer->target.db);
    if (transfer->told.bytes && digest_is_equal(transfer->told, transfer->known)) {
        transfer_refuse_known(transfer);
    } else if (transfer->told.bytes && transfer->head.is_expecting) {
        transfer_refuse_conflict(transfer);
        log_warn("transfer-conflict", log_s("id", id), log_s("db", transfer->target.db),
                 log_s("from", transfer->job.marker.from),
                 log_s("meaning", "another content under an id that is here; it was not sent"));
    }
    return transfer->refusal.status == 0;
}

static bool check_room(struct transfer *transfer)
{
    struct receiving *receiving = transfer->receiving;
    char why[RECEIVED_WHY_BYTES];
    bool is_spent = false;
    if (transfer->is_known ||
        received_has_room(&receiving->received, transfer->job.key.database, &is_spent, why))
        return true;
    transfer_refuse_room(transfer, is_spent, why);
    return false;
}

static bool make_body(struct transfer *transfer)
{
    struct receiving *receiving = transfer->receiving;
    uint64_t expected = transfer->head.length;
    transfer->body =
        transfer_body_new(&transfer->target, &receiving->memory, receiving->settings.piece_bytes, expected);
    if (!transfer->body)
        transfer_refuse_memory(transfer);
    return transfer->body != NULL;
}

static bool find_database(struct transfer *transfer)
{
    struct landing_key *key = &transfer->job.key;
    key->database = received_get(&transfer->receiving->received, transfer->target.db);
    key->table = transfer->target.table;
    key->format = transfer->target.format;
    key->schema_hash = transfer->target.schema_hash;
    if (!key->database)
        refuse(transfer, MHD_HTTP_TOO_MANY_REQUESTS, "busy", "too many databases");
    return key->database != NULL;
}

bool transfer_admit(struct transfer *transfer, const char *method)
{
    return transfer_check_sender(transfer) && take_headers(transfer) && check_request(transfer, method) &&
           check_id(transfer) && check_target(transfer) && find_database(transfer) && check_room(transfer) &&
           make_body(transfer);
}
