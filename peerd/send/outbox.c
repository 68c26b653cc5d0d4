#include "peerd/send/outbox.h"

#include <errno.h>
#include <fcntl.h>

#include "common/base/clock.h"
#include "common/base/crash.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/spool/ballast.h"
#include "common/spool/reader.h"

static const char refused_name[] = "refused.json";
enum { REFUSED_BYTES_MAX = 64 << 10, KEY_BYTES = SPOOL_NAME_BYTES + 16 };

/* --- opening ---------------------------------------------------------------------------------------- */

static int read_plan(struct outbox *outbox, struct err *err)
{
    struct buf text;
    buf_init(&text, MANIFEST_BYTES_MAX);
    const char *id = outbox->claim.place.group;
    int rc = claim_read(&outbox->claim, &outbox->state, &text);
    if (rc)
        err_errno(err, rc, "transfer %s: plan.json cannot be read", id);
    else if (outbox->state != CLAIM_CLAIMED)
        rc = manifest_read(text.data ? text.data : "", text.len, &outbox->manifest, err);
    if (rc == -EINVAL && outbox->state == CLAIM_FROZEN) {
        log_error(
            "plan-damaged", log_s("transfer", id), log_s("cause", err->text),
            log_s("advice", "whether the peer has its rows is not known any more: they may be there twice"));
        outbox->state = CLAIM_CLAIMED;
        rc = 0;
    } else if (rc == -EINVAL) { /* done is done, whatever it was */
        log_warn("plan-damaged", log_s("transfer", id), log_s("cause", err->text));
        rc = 0;
    }
    buf_fini(&text);
    return rc;
}

int outbox_open(struct outbox *outbox, struct spool *spool, struct tally *tally,
                const struct spool_place *place, struct err *err)
{
    *outbox = (struct outbox){.tally = tally};
    manifest_init(&outbox->manifest);
    int rc = claim_open(&outbox->claim, spool, place);
    if (rc)
        return err_errno(err, rc, "transfer %s cannot be opened", place->group);
    rc = read_plan(outbox, err);
    outbox->is_refused = outbox->state == CLAIM_FROZEN &&
                         faccessat(outbox->claim.fd, refused_name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
    if (rc)
        outbox_close(outbox);
    return rc;
}

void outbox_close(struct outbox *outbox)
{
    claim_close(&outbox->claim);
    manifest_fini(&outbox->manifest);
}

/* --- its ends --------------------------------------------------------------------------------------- */

/* The key of one counting of this transfer. */
static void key_of(const struct outbox *outbox, const char *what, char key[static KEY_BYTES])
{
    snprintf(key, KEY_BYTES, "%s/%s", outbox->claim.place.group, what);
}

static void count(struct outbox *outbox, const char *what, const struct tally_item *items)
{
    char key[KEY_BYTES];
    key_of(outbox, what, key);
    if (*outbox->manifest.db)
        tally_add(outbox->tally, outbox->manifest.db, key, items);
    crash_point("transfer:after-count");
}

static void forget(struct outbox *outbox)
{
    static const char *const all[] = {"sent", "refused", "twice"};
    char key[KEY_BYTES];
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        key_of(outbox, all[i], key);
        tally_forget(outbox->tally, key);
    }
}

static int gone(struct outbox *outbox, int rc)
{
    if (rc == 0)
        forget(outbox);
    return rc;
}

int outbox_finish(struct outbox *outbox)
{
    const struct manifest *m = &outbox->manifest;
    crash_point("transfer:before-done");
    int rc = claim_set_done(&outbox->claim);
    if (rc)
        return rc;
    outbox->state = CLAIM_DONE;
    count(outbox, "sent",
          (const struct tally_item[]){{"transfers", 1},
                                      {"rows_sent", m->rows},
                                      {"bytes_sent", m->bytes},
                                      {"segments_sent", m->count},
                                      {NULL, 0}});
    return gone(outbox, claim_remove(&outbox->claim));
}

int outbox_refuse(struct outbox *outbox, const json_t *why)
{
    char *text = json_dumps(why, JSON_INDENT(1));
    if (!text)
        return -ENOMEM;
    int rc;
    while ((rc = file_replace(outbox->claim.fd, refused_name, text, strlen(text))) != 0 &&
           ballast_helps(outbox->claim.spool->ballast, rc))
        ;
    free(text);
    crash_point("transfer:after-refusal");
    outbox->is_refused = rc == 0;
    return rc;
}

static json_t *read_refusal(struct outbox *outbox)
{
    struct buf text;
    buf_init(&text, REFUSED_BYTES_MAX);
    int rc = file_read(outbox->claim.fd, refused_name, &text);
    json_t *why = rc == 0 && text.len ? json_loadb(text.data, text.len, 0, NULL) : NULL;
    buf_fini(&text);
    if (json_is_object(why))
        return why;
    json_decref(why);
    return json_pack("{s:s, s:s}", "reason", "refused", "by", "peerd");
}

static int quarantine_one(void *arg, struct claim *claim, const char *file)
{
    int rc = spool_quarantine(claim->spool, &claim->place, file, arg);
    crash_point("transfer:after-quarantine");
    return rc;
}

int outbox_put_aside(struct outbox *outbox)
{
    json_t *why = read_refusal(outbox);
    int rc = why ? claim_each(&outbox->claim, quarantine_one, why) : -ENOMEM;
    json_decref(why);
    if (rc)
        return rc;
    count(outbox, "refused",
          (const struct tally_item[]){{"transfers_refused", 1},
                                      {"rows_refused", outbox->manifest.rows},
                                      {"segments_refused", outbox->manifest.count},
                                      {NULL, 0}});
    return gone(outbox, claim_remove(&outbox->claim));
}

int outbox_dissolve(struct outbox *outbox, enum spool_queue queue, bool possibly_twice)
{
    if (possibly_twice)
        count(outbox, "twice",
              (const struct tally_item[]){
                  {"transfers_given_up", 1}, {"rows_possibly_twice", outbox->manifest.rows}, {NULL, 0}});
    return gone(outbox, claim_release(&outbox->claim, queue));
}

/* --- doubts about our own files --------------------------------------------------------------------- */

static int check_one(void *arg, struct claim *claim, const char *file)
{
    bool *is_whole = arg;
    struct scan_summary summary;
    struct err err;
    int rc = segment_read_summary(claim->fd, file, &summary, NULL, &err);
    if (rc == 0 && (summary.damaged_bytes > 0 || summary.tail_bytes > 0 || summary.rows == 0))
        *is_whole = false;
    return rc;
}

int outbox_is_whole(struct outbox *outbox)
{
    bool is_whole = true;
    int rc = claim_each(&outbox->claim, check_one, &is_whole);
    return rc ? rc : is_whole;
}
