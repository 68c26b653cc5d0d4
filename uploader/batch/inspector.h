/* Is a file of a batch the segment that its name promises? One look at each file tells what it is and what it
 * holds, and changes nothing: what is to become of it is prepare.h's.
 *
 *     inspector_init(&inspector, dir, db, walk, is_thorough);
 *     inspector_look(&inspector, file, &name, &found);           // for each file
 *     members = inspector_take_members(&inspector, &found);      // of the last one, for the plan
 *     inspector_fini(&inspector);
 *
 * All files of a batch have one database, table, format and schema. A name tells only the schema's hash: its
 * text is learned from the first head that has it, and a file without a head can be sent once another told
 * it. One thread at a time. */
#ifndef UPLOADER_INSPECTOR_H
#define UPLOADER_INSPECTOR_H

#include "common/segment/name.h"
#include "common/segment/scan.h"
#include "common/spool/walk.h"
#include "uploader/batch/plan.h"

enum finding {
    FOUND_WHOLE,      /* with rows */
    FOUND_EMPTY,      /* whole, without a row */
    FOUND_DAMAGED,    /* or its columns are wanted, and nobody told them yet */
    FOUND_FOREIGN,    /* its head says another database, table, format or schema, or cannot be used */
    FOUND_UNREADABLE, /* nothing is known of it */
};

struct inspection {
    enum finding finding;
    struct scan_summary sums;
    uint64_t bytes; /* of the file */
    bool has_head;
    int rc;          /* UNREADABLE: why, a negative errno */
    char cause[256]; /* FOREIGN: what does not fit */
};

struct inspector {
    int dir;
    const char *db;
    struct walk *walk;
    bool is_thorough;
    char *schema; /* its text, once a head told it; else NULL */
    /* private: the data members of the last file (when there are too many: not all), and how many are in
     * plans */
    struct member *members;
    size_t member_count, member_room, planned;
};

/* `dir`, `db` (its name as heads have it) and `walk` (scratch) are borrowed. `is_thorough`: payloads are
 * read, too, so that damage in one is found; without, they are read only of a file whose headers and trailers
 * are damaged. */
void inspector_init(struct inspector *inspector, int dir, const char *db, struct walk *walk,
                    bool is_thorough);
void inspector_fini(struct inspector *inspector);

/* `name`: what segment_name_parse() makes of `file`. */
void inspector_look(struct inspector *inspector, const char *file, const struct segment_name *name,
                    struct inspection *found);

/* The data members of the file that was looked at last: the caller's, to free. NULL: there are more than a
 * plan remembers (PLAN_MEMBERS_MAX for all its files together), or no memory; who sends them looks for them
 * again. */
struct member *inspector_take_members(struct inspector *inspector, const struct inspection *found);

#endif
