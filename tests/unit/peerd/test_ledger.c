/* The ledger of received ids: in memory, over restarts, in two generations, and after each thing that can go
 * wrong on disk. */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "peerd/receive/ledger.h"

struct fixture {
    char *path;
    struct spool spool;
    struct ledger *ledger;
    size_t ids_max;
};

static void open_again(struct fixture *f)
{
    struct err err;
    ledger_close(f->ledger);
    if (ledger_open(&f->ledger, &f->spool, f->ids_max, &err) != 0)
        fail_msg("%s", err.text);
}

static int set_up(void **state)
{
    struct err err;
    struct fixture *f = calloc(1, sizeof *f);
    f->path = unit_temp_dir();
    f->ids_max = 1000;
    log_init("test", LEVEL_ERROR, false);
    if (spool_open(&f->spool, f->path, "n1", &err) != 0)
        fail_msg("%s", err.text);
    open_again(f);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    ledger_close(f->ledger);
    spool_close(&f->spool);
    unit_remove_dir(f->path);
    free(f);
    return 0;
}

static struct digest_value digest_of(unsigned n)
{
    return (struct digest_value){.bytes = 100 + n, .hash = n};
}

static enum ledger_found look(struct fixture *f, const char *id)
{
    struct ledger_claim claim = {0};
    struct digest_value digest;
    enum ledger_found found = ledger_begin(f->ledger, id, &claim, &digest);
    ledger_end(f->ledger, &claim);
    return found;
}

/* Remember, and write down. */
static void store(struct fixture *f, const char *id, unsigned n)
{
    struct err err;
    struct buf lines;
    int64_t grown;
    buf_init(&lines, 4096);
    assert_int_equal(ledger_reserve(f->ledger, 1), 0);
    ledger_add(f->ledger, id, digest_of(n));
    assert_int_equal(ledger_line(&lines, id, digest_of(n)), 0);
    if (ledger_write(f->ledger, &lines, true, &grown, &err) != 0)
        fail_msg("%s", err.text);
    buf_fini(&lines);
}

static void an_id_is_new_busy_known(void **state)
{
    struct fixture *f = *state;
    struct ledger_claim first = {0}, second = {0};
    struct digest_value digest;
    assert_int_equal(ledger_begin(f->ledger, "a", &first, &digest), LEDGER_NEW);
    assert_int_equal(ledger_begin(f->ledger, "a", &second, &digest), LEDGER_BUSY);
    assert_int_equal(ledger_begin(f->ledger, "b", &second, &digest), LEDGER_NEW);
    ledger_end(f->ledger, &second);
    ledger_end(f->ledger, &first);
    assert_int_equal(look(f, "a"), LEDGER_NEW);
    store(f, "a", 7);
    assert_int_equal(ledger_begin(f->ledger, "a", &first, &digest), LEDGER_KNOWN);
    assert_true(digest_is_equal(digest, digest_of(7)));
}

static void doubts_are_busy_until_settled(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(ledger_reserve(f->ledger, 2), 0);
    ledger_doubt(f->ledger, "a");
    ledger_doubt(f->ledger, "b");
    assert_int_equal(look(f, "a"), LEDGER_BUSY);
    ledger_add(f->ledger, "a", digest_of(1)); /* found on disk */
    ledger_settle(f->ledger);
    assert_int_equal(look(f, "a"), LEDGER_KNOWN);
    assert_int_equal(look(f, "b"), LEDGER_NEW);
}

static void survives_a_restart_torn_lines_and_rubbish(void **state)
{
    struct fixture *f = *state;
    static const char rubbish[] =
        "what is this\n1 a/b 7-0000000000000001\n1 c 7-1\nxyz d 7-0000000000000001\n5 to";
    store(f, "a", 1);
    store(f, "b", 2);
    int fd = openat(f->spool.state, "received", O_WRONLY | O_APPEND | O_CLOEXEC);
    assert_int_equal(file_write_all(fd, rubbish, sizeof rubbish - 1), 0);
    close(fd);
    open_again(f);
    assert_int_equal(ledger_count(f->ledger), 2);
    store(f, "e", 3); /* behind the torn line, which is gone */
    open_again(f);
    assert_int_equal(look(f, "a"), LEDGER_KNOWN);
    assert_int_equal(look(f, "b"), LEDGER_KNOWN);
    assert_int_equal(look(f, "e"), LEDGER_KNOWN);
    assert_int_equal(look(f, "c"), LEDGER_NEW);
    assert_int_equal(ledger_count(f->ledger), 3);
}

/* At least half of the ids that are kept, and never more than all; over restarts, too. */
static void two_generations(void **state)
{
    struct fixture *f = *state;
    char id[32];
    for (unsigned i = 0; i < 2200; i++) {
        snprintf(id, sizeof id, "id-%u", i);
        store(f, id, i);
        assert_true(ledger_count(f->ledger) <= f->ids_max + 1);
        if (i % 700 == 0)
            open_again(f);
    }
    for (unsigned i = 0; i < 2200; i++) {
        snprintf(id, sizeof id, "id-%u", i);
        enum ledger_found found = look(f, id);
        if (i >= 2200 - 500)
            assert_int_equal(found, LEDGER_KNOWN);
        if (i < 2200 - 1001)
            assert_int_equal(found, LEDGER_NEW);
    }
    open_again(f);
    assert_int_equal(look(f, "id-2199"), LEDGER_KNOWN);
    assert_int_equal(look(f, "id-1700"), LEDGER_KNOWN);
    struct stat st;
    assert_int_equal(fstatat(f->spool.state, "received.older", &st, 0), 0);
}

static void many_ids_in_one_set(void **state)
{
    struct fixture *f = *state;
    char id[32];
    for (unsigned i = 0; i < 20000; i++) {
        snprintf(id, sizeof id, "m-%u", i);
        assert_int_equal(ledger_reserve(f->ledger, 1), 0);
        ledger_add(f->ledger, id, digest_of(i));
    }
    for (unsigned i = 0; i < 20000; i += 37) {
        struct ledger_claim claim = {0};
        struct digest_value digest;
        snprintf(id, sizeof id, "m-%u", i);
        assert_int_equal(ledger_begin(f->ledger, id, &claim, &digest), LEDGER_KNOWN);
        assert_true(digest_is_equal(digest, digest_of(i)));
    }
    assert_int_equal(look(f, "m-20000"), LEDGER_NEW);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_id_is_new_busy_known, set_up, tear_down),
        cmocka_unit_test_setup_teardown(doubts_are_busy_until_settled, set_up, tear_down),
        cmocka_unit_test_setup_teardown(survives_a_restart_torn_lines_and_rubbish, set_up, tear_down),
        cmocka_unit_test_setup_teardown(two_generations, set_up, tear_down),
        cmocka_unit_test_setup_teardown(many_ids_in_one_set, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
