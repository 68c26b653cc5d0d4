/* libFuzzer target: what comes in at a peer's door. The first line is the target of a request, the rest its
 * body, in pieces; the body is walked for commit markers, too, as a landing segment's content is. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "peerd/receive/transfer_body.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

#define CHECK(condition) ((condition) ? (void)0 : abort())

static void check_target(const struct transfer_target *target)
{
    if (target->kind == TARGET_BAD)
        CHECK(target->why[0]);
    if (target->kind != TARGET_TRANSFER)
        return;
    CHECK(target->db[0] && !strchr(target->db, '/') && target->table[0] && !strchr(target->table, '/'));
    CHECK(transfer_word_is_valid(target->id, TRANSFER_ID_MAX));
}

/* Whatever the sizes of the pieces are, the result is one. */
static enum transfer_body_status take(struct transfer_body *body, const char *data, size_t bytes, size_t step)
{
    enum transfer_body_status status = BODY_OK;
    while (bytes > 0 && (status == BODY_OK || status == BODY_FULL)) {
        size_t n = bytes < step ? bytes : step, left = n;
        status = transfer_body_take(body, data, &left);
        if (status == BODY_FULL)
            transfer_body_next(body);
        data += n - left;
        bytes -= n - left;
    }
    return status == BODY_FULL ? BODY_OK : status;
}

static enum transfer_body_status take_all(const struct transfer_target *target, const char *data,
                                          size_t bytes, size_t step, struct digest_value *digest)
{
    struct memory memory = {.limit = 64 << 20};
    struct transfer_body *body = transfer_body_new(target, &memory, 64 << 10, bytes);
    CHECK(body);
    enum transfer_body_status status = take(body, data, bytes, step);
    if (status == BODY_OK)
        status = transfer_body_finish(body);
    CHECK(status != BODY_OK || (body->rows > 0 && body->bytes == bytes && body->schema));
    *digest = digest_value(&body->digest);
    transfer_body_free(body);
    CHECK(memory.used == 0);
    return status;
}

static int note(void *arg, const struct marker *marker)
{
    (void)arg;
    CHECK(transfer_word_is_valid(marker->id, TRANSFER_ID_MAX));
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct transfer_target target;
    const uint8_t *end = bytes > 0 ? memchr(data, '\n', bytes) : NULL;
    size_t line = end ? (size_t)(end - data) : bytes;
    char *text = malloc(line + 1);
    CHECK(text);
    if (line > 0)
        memcpy(text, data, line);
    text[line] = '\0';
    CHECK(transfer_target_init(&target, text) == 0);
    check_target(&target);
    const char *body = (const char *)data + line + (end != NULL);
    size_t body_bytes = bytes - line - (end != NULL);
    if (target.kind == TARGET_TRANSFER && body_bytes > 0) {
        struct digest_value whole, pieces;
        enum transfer_body_status status = take_all(&target, body, body_bytes, body_bytes, &whole);
        CHECK(take_all(&target, body, body_bytes, 7, &pieces) == status);
        CHECK(status != BODY_OK || digest_is_equal(whole, pieces));
    }
    uint64_t marker_end;
    CHECK(marker_walk(body, body_bytes, note, NULL, &marker_end) == 0 && marker_end <= body_bytes);
    transfer_target_fini(&target);
    free(text);
    return 0;
}
