#include "peerd/ring/roster.h"

#include <errno.h>

void roster_init(struct roster *roster, bool waits_for_dns)
{
    *roster = (struct roster){.lock = PTHREAD_MUTEX_INITIALIZER, .version = 1, .is_complete = !waits_for_dns};
}

void roster_fini(struct roster *roster)
{
    free(roster->listed.addresses);
    free(roster->found.addresses);
    pthread_mutex_destroy(&roster->lock);
}

static bool is_same(const struct roster_part *part, const struct member_address *addresses, size_t count)
{
    return part->count == count &&
           (count == 0 || memcmp(part->addresses, addresses, count * sizeof *addresses) == 0);
}

static int set_part(struct roster *roster, struct roster_part *part, const struct member_address *addresses,
                    size_t count)
{
    struct member_address *copy = calloc(count + 1, sizeof *copy);
    if (!copy)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++)
        copy[i] = addresses[i];
    if (!is_same(part, copy, count))
        roster->version++;
    free(part->addresses);
    *part = (struct roster_part){.addresses = copy, .count = count};
    return 0;
}

int roster_set_listed(struct roster *roster, const struct member_address *addresses, size_t count)
{
    pthread_mutex_lock(&roster->lock);
    int rc = set_part(roster, &roster->listed, addresses, count);
    pthread_mutex_unlock(&roster->lock);
    return rc;
}

int roster_set_found(struct roster *roster, const struct member_address *addresses, size_t count)
{
    pthread_mutex_lock(&roster->lock);
    int rc = set_part(roster, &roster->found, addresses, count);
    roster->is_complete = roster->is_complete || rc == 0;
    pthread_mutex_unlock(&roster->lock);
    return rc;
}

/* The configuration knows better: what DNS found at an address that is listed is that member. */
static bool is_listed(const struct roster *roster, const struct member_address *address)
{
    for (size_t i = 0; i < roster->listed.count; i++)
        if (!*address->connect_to && strcmp(roster->listed.addresses[i].url, address->url) == 0)
            return true;
    return false;
}

static size_t merge(const struct roster *roster, struct member_address *all, size_t max)
{
    size_t count = 0;
    for (size_t i = 0; i < roster->listed.count && count < max; i++)
        all[count++] = roster->listed.addresses[i];
    for (size_t i = 0; i < roster->found.count && count < max; i++)
        if (!is_listed(roster, &roster->found.addresses[i]))
            all[count++] = roster->found.addresses[i];
    return count;
}

int roster_read(struct roster *roster, uint64_t *version, struct member_address **addresses, size_t *count)
{
    int rc = 0;
    pthread_mutex_lock(&roster->lock);
    if (*version != roster->version) {
        size_t max = roster->listed.count + roster->found.count;
        *addresses = calloc(max + 1, sizeof **addresses);
        rc = *addresses ? 1 : -ENOMEM;
        if (rc > 0) {
            *count = merge(roster, *addresses, max < VIEW_MEMBERS_MAX ? max : VIEW_MEMBERS_MAX);
            *version = roster->version;
        }
    }
    pthread_mutex_unlock(&roster->lock);
    return rc;
}

bool roster_is_complete(struct roster *roster)
{
    pthread_mutex_lock(&roster->lock);
    bool is_complete = roster->is_complete;
    pthread_mutex_unlock(&roster->lock);
    return is_complete;
}
