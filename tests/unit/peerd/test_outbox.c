/* A transfer's directory: measured, frozen, done, refused, dissolved; what is not fit to be sent goes to
 * upload/. */
#include "tests/unit/spool/fixture.h"

#include "peerd/send/body.h"
#include "peerd/send/outbox.h"

struct box {
    struct fixture *f;
    struct tally *tally;
    struct spool_place place;
    struct outbox outbox;
};

static void make_segment(struct fixture *f, unsigned first, unsigned rows)
{
    struct writer w;
    struct err err;
    assert_int_equal(writer_create(&w, &f->spool, f->lease, &f->origin, WRITER_ROWS, &err), 0);
    assert_int_equal(append_block(f, &w, first, rows), 0);
    assert_int_equal(writer_seal(&w, false, NULL, &err), 0);
}

struct taking {
    struct box *box;
    unsigned count;
};

static int take(void *arg, const struct spool_place *place, int dir, const char *file)
{
    (void)place, (void)dir;
    struct taking *taking = arg;
    taking->count++;
    return claim_take(&taking->box->f->spool, &taking->box->place, QUEUE_SEALED, file);
}

static void open_box(struct box *box)
{
    struct err err;
    assert_int_equal(outbox_open(&box->outbox, &box->f->spool, box->tally, &box->place, &err), 0);
}

/* Three segments of 10 rows, claimed. */
static struct box *box_new(void **state)
{
    struct box *box = calloc(1, sizeof *box);
    struct taking taking = {.box = box};
    box->f = *state;
    assert_int_equal(tally_new(&box->tally, &box->f->spool, "peerd.json", &(struct err){0}), 0);
    box->place = spool_group(QUEUE_TRANSFER, box->f->origin.db_folder, 0x1234);
    for (unsigned i = 0; i < 3; i++)
        make_segment(box->f, i * 10, 10);
    assert_int_equal(spool_walk(&box->f->spool, QUEUE_SEALED, NULL, take, &taking), 0);
    assert_int_equal(taking.count, 3);
    open_box(box);
    assert_int_equal(box->outbox.state, CLAIM_CLAIMED);
    return box;
}

static void box_free(struct box *box)
{
    outbox_close(&box->outbox);
    tally_free(box->tally);
    free(box);
}

static void freeze(struct box *box)
{
    struct err err;
    assert_int_equal(outbox_freeze(&box->outbox, "here", "there", &err), 0);
    outbox_close(&box->outbox);
    open_box(box);
    assert_int_equal(box->outbox.state, CLAIM_FROZEN);
}

static int count_in(struct box *box, enum spool_queue queue)
{
    char name[SPOOL_NAME_BYTES];
    return files_in(box->f, queue, name);
}

static void assert_gone(struct box *box)
{
    assert_int_equal(spool_place_open(&box->f->spool, &box->place, false), -ENOENT);
}

/* --- freezing and what is sent ---------------------------------------------------------------------- */

static void what_is_frozen_is_what_is_sent(void **state)
{
    struct box *box = box_new(state);
    struct digest digest;
    struct body body;
    char text[4096];
    uint8_t all[65536];
    freeze(box);
    const struct manifest *m = &box->outbox.manifest;
    assert_string_equal(m->id, "here-0000000000001234");
    assert_string_equal(m->peer, "there");
    assert_string_equal(m->db, "My Db");
    assert_string_equal(m->table, "T");
    assert_string_not_equal(m->schema, "-");
    assert_int_equal(m->rows, 30);
    assert_int_equal(m->count, 3);

    size_t used = 0, bytes = 0;
    ssize_t n;
    body_init(&body, &box->outbox);
    while ((n = body_read(&body, text, 7)) > 0) /* in pieces that cross files */
        bytes += (size_t)n;
    assert_int_equal(n, 0);
    body_rewind(&body);
    while ((n = body_read(&body, all + used, sizeof all - used)) > 0)
        used += (size_t)n;
    assert_int_equal(used, bytes);
    assert_int_equal(used, m->bytes);
    assert_int_equal(body.given, 2 * used);
    body_fini(&body);

    struct scan scan;
    struct scan_item item;
    digest_init(&digest);
    scan_init(&scan, all, used, SCAN_VALID);
    while (scan_next(&scan, &item)) {
        assert_true(item.is_member);
        digest_add(&digest, item.member.member_bytes, item.member.payload_crc);
    }
    scan_fini(&scan);
    assert_true(digest_is_equal(digest_value(&digest), m->digest));
    box_free(box);
}

