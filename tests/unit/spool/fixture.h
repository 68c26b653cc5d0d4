/* For the tests of this folder: an empty spool in a temporary directory, a lease that nobody guards, and
 * blocks of rows. Everything is static inline: each test program has its own. */
#ifndef SPILLWAY_TEST_SPOOL_FIXTURE_H
#define SPILLWAY_TEST_SPOOL_FIXTURE_H

#include "tests/unit/unit.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/spool/adopt.h"
#include "common/spool/place.h"
#include "common/spool/reader.h"
#include "common/spool/salvage.h"
#include "common/spool/writer.h"

struct fixture {
    char *path;
    struct spool spool;
    struct lease *lease;
    struct segment_origin origin;
    struct codec *codec;
};

static inline int fixture_setup(void **state)
{
    struct err err;
    struct fixture *f = calloc(1, sizeof *f);
    log_init("test", LEVEL_ERROR, false);
    f->path = unit_temp_dir();
    assert_int_equal(spool_open(&f->spool, f->path, "unit", &err), 0);
    assert_int_equal(lease_open(&f->lease, &f->spool, "My Db", false, &err), 0);
    assert_int_equal(origin_init(&f->origin, "My Db", "T", "A:long,B:string", SEGMENT_CSV, "unit", &err), 0);
    f->codec = codec_new();
    assert_non_null(f->codec);
    *state = f;
    return 0;
}

static inline int fixture_teardown(void **state)
{
    struct fixture *f = *state;
    codec_free(f->codec);
    origin_fini(&f->origin);
    lease_close(f->lease);
    spool_close(&f->spool);
    unit_remove_dir(f->path);
    free(f);
    return 0;
}

/* A block of `rows` rows "<first>\n" ...; returns its length. `out` has 64 KiB. */
static inline size_t make_block(struct fixture *f, unsigned first, unsigned rows, uint8_t *out)
{
    char raw[16384];
    size_t used = 0, bytes;
    for (unsigned i = 0; i < rows; i++)
        used += (size_t)snprintf(raw + used, sizeof raw - used, "%u\n", first + i);
    const struct member_block block = {.raw = raw, .raw_bytes = used, .rows = rows, .mtime = 1};
    assert_int_equal(member_encode_data(f->codec, &block, out, 65536, &bytes), 0);
    return bytes;
}

static inline int append_block(struct fixture *f, struct writer *w, unsigned first, unsigned rows)
{
    uint8_t member[65536];
    size_t bytes = make_block(f, first, rows, member);
    return writer_append(w, member, bytes, &(struct writer_counts){.rows = rows, .raw_bytes = 1, .blocks = 1},
                         NULL);
}

/* The only file of a queue's folder for our database (not counting .why), into `name`; returns how many there
 * are. */
static inline int note_file(void *arg, const struct spool_place *place, int dir, const char *file)
{
    (void)place, (void)dir;
    snprintf(arg, SPOOL_NAME_BYTES, "%s", file);
    return 0;
}

static inline int count_file(void *arg, const struct spool_place *place, int dir, const char *file)
{
    (void)place, (void)dir, (void)file;
    ++*(int *)arg;
    return 0;
}

static inline int files_in(struct fixture *f, enum spool_queue queue, char name[static SPOOL_NAME_BYTES])
{
    int count = 0;
    name[0] = '\0';
    assert_int_equal(spool_walk(&f->spool, queue, NULL, note_file, name), 0);
    assert_int_equal(spool_walk(&f->spool, queue, NULL, count_file, &count), 0);
    return count;
}

/* What the one file of a queue holds; fails when there is not exactly one. */
static inline struct scan_summary summary_of(struct fixture *f, enum spool_queue queue)
{
    char name[SPOOL_NAME_BYTES];
    struct scan_summary summary;
    struct err err;
    assert_int_equal(files_in(f, queue, name), 1);
    struct spool_place place = spool_place(queue, f->origin.db_folder);
    int dir = spool_place_open(&f->spool, &place, false);
    assert_true(dir >= 0);
    assert_int_equal(segment_read_summary(dir, name, &summary, NULL, &err), 0);
    close(dir);
    return summary;
}

#endif
