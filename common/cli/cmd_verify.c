#include <errno.h>
#include <jansson.h>

#include "common/base/exit.h"
#include "common/base/units.h"
#include "common/cli/jsonline.h"
#include "common/cli/selection.h"
#include "common/segment/codec.h"
#include "common/spool/reader.h"

struct verify {
    bool is_json, is_deep;
    struct codec *codec;
    struct buf rows;
    uint64_t segments, blocks, row_count, raw_bytes, damaged;
    struct err err;
};

/* One file being looked at. */
struct looked {
    const char *label;
    const struct inventory_entry *entry;
    struct segment_head head; /* of the last head member */
    bool has_head;
    uint64_t rows, blocks, skipped_bytes;
    json_t *faults;
};

static int add_fault(struct looked *looked, uint64_t offset, uint64_t bytes, const char *word,
                     const char *text)
{
    if (json_array_size(looked->faults) >= 1000)
        return 0;
    return json_array_append_new(looked->faults,
                                 json_pack("{s:I, s:I, s:s, s:s}", "offset", (json_int_t)offset, "bytes",
                                           (json_int_t)bytes, "fault", word, "text", text));
}

static int look_at_head(struct looked *looked, const struct scan_item *item)
{
    segment_head_fini(&looked->head);
    looked->head = (struct segment_head){0};
    enum segment_head_status status =
        segment_head_read(item->member.head_json, item->member.head_json_bytes, &looked->head);
    looked->has_head = status == SEGMENT_HEAD_OK;
    if (!looked->has_head)
        return add_fault(looked, item->offset, item->bytes, "bad-head", segment_head_status_text(status));
    char folder[NAME_FILE_MAX_BYTES + 1];
    struct segment_name name;
    if (!looked->entry || segment_name_parse(looked->entry->file, &name) != NAME_OK)
        return 0;
    if (strcmp(looked->head.table, name.table) != 0 || looked->head.format != name.format ||
        name_encode(looked->head.db, folder, sizeof folder) != NAME_OK ||
        strcmp(folder, looked->entry->folder->db) != 0)
        return add_fault(looked, item->offset, item->bytes, "wrong-place",
                         "the head names another database, table or format than the file's name");
    return 0;
}

static int look_at_block(struct verify *verify, struct looked *looked, const struct scan_item *item,
                         const uint8_t *bytes)
{
    looked->rows += item->member.rows;
    looked->blocks++;
    verify->raw_bytes += item->member.isize;
    if (!looked->has_head && looked->blocks == 1) {
        int rc = add_fault(looked, 0, 0, "no-head", "the first member is not a head");
        if (rc)
            return rc;
    }
    if (!verify->is_deep)
        return 0;
    buf_clear(&verify->rows);
    int rc = buf_reserve(&verify->rows, item->member.isize);
    if (rc)
        return rc;
    enum segment_format format = looked->has_head ? looked->head.format : SEGMENT_CSV;
    enum member_status status =
        member_check_deep(verify->codec, bytes, &item->member, format, verify->rows.data, item->member.isize);
    return status == MEMBER_OK ? 0
                               : add_fault(looked, item->offset, item->bytes, member_status_word(status),
                                           member_status_text(status));
}

static int look_at(struct verify *verify, struct looked *looked, const struct scan_item *item,
                   const uint8_t *bytes)
{
    if (item->is_member)
        return item->member.is_head ? look_at_head(looked, item) : look_at_block(verify, looked, item, bytes);
    if (item->is_tail && looked->entry && looked->entry->folder->queue == QUEUE_ACTIVE)
        return 0; /* being written, or to be cut off by whoever adopts it */
    looked->skipped_bytes += item->bytes;
    return add_fault(looked, item->offset, item->bytes, member_status_word(item->status),
                     member_status_text(item->status));
}

