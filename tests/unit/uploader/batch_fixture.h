/* For the tests of this folder: a directory with the one file of a plan, BLOCKS blocks of one row each; block
 * i is BLOCK_RAW_BYTES of the i-th letter. Everything is static inline: each test program has its own. */
#ifndef SPILLWAY_TEST_BATCH_FIXTURE_H
#define SPILLWAY_TEST_BATCH_FIXTURE_H

#include "tests/unit/unit.h"

#include <fcntl.h>

#include "common/base/file.h"
#include "uploader/batch/part.h"

enum { BLOCKS = 7, BLOCK_RAW_BYTES = 400 };

struct fixture {
    char path[64];
    int dir;
    struct plan plan;
    struct tools tools;
};

static inline void put_member(struct fixture *f, struct buf *file, unsigned block)
{
    static const char json[] = "{\"v\":1}";
    char raw[BLOCK_RAW_BYTES];
    size_t bytes;
    memset(raw, 'a' + (int)block, sizeof raw);
    raw[sizeof raw - 1] = '\n';
    const struct member_block rows = {.raw = raw, .raw_bytes = sizeof raw, .rows = 1};
    assert_int_equal(buf_reserve(file, 4096), 0);
    if (block % 3 == 0) { /* heads come again in the middle */
        assert_int_equal(member_encode_head(json, sizeof json - 1, 0, file->data + file->len, 2048, &bytes),
                         0);
        file->len += bytes;
    }
    assert_int_equal(member_encode_data(f->tools.codec, &rows, file->data + file->len, 2048, &bytes), 0);
    file->len += bytes;
}

static inline int setup(void **state)
{
    static struct fixture f;
    struct buf file;
    f = (struct fixture){.path = "/tmp/test-part.XXXXXX"};
    assert_non_null(mkdtemp(f.path));
    f.dir = open(f.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    plan_init(&f.plan);
    assert_int_equal(tools_init(&f.tools), 0);
    buf_init(&file, 1 << 20);
    for (unsigned i = 0; i < BLOCKS; i++)
        put_member(&f, &file, i);
    assert_int_equal(file_replace_lazily(f.dir, "one", file.data, file.len), 0);
    buf_fini(&file);
    /* So many raw bytes that nothing is deflated anew. */
    assert_int_equal(plan_add(&f.plan, "one", &(struct plan_file){.raw_bytes = 1 << 30, .blocks = BLOCKS}),
                     0);
    *state = &f;
    return 0;
}

static inline int teardown(void **state)
{
    struct fixture *f = *state;
    unlinkat(f->dir, "one", 0);
    close(f->dir);
    rmdir(f->path);
    plan_fini(&f->plan);
    tools_fini(&f->tools);
    return 0;
}

#endif
