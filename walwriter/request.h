/* One HTTP request from its first line to its answer (house.md §6, issue 3):
 *
 *     new -> [asking for room] -> body <-> piece -> committing -> answered
 *                                   \-> refused: what still comes of the body is passed over, or the
 * connection ends
 *
 * What the head tells is refused before the body is read: at once where the client waits for that (Expect) or
 * the body is large, which ends the connection; after passing over a small body otherwise, which keeps it.
 * The functions below are the callbacks of libmicrohttpd; a request belongs to the thread of its connection
 * (common/http/loop.h), its job, while it waits, to the committer. */
#ifndef SPILLWAY_REQUEST_H
#define SPILLWAY_REQUEST_H

#include <microhttpd.h>

#include "walwriter/reception.h"

/* MHD_OPTION_URI_LOG_CALLBACK: makes the request. `cls` is the reception here and below. */
void *request_new(void *cls, const char *target, struct MHD_Connection *connection);

/* MHD_AccessHandlerCallback */
enum MHD_Result request_handle(void *cls, struct MHD_Connection *connection, const char *url,
                               const char *method, const char *version, const char *data, size_t *bytes,
                               void **request);

/* MHD_OPTION_NOTIFY_COMPLETED: its end, whatever became of it. */
void request_end(void *cls, struct MHD_Connection *connection, void **request,
                 enum MHD_RequestTerminationCode how);

/* struct http_hooks: what requests wait for. */
void request_begun(void *cls, struct http_wait *waits);

#endif
