#include "uploader/batch/inspector.h"

#include <errno.h>
#include <fcntl.h>

#include "common/spool/reader.h"

struct look {
    struct inspector *inspector;
    const struct segment_name *name;
    struct inspection *found;
};

void inspector_init(struct inspector *inspector, int dir, const char *db, struct walk *walk, bool is_thorough)
{
    *inspector = (struct inspector){.dir = dir, .db = db, .walk = walk, .is_thorough = is_thorough};
}

void inspector_fini(struct inspector *inspector)
{
    free(inspector->schema);
    free(inspector->members);
}

static bool learn_schema(struct look *look, const struct segment_head *head)
{
    struct inspection *found = look->found;
    struct schema schema;
    if (!*head->schema && !look->name->has_schema)
        return true;
    if (!*head->schema || !look->name->has_schema || schema_parse(head->schema, &schema, NULL) != 0) {
        snprintf(found->cause, sizeof found->cause,
                 "the head and the file's name differ in whether there is a schema");
        return false;
    }
    bool same = schema_hash(&schema) == look->name->schema_hash;
    schema_fini(&schema);
    if (!same)
        snprintf(found->cause, sizeof found->cause,
                 "the head's schema has another hash than the file's name");
    else if (!look->inspector->schema && !(look->inspector->schema = strdup(head->schema)))
        found->rc = -ENOMEM;
    return same;
}

static bool check_head(struct look *look, const struct member *member)
{
    struct inspection *found = look->found;
    struct segment_head head;
    enum segment_head_status status = segment_head_read(member->head_json, member->head_json_bytes, &head);
    if (status != SEGMENT_HEAD_OK) {
        snprintf(found->cause, sizeof found->cause, "the head cannot be used: %s",
                 segment_head_status_text(status));
        return false;
    }
    bool fits = true;
    if (strcmp(head.db, look->inspector->db) != 0)
        fits = snprintf(found->cause, sizeof found->cause, "the head says database %.100s", head.db) < 0;
    else if (strcmp(head.table, look->name->table) != 0)
        fits = snprintf(found->cause, sizeof found->cause, "the head says table %.100s", head.table) < 0;
    else if (head.format != look->name->format)
        fits = snprintf(found->cause, sizeof found->cause, "the head says format %s",
                        segment_format_name(head.format)) < 0;
    else
        fits = learn_schema(look, &head);
    segment_head_fini(&head);
    return fits;
}

/* Who sends them need not look for them again. */
static void remember(struct inspector *inspector, const struct member *member)
{
    if (inspector->member_count == inspector->member_room && inspector->member_room < PLAN_MEMBERS_MAX) {
        size_t room = inspector->member_room > 0 ? 2 * inspector->member_room : 64;
        struct member *more = realloc(inspector->members, room * sizeof *more);
        inspector->members = more ? more : inspector->members;
        inspector->member_room = more ? room : inspector->member_room;
    }
    if (inspector->member_count < inspector->member_room)
        inspector->members[inspector->member_count++] = *member;
}

static void take_member(struct look *look, const struct member *member)
{
    struct inspection *found = look->found;
    if (!member->is_head) {
        remember(look->inspector, member);
        found->sums.blocks++;
        found->sums.rows += member->rows;
        found->sums.raw_bytes += member->isize;
        return;
    }
    if (!check_head(look, member))
        found->finding = FOUND_FOREIGN;
    found->has_head = true;
}

/* Damage outweighs emptiness; what does not belong here outweighs both. */
static void conclude(struct look *look)
{
    struct inspection *found = look->found;
    if (found->finding == FOUND_FOREIGN)
        return;
    if (found->sums.damaged_ranges > 0)
        found->finding = FOUND_DAMAGED;
    else if (found->sums.rows == 0)
        found->finding = FOUND_EMPTY;
    else if (!found->has_head && look->name->has_schema && !look->inspector->schema)
        found->finding = FOUND_DAMAGED; /* perhaps another segment knows the columns */
}

/* Headers and trailers. 0; -EBADMSG: it is damaged, and only all of its bytes can tell where. */
static int look_at_ends(struct look *look, const char *file)
{
    struct inspection *found = look->found;
    struct member member;
    int fd = openat(look->inspector->dir, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return -errno;
    int rc = walk_init(look->inspector->walk, fd, 0);
    found->bytes = rc == 0 ? look->inspector->walk->size : 0;
    while (rc == 0 && (rc = walk_next(look->inspector->walk, &member)) > 0) {
        rc = 0;
        take_member(look, &member);
    }
    close(fd);
    return rc;
}

/* All bytes. */
static int look_at_all(struct look *look, const char *file)
{
    struct inspection *found = look->found;
    struct segment_reader reader;
    struct scan_item item;
    const uint8_t *bytes;
    struct err err = {0};
    int rc = segment_reader_open(&reader, look->inspector->dir, file, &err);
    found->bytes = rc == 0 ? reader.size : 0;
    while (rc == 0 && (rc = segment_reader_next(&reader, &item, &bytes)) > 0) {
        rc = 0;
        if (item.is_member) {
            take_member(look, &item.member);
        } else {
            found->sums.damaged_ranges++;
            found->sums.damaged_bytes += item.bytes;
        }
    }
    if (reader.fd >= 0)
        segment_reader_close(&reader);
    return rc;
}

static void begin(struct look *look)
{
    *look->found = (struct inspection){0};
    look->inspector->member_count = 0;
}

void inspector_look(struct inspector *inspector, const char *file, const struct segment_name *name,
                    struct inspection *found)
{
    struct look look = {inspector, name, found};
    begin(&look);
    int rc = inspector->is_thorough ? -EBADMSG : look_at_ends(&look, file);
    if (rc == -EBADMSG) {
        begin(&look);
        rc = look_at_all(&look, file);
    }
    if (rc == 0)
        rc = found->rc;
    if (rc < 0) {
        found->finding = FOUND_UNREADABLE;
        found->rc = rc;
        return;
    }
    conclude(&look);
}

struct member *inspector_take_members(struct inspector *inspector, const struct inspection *found)
{
    uint64_t blocks = found->sums.blocks;
    struct member *copy = NULL;
    if (blocks == inspector->member_count && inspector->planned + blocks <= PLAN_MEMBERS_MAX)
        copy = malloc(blocks * sizeof *copy);
    if (copy) {
        memcpy(copy, inspector->members, blocks * sizeof *copy);
        inspector->planned += blocks;
    }
    return copy;
}
