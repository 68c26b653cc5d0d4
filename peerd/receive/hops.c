#include "peerd/receive/hops.h"

#include <fcntl.h>
#include <jansson.h>

#include "common/base/file.h"

enum { FIRST_BYTES = 4096, HOPS_MAX = 1000 };

struct hops hops_of_head(const struct member *member)
{
    json_t *head = member->is_head ? json_loadb(member->head_json, member->head_json_bytes, 0, NULL) : NULL;
    json_int_t hops = json_integer_value(json_object_get(head, "hops"));
    bool is_received = json_is_true(json_object_get(head, "received"));
    json_decref(head);
    if (hops <= 0)
        hops = is_received ? 1 : 0;
    return (struct hops){.count = hops < HOPS_MAX ? (unsigned)hops : HOPS_MAX, .landed_s = member->mtime};
}

int64_t hops_held_ms(const struct hops *hops, int64_t wall_ms)
{
    int64_t held_ms = wall_ms - (int64_t)hops->landed_s * 1000;
    return held_ms >= 0 ? held_ms : INT64_MAX;
}

/* Most heads are short; a long schema makes a second read. */
struct hops hops_read(int fd)
{
    uint8_t first[FIRST_BYTES], *data = first;
    struct member member;
    size_t need = 0, bytes = sizeof first;
    struct hops hops = {0};
    ssize_t got = pread(fd, first, sizeof first, 0);
    if (got <= 0)
        return hops;
    bytes = (size_t)got;
    enum member_status status = member_parse_header(data, bytes, &member, &need);
    if (status == MEMBER_SHORT && need > bytes && need <= MEMBER_HEADER_MAX) {
        data = malloc(need);
        if (data && file_read_at(fd, data, need, 0) == 0)
            status = member_parse_header(data, need, &member, &need);
    }
    if (status == MEMBER_OK)
        hops = hops_of_head(&member);
    if (data != first)
        free(data);
    return hops;
}

struct hops hops_of(int dir, const char *file)
{
    int fd = openat(dir, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return (struct hops){0};
    struct hops hops = hops_read(fd);
    close(fd);
    return hops;
}
