#include "peerd/receive/transfer_body.h"

#include <inttypes.h>

#include "common/segment/flake.h"
#include "common/segment/head.h"

enum { ROOM_MIN = 16 << 10 };

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static bool grow(struct transfer_body *body, size_t room)
{
    if (!memory_take(body->memory, (int64_t)(room - body->room)))
        return false;
    char *data = realloc(body->data, room);
    if (!data) {
        memory_give(body->memory, (int64_t)(room - body->room));
        return false;
    }
    body->data = data;
    body->room = room;
    return true;
}

struct transfer_body *transfer_body_new(const struct transfer_target *target, struct memory *memory,
                                        size_t piece_max, uint64_t expected)
{
    struct transfer_body *body = malloc(sizeof *body); /* the verifier is large, and initialised below */
    if (!body)
        return NULL;
    memset(body, 0, offsetof(struct transfer_body, verifier));
    body->target = target;
    body->memory = memory;
    body->piece_max = piece_max;
    body->since_ms = UINT64_MAX;
    digest_init(&body->digest);
    verifier_init(&body->verifier);
    size_t room = expected > 0 && expected < piece_max ? (size_t)expected : ROOM_MIN;
    if (grow(body, smaller(room, piece_max)))
        return body;
    free(body);
    return NULL;
}

void transfer_body_free(struct transfer_body *body)
{
    if (!body)
        return;
    memory_give(body->memory, (int64_t)body->room);
    free(body->data);
    free(body->schema);
    free(body);
}

/* --- checks ----------------------------------------------------------------------------------------- */

static enum transfer_body_status refuse(struct transfer_body *body, const char *format, ...) PRINTF(2, 3);
static enum transfer_body_status refuse(struct transfer_body *body, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(body->why, sizeof body->why, format, args);
    va_end(args);
    return BODY_BAD;
}

/* The schema's canonical text, of which `*hash` is the hash. NULL: no memory (a head that was read has a good
 * one). */
static char *canonical(const char *text, uint64_t *hash)
{
    struct schema schema;
    size_t bytes;
    if (!*text)
        return strdup("");
    if (schema_parse(text, &schema, NULL) != 0)
        return NULL;
    *hash = schema_hash(&schema);
    char *out = malloc(SCHEMA_TEXT_MAX + 1);
    int rc = out ? schema_print(&schema, out, SCHEMA_TEXT_MAX + 1, &bytes) : -1;
    schema_fini(&schema);
    char *fitted = rc == 0 ? realloc(out, bytes + 1) : NULL;
    if (!fitted)
        free(out);
    return fitted;
}

static enum transfer_body_status compare_head(struct transfer_body *body, const struct segment_head *head)
{
    const struct transfer_target *target = body->target;
    uint64_t hash = 0;
    if (strcmp(head->db, target->db) != 0)
        return refuse(body, "a head is of database '%.60s', the request says '%.60s'", head->db, target->db);
    if (strcmp(head->table, target->table) != 0)
        return refuse(body, "a head is of table '%.60s', the request says '%.60s'", head->table,
                      target->table);
    if (head->format != target->format)
        return refuse(body, "a head is of format %s, the request says %s", segment_format_name(head->format),
                      segment_format_name(target->format));
    char *schema = canonical(head->schema, &hash);
    if (!schema)
        return BODY_NO_MEMORY;
    bool is_same = (*schema != '\0') == target->has_schema && (!*schema || hash == target->schema_hash);
    if (is_same && !body->schema)
        body->schema = schema;
    else
        free(schema);
    return is_same ? BODY_OK : refuse(body, "a head's schema is not the one of the request (schema=)");
}

static enum transfer_body_status check_head(struct transfer_body *body)
{
    const struct member *member = &body->verifier.member;
    struct segment_head head;
    enum segment_head_status status = segment_head_read(member->head_json, member->head_json_bytes, &head);
    if (status == SEGMENT_HEAD_NOMEM)
        return BODY_NO_MEMORY;
    if (status != SEGMENT_HEAD_OK)
        return refuse(body, "the head at byte %" PRIu64 ": %s", member->offset,
                      segment_head_status_text(status));
    enum transfer_body_status result = compare_head(body, &head);
    if (flake_has_time(head.id) && flake_unix_ms(head.id) < body->since_ms)
        body->since_ms = flake_unix_ms(head.id);
    segment_head_fini(&head);
    return result;
}

static enum transfer_body_status take_member(struct transfer_body *body)
{
    const struct member *member = &body->verifier.member;
    digest_add(&body->digest, member->member_bytes, member->payload_crc);
    if (member->is_head)
        return check_head(body);
    if (!body->schema)
        return refuse(body, "it does not begin with the head of a segment");
    body->rows += member->rows;
    body->counts.rows += member->rows;
    body->counts.raw_bytes += member->isize;
    body->counts.blocks++;
    return BODY_OK;
}

static enum transfer_body_status verify(struct transfer_body *body, const char *data, size_t bytes)
{
    enum transfer_body_status status = BODY_OK;
    while (bytes > 0 && status == BODY_OK) {
        size_t used;
        switch (verifier_push(&body->verifier, data, bytes, &used)) {
        case VERIFIER_MORE:
            break;
        case VERIFIER_MEMBER:
            status = take_member(body);
            break;
        case VERIFIER_BAD:
            return refuse(body, "not valid at byte %" PRIu64 ": %s", body->verifier.member.offset,
                          member_status_text(body->verifier.status));
        }
        data += used;
        bytes -= used;
    }
    return status;
}

/* --- bytes ------------------------------------------------------------------------------------------ */

enum transfer_body_status transfer_body_take(struct transfer_body *body, const char *data, size_t *bytes)
{
    while (*bytes > 0) {
        if (body->fill == body->piece_max)
            return BODY_FULL;
        if (body->fill == body->room && !grow(body, smaller(2 * body->room, body->piece_max)))
            return BODY_NO_MEMORY;
        size_t n = smaller(*bytes, body->room - body->fill);
        enum transfer_body_status status = verify(body, data, n);
        if (status != BODY_OK)
            return status;
        memcpy(body->data + body->fill, data, n);
        body->fill += n;
        body->bytes += n;
        data += n;
        *bytes -= n;
    }
    return body->fill == body->piece_max ? BODY_FULL : BODY_OK;
}

void transfer_body_next(struct transfer_body *body)
{
    body->fill = 0;
    body->counts = (struct writer_counts){0};
}

enum transfer_body_status transfer_body_finish(struct transfer_body *body)
{
    if (!verifier_is_at_end(&body->verifier))
        return refuse(body, "it stops in the middle of a block, after %" PRIu64 " bytes", body->bytes);
    return body->rows > 0 ? BODY_OK : refuse(body, "there are no rows in it");
}
