/* libFuzzer target: plan.json and progress.json of a batch, as they may be after a power cut. */
#include <stdint.h>
#include <stdlib.h>

#include "uploader/batch/plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

#define CHECK(condition) ((condition) ? (void)0 : abort())

static void try_plan(const char *text, size_t bytes)
{
    struct plan plan, again;
    struct err err;
    struct buf out;
    plan_init(&plan);
    if (plan_read(text, bytes, &plan, &err) != 0)
        return;
    CHECK(plan.count <= PLAN_FILES_MAX);
    for (size_t i = 0; i < plan.count; i++)
        CHECK(!strchr(plan.files[i].name, '/') && plan.files[i].name[0] != '.');
    (void)plan_is_thin(&plan);
    buf_init(&out, PLAN_BYTES_MAX);
    if (plan_write(&plan, &out) == 0) {
        plan_init(&again);
        CHECK(plan_read(out.data, out.len, &again, &err) == 0);
        CHECK(again.id == plan.id && again.count == plan.count && again.rows == plan.rows);
        plan_fini(&again);
    }
    buf_fini(&out);
    plan_fini(&plan);
}

static void try_progress(const char *text, size_t bytes)
{
    struct progress progress, again;
    struct err err;
    struct buf out;
    if (progress_read(text, bytes, &progress, &err) != 0)
        return;
    buf_init(&out, PROGRESS_BYTES_MAX);
    if (progress_write(&progress, &out) == 0) {
        CHECK(progress_read(out.data, out.len, &again, &err) == 0);
        CHECK(again.at.file == progress.at.file && again.at.offset == progress.at.offset &&
              again.at.raw == progress.at.raw);
    }
    buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    char *text = malloc(bytes + 1);
    CHECK(text);
    if (bytes > 0)
        memcpy(text, data, bytes);
    text[bytes] = '\0';
    try_plan(text, bytes);
    try_progress(text, bytes);
    free(text);
    return 0;
}
