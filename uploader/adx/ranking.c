#include "uploader/adx/ranking.h"

#include "common/base/compiler.h"

static int64_t bucket_at(struct mono now)
{
    return now.ns / 1000000 / RANKING_BUCKET_MS;
}

static struct ranking_account *find(struct ranking *ranking, const char *name)
{
    for (size_t i = 0; i < ranking->count; i++)
        if (strcmp(ranking->accounts[i].name, name) == 0)
            return &ranking->accounts[i];
    return NULL;
}

static struct ranking_account *add(struct ranking *ranking, const char *name)
{
    if (ranking->count == RANKING_ACCOUNTS_MAX || strlen(name) >= RANKING_NAME_BYTES)
        return NULL;
    struct ranking_account *account = &ranking->accounts[ranking->count++];
    *account = (struct ranking_account){0};
    snprintf(account->name, sizeof account->name, "%s", name);
    return account;
}

/* Buckets between the newest one known and `bucket` had nothing in them. */
static void advance(struct ranking_account *account, int64_t bucket)
{
    int64_t from = bucket - account->bucket > RANKING_BUCKETS ? bucket - RANKING_BUCKETS : account->bucket;
    for (int64_t i = from + 1; i <= bucket; i++)
        account->total[i % RANKING_BUCKETS] = account->good[i % RANKING_BUCKETS] = 0;
    if (bucket > account->bucket)
        account->bucket = bucket;
}

void ranking_note(struct ranking *ranking, const char *name, bool is_good, struct mono now)
{
    struct ranking_account *account = find(ranking, name);
    if (!account && !(account = add(ranking, name)))
        return;
    advance(account, bucket_at(now));
    account->total[account->bucket % RANKING_BUCKETS]++;
    account->good[account->bucket % RANKING_BUCKETS] += is_good;
}

double ranking_of(const struct ranking *ranking, const char *name, struct mono now)
{
    const struct ranking_account *account = NULL;
    double sum = 0, weights = 0;
    int64_t newest = bucket_at(now);
    for (size_t i = 0; i < ranking->count && !account; i++)
        if (strcmp(ranking->accounts[i].name, name) == 0)
            account = &ranking->accounts[i];
    for (int64_t age = 0; account && age < RANKING_BUCKETS && newest - age >= 0; age++) {
        int64_t bucket = newest - age;
        size_t at = (size_t)(bucket % RANKING_BUCKETS);
        if (bucket > account->bucket || bucket <= account->bucket - RANKING_BUCKETS ||
            account->total[at] == 0)
            continue;
        double weight = (double)(RANKING_BUCKETS - age);
        sum += weight * account->good[at] / account->total[at];
        weights += weight;
    }
    return weights > 0 ? sum / weights : 1;
}

static unsigned tier_of(double rank)
{
    static const double floors[] = {0.9, 0.7, 0.3};
    unsigned tier = 0;
    while (tier < ARRAY_LEN(floors) && rank < floors[tier])
        tier++;
    return tier;
}

static uint64_t next_random(uint64_t *state)
{
    uint64_t x = (*state += 0x9e3779b97f4a7c15); /* splitmix64 */
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    return x ^ (x >> 31);
}

void ranking_sort(const struct ranking *ranking, const char *const *names, size_t *order, size_t count,
                  struct mono now, uint64_t random)
{
    for (size_t i = 0; i < count; i++) { /* a shuffle from the inside out */
        size_t k = (size_t)(next_random(&random) % (i + 1));
        order[i] = order[k];
        order[k] = i;
    }
    for (size_t i = 1; i < count; i++) { /* then by tier, which leaves equals as they are */
        size_t one = order[i], k = i;
        unsigned tier = tier_of(ranking_of(ranking, names[one], now));
        for (; k > 0 && tier_of(ranking_of(ranking, names[order[k - 1]], now)) > tier; k--)
            order[k] = order[k - 1];
        order[k] = one;
    }
}
