/* At the current rate, full in how long? Growth smoothed over some RATE_MS, of the whole and of each
 * database. Pure; one thread. */
#ifndef SPILLWAY_DISKGUARD_FORECAST_H
#define SPILLWAY_DISKGUARD_FORECAST_H

#include "diskguard/databases.h"

enum { RATE_MS = 10000, SAMPLE_MS = 250 };

struct forecast {
    int64_t sampled_ms; /* 0: no sample yet */
    struct amount sampled;
    double bytes_rate, files_rate; /* a second; may be negative */
};

/* A complete scan found `used`. Takes a sample of the databases too. */
void forecast_sample(struct forecast *forecast, struct databases *databases, struct amount used,
                     int64_t now_ms);

/* Milliseconds until `room` bytes are used up at `rate` bytes a second; -1: never, as it looks. */
int64_t forecast_full_in_ms(double rate, int64_t room);

/* The same of files. */
int64_t forecast_files_full_in_ms(double rate, int64_t room);

/* The earlier of two answers of these. */
int64_t forecast_earlier(int64_t a_ms, int64_t b_ms);

#endif
