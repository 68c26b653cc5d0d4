/* What was counted since this spool exists, per database, across restarts: a small JSON file in state/. A
 * counting that belongs to something on disk gives its key: it counts once, however often it is repeated,
 * until the key is forgotten because that thing is gone. So a transfer or batch that is found done at start
 * is not counted again.
 *
 *     {"v":1,"databases":{DB:{NAME:number,…}},"counted":{KEY:true}}
 *
 * Written atomically at each counting, not durably: a power cut may take the last numbers back. Any thread:
 * one lock inside. */
#ifndef SPILLWAY_SPOOL_TALLY_H
#define SPILLWAY_SPOOL_TALLY_H

#include <jansson.h>

#include "common/spool/spool.h"

struct tally;

/* One number; a list of them ends with name NULL. */
struct tally_item {
    const char *name;
    uint64_t by;
};

/* Reads `file` of state/ (a constant name). One that cannot be understood is kept as FILE.bad (logged), and
 * counting starts from 0; one that cannot be read now is an error, and stays. */
NODISCARD int tally_new(struct tally **tally, const struct spool *spool, const char *file, struct err *err);
void tally_free(struct tally *tally);

/* Add to the numbers of a database (as people write it). `key` may be NULL. */
void tally_add(struct tally *tally, const char *db, const char *key, const struct tally_item *items);

/* What had this key is gone. In memory; written with the next counting. */
void tally_forget(struct tally *tally, const char *key);

/* At start, when nothing is left of what was counted. */
void tally_forget_all(struct tally *tally);

/* One number of one database; with db NULL, of all together. */
uint64_t tally_get(struct tally *tally, const char *db, const char *name);

/* A copy of "databases". The caller owns it; NULL: out of memory. */
json_t *tally_databases(struct tally *tally);

#endif
