/* Inflate a gzip body, of one or several members, whole. */
#ifndef ADXSIM_GUNZIP_H
#define ADXSIM_GUNZIP_H

#include "common/base/compiler.h"
#include "tests/adxsim/buf.h"

/* Appends to out. 0; -E2BIG when more than out's ceiling would come out; -EBADMSG when the bytes are not
 * gzip, are damaged, end early, or are followed by something that is not gzip. */
NODISCARD int gunzip(const void *data, size_t len, struct buf *out);
/* The other way, as one member (for the fault that compresses answers). */
void gzip_compress(const void *data, size_t len, struct buf *out);

#endif
