/* The body of a transfer: its files in the order of the manifest, one after the other, untouched. One thread.
 */
#ifndef SPILLWAY_PEERD_BODY_H
#define SPILLWAY_PEERD_BODY_H

#include <sys/types.h>

#include "peerd/send/outbox.h"

struct body {
    const struct outbox *outbox;
    size_t file; /* index of the one at hand */
    int fd;
    uint64_t offset; /* in it */
    uint64_t given;  /* bytes, in all; also those given before a rewind */
    int rc;          /* negative errno: a file could not be read, or is not as long as it was */
};

void body_init(struct body *body, const struct outbox *outbox);
void body_fini(struct body *body);

/* Back to the first byte. */
void body_rewind(struct body *body);

/* The next bytes, at most `room`; 0: the end; -1: body->rc says why. */
NODISCARD ssize_t body_read(struct body *body, void *out, size_t room);

#endif
