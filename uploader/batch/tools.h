/* The codec and the buffers with which one thread reads and makes blocks, kept from one batch to the next:
 * about 2 MB. */
#ifndef UPLOADER_TOOLS_H
#define UPLOADER_TOOLS_H

#include "common/base/buf.h"
#include "common/segment/codec.h"
#include "common/segment/recompress.h"
#include "common/spool/walk.h"

struct tools {
    struct codec *codec;
    struct recompress *recompress;
    struct walk *walk;
    struct buf payload, raw; /* of one block */
};

/* Allocate what is not there yet: zeroed at first, then as often as one likes. -ENOMEM. */
NODISCARD int tools_init(struct tools *tools);
void tools_fini(struct tools *tools);

/* Give back what an unusually large block made them take. */
void tools_trim(struct tools *tools);

#endif
