#include "uploader/adx/blob.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <xxhash.h>

#include "common/base/crash.h"
#include "uploader/adx/adx_parts.h"
#include "uploader/adx/base64.h"

enum { BLOCKS_MAX = 50000, BLOCK_ID_BYTES = 16, BLOCK_LIST_BYTES = 4 << 20 };

/* --- its name --------------------------------------------------------------------------------------- */

static uint64_t hash_plan(const struct plan *plan, const struct cursor *at, uint64_t sends)
{
    const uint64_t where[] = {at->file, at->offset, at->raw, sends};
    XXH64_hash_t hash = XXH64(plan->db, strlen(plan->db) + 1, plan->id);
    hash = XXH64(plan->table, strlen(plan->table) + 1, hash);
    for (size_t i = 0; i < plan->count; i++) {
        hash = XXH64(plan->files[i].name, strlen(plan->files[i].name) + 1, hash);
        hash = XXH64(&plan->files[i].bytes, sizeof plan->files[i].bytes, hash);
    }
    return XXH64(where, sizeof where, hash);
}

static size_t put_plain(char *out, size_t len, const char *text)
{
    for (; *text && len < BLOB_NAME_BYTES - 1; text++)
        out[len++] = isalnum((unsigned char)*text) || strchr("._-", *text) ? *text : '_';
    out[len] = '\0';
    return len;
}

void blob_name(const struct plan *plan, const struct cursor *at, uint64_t sends,
               char name[static BLOB_NAME_BYTES])
{
    size_t len = put_plain(name, 0, plan->db);
    len = put_plain(name, len, "__");
    len = put_plain(name, len, plan->table);
    snprintf(name + len, BLOB_NAME_BYTES - len, "__%016" PRIx64 "-%016" PRIx64 ".%s.gz", plan->id,
             hash_plan(plan, at, sends), segment_format_name(plan->format));
}

/* --- its bytes -------------------------------------------------------------------------------------- */

struct upload {
    const struct sending *s;
    const struct resource *container;
    const char *name;
    struct source source;
    struct buf list; /* of blocks, as XML */
    unsigned blocks;
};

static void put(const struct upload *u, const char *more, struct body *body, const struct buf *text,
                const char *header, struct outcome *outcome)
{
    const struct sending *s = u->s;
    struct buf *url = &s->worker->text;
    int rc = resource_url(u->container, u->name, more, url);
    if (rc) {
        adx_own_trouble(outcome, rc, "the address cannot be put together");
        return;
    }
    struct http_request request = adx_request(s, &u->container->at, "blob", url->data);
    request.service = HTTP_STORAGE;
    request.method = "PUT";
    request.token = NULL;
    request.body = body;
    request.text = text;
    request.header = header;
    http_send(&s->worker->http, &request, outcome);
    buf_clear(url); /* it ends with a secret */
}

/* All block ids of a blob have one length (else storage refuses them); digits in base64 need no escaping. */
static int block_id(unsigned number, struct buf *out)
{
    char digits[BLOCK_ID_BYTES];
    int len = snprintf(digits, sizeof digits, "%09u", number);
    return base64_put(digits, (size_t)len, out);
}

static void put_block(struct upload *u, struct body *body, struct outcome *outcome)
{
    struct buf more;
    buf_init(&more, 128);
    int rc = u->blocks < BLOCKS_MAX ? buf_puts(&more, "comp=block&blockid=") : -EFBIG;
    if (rc == 0)
        rc = block_id(u->blocks, &more);
    if (rc == 0)
        rc = buf_puts(&u->list, "<Latest>");
    if (rc == 0)
        rc = block_id(u->blocks++, &u->list);
    if (rc == 0)
        rc = buf_puts(&u->list, "</Latest>");
    if (rc)
        adx_own_trouble(outcome, rc, "a block cannot be put together");
    else
        put(u, more.data, body, NULL, NULL, outcome);
    buf_fini(&more);
    crash_point("queued:after-block");
}

static void put_list(struct upload *u, struct outcome *outcome)
{
    int rc = buf_puts(&u->list, "</BlockList>");
    if (rc)
        adx_own_trouble(outcome, rc, "the list of blocks cannot be put together");
    else
        put(u, "comp=blocklist", NULL, &u->list, NULL, outcome);
}

static int gather_window(const struct upload *u, struct part *part)
{
    struct cursor from = part->next;
    part_next_window(part);
    return part_gather(part, &u->s->worker->tools, &u->source, &from);
}

/* Sends window after window; a blob of one window is put at once. True: all went well. */
static bool put_windows(struct upload *u, struct outcome *outcome)
{
    struct part *part = &u->s->worker->part;
    bool is_first = true, is_last = false;
    while (!is_last) {
        int rc = gather_window(u, part);
        if (rc) {
            adx_own_trouble(outcome, rc, "the batch's segments cannot be read");
            return false;
        }
        is_last = part_is_last(part, u->source.plan) || part->is_at_raw_limit;
        if (part->join.raw_bytes == 0 && is_last)
            return true;
        struct body body;
        body_init_window(&body, &u->source, part, is_first, is_last);
        if (is_first && is_last)
            put(u, NULL, &body, NULL, "x-ms-blob-type: BlockBlob", outcome);
        else
            put_block(u, &body, outcome);
        body_fini(&body);
        if (outcome->verdict != VERDICT_SUCCESS)
            return false;
        is_first = false;
    }
    if (u->blocks > 0)
        put_list(u, outcome);
    return outcome->verdict == VERDICT_SUCCESS;
}

void blob_put(const struct sending *s, const struct resource *container, const char *name,
              const struct cursor *at, struct sent *sent, struct outcome *outcome)
{
    struct part *part = &s->worker->part;
    struct upload u = {.s = s,
                       .container = container,
                       .name = name,
                       .source = {.dir = s->batch->claim.fd, .plan = &s->batch->plan}};
    *outcome = (struct outcome){0};
    buf_init(&u.list, BLOCK_LIST_BYTES);
    part_reset(part);
    part->join.raw_limit = BLOB_RAW_BYTES;
    part->byte_limit = BLOB_BLOCK_BYTES;
    part->next = *at;
    int rc = buf_puts(&u.list, "<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>");
    if (rc)
        adx_own_trouble(outcome, rc, "the list of blocks cannot be put together");
    else if (put_windows(&u, outcome))
        *sent = (struct sent){.next = part->next, .rows = part->join.rows, .raw_bytes = part->join.raw_bytes};
    buf_fini(&u.list);
}
