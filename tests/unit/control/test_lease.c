/* A writer's lease against a diskguard that is a table of answers: what is asked for, when it is given back,
 * and what is sent. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>

#include "common/control/lease.h"
#include "common/control/lease_message.h"
#include "common/control/message.h"
#include "common/control/server.h"

enum { HEARD_MAX = 64 };

struct bench {
    char *dir;
    struct spool spool;
    struct ctl_server *server;
    pthread_t thread;
    atomic_bool is_over;
    /* Written by the server's thread, read by the test after an answer: one of them is at work at a time. */
    struct lease_request heard[HEARD_MAX];
    size_t count;
    atomic_bool is_refusing;
};

static json_t *on_message(void *arg, const struct ctl_peer *peer, const json_t *message)
{
    struct bench *b = arg;
    struct err err;
    (void)peer;
    struct lease_request *heard = &b->heard[b->count++ % HEARD_MAX];
    if (lease_request_parse(message, heard, &err) != 0)
        return message_refusal("malformed", err.text);
    if (b->is_refusing && heard->need > 0)
        return message_refusal("full", "it is spent");
    json_t *reply = message_reply();
    int64_t bytes = heard->want - heard->holding, files = heard->want_files - heard->holding_files;
    json_object_set_new(reply, "granted", json_integer(bytes > 0 ? bytes : 0));
    json_object_set_new(reply, "granted_files", json_integer(files > 0 ? files : 0));
    return reply;
}

static void *serve(void *arg)
{
    struct bench *b = arg;
    struct pollfd source = {.fd = ctl_server_fd(b->server), .events = POLLIN};
    while (!b->is_over)
        if (poll(&source, 1, 10) > 0)
            ctl_server_serve(b->server);
    return NULL;
}

static int set_up(void **state)
{
    static const struct ctl_op ops[] = {{"lease", on_message}, {"settle", on_message}, {NULL, NULL}};
    struct bench *b = calloc(1, sizeof *b);
    struct err err;
    assert_non_null(b);
    b->dir = unit_temp_dir();
    assert_int_equal(spool_open(&b->spool, b->dir, "test", &err), 0);
    assert_int_equal(ctl_server_open(&b->server, &b->spool, "diskguard", ops, NULL, b, &err), 0);
    assert_int_equal(pthread_create(&b->thread, NULL, serve, b), 0);
    *state = b;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *b = *state;
    b->is_over = true;
    pthread_join(b->thread, NULL);
    ctl_server_close(b->server);
    spool_close(&b->spool);
    unit_remove_dir(b->dir);
    free(b);
    return 0;
}

static struct lease *open_lease(struct bench *b)
{
    struct lease *lease;
    struct err err;
    assert_int_equal(lease_open(&lease, &b->spool, "D", true, &err), 0);
    return lease;
}

static const struct lease_request *last(const struct bench *b)
{
    return &b->heard[(b->count - 1) % HEARD_MAX];
}

static void large_leases_cover_many_writes(void **state)
{
    struct bench *b = *state;
    struct err err;
    struct lease *lease = open_lease(b);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(lease_take(lease, 8192, &err), 0);
        lease_use(lease, 4096);
    }
    assert_int_equal(b->count, 1);
    assert_int_equal(last(b)->need, 8192);
    assert_true(last(b)->want > 100000);
    assert_int_equal(last(b)->need_files + last(b)->want_files, 0);
    lease_close(lease);
    assert_int_equal(b->count, 2);
    assert_int_equal(last(b)->holding, 0);
}

static void a_file_is_asked_for_with_the_bytes(void **state)
{
    struct bench *b = *state;
    struct err err;
    struct lease *lease = open_lease(b);
    assert_int_equal(lease_take_file(lease, 8192, &err), 0);
    assert_int_equal(b->count, 1);
    assert_int_equal(last(b)->need_files, 1);
    assert_int_equal(lease_take_file(lease, 8192, &err), 0); /* it has that one still */
    assert_int_equal(b->count, 1);
    lease_use_file(lease);
    assert_int_equal(lease_take_file(lease, 8192, &err), 0);
    assert_int_equal(b->count, 2);
    assert_int_equal(last(b)->holding_files, 0);
    for (int i = 0; i < 200; i++) { /* who makes many asks for many at a time */
        lease_use_file(lease);
        assert_int_equal(lease_take_file(lease, 8192, &err), 0);
    }
    assert_in_range(b->count, 4, 20);
    lease_close(lease);
    assert_int_equal(last(b)->holding_files, 0);
}

static void a_refusal_keeps_what_is_held(void **state)
{
    struct bench *b = *state;
    struct err err;
    struct lease *lease = open_lease(b);
    assert_int_equal(lease_take_file(lease, 8192, &err), 0);
    b->is_refusing = true;
    assert_int_equal(lease_take(lease, 1 << 30, &err), -EDQUOT);
    assert_non_null(strstr(err.text, "it is spent"));
    assert_int_equal(last(b)->holding_files, 1);
    assert_int_equal(lease_take_file(lease, 8192, &err), 0);
    lease_close(lease);
}

static void who_is_idle_gives_back_all_but_what_it_keeps(void **state)
{
    struct bench *b = *state;
    struct err err;
    struct lease *lease = open_lease(b);
    assert_int_equal(lease_take_file(lease, 8192, &err), 0);
    lease_tick(lease, 4096); /* it was busy just now */
    assert_int_equal(b->count, 1);
    assert_in_range(mono_left_ms(lease_due(lease, 4096)), 1, 1000);
    while (!mono_is_past(lease_due(lease, 4096)))
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    lease_tick(lease, 4096);
    assert_int_equal(b->count, 2);
    assert_int_equal(last(b)->holding, 4096);
    assert_int_equal(last(b)->holding_files, 0);
    assert_int_equal(last(b)->want, 0);
    assert_true(mono_left_ms(lease_due(lease, 4096)) > 1000000); /* nothing more to give */
    lease_close(lease);
}

static void unguarded_takes_all_and_says_nothing(void **state)
{
    struct bench *b = *state;
    struct err err;
    struct lease *lease;
    assert_int_equal(lease_open(&lease, &b->spool, "D", false, &err), 0);
    assert_int_equal(lease_take_file(lease, INT64_C(1) << 40, &err), 0);
    lease_use_file(lease);
    lease_use(lease, 4096);
    assert_true(mono_left_ms(lease_due(lease, 0)) > 1000000);
    lease_tick(lease, 0);
    lease_close(lease);
    assert_int_equal(b->count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(large_leases_cover_many_writes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_file_is_asked_for_with_the_bytes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_refusal_keeps_what_is_held, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_is_idle_gives_back_all_but_what_it_keeps, set_up, tear_down),
        cmocka_unit_test_setup_teardown(unguarded_takes_all_and_says_nothing, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
