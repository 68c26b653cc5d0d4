/* Which storage account has done well of late (adx.md §2.2): per account a ring of 6 buckets of 10 s, each
 * with how many requests succeeded. An account's rank is the mean of the buckets' rates, a newer one weighing
 * more (1 to 6); without data it is 1. Accounts are taken in tiers by rank (90 %, 70 %, 30 %, 0), in random
 * order within a tier. Pure: the caller brings time and randomness, and the lock. */
#ifndef UPLOADER_RANKING_H
#define UPLOADER_RANKING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/clock.h"

enum {
    RANKING_BUCKETS = 6,
    RANKING_BUCKET_MS = 10000,
    RANKING_ACCOUNTS_MAX = 64, /* beyond it nothing is noted: rank 1 */
    RANKING_NAME_BYTES = 128,
};

struct ranking_account {
    char name[RANKING_NAME_BYTES];
    int64_t bucket; /* number of the newest: time / RANKING_BUCKET_MS */
    uint32_t total[RANKING_BUCKETS], good[RANKING_BUCKETS]; /* by bucket number modulo RANKING_BUCKETS */
};

struct ranking {
    struct ranking_account accounts[RANKING_ACCOUNTS_MAX];
    size_t count;
};

void ranking_note(struct ranking *ranking, const char *account, bool is_good, struct mono now);

/* 0 to 1. */
double ranking_of(const struct ranking *ranking, const char *account, struct mono now);

/* Put `accounts` (indices 0..count-1 of `names`) into the order in which they are to be tried. `random`: a
 * seed. */
void ranking_sort(const struct ranking *ranking, const char *const *names, size_t *order, size_t count,
                  struct mono now, uint64_t random);

#endif
