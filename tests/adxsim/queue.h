/* Azure Queue Storage, as far as a consumer needs it. URLs carry a SAS. */
#ifndef ADXSIM_QUEUE_H
#define ADXSIM_QUEUE_H

#include "tests/adxsim/client.h"

enum { QUEUE_TAKE_MAX = 32 };

struct queue_message {
    char *id;
    char *pop_receipt;
    char *text; /* as the client posted it */
    int dequeue_count;
};

/* Up to QUEUE_TAKE_MAX messages, hidden from others for so long. The number of them, or a negative errno
 * (-EACCES: an answer other than 200). Each is ended with queue_message_fini. */
NODISCARD int queue_take(struct client *client, const char *url, long hidden_s,
                         struct queue_message messages[static QUEUE_TAKE_MAX]);
void queue_message_fini(struct queue_message *message);
NODISCARD int queue_delete(struct client *client, const char *url, const struct queue_message *message);
/* Have the message appear again in so many seconds. */
NODISCARD int queue_release(struct client *client, const char *url, const struct queue_message *message,
                            long hidden_s);
/* Post a text, base64-encoded by this function. */
NODISCARD int queue_post(struct client *client, const char *url, const char *text, size_t len);

#endif
