/* Jobs run, each once, and all come back, whether the workers get to them or not. */
#include "tests/unit/unit.h"

#include <stdatomic.h>

#include "common/base/compiler.h"
#include "common/base/workers.h"

struct job {
    struct worker_job job;
    int runs;
};

static atomic_int wakes, finis, ran;

static void run(struct worker_job *job, void *local)
{
    ++*(int *)local;
    ((struct job *)job)->runs++;
    atomic_fetch_add(&ran, 1);
}

static void fini(void *local)
{
    assert_true(*(int *)local >= 0);
    atomic_fetch_add(&finis, 1);
}

static void wake(void *arg)
{
    (void)arg;
    atomic_fetch_add(&wakes, 1);
}

static void every_job_runs_once_and_comes_back(void **state)
{
    (void)state;
    enum { JOBS = 200 };
    static struct job jobs[JOBS];
    const struct workers_hooks hooks = {.local_bytes = sizeof(int), .run = run, .fini = fini, .wake = wake};
    struct workers *workers = workers_new(3, &hooks);
    size_t back = 0;
    for (size_t i = 0; i < JOBS; i++)
        assert_int_equal(workers_submit(workers, &jobs[i].job), 0);
    for (struct worker_job *job = workers_take(workers); job; job = job->next)
        back++;
    struct worker_job *left = workers_free(workers);
    size_t runs = 0;
    for (; left; left = left->next)
        back++;
    for (size_t i = 0; i < JOBS; i++) {
        assert_true(jobs[i].runs <= 1);
        runs += (size_t)jobs[i].runs;
    }
    assert_int_equal(back, JOBS);
    assert_int_equal(runs, atomic_load(&ran));
    assert_int_equal(atomic_load(&wakes), atomic_load(&ran));
    assert_in_range(atomic_load(&finis), 1, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_job_runs_once_and_comes_back)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
