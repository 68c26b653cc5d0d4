/* The walk over the spool: every directory and file of it, by allocated bytes, in slices so that nobody waits
 * long for an answer. It opens directories, never a segment, and changes nothing.
 *
 * A second look is cheap: in queues whose files are complete (all but active/ and incoming/) a known name of
 * a known inode is taken as it was (its stat is repeated once, an age later, as allocation may settle late;
 * and every CHECK_EVERY scans: dirs.h), and a directory of nothing else that has not changed since it was
 * read is not read at all.
 *
 * Queues are walked in the order in which segments move through them, so that one that moves ahead is seen
 * twice (and counted once: by inode) rather than never. One thread. */
#ifndef SPILLWAY_DISKGUARD_SCAN_H
#define SPILLWAY_DISKGUARD_SCAN_H

#include "diskguard/files.h"

enum scan_result {
    SCAN_GOING,  /* call scan_run() again */
    SCAN_DONE,   /* it was complete: now account_scan_end() with scan_dirs() */
    SCAN_FAILED, /* something could not be read: nothing may be concluded from what was not seen */
};

struct scan;

/* -ENOMEM. Both are borrowed and must outlive it. */
NODISCARD int scan_new(struct scan **scan, const struct spool *spool, struct files *files);
void scan_free(struct scan *scan);

/* Start a walk, at `now_ms` of a monotonic clock. The caller has called account_scan_begin(). */
void scan_begin(struct scan *scan, int64_t now_ms);

/* Go on for about `slice_us`. On SCAN_FAILED `err` (may be NULL) says why. */
enum scan_result scan_run(struct scan *scan, int64_t slice_us, struct err *err);

/* For files_end(). */
struct files_dirs scan_dirs(struct scan *scan);

/* Of the last complete walk: microseconds spent in it, entries looked at, and how many of them needed a stat.
 */
struct scan_figures {
    int64_t spent_us, entries, stats, dirs_skipped;
};
struct scan_figures scan_figures(const struct scan *scan);

#endif
