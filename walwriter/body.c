#include "walwriter/body.h"

#include <errno.h>
#include <strings.h>

enum { INFLATER_BYTES = 48 << 10, GZIP_WINDOW = 15 + 16 };

int body_encoding_of(const char *text, enum body_encoding *encoding)
{
    if (!text || strcasecmp(text, "identity") == 0)
        *encoding = BODY_IDENTITY;
    else if (strcasecmp(text, "gzip") == 0 || strcasecmp(text, "x-gzip") == 0)
        *encoding = BODY_GZIP;
    else
        return -EINVAL;
    return 0;
}

enum body_status body_init(struct body *body, struct stage *stage, enum body_encoding encoding,
                           uint64_t max_bytes)
{
    *body = (struct body){.stage = stage, .encoding = encoding, .max_bytes = max_bytes};
    if (encoding == BODY_IDENTITY)
        return BODY_OK;
    if (!memory_take(stage->memory, INFLATER_BYTES))
        return BODY_NO_MEMORY;
    body->has_inflater = inflateInit2(&body->inflater, GZIP_WINDOW) == Z_OK;
    if (!body->has_inflater)
        memory_give(stage->memory, INFLATER_BYTES);
    return body->has_inflater ? BODY_OK : BODY_NO_MEMORY;
}

void body_fini(struct body *body)
{
    if (!body->has_inflater)
        return;
    inflateEnd(&body->inflater);
    memory_give(body->stage->memory, INFLATER_BYTES);
    body->has_inflater = false;
}

static enum body_status status_of(enum stage_status status)
{
    static const enum body_status of[] = {[STAGE_OK] = BODY_OK,
                                          [STAGE_FULL] = BODY_FULL,
                                          [STAGE_BAD] = BODY_BAD_ROW,
                                          [STAGE_NO_MEMORY] = BODY_NO_MEMORY};
    return of[status];
}

/* `bytes` of rows are in the stage's room. */
static enum body_status rows_came(struct body *body, size_t bytes)
{
    body->raw_bytes += bytes;
    return body->raw_bytes > body->max_bytes ? BODY_TOO_LARGE : status_of(stage_take(body->stage, bytes));
}

static enum body_status copy(struct body *body, const char *data, size_t *bytes)
{
    enum body_status status = BODY_OK;
    while (status == BODY_OK && *bytes > 0) {
        size_t room;
        char *to = stage_room(body->stage, &room);
        if (room == 0)
            return BODY_NO_MEMORY;
        size_t n = room < *bytes ? room : *bytes;
        memcpy(to, data, n);
        data += n;
        *bytes -= n;
        status = rows_came(body, n);
    }
    return status;
}

/* One step of the inflater, into the stage's room. */
static enum body_status inflate_some(struct body *body)
{
    z_stream *z = &body->inflater;
    size_t room;
    if (body->is_between && z->avail_in > 0) {
        if (inflateReset(z) != Z_OK)
            return BODY_NOT_GZIP;
        body->is_between = false;
    }
    char *to = stage_room(body->stage, &room);
    if (room == 0)
        return BODY_NO_MEMORY;
    z->next_out = (Bytef *)to;
    z->avail_out = room > UINT32_MAX ? UINT32_MAX : (uInt)room;
    uInt given = z->avail_out;
    int rc = inflate(z, Z_NO_FLUSH);
    if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR)
        return rc == Z_MEM_ERROR ? BODY_NO_MEMORY : BODY_NOT_GZIP;
    body->is_between = rc == Z_STREAM_END;
    body->has_more = z->avail_out == 0 && !body->is_between;
    return rows_came(body, given - z->avail_out);
}

static enum body_status inflate_all(struct body *body, const char *data, size_t *bytes)
{
    z_stream *z = &body->inflater;
    enum body_status status = BODY_OK;
    z->next_in = (const Bytef *)data;
    z->avail_in = *bytes > UINT32_MAX ? UINT32_MAX : (uInt)*bytes;
    while (status == BODY_OK && (z->avail_in > 0 || body->has_more))
        status = inflate_some(body);
    *bytes = z->avail_in;
    return status;
}

enum body_status body_take(struct body *body, const char *data, size_t *bytes)
{
    size_t given = *bytes;
    enum body_status status =
        body->encoding == BODY_GZIP ? inflate_all(body, data, bytes) : copy(body, data, bytes);
    body->coded_bytes += given - *bytes;
    return body->coded_bytes > body->max_bytes ? BODY_TOO_LARGE : status;
}

enum body_status body_finish(struct body *body)
{
    if (body->encoding == BODY_GZIP) {
        size_t none = 0;
        enum body_status status = inflate_all(body, "", &none);
        if (status != BODY_OK)
            return status;
        if (!body->is_between)
            return BODY_NOT_GZIP;
    }
    return status_of(stage_finish(body->stage));
}
