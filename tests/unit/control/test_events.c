/* What is published is heard by who listens, and by nobody else. */
#include "tests/unit/unit.h"

#include <poll.h>

#include <nng/nng.h>
#include <nng/protocol/pubsub0/sub.h>

#include "common/control/events.h"
#include "common/control/message.h"

enum { DEADLINE_MS = 10000, STEP_MS = 20 };

static char *path;
static struct spool spool;
static struct events events; /* static: it is closed in the background */
static struct err err;

static int set_up(void **state)
{
    (void)state;
    path = unit_temp_dir();
    events = (struct events){0};
    return spool_open(&spool, path, "one", &err);
}

static int tear_down(void **state)
{
    (void)state;
    events_close(&events);
    spool_close(&spool);
    unit_remove_dir(path);
    return 0;
}

static nng_socket listener(void)
{
    char url[SPOOL_URL_BYTES];
    nng_socket socket;
    assert_true(snprintf(url, sizeof url, "ipc://%s/run/prog.evt", path) < (int)sizeof url);
    assert_int_equal(nng_sub0_open(&socket), 0);
    assert_int_equal(nng_socket_set(socket, NNG_OPT_SUB_SUBSCRIBE, "", 0), 0);
    assert_int_equal(nng_socket_set_ms(socket, NNG_OPT_RECVTIMEO, STEP_MS), 0);
    assert_int_equal(nng_dial(socket, url, NULL, 0), 0);
    return socket;
}

/* Publish until it is heard: who has connected is not yet known to the publisher. */
static json_t *hear(nng_socket socket, const char *type, const char *database)
{
    for (struct mono deadline = mono_after(DEADLINE_MS); !mono_is_past(deadline);) {
        char *text;
        size_t bytes;
        events_publish(&events, type, database ? json_pack("{s:s}", "db", database) : NULL);
        if (nng_recv(socket, &text, &bytes, NNG_FLAG_ALLOC) != 0)
            continue;
        json_t *event = json_loadb(text, bytes, 0, NULL);
        nng_free(text, bytes);
        return event;
    }
    return NULL;
}

static void who_listens_hears(void **state)
{
    (void)state;
    assert_int_equal(events_open(&events, &spool, "prog", &err), 0);
    nng_socket socket = listener();
    json_t *event = hear(socket, "segment-sealed", "Db");
    assert_non_null(event);
    assert_int_equal(message_number(event, "v", 0), MESSAGE_VERSION);
    assert_string_equal(message_text(event, "type", ""), "segment-sealed");
    assert_string_equal(message_text(event, "program", ""), "prog");
    assert_string_equal(message_text(event, "db", ""), "Db");
    assert_string_not_equal(message_text(event, "time", ""), "");
    json_decref(event);
    nng_close(socket);
}

static void without_fields_it_is_an_event_too(void **state)
{
    (void)state;
    assert_int_equal(events_open(&events, &spool, "prog", &err), 0);
    nng_socket socket = listener();
    json_t *event = hear(socket, "bare", NULL);
    assert_non_null(event);
    assert_string_equal(message_text(event, "type", ""), "bare");
    assert_int_equal(json_object_size(event), 4);
    json_decref(event);
    nng_close(socket);
}

static void when_nobody_listens_or_it_is_not_open_nothing_happens(void **state)
{
    (void)state;
    events_publish(&events, "early", json_object());
    assert_int_equal(events_open(&events, &spool, "prog", &err), 0);
    for (int i = 0; i < 1000; i++)
        events_publish(&events, "unheard", json_pack("{s:i}", "i", i));
}

static void one_that_cannot_listen_says_where(void **state)
{
    (void)state;
    char run[SPOOL_URL_BYTES];
    assert_true(snprintf(run, sizeof run, "%s/run", path) < (int)sizeof run);
    assert_int_equal(rmdir(run), 0);
    assert_int_equal(events_open(&events, &spool, "prog", &err), -EIO);
    assert_non_null(strstr(err.text, "run/prog.evt"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(who_listens_hears),
        TEST(without_fields_it_is_an_event_too),
        TEST(when_nobody_listens_or_it_is_not_open_nothing_happens),
        TEST(one_that_cannot_listen_says_where),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
