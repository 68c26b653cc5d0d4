/* The ports that this run listens on: one for each host that is played, and, before the storage accounts, one
 * for each of their services. */
#ifndef ADXSIM_SITE_H
#define ADXSIM_SITE_H

#include <jansson.h>

#include "tests/adxsim/options.h"
#include "tests/adxsim/server.h"

enum { SITES_MAX = HOSTS + ACCOUNTS_MAX * SERVICES, SITE_URL_SIZE = 160 };

struct site {
    enum host host;
    const struct account *account; /* of HOST_STORAGE */
    enum service service;
    int fd;
    char url[SITE_URL_SIZE]; /* scheme, host and port */
    struct server *server;
};

struct sites {
    struct site sites[SITES_MAX];
    size_t nsites;
    char *cert; /* PEM, or NULL */
    char *key;
};

/* Bind all, so that ports are known; the storage's public URLs become ours when the proxy is wanted. Ends the
 * program when it cannot. */
void sites_open(struct sites *sites, struct options *options);
/* Note in the data directory which ports are before the storage, for the next sites_open(). */
void sites_remember(const struct sites *sites, const char *data);
/* Serve. */
void sites_start(struct sites *sites, const struct sim *sim);
void sites_stop(struct sites *sites);
/* "" when that host is not played. */
const char *sites_url(const struct sites *sites, enum host host);
/* {"engine": url, "dm": url, .., "storage": [{"account", "blob", "queue"}]} */
json_t *sites_json(const struct sites *sites, const struct storage *storage);

#endif
