#include "uploader/batch/tools.h"

#include <errno.h>

#include "common/segment/member.h"

int tools_init(struct tools *tools)
{
    if (tools->codec)
        return 0;
    tools->codec = codec_new();
    tools->recompress = tools->codec ? recompress_new(tools->codec) : NULL;
    tools->walk = malloc(sizeof *tools->walk);
    buf_init(&tools->payload, MEMBER_BYTES_MAX);
    buf_init(&tools->raw, MEMBER_RAW_MAX);
    if (tools->codec)
        codec_set_effort(tools->codec,
                         CODEC_SMALL); /* only what is thin is deflated here, and that is little */
    if (tools->codec && tools->recompress && tools->walk)
        return 0;
    tools_fini(tools);
    return -ENOMEM;
}

void tools_fini(struct tools *tools)
{
    recompress_free(tools->recompress);
    codec_free(tools->codec);
    free(tools->walk);
    buf_fini(&tools->payload);
    buf_fini(&tools->raw);
    *tools = (struct tools){0};
}

void tools_trim(struct tools *tools)
{
    enum { KEEP_BYTES = 1 << 20 };
    if (tools->payload.capacity > KEEP_BYTES)
        buf_fini(&tools->payload);
    if (tools->raw.capacity > KEEP_BYTES)
        buf_fini(&tools->raw);
}
