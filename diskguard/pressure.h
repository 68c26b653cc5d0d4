/* How full it is, in words: ok, high, full, with hysteresis, the reason, and a forecast. Pure; one thread. */
#ifndef SPILLWAY_DISKGUARD_PRESSURE_H
#define SPILLWAY_DISKGUARD_PRESSURE_H

#include <stdbool.h>
#include <stdint.h>

#include "diskguard/databases.h"

enum level { PRESSURE_OK, PRESSURE_HIGH, PRESSURE_FULL };

/* What there is too little of. */
enum reason {
    REASON_NONE,
    REASON_BYTES,
    REASON_SEGMENTS,
    REASON_FREE_SPACE,
    REASON_INODES,
    REASON_FAILOVER,
    REASON_COUNT
};

const char *pressure_level_name(enum level level);

/* "none", "bytes", "segments", "free-space", "inodes", "failover". */
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

/* --- the forecast: growth smoothed over some RATE_MS ---------------------------------------------------- */

enum { RATE_MS = 10000, SAMPLE_MS = 250 };

struct forecast {
    int64_t sampled_ms; /* 0: no sample yet */
    int64_t sampled_used;
    int64_t rate; /* bytes a second, may be negative */
};

/* A complete scan found `used` bytes. Takes a sample of the databases too. */
void forecast_sample(struct forecast *forecast, struct databases *databases, int64_t used, int64_t now_ms);

/* Milliseconds until `room` bytes are used up at this rate; -1: never, as it looks. */
int64_t forecast_full_in_ms(const struct forecast *forecast, int64_t room);

#endif
