/* The storage accounts that the data-management host hands out to its clients: containers, queues and the
 * status table in each, the URLs by which clients and we reach them, and the signatures. Nothing changes
 * after storage_prepare; thread-safe. */
#ifndef ADXSIM_STORAGE_H
#define ADXSIM_STORAGE_H

#include "tests/adxsim/buf.h"
#include "tests/adxsim/client.h"

enum service { SERVICE_BLOB, SERVICE_QUEUE, SERVICE_TABLE, SERVICES };

struct account {
    char *name;
    struct buf key;
    char *urls[SERVICES];   /* http://HOST:PORT/ACCOUNT, no slash at the end; table's may be NULL */
    char *public[SERVICES]; /* what clients are told: the same, or a port of ours before it */
};

enum { ACCOUNTS_MAX = 8, CONTAINERS_PER_ACCOUNT = 2 };

struct storage {
    char *cluster; /* begins the names of containers and queues: clusters can share accounts */
    struct account accounts[ACCOUNTS_MAX];
    size_t naccounts;
};

/* NAME,KEY,BLOB-URL,QUEUE-URL[,TABLE-URL]. 0 or -EINVAL with a reason of static storage. */
NODISCARD int storage_add(struct storage *storage, const char *text, const char **reason);
void storage_fini(struct storage *storage);

/* Make all containers, queues and the table that are not there yet. 0 or a negative errno (said on stderr).
 */
NODISCARD int storage_prepare(const struct storage *storage, struct client *client);

/* One thing that .get ingestion resources tells of. */
struct resource {
    const char *type; /* ResourceTypeName */
    const struct account *account;
    enum service service;
    char name[80];
    const char *permissions; /* what its clients get */
};

/* The i-th resource; false when there are no more. */
bool storage_resource(const struct storage *storage, size_t i, struct resource *resource);
/* Its URL with a fresh SAS. Clients' URL and permissions, or (owner) ours with all permissions. */
void storage_client_url(const struct resource *resource, long lifetime_s, struct buf *out);
void storage_owner_url(const struct resource *resource, struct buf *out);
const char *service_name(enum service service); /* blob, queue, table */

#endif
