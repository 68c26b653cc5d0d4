#include <errno.h>

#include "common/base/exit.h"
#include "common/base/file.h"
#include "common/cli/row_json.h"
#include "common/cli/selection.h"
#include "common/segment/codec.h"
#include "common/spool/reader.h"

struct cat {
    struct codec *codec;
    struct buf rows;
    bool is_damaged;
    bool is_json;
    struct row_json json; /* with is_json: what the last head says of the rows */
    struct schema schema;
    struct err err;
};

/* A reader of ours has gone away (| head): that is no error. */
enum { READER_LEFT = 1 };

/* A head that cannot be read tells nothing: its rows are csv without names then. */
static void take_head(struct cat *cat, const struct member *member)
{
    struct segment_head head;
    schema_fini(&cat->schema);
    cat->schema = (struct schema){0};
    cat->json.schema = NULL;
    cat->json.format = SEGMENT_CSV;
    if (segment_head_read(member->head_json, member->head_json_bytes, &head) != SEGMENT_HEAD_OK)
        return;
    cat->json.format = head.format;
    if (*head.schema && schema_parse(head.schema, &cat->schema, NULL) == 0)
        cat->json.schema = &cat->schema;
    segment_head_fini(&head);
}

static int put_rows(struct cat *cat, size_t bytes)
{
    if (!cat->is_json)
        return file_write_all(STDOUT_FILENO, cat->rows.data, bytes);
    errno = 0;
    int rc = row_json_print(&cat->json, cat->rows.data, bytes);
    return rc == 0 && ferror(stdout) ? -(errno ? errno : EPIPE) : rc;
}

static int put_member(struct cat *cat, const struct member *member, const uint8_t *bytes, const char *label)
{
    buf_clear(&cat->rows);
    int rc = buf_reserve(&cat->rows, member->isize);
    if (rc)
        return err_errno(&cat->err, rc, "%s", label);
    size_t len;
    rc = codec_inflate(cat->codec, bytes + member->payload_offset, member->payload_bytes, cat->rows.data,
                       member->isize, &len);
    if (rc) {
        cli_fail(0, "%s: the block at byte %llu does not inflate: passed over", label,
                 (unsigned long long)member->offset);
        cat->is_damaged = true;
        return 0;
    }
    rc = put_rows(cat, len);
    if (rc == -EPIPE)
        return READER_LEFT;
    return rc ? err_errno(&cat->err, rc, "standard output cannot be written") : 0;
}

/* A segment that is being written ends where it ends by now. */
static bool is_unfinished(const struct scan_item *item, const struct inventory_entry *entry)
{
    return item->is_tail && entry && entry->folder->queue == QUEUE_ACTIVE;
}

static int cat_file(void *arg, int fd, const char *label, const struct inventory_entry *entry)
{
    struct cat *cat = arg;
    struct segment_reader reader;
    int rc = segment_reader_init(&reader, fd, &cat->err);
    if (rc)
        return rc;
    if (segment_is_landing(label) && (rc = segment_reader_end_at_marker(&reader)) != 0) {
        segment_reader_close(&reader);
        return err_errno(&cat->err, rc, "%s: cannot be read", label);
    }
    struct scan_item item;
    const uint8_t *bytes;
    while ((rc = segment_reader_next(&reader, &item, &bytes)) > 0) {
        if (item.is_member && item.member.is_head) {
            take_head(cat, &item.member);
        } else if (item.is_member) {
            rc = put_member(cat, &item.member, bytes, label);
            if (rc)
                break;
        } else if (!item.is_member && !is_unfinished(&item, entry)) {
            cli_fail(0, "%s: %llu damaged bytes at byte %llu (%s): passed over", label,
                     (unsigned long long)item.bytes, (unsigned long long)item.offset,
                     member_status_text(item.status));
            cat->is_damaged = true;
        }
    }
    if (rc < 0 && !cat->err.code)
        err_errno(&cat->err, rc, "%s: cannot be read", label);
    segment_reader_close(&reader);
    return rc;
}

int cmd_cat(struct cli *cli)
{
    struct cat cat = {.codec = codec_new(), .is_json = cli->is_json};
    buf_init(&cat.rows, MEMBER_RAW_MAX);
    buf_init(&cat.json.field, MEMBER_RAW_MAX);
    if (!cat.codec)
        return cli_fail(EXIT_TROUBLE, "out of memory");
    struct err err = {0};
    const struct selection_rules rules = {.queues = INVENTORY_ALL_QUEUES,
                                          .takes_outside = true,
                                          .progress = isatty(STDOUT_FILENO) ? NULL : "cat"};
    int rc = selection_visit_all(cli, &rules, cat_file, &cat, NULL, &err);
    codec_free(cat.codec);
    buf_fini(&cat.rows);
    buf_fini(&cat.json.field);
    schema_fini(&cat.schema);
    if (rc < 0)
        return cli_fail(rc == -EINVAL && !cat.err.code ? EXIT_USAGE : EXIT_TROUBLE, "%s",
                        cat.err.code ? cat.err.text : err.text);
    return cat.is_damaged ? EXIT_DAMAGED : EXIT_DONE;
}
