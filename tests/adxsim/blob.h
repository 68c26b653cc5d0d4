/* The blob of a queued ingestion: read by the URL that the client gave, unpacked by its name as ADX does. */
#ifndef ADXSIM_BLOB_H
#define ADXSIM_BLOB_H

#include "tests/adxsim/client.h"
#include "tests/adxsim/error.h"

/* The data, as rows are parsed from it, into raw (fresh; the caller ends it). A name that ends in .gz must be
 * gzip, whole; one that does not must not be. 0, or -EPROTO with *error: Download_* or BadRequest_*; what
 * passes by itself (no answer, 5xx) is not permanent. */
NODISCARD int blob_fetch(struct client *client, const char *url, struct buf *raw, struct sim_error *error);
/* DELETE it. 0 or -EIO. */
NODISCARD int blob_delete(struct client *client, const char *url);

#endif
