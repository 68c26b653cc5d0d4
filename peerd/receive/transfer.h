/* One HTTP request at peerd's door, from its first line to its answer (failover.md §3):
 *
 *     new -> [asking for room] -> reading <-> piece -> committing -> answered
 *                                   \-> refused: what still comes of the body is passed over, or the
 *                                       connection ends
 *
 * What the head tells is refused before the body: at once where the client waits for that (Expect) or the
 * body is large, which ends the connection; after passing over a small body otherwise, which keeps it. The
 * functions are the callbacks of libmicrohttpd; a request belongs to the thread of its connection
 * (common/http/loop.h), its job, while it waits, to the lander. `arg` is the struct receiving. */
#ifndef SPILLWAY_PEERD_TRANSFER_H
#define SPILLWAY_PEERD_TRANSFER_H

#include "peerd/receive/receiving.h"

void *transfer_begin(void *arg, const char *target, struct MHD_Connection *connection);
enum MHD_Result transfer_handle(void *arg, struct MHD_Connection *connection, const char *url,
                                const char *method, const char *version, const char *data, size_t *bytes,
                                void **transfer);
void transfer_end(void *arg, struct MHD_Connection *connection, void **transfer,
                  enum MHD_RequestTerminationCode how);
void transfer_begun(void *arg, struct http_wait *waits);

#endif
