/* The asking end of a control socket. One thread at a time for each client. */
#ifndef SPILLWAY_CLIENT_H
#define SPILLWAY_CLIENT_H

#include <jansson.h>

#include "common/spool/spool.h"

struct ctl_client;

/* Get ready to ask `program`. It need not run yet: the connection is made in the background, and made again,
 * from the first call on that finds its socket there. */
NODISCARD int ctl_client_open(struct ctl_client **client, const struct spool *spool, const char *program,
                              struct err *err);
void ctl_client_close(struct ctl_client *client);

/* Ask and wait at most `timeout_ms`. `request` is borrowed; `*reply` is the caller's (an object whose "ok" is
 * true). -ETIMEDOUT no answer (it may or may not have been carried out), -EPROTO the answer is not
 * understood, -EREMOTEIO refused: `*reply` holds the refusal, `err` its text. */
NODISCARD int ctl_client_ask(struct ctl_client *client, const json_t *request, int timeout_ms, json_t **reply,
                             struct err *err);

/* Is there a connection at this moment? */
bool ctl_client_is_connected(struct ctl_client *client);

/* For who asks nothing while there is none, but waits for one: makes the line anew when it has brought
 * nothing for seconds. Cheap, to be called now and then. */
void ctl_client_tend(struct ctl_client *client);

/* Ask once. -ENOENT when the program does not run. */
NODISCARD int ctl_ask_once(const struct spool *spool, const char *program, const json_t *request,
                           int timeout_ms, json_t **reply, struct err *err);

/* Hint that there is news: {"op":"wake"}, sent without waiting. A hint that is lost costs delay, never data.
 */
void ctl_client_wake(struct ctl_client *client);

#endif