static void a_body_that_is_not_as_long_as_it_was_is_not_sent(void **state)
{
    struct box *box = box_new(state);
    struct body body;
    uint8_t all[65536];
    freeze(box);
    int fd = openat(box->outbox.claim.fd, box->outbox.manifest.files[1].name, O_WRONLY);
    assert_int_equal(ftruncate(fd, 20), 0);
    close(fd);
    body_init(&body, &box->outbox);
    assert_int_equal(body_read(&body, all, sizeof all), -1);
    assert_int_equal(body.rc, -ENODATA);
    body_fini(&body);
    unlinkat(box->outbox.claim.fd, box->outbox.manifest.files[0].name, 0);
    body_init(&body, &box->outbox);
    assert_int_equal(body_read(&body, all, sizeof all), -1);
    assert_int_equal(body.rc, -ENOENT);
    assert_int_equal(body.given, 0);
    body_fini(&body);
    box_free(box);
}

static void flip(struct box *box, const char *file, off_t at)
{
    uint8_t byte;
    int fd = openat(box->outbox.claim.fd, file, O_RDWR);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 0x55;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

static int note_first(void *arg, struct claim *claim, const char *file)
{
    (void)claim;
    snprintf(arg, SPOOL_NAME_BYTES, "%s", file);
    return 1;
}

static void one_that_is_damaged_or_foreign_goes_to_upload(void **state)
{
    struct box *box = box_new(state);
    struct err err;
    char name[SPOOL_NAME_BYTES];
    assert_int_equal(claim_each(&box->outbox.claim, note_first, name), 1);
    flip(box, name, 20); /* in the head's header */
    freeze(box);
    assert_int_equal(box->outbox.manifest.count, 2);
    assert_int_equal(box->outbox.manifest.rows, 20);
    assert_int_equal(count_in(box, QUEUE_UPLOAD), 1);
    assert_int_equal(outbox_is_whole(&box->outbox), 1);
    box_free(box);

    /* All of another table than they say: nothing is left to send. */
    box = calloc(1, sizeof *box);
    box->f = *state;
    assert_int_equal(tally_new(&box->tally, &box->f->spool, "peerd.json", &(struct err){0}), 0);
    box->place = spool_group(QUEUE_TRANSFER, "Other", 7);
    make_segment(box->f, 0, 3);
    struct spool_place sealed = spool_place(QUEUE_SEALED, box->f->origin.db_folder);
    assert_int_equal(files_in(box->f, QUEUE_SEALED, name), 1);
    assert_int_equal(spool_move(&box->f->spool, &sealed, name, &box->place, false), 0);
    open_box(box);
    assert_int_equal(outbox_freeze(&box->outbox, "here", "there", &err), -ENODATA);
    assert_gone(box);
    box_free(box);
}

static void damage_in_a_payload_is_found_when_somebody_asks(void **state)
{
    struct box *box = box_new(state);
    freeze(box);
    const struct manifest_file *file = &box->outbox.manifest.files[2];
    flip(box, file->name, (off_t)file->bytes - 20);
    assert_int_equal(outbox_is_whole(&box->outbox), 0);
    box_free(box);
}

static void received_segments_are_not_sent_on(void **state)
{
    struct box *box = box_new(state);
    struct err err;
    char name[SPOOL_NAME_BYTES], json[2048];
    uint8_t head[8192], file[65536];
    size_t bytes, json_bytes;
    assert_int_equal(claim_each(&box->outbox.claim, note_first, name), 1);
    int fd = openat(box->outbox.claim.fd, name, O_RDWR);
    ssize_t have = pread(fd, file, sizeof file, 0);
    struct member member;
    assert_int_equal(member_parse(file, (size_t)have, &member), MEMBER_OK);
    json_bytes = member.head_json_bytes;
    memcpy(json, member.head_json, json_bytes);
    json_bytes +=
        (size_t)snprintf(json + json_bytes - 1, sizeof json - json_bytes, ",\"received\":true,\"hops\":1}") -
        1;
    assert_int_equal(member_encode_head(json, json_bytes, 1, head, sizeof head, &bytes), 0);
    assert_int_equal(pwrite(fd, head, bytes, 0), bytes);
    assert_int_equal(pwrite(fd, file + member.member_bytes, (size_t)have - member.member_bytes, (off_t)bytes),
                     have - member.member_bytes);
    close(fd);
    assert_int_equal(outbox_freeze(&box->outbox, "here", "there", &err), 0);
    assert_int_equal(box->outbox.manifest.count, 2);
    assert_int_equal(count_in(box, QUEUE_UPLOAD), 1);
    box_free(box);
}

/* --- ends ------------------------------------------------------------------------------------------- */

static void what_is_done_is_counted_once_and_gone(void **state)
{
    struct box *box = box_new(state);
    freeze(box);
    assert_int_equal(outbox_finish(&box->outbox), 0);
    assert_gone(box);
    assert_int_equal(tally_get(box->tally, "My Db", "rows_sent"), 30);
    assert_int_equal(tally_get(box->tally, NULL, "segments_sent"), 3);
    box_free(box);
}

static void one_found_done_is_finished_without_counting_twice(void **state)
{
    struct box *box = box_new(state);
    freeze(box);
    assert_int_equal(claim_set_done(&box->outbox.claim), 0);
    assert_int_equal(claim_set_done(&box->outbox.claim), 0);
    tally_add(box->tally, "My Db", "0000000000001234/sent",
              (const struct tally_item[]){{"rows_sent", 30}, {NULL, 0}});
    outbox_close(&box->outbox);
    tally_free(box->tally);
    assert_int_equal(tally_new(&box->tally, &box->f->spool, "peerd.json", &(struct err){0}),
                     0); /* another process */
    open_box(box);
    assert_int_equal(box->outbox.state, CLAIM_DONE);
    assert_int_equal(outbox_finish(&box->outbox), 0);
    assert_int_equal(tally_get(box->tally, "My Db", "rows_sent"), 30);
    assert_gone(box);
    box_free(box);
}

static void a_refusal_is_remembered_and_finished_later(void **state)
{
    struct box *box = box_new(state);
    char name[SPOOL_NAME_BYTES];
    freeze(box);
    json_t *why = json_pack("{s:s, s:s}", "reason", "refused", "message", "no such database");
    assert_int_equal(outbox_refuse(&box->outbox, why), 0);
    json_decref(why);
    outbox_close(&box->outbox);
    open_box(box);
    assert_true(box->outbox.is_refused);
    assert_int_equal(outbox_put_aside(&box->outbox), 0);
    assert_gone(box);
    assert_int_equal(files_in(box->f, QUEUE_QUARANTINE, name), 3);
    char why_name[SPOOL_NAME_BYTES + 8];
    snprintf(why_name, sizeof why_name, "%s.why", name);
    struct spool_place place = spool_place(QUEUE_QUARANTINE, box->f->origin.db_folder);
    struct buf text;
    buf_init(&text, 4096);
    int dir = spool_place_open(&box->f->spool, &place, false);
    assert_int_equal(file_read(dir, why_name, &text), 0);
    assert_non_null(strstr(text.data, "no such database"));
    close(dir);
    buf_fini(&text);
    assert_int_equal(tally_get(box->tally, "My Db", "rows_refused"), 30);
    box_free(box);
}

static void one_that_is_dissolved_leaves_nothing_behind(void **state)
{
    struct box *box = box_new(state);
    freeze(box);
    assert_int_equal(outbox_dissolve(&box->outbox, QUEUE_UPLOAD, true), 0);
    assert_gone(box);
    assert_int_equal(count_in(box, QUEUE_UPLOAD), 3);
    assert_int_equal(tally_get(box->tally, "My Db", "rows_possibly_twice"), 30);
    box_free(box);
}

static void a_plan_that_cannot_be_read_counts_as_none(void **state)
{
    struct box *box = box_new(state);
    struct err err;
    freeze(box);
    assert_int_equal(file_replace(box->outbox.claim.fd, "plan.json", "{\"v\":1", 6), 0);
    outbox_close(&box->outbox);
    open_box(box);
    assert_int_equal(box->outbox.state, CLAIM_CLAIMED);
    assert_int_equal(file_replace(box->outbox.claim.fd, "plan.json", "{\"v\":99}", 8), 0);
    outbox_close(&box->outbox);
    assert_int_equal(outbox_open(&box->outbox, &box->f->spool, box->tally, &box->place, &err), -EPROTO);
    box_free(box);
}

static void a_manifest_names_nothing_but_segments_of_its_table(void **state)
{
    struct box *box = box_new(state);
    struct buf text;
    struct manifest m;
    struct err err;
    freeze(box);
    buf_init(&text, MANIFEST_BYTES_MAX);
    free(box->outbox.manifest.files[0].name);
    static const char *const bad[] = {"../../upload/T,-,0000000000000001.csv.gz",
                                      "U,-,0000000000000001.csv.gz", "x"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        buf_clear(&text);
        box->outbox.manifest.files[0].name = strdup(bad[i]);
        assert_int_equal(manifest_write(&box->outbox.manifest, &text), 0);
        assert_int_equal(manifest_read(text.data, text.len, &m, &err), -EINVAL);
        assert_non_null(strstr(err.text, "files"));
        if (i + 1 < ARRAY_LEN(bad))
            free(box->outbox.manifest.files[0].name);
    }
    buf_fini(&text);
    box_free(box);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_frozen_is_what_is_sent),
        TEST(a_body_that_is_not_as_long_as_it_was_is_not_sent),
        TEST(one_that_is_damaged_or_foreign_goes_to_upload),
        TEST(damage_in_a_payload_is_found_when_somebody_asks),
        TEST(received_segments_are_not_sent_on),
        TEST(what_is_done_is_counted_once_and_gone),
        TEST(one_found_done_is_finished_without_counting_twice),
        TEST(a_refusal_is_remembered_and_finished_later),
        TEST(one_that_is_dissolved_leaves_nothing_behind),
        TEST(a_plan_that_cannot_be_read_counts_as_none),
        TEST(a_manifest_names_nothing_but_segments_of_its_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
