#include "peerd/send/body.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

void body_init(struct body *body, const struct outbox *outbox)
{
    *body = (struct body){.outbox = outbox, .fd = -1};
}

static void close_file(struct body *body)
{
    if (body->fd >= 0)
        close(body->fd);
    body->fd = -1;
    body->offset = 0;
}

void body_fini(struct body *body)
{
    close_file(body);
}

void body_rewind(struct body *body)
{
    close_file(body);
    body->file = 0;
}

static ssize_t fail(struct body *body, int rc)
{
    body->rc = rc;
    return -1;
}

ssize_t body_read(struct body *body, void *out, size_t room)
{
    const struct manifest *m = &body->outbox->manifest;
    size_t used = 0;
    while (used < room && body->file < m->count) {
        const struct manifest_file *file = &m->files[body->file];
        if (body->fd < 0)
            body->fd = openat(body->outbox->claim.fd, file->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (body->fd < 0)
            return fail(body, -errno);
        uint64_t left = file->bytes - body->offset;
        size_t want = left < room - used ? (size_t)left : room - used;
        ssize_t n = pread(body->fd, (char *)out + used, want, (off_t)body->offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 || (n == 0 && want > 0))
            return fail(body, n < 0 ? -errno : -ENODATA);
        used += (size_t)n;
        body->offset += (uint64_t)n;
        if (body->offset >= file->bytes) {
            close_file(body);
            body->file++;
        }
    }
    body->given += used;
    return (ssize_t)used;
}
