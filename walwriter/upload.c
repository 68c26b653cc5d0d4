#include "walwriter/upload.h"

#include <assert.h>
#include <errno.h>

enum { SEALED_AT_ONCE = 64, SHARE = 4 }; /* of the files that may be open: one in so many for uploads */

int upload_new(struct upload **out, struct slots *slots, struct table *table, struct err *err)
{
    if (slots->outside + 2 > slots->settings->open_max / SHARE)
        return err_set(err, -EMFILE, "too many large bodies at a time (max-open-files)");
    struct upload *upload = calloc(1, sizeof *upload);
    if (!upload)
        return err_set(err, -ENOMEM, "out of memory");
    upload->slots = slots;
    upload->table = table;
    upload->rows.fd = upload->bad.fd = -1;
    slots->outside += 2;
    *out = upload;
    return 0;
}

void upload_free(struct upload *upload)
{
    if (!upload)
        return;
    if (writer_is_open(&upload->rows))
        writer_discard(&upload->rows);
    if (writer_is_open(&upload->bad))
        writer_discard(&upload->bad);
    faults_fini(&upload->faults);
    upload->slots->outside -= 2;
    free(upload);
}

int upload_append(struct upload *upload, bool is_bad, const void *member, size_t bytes,
                  const struct writer_counts *counts, struct err *err)
{
    struct writer *w = is_bad ? &upload->bad : &upload->rows;
    struct lease *lease;
    int rc = slots_lease(upload->slots, upload->table->database, &lease, err);
    if (rc == 0 && !writer_is_open(w)) {
        slots_make_open(upload->slots);
        rc = writer_create(w, upload->slots->spool, lease, &upload->table->origin,
                           is_bad ? WRITER_BODY_REFUSED : WRITER_BODY, err);
    }
    if (rc == 0)
        rc = writer_append(w, member, bytes, counts, err);
    if (rc == 0 && upload->slots->settings->sync != SYNC_NEVER)
        writer_start_sync(w);
    return rc;
}

/* --- sealing ---------------------------------------------------------------------------------------- */

static json_t *why_of(const struct upload *upload)
{
    json_t *rows = upload->faults.list ? json_incref(upload->faults.list) : json_array();
    return json_pack("{s:s, s:s, s:I, s:o}", "reason", "rows that walwriter could not take", "input", "http",
                     "count", (json_int_t)upload->faults.count, "rows", rows);
}

/* One kind of files of all uploads: refused rows first, so that rows without them are never taken for all. */
static void seal_kind(struct upload *const *uploads, size_t count, bool is_bad, struct sealing *list,
                      int *results)
{
    size_t n = 0, which[SEALED_AT_ONCE];
    for (size_t i = 0; i < count; i++) {
        struct writer *w = is_bad ? &uploads[i]->bad : &uploads[i]->rows;
        if (results[i] || !writer_is_open(w) || w->counts.rows == 0)
            continue;
        json_t *why = is_bad ? why_of(uploads[i]) : NULL;
        if (is_bad && !why) {
            results[i] = -ENOMEM;
            continue;
        }
        which[n] = i;
        list[n++] = (struct sealing){.writer = w, .why = why};
    }
    if (n == 0)
        return;
    writers_seal(list, n, uploads[0]->slots->settings->sync != SYNC_NEVER);
    for (size_t i = 0; i < n; i++) {
        struct upload *upload = uploads[which[i]];
        json_decref(list[i].why);
        results[which[i]] = list[i].rc;
        if (list[i].rc == 0)
            slots_note_sealed(upload->slots, upload->table->database->name, list[i].writer);
    }
}

void uploads_seal(struct upload *const *uploads, size_t count, int *results)
{
    struct sealing list[SEALED_AT_ONCE];
    for (size_t done = 0, n; done < count; done += n) {
        n = count - done < ARRAY_LEN(list) ? count - done : ARRAY_LEN(list);
        for (size_t i = 0; i < n; i++)
            results[done + i] = 0;
        seal_kind(uploads + done, n, true, list, results + done);
        seal_kind(uploads + done, n, false, list, results + done);
    }
}