static int report_json(const struct looked *looked)
{
    struct jsonline line;
    char *faults = json_array_size(looked->faults) ? json_dumps(looked->faults, JSON_COMPACT) : NULL;
    jsonline_begin(&line);
    jsonline_text(&line, "file", looked->label);
    jsonline_bool(&line, "ok", json_array_size(looked->faults) == 0);
    jsonline_number(&line, "rows", (int64_t)looked->rows);
    jsonline_number(&line, "blocks", (int64_t)looked->blocks);
    jsonline_number(&line, "skipped_bytes", (int64_t)looked->skipped_bytes);
    jsonline_raw(&line, "faults", faults ? faults : "[]");
    jsonline_end(&line);
    free(faults);
    return 0;
}

static int report(struct verify *verify, const struct looked *looked)
{
    size_t count = json_array_size(looked->faults);
    verify->damaged += count > 0;
    if (verify->is_json)
        return report_json(looked);
    size_t i;
    json_t *fault;
    json_array_foreach (looked->faults, i, fault)
        printf("%s: %lld bytes at byte %lld: %s\n", looked->label,
               (long long)json_integer_value(json_object_get(fault, "bytes")),
               (long long)json_integer_value(json_object_get(fault, "offset")),
               json_string_value(json_object_get(fault, "text")));
    return 0;
}

static int verify_file(void *arg, int fd, const char *label, const struct inventory_entry *entry)
{
    struct verify *verify = arg;
    struct looked looked = {.label = label, .entry = entry, .faults = json_array()};
    struct segment_reader reader;
    int rc = looked.faults ? segment_reader_init(&reader, fd, &verify->err) : -ENOMEM;
    if (rc)
        goto out;
    struct scan_item item;
    const uint8_t *bytes;
    if (segment_is_landing(label))
        rc = segment_reader_end_at_marker(&reader);
    while (rc == 0 && (rc = segment_reader_next(&reader, &item, &bytes)) > 0) {
        rc = look_at(verify, &looked, &item, bytes);
        if (rc)
            break;
    }
    segment_reader_close(&reader);
    if (rc == 0)
        rc = report(verify, &looked);
    verify->segments++;
    verify->blocks += looked.blocks;
    verify->row_count += looked.rows;
out:
    if (rc < 0 && !verify->err.code)
        err_errno(&verify->err, rc, "%s: cannot be read", label);
    segment_head_fini(&looked.head);
    json_decref(looked.faults);
    return rc;
}

static void print_sum(const struct verify *verify)
{
    char raw[UNITS_TEXT_BYTES];
    if (verify->is_json)
        printf("{\"segments\":%llu,\"blocks\":%llu,\"rows\":%llu,\"raw_bytes\":%llu,\"damaged\":%llu}\n",
               (unsigned long long)verify->segments, (unsigned long long)verify->blocks,
               (unsigned long long)verify->row_count, (unsigned long long)verify->raw_bytes,
               (unsigned long long)verify->damaged);
    else
        printf("%llu segments, %llu blocks, %llu rows, %s uncompressed: %llu damaged\n",
               (unsigned long long)verify->segments, (unsigned long long)verify->blocks,
               (unsigned long long)verify->row_count, units_format_size((int64_t)verify->raw_bytes, raw),
               (unsigned long long)verify->damaged);
}

int cmd_verify(struct cli *cli)
{
    struct verify verify = {
        .is_json = cli->is_json, .is_deep = conf_flag(cli->conf, CONF_DEEP), .codec = codec_new()};
    buf_init(&verify.rows, MEMBER_RAW_MAX);
    if (!verify.codec)
        return cli_fail(EXIT_TROUBLE, "out of memory");
    struct err err = {0};
    const struct selection_rules rules = {
        .queues = INVENTORY_ALL_QUEUES, .none_is_all = true, .takes_outside = true, .progress = "verify"};
    int rc = selection_visit_all(cli, &rules, verify_file, &verify, NULL, &err);
    codec_free(verify.codec);
    buf_fini(&verify.rows);
    if (rc < 0)
        return cli_fail(rc == -EINVAL && !verify.err.code ? EXIT_USAGE : EXIT_TROUBLE, "%s",
                        verify.err.code ? verify.err.text : err.text);
    print_sum(&verify);
    return verify.damaged ? EXIT_DAMAGED : EXIT_DONE;
}
