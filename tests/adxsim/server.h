/* The HTTP server: collects a request, has it served (api.h), sends the reply. A thread for each connection.
 */
#ifndef ADXSIM_SERVER_H
#define ADXSIM_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/compiler.h"
#include "tests/adxsim/sim.h"

/* A listening socket on HOST:PORT ([v6]:PORT too). 0 with *fd and the port that it got; -EINVAL: not
 * HOST:PORT, or HOST is not a loopback address; or the error of bind. */
NODISCARD int server_listen(const char *address, int *fd, uint16_t *port, char host[static 64]);

struct server;
struct site;
/* Takes the site's socket; the site outlives it. cert and key: PEM texts for TLS, or NULL for plain HTTP.
 * NULL when the library refuses. */
struct server *server_start(const struct sim *sim, const struct site *site, const char *cert,
                            const char *key);
/* Ends all connections and threads. */
void server_stop(struct server *server);

#endif
