#include "common/cli/whole.h"

#include <errno.h>
#include <stdarg.h>

#include "common/spool/reader.h"

int whole_init(struct whole *whole)
{
    *whole = (struct whole){.codec = codec_new()};
    buf_init(&whole->rows, MEMBER_RAW_MAX);
    return whole->codec ? 0 : -ENOMEM;
}

void whole_fini(struct whole *whole)
{
    codec_free(whole->codec);
    buf_fini(&whole->rows);
}

/* The first fault is the one that is told. */
static void PRINTF(2, 3) fault(struct whole *whole, const char *format, ...)
{
    va_list args;
    if (*whole->fault)
        return;
    va_start(args, format);
    vsnprintf(whole->fault, sizeof whole->fault, format, args);
    va_end(args);
}

static void check_head(struct whole *whole, const struct member *member, const struct segment_name *name,
                       const char *db_folder)
{
    struct segment_head head;
    char folder[NAME_FILE_MAX_BYTES + 1];
    enum segment_head_status status = segment_head_read(member->head_json, member->head_json_bytes, &head);
    if (status != SEGMENT_HEAD_OK) {
        fault(whole, "its head is damaged: %s", segment_head_status_text(status));
        return;
    }
    if (strcmp(head.table, name->table) != 0 || head.format != name->format ||
        name_encode(head.db, folder, sizeof folder) != NAME_OK || strcmp(folder, db_folder) != 0)
        fault(whole, "its head names %.60s/%.60s, and not what its place and file name say", head.db,
              head.table);
    segment_head_fini(&head);
}

static int check_block(struct whole *whole, const struct member *member, const uint8_t *bytes,
                       enum segment_format format, bool as_it_is)
{
    if (whole->blocks++ == 0 && member->offset == 0)
        fault(whole, "it does not begin with a head");
    whole->row_count += member->rows;
    whole->raw_bytes += member->isize;
    if (as_it_is)
        return 0;
    buf_clear(&whole->rows);
    int rc = buf_reserve(&whole->rows, member->isize);
    if (rc)
        return rc;
    enum member_status status =
        member_check_deep(whole->codec, bytes, member, format, whole->rows.data, member->isize);
    if (status != MEMBER_OK)
        fault(whole, "the block at byte %llu: %s", (unsigned long long)member->offset,
              member_status_text(status));
    return 0;
}

int whole_check(struct whole *whole, int fd, const struct segment_name *name, const char *db_folder,
                bool as_it_is)
{
    struct segment_reader reader;
    struct scan_item item;
    const uint8_t *bytes;
    whole->row_count = whole->raw_bytes = whole->blocks = 0;
    whole->fault[0] = '\0';
    int rc = segment_reader_init(&reader, fd, NULL);
    if (rc)
        return rc;
    while ((rc = segment_reader_next(&reader, &item, &bytes)) > 0) {
        rc = 0;
        if (!item.is_member)
            fault(whole, "%llu damaged bytes at byte %llu (%s)", (unsigned long long)item.bytes,
                  (unsigned long long)item.offset, member_status_text(item.status));
        else if (item.member.is_head)
            check_head(whole, &item.member, name, db_folder);
        else
            rc = check_block(whole, &item.member, bytes, name->format, as_it_is);
        if (rc)
            break;
    }
    segment_reader_close(&reader);
    if (rc == 0 && whole->row_count == 0)
        fault(whole, "there are no rows in it");
    return rc;
}
