/* What the head of a request says of its body. Thread-safe. */
#ifndef SPILLWAY_HTTP_HEAD_H
#define SPILLWAY_HTTP_HEAD_H

#include <microhttpd.h>
#include <stdbool.h>
#include <stdint.h>

struct http_head {
    bool has_length;   /* Content-Length */
    bool is_chunked;   /* of no known length */
    bool is_expecting; /* the client waits with the body until it is told to go on, or refused */
    uint64_t length;   /* 0 unless has_length */
};

struct http_head http_head_read(struct MHD_Connection *connection);

/* The value of a header, or NULL. */
const char *http_header(struct MHD_Connection *connection, const char *name);

/* Is it worth passing over the body of a request that is refused, so that the connection stays? */
enum { HTTP_SMALL_BODY_BYTES = 64 << 10 };
static inline bool http_head_is_small(const struct http_head *head)
{
    return head->has_length ? head->length <= HTTP_SMALL_BODY_BYTES : !head->is_chunked;
}

#endif
