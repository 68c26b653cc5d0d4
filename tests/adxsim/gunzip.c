#define ZLIB_CONST
#include "tests/adxsim/gunzip.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <zlib.h>

enum { GZIP_WBITS = 15 + 16 };

/* One member: 0 at its end. */
static int member(z_stream *z, struct buf *out)
{
    char chunk[65536];
    int rc;

    do {
        z->next_out = (Bytef *)chunk;
        z->avail_out = sizeof chunk;
        rc = inflate(z, Z_NO_FLUSH);
        if (rc != Z_OK && rc != Z_STREAM_END)
            return -EBADMSG; /* Z_BUF_ERROR: the input ended within the member */
        if (buf_append(out, chunk, sizeof chunk - z->avail_out) < 0)
            return -E2BIG;
    } while (rc != Z_STREAM_END);
    return 0;
}

int gunzip(const void *data, size_t len, struct buf *out)
{
    z_stream z = {0};
    int rc;

    if (len > UINT_MAX)
        return -E2BIG;
    if (inflateInit2(&z, GZIP_WBITS) != Z_OK)
        abort();
    z.next_in = (const Bytef *)data;
    z.avail_in = (uInt)len;
    while ((rc = member(&z, out)) == 0 && z.avail_in)
        (void)inflateReset(&z);
    inflateEnd(&z);
    return rc;
}

void gzip_compress(const void *data, size_t len, struct buf *out)
{
    z_stream z = {0};
    char chunk[65536];
    int rc;

    assert(len <= UINT_MAX);
    if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP_WBITS, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        abort();
    z.next_in = (const Bytef *)data;
    z.avail_in = (uInt)len;
    do {
        z.next_out = (Bytef *)chunk;
        z.avail_out = sizeof chunk;
        rc = deflate(&z, Z_FINISH);
        if (buf_append(out, chunk, sizeof chunk - z.avail_out) < 0)
            abort();
    } while (rc != Z_STREAM_END);
    deflateEnd(&z);
}
