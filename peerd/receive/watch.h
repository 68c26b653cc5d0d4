/* What the server's threads must not wait for themselves: diskguard's word on whether the spool may be
 * written to, asked once a second, and the metrics of all programs of this spool, gathered when somebody
 * asks. One thread of its own; calls from any thread but for watch_new() and watch_free(). */
#ifndef SPILLWAY_PEERD_WATCH_H
#define SPILLWAY_PEERD_WATCH_H

#include "common/base/err.h"
#include "common/spool/spool.h"

struct watch;

/* With `is_guarded` false diskguard is not asked. */
NODISCARD int watch_new(struct watch **watch, const struct spool *spool, bool is_guarded, struct err *err);

/* Scrapes that wait, and those that come later, are answered with nothing. NULL is allowed, here and below.
 */
void watch_stop(struct watch *watch);
void watch_free(struct watch *watch);

enum { WATCH_REASON_BYTES = 64, WATCH_REASONS_MAX = 4 };

/* Why the spool is not to be written to, as diskguard says: bytes, segments, free-space, inodes, unwritable,
 * unread, or no-diskguard. Returns how many. */
size_t watch_reasons(struct watch *watch, char reasons[static WATCH_REASONS_MAX][WATCH_REASON_BYTES]);

/* One who wants the metrics; part of the caller, untouched until done(). */
struct scrape {
    struct scrape *next;
    char *text; /* malloc'd, the caller's; NULL: no memory */
    void (*done)(struct scrape *scrape);
};
void watch_scrape(struct watch *watch, struct scrape *scrape);

#endif
