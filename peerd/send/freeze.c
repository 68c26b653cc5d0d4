/* Claimed -> frozen: what is in the directory is measured, by headers and trailers alone (the cost depends on
 * the number of blocks, not on bytes), and written into plan.json. */
#include <errno.h>
#include <fcntl.h>

#include "common/base/clock.h"
#include "common/base/crash.h"
#include "common/base/log.h"
#include "common/segment/head.h"
#include "common/spool/walk.h"
#include "peerd/receive/hops.h"
#include "peerd/send/outbox.h"

struct freezing {
    struct outbox *outbox;
    struct walk *walk;
    struct digest digest;
    struct segment_name name; /* of the file at hand */
};

/* What is in one file; why it is not sent. */
struct content {
    struct manifest_file figures;
    unsigned heads;
    const char *fault; /* NULL: none */
};

static bool is_schema(const struct segment_name *name, const char *text)
{
    struct schema schema;
    if (!*text)
        return !name->has_schema;
    if (!name->has_schema || schema_parse(text, &schema, NULL) != 0)
        return false;
    bool is_same = schema_hash(&schema) == name->schema_hash;
    schema_fini(&schema);
    return is_same;
}

static const char *check_head(const struct freezing *f, const struct member *member)
{
    struct segment_head head;
    unsigned hops = hops_of_head(member).count;
    if (segment_head_read(member->head_json, member->head_json_bytes, &head) != SEGMENT_HEAD_OK)
        return "bad-head";
    bool fits = strcmp(head.db, f->outbox->manifest.db) == 0 && strcmp(head.table, f->name.table) == 0 &&
                head.format == f->name.format && is_schema(&f->name, head.schema);
    segment_head_fini(&head);
    if (!fits)
        return "head-mismatch";
    if (hops > 0 && !f->outbox->takes_received)
        return "received";
    if (hops > f->outbox->manifest.hops)
        f->outbox->manifest.hops = hops;
    return NULL;
}

/* Negative errno: it cannot be read. What is wrong with what can be read is content->fault. */
static int measure(struct freezing *f, int fd, struct content *content, struct digest *digest)
{
    struct member member;
    int rc = walk_init(f->walk, fd, 0);
    content->figures.bytes = rc == 0 ? f->walk->size : 0;
    while (rc == 0 && !content->fault && (rc = walk_next(f->walk, &member)) > 0) {
        rc = 0;
        digest_add(digest, member.member_bytes, member.payload_crc);
        if (member.is_head) {
            content->heads++;
            content->fault = check_head(f, &member);
        } else if (content->heads == 0) {
            content->fault = "no-head";
        }
        content->figures.rows += member.rows;
        content->figures.raw_bytes += member.isize;
    }
    if (rc == -EBADMSG) {
        content->fault = "damaged";
        rc = 0;
    }
    if (rc == 0 && !content->fault && content->figures.rows == 0)
        content->fault = "empty";
    return rc;
}

/* To uploader, which takes it or says what is wrong with it; from where it cannot be uploaded it would only
 * come back. */
static int move_away(struct outbox *outbox, const char *file, const char *fault)
{
    struct claim *claim = &outbox->claim;
    struct spool_place to = spool_place(QUEUE_UPLOAD, claim->place.db);
    json_t *why = json_pack("{s:s, s:s}", "reason", fault, "by", "peerd");
    int rc = !outbox->takes_received ? spool_move(claim->spool, &claim->place, file, &to, false)
             : why                   ? spool_quarantine(claim->spool, &claim->place, file, why)
                                     : -ENOMEM;
    json_decref(why);
    log_warn("segment-not-sent", log_s("db", claim->place.db), log_s("file", file), log_s("reason", fault),
             log_s("now-in", outbox->takes_received ? "quarantine" : "upload"));
    crash_point("transfer:after-set-aside");
    return rc;
}

static int add_file(void *arg, struct claim *claim, const char *file)
{
    struct freezing *f = arg;
    struct manifest *m = &f->outbox->manifest;
    struct digest digest = f->digest;
    struct content content = {0};
    if (segment_name_parse(file, &f->name) != NAME_OK)
        return move_away(f->outbox, file, "bad-name");
    int fd = openat(claim->fd, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return -errno;
    int rc = measure(f, fd, &content, &digest);
    close(fd);
    if (rc)
        return rc;
    if (content.fault)
        return move_away(f->outbox, file, content.fault);
    if (m->count == 0) {
        snprintf(m->table, sizeof m->table, "%s", f->name.table);
        m->format = f->name.format;
        snprintf(m->schema, sizeof m->schema, "-");
        if (f->name.has_schema)
            schema_hash_text(f->name.schema_hash, m->schema);
    }
    f->digest = digest;
    return manifest_add(m, file, &content.figures);
}

static int write_plan(struct freezing *f, const char *instance, const char *peer)
{
    struct outbox *outbox = f->outbox;
    struct manifest *m = &outbox->manifest;
    struct buf text;
    buf_init(&text, MANIFEST_BYTES_MAX);
    m->digest = digest_value(&f->digest);
    m->frozen_ms = wall_now_ms();
    snprintf(m->peer, sizeof m->peer, "%s", peer);
    snprintf(m->id, sizeof m->id, "%s-%.*s", instance, FLAKE_TEXT_BYTES, outbox->claim.place.group);
    int rc = manifest_write(m, &text);
    if (rc == 0)
        rc = claim_freeze(&outbox->claim, text.data, text.len);
    if (rc == 0)
        outbox->state = CLAIM_FROZEN;
    buf_fini(&text);
    return rc;
}

int outbox_freeze(struct outbox *outbox, const char *instance, const char *peer, struct err *err)
{
    struct freezing f = {.outbox = outbox, .walk = malloc(sizeof *f.walk)};
    struct manifest *m = &outbox->manifest;
    const char *folder = outbox->claim.place.db;
    manifest_fini(m);
    digest_init(&f.digest);
    int rc = f.walk ? 0 : -ENOMEM;
    if (rc == 0 && name_decode(folder, strlen(folder), m->db, sizeof m->db) != NAME_OK)
        rc = -EINVAL;
    if (rc == 0)
        rc = claim_each(&outbox->claim, add_file, &f);
    if (rc == 0 && m->count == 0) {
        rc = claim_remove(&outbox->claim);
        rc = rc ? rc : -ENODATA;
    } else if (rc == 0) {
        rc = write_plan(&f, instance, peer);
    }
    free(f.walk);
    return rc && rc != -ENODATA
               ? err_errno(err, rc, "transfer %s: its segments cannot be measured", outbox->claim.place.group)
               : rc;
}
