#include "common/http/addresses.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

struct place {
    struct address address; /* the first member */
    size_t connections;
};

static int compare(const void *a, const void *b)
{
    const struct address *first = a, *second = b;
    if (first->bytes != second->bytes)
        return first->bytes < second->bytes ? -1 : 1;
    return memcmp(first->data, second->data, first->bytes);
}

void addresses_init(struct addresses *addresses, size_t most)
{
    *addresses = (struct addresses){.lock = PTHREAD_MUTEX_INITIALIZER, .most = most};
}

void addresses_fini(struct addresses *addresses)
{
    tdestroy(addresses->tree, free);
    addresses->tree = NULL;
}

struct address address_of(const struct sockaddr *name)
{
    struct address address = {0};
    const void *data = NULL;
    if (name && name->sa_family == AF_INET) {
        data = &((const struct sockaddr_in *)(const void *)name)->sin_addr;
        address.bytes = sizeof(struct in_addr);
    } else if (name && name->sa_family == AF_INET6) {
        data = &((const struct sockaddr_in6 *)(const void *)name)->sin6_addr;
        address.bytes = sizeof(struct in6_addr);
    }
    if (data)
        memcpy(address.data, data, address.bytes);
    return address;
}

/* With the lock. */
static struct place *find(struct addresses *addresses, const struct address *address)
{
    struct place **at = tfind(address, &addresses->tree, compare);
    return at ? *at : NULL;
}

static bool is_counted(const struct addresses *addresses, const struct address *address)
{
    return addresses->most > 0 && address->bytes > 0;
}

bool addresses_has_room(struct addresses *addresses, const struct address *address)
{
    if (!is_counted(addresses, address))
        return true;
    pthread_mutex_lock(&addresses->lock);
    const struct place *place = find(addresses, address);
    bool has_room = !place || place->connections < addresses->most;
    pthread_mutex_unlock(&addresses->lock);
    return has_room;
}

/* With the lock. NULL: no memory. */
static struct place *add(struct addresses *addresses, const struct address *address)
{
    struct place *place = calloc(1, sizeof *place);
    if (!place)
        return NULL;
    place->address = *address;
    if (tsearch(place, &addresses->tree, compare))
        return place;
    free(place);
    return NULL;
}

bool addresses_enter(struct addresses *addresses, const struct address *address)
{
    if (!is_counted(addresses, address))
        return false;
    pthread_mutex_lock(&addresses->lock);
    struct place *place = find(addresses, address);
    if (!place)
        place = add(addresses, address);
    if (place)
        place->connections++;
    pthread_mutex_unlock(&addresses->lock);
    return place != NULL;
}

void addresses_leave(struct addresses *addresses, const struct address *address)
{
    pthread_mutex_lock(&addresses->lock);
    struct place *place = find(addresses, address);
    if (place && --place->connections == 0) {
        tdelete(place, &addresses->tree, compare);
        free(place);
    }
    pthread_mutex_unlock(&addresses->lock);
}
