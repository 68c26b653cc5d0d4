/* How full it is, in words: ok, high, full, with hysteresis, and the reason. Pure; one thread. */
#ifndef SPILLWAY_DISKGUARD_PRESSURE_H
#define SPILLWAY_DISKGUARD_PRESSURE_H

#include <stdbool.h>
#include <stdint.h>

enum level { PRESSURE_OK, PRESSURE_HIGH, PRESSURE_FULL };

/* What there is too little of. */
enum reason {
    REASON_NONE,
    REASON_BYTES,
    REASON_SEGMENTS,
    REASON_FREE_SPACE,
    REASON_INODES,
    REASON_FAILOVER,
    REASON_UNWRITABLE, /* the file system takes no new file (probe.h) */
    REASON_UNREAD,     /* the spool could not be read yet */
    REASON_COUNT
};

const char *pressure_level_name(enum level level);

/* "none", "bytes", "segments", "free-space", "inodes", "failover", "unwritable", "unread". */
const char *pressure_reason_name(enum reason reason);

enum {
    HIGH_AT = 850, /* permille of what may be used; ok again below OK_BELOW */
    OK_BELOW = 800,
    FULL_AT = 1000, /* or a lease was refused within REFUSED_MS; over when neither is so, below FREE_BELOW */
    FREE_BELOW = 970,
    REFUSED_MS = 2000,
};

struct pressure {
    enum level level;
    enum reason reason;
    enum reason refused; /* why the last refusal */
    int64_t refused_ms;  /* when; 0: never */
    int64_t since_ms;    /* of this level */
};

/* A lease was refused. One for a database in failover says nothing of the rest: not told here. */
void pressure_refused(struct pressure *pressure, enum reason reason, int64_t now_ms);

/* `fill[reason]`: permille. True when level or reason changed. */
bool pressure_update(struct pressure *pressure, const int64_t fill[static REASON_COUNT], int64_t now_ms);

/* part/whole in permille, 0 to 1000 and above; 1000 when there is no whole. */
int64_t pressure_permille(int64_t part, int64_t whole);

#endif
