#include "common/segment/marker.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "common/segment/scan.h"

bool transfer_word_is_valid(const char *text, size_t most)
{
    size_t bytes = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");
    return bytes > 0 && bytes <= most && !text[bytes];
}

size_t marker_write(const struct marker *marker, const char *head_json, size_t head_bytes, char *out)
{
    char digest[DIGEST_TEXT_BYTES + 1];
    size_t kept = head_bytes - 1; /* but for the last brace */
    digest_print(marker->digest, digest);
    memcpy(out, head_json, kept);
    int more = snprintf(out + kept, MARKER_EXTRA_MAX,
                        ",\"transfer\":{\"id\":\"%s\",\"digest\":\"%s\",\"from\":\"%s\"}}", marker->id,
                        digest, marker->from);
    return kept + (size_t)more;
}

static bool read_transfer(const json_t *transfer, struct marker *marker)
{
    const char *id = json_string_value(json_object_get(transfer, "id"));
    const char *digest = json_string_value(json_object_get(transfer, "digest"));
    const char *from = json_string_value(json_object_get(transfer, "from"));
    if (!id || !transfer_word_is_valid(id, TRANSFER_ID_MAX) || !digest ||
        !digest_parse(digest, &marker->digest) || !from || strlen(from) > TRANSFER_FROM_MAX)
        return false;
    snprintf(marker->id, sizeof marker->id, "%s", id);
    snprintf(marker->from, sizeof marker->from, "%s", from);
    return true;
}

static void print_owner(const json_t *head, char owner[static MARKER_OWNER_BYTES])
{
    const char *id = json_string_value(json_object_get(head, "id"));
    const char *instance = json_string_value(json_object_get(head, "instance"));
    snprintf(owner, MARKER_OWNER_BYTES, "%s %s", id ? id : "", instance ? instance : "");
}

bool marker_read(const char *text, size_t bytes, struct marker *marker, char owner[static MARKER_OWNER_BYTES])
{
    json_t *json = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, NULL);
    bool is_one = read_transfer(json_object_get(json, "transfer"), marker);
    print_owner(json, owner);
    json_decref(json);
    return is_one;
}

bool marker_is_own(struct marker_filter *filter, const struct member *head, struct marker *marker)
{
    char owner[MARKER_OWNER_BYTES];
    bool is_one = marker_read(head->head_json, head->head_json_bytes, marker, owner);
    if (head->offset == 0) {
        filter->has_owner = true;
        memcpy(filter->owner, owner, sizeof owner);
    }
    return is_one && (!filter->has_owner || strcmp(filter->owner, owner) == 0);
}

int marker_walk(const void *data, size_t bytes, marker_visit *visit, void *arg, uint64_t *end)
{
    struct scan scan;
    struct scan_item item;
    struct marker_filter filter = {0};
    struct marker marker;
    int rc = 0;
    *end = 0;
    scan_init(&scan, data, bytes, SCAN_VALID);
    while (rc == 0 && scan_next(&scan, &item)) {
        if (!item.is_member || !item.member.is_head || !marker_is_own(&filter, &item.member, &marker))
            continue;
        *end = item.offset + item.bytes;
        rc = visit ? visit(arg, &marker) : 0;
    }
    scan_fini(&scan);
    return rc;
}
