/* The ids of transfers that are here, so that one which is sent again is stored once (INTERNALS.md "Transfers
 * from peers").
 *
 *     ledger_begin(l, id, &digest)      a request with this id has come: new, busy, or known
 *     ledger_reserve(l, n)              before something is written: n ids can be remembered
 *     ledger_add(l, id, digest)         it is stored: from now on known
 *     ledger_write(l, lines, ...)       before the file with its marker goes where no marker is looked for
 *     ledger_end(l, &claim)             the request is over
 *
 * In memory 32 bytes an id; on disk two generations of append-only lines, `state/received` and, before it,
 * `state/received.older`: `<ms since 1970, hexadecimal> <id> <digest>`. When the newer one is old (a day) or
 * long (half of the ids that are kept) it becomes the older one, which is forgotten. At every instant an id
 * that was told to be stored is in a line, or in a marker in active/.
 *
 * Thread-safe; ledger_write() from one thread at a time. What is shared is guarded by one lock, held for
 * memory accesses alone. */
#ifndef SPILLWAY_PEERD_LEDGER_H
#define SPILLWAY_PEERD_LEDGER_H

#include "common/base/buf.h"
#include "common/base/list.h"
#include "common/segment/marker.h"
#include "common/spool/spool.h"

struct ledger;

/* Read what is on disk. Lines that are not ones of ours are passed over, counted and logged. `ids_max`: how
 * many are kept at most. */
NODISCARD int ledger_open(struct ledger **ledger, const struct spool *spool, size_t ids_max, struct err *err);
void ledger_close(struct ledger *ledger);

enum ledger_found {
    LEDGER_NEW,   /* not seen before: it is the claim's now, until ledger_end() */
    LEDGER_BUSY,  /* another request is at it, or a disk that failed has left open whether it is here */
    LEDGER_KNOWN, /* it is here; *digest says with what content */
};

/* Part of whoever deals with an id. */
struct ledger_claim {
    struct link link;
    uint64_t key[2];
};

/* An id that is known is not claimed. */
enum ledger_found ledger_begin(struct ledger *ledger, const char *id, struct ledger_claim *claim,
                               struct digest_value *digest);

/* Harmless on one that is not held. */
void ledger_end(struct ledger *ledger, struct ledger_claim *claim);

/* -ENOMEM: nothing more can be remembered. */
NODISCARD int ledger_reserve(struct ledger *ledger, size_t count);

/* Remember. The room for it was reserved, by the thread that calls this. */
void ledger_add(struct ledger *ledger, const char *id, struct digest_value digest);

/* It was written, and then the disk failed: nobody knows. Such ids are busy until ledger_settle(). */
void ledger_doubt(struct ledger *ledger, const char *id);

/* What is on disk was read again and added: what is not known by now is not here. */
void ledger_settle(struct ledger *ledger);

/* Append the line of an id to `lines`. */
NODISCARD int ledger_line(struct buf *lines, const char *id, struct digest_value digest);

/* Append such lines to the file, durably if so wanted. `*grown`: by how many bytes the files grew on disk.
 * On failure nothing is there; try again. */
NODISCARD int ledger_write(struct ledger *ledger, const struct buf *lines, bool durable, int64_t *grown,
                           struct err *err);

/* How many ids are remembered now. */
size_t ledger_count(struct ledger *ledger);

#endif
