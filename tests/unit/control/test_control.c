#include "tests/unit/unit.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <nng/nng.h>
#include <nng/protocol/reqrep0/req.h>

#include "common/base/clock.h"
#include "common/control/client.h"
#include "common/control/closing.h"
#include "common/control/message.h"
#include "common/control/server.h"

static char *path;
static struct spool spool;
static struct ctl_server *server;
static pthread_t serving;
static atomic_bool is_over, is_watching;
static atomic_uint gone, served_pid;
static struct err err;

static json_t *op_echo(void *arg, const struct ctl_peer *peer, const json_t *request)
{
    (void)arg;
    atomic_store(&served_pid, (unsigned)peer->pid);
    json_t *reply = message_reply();
    json_object_set_new(reply, "text", json_string(message_text(request, "text", "none")));
    return reply;
}

static json_t *op_nothing(void *arg, const struct ctl_peer *peer, const json_t *request)
{
    (void)arg, (void)peer, (void)request;
    return NULL;
}

static const struct ctl_op ops[] = {{"echo", op_echo}, {"nothing", op_nothing}, {NULL, NULL}};

static void count_gone(void *arg, uint32_t connection)
{
    (void)arg, (void)connection;
    atomic_fetch_add(&gone, 1);
}

static void *serve(void *arg)
{
    (void)arg;
    while (!atomic_load(&is_over)) {
        struct pollfd source = {.fd = ctl_server_fd(server), .events = POLLIN};
        if (poll(&source, 1, 10) > 0)
            ctl_server_serve(server);
        if (atomic_load(&is_watching))
            ctl_server_tick(server);
    }
    return NULL;
}

static int set_up(void **state)
{
    (void)state;
    path = unit_temp_dir();
    atomic_store(&is_over, false);
    atomic_store(&is_watching, false);
    atomic_store(&gone, 0);
    return spool_open(&spool, path, "one", &err) ||
           ctl_server_open(&server, &spool, "prog", ops, count_gone, NULL, &err) ||
           pthread_create(&serving, NULL, serve, NULL);
}

static int tear_down(void **state)
{
    (void)state;
    atomic_store(&is_over, true);
    pthread_join(serving, NULL);
    ctl_server_close(server);
    spool_close(&spool);
    unit_remove_dir(path);
    return 0;
}

static void asks_and_is_answered(void **state)
{
    (void)state;
    struct ctl_client *client;
    json_t *reply, *request = message_request("echo");
    json_object_set_new(request, "text", json_string("hello"));
    assert_int_equal(ctl_client_open(&client, &spool, "prog", &err), 0);
    for (int i = 0; i < 5000; i++) { /* back to back, as a busy writer asks */
        assert_int_equal(ctl_client_ask(client, request, 5000, &reply, &err), 0);
        assert_string_equal(message_text(reply, "text", ""), "hello");
        json_decref(reply);
    }
    assert_int_equal(atomic_load(&served_pid), getpid());
    assert_true(ctl_client_is_connected(client));
    json_decref(request);
    ctl_client_close(client);
    for (struct mono deadline = mono_after(5000); !atomic_load(&gone) && !mono_is_past(deadline);)
        poll(NULL, 0, 1);
    assert_int_equal(atomic_load(&gone), 1);
}

static void expect_refusal(json_t *request, const char *code, const char *text)
{
    json_t *reply;
    assert_int_equal(ctl_ask_once(&spool, "prog", request, 5000, &reply, &err), -EREMOTEIO);
    assert_string_equal(message_text(reply, "code", ""), code);
    if (!strstr(err.text, text))
        fail_msg("%s", err.text);
    json_decref(reply);
    json_decref(request);
}

static void refusals_say_why(void **state)
{
    (void)state;
    expect_refusal(message_request("no-such-thing"), "unknown", "knows no such operation");
    expect_refusal(json_pack("{s:i, s:s}", "v", 2, "op", "echo"), "version",
                   "message of version 2: this program speaks version 1");
    expect_refusal(json_pack("{s:s}", "op", "echo"), "version", "version -1");
    expect_refusal(json_pack("[i]", 1), "malformed", "not a JSON object");
    expect_refusal(message_request("nothing"), "memory", "out of memory");
}

/* Bytes that no client of ours sends. */
static void garbage_is_answered_too(void **state)
{
    (void)state;
    char url[SPOOL_URL_BYTES], *reply;
    size_t len;
    nng_socket socket;
    spool_socket_url(&spool, "prog", "ctl", url);
    assert_int_equal(nng_req0_open(&socket), 0);
    nng_socket_set_ms(socket, NNG_OPT_RECVTIMEO, 5000);
    assert_int_equal(nng_dial(socket, url, NULL, 0), 0);
    static char garbage[] = "\xff\x00{{{";
    assert_int_equal(nng_send(socket, garbage, sizeof garbage, 0), 0);
    assert_int_equal(nng_recv(socket, &reply, &len, NNG_FLAG_ALLOC), 0);
    assert_non_null(memmem(reply, len, "malformed", 9));
    nng_free(reply, len);
    socket_close(socket, NULL);
}

static void nobody_there(void **state)
{
    (void)state;
    struct ctl_client *client;
    json_t *reply, *request = message_request("echo");
    assert_int_equal(ctl_ask_once(&spool, "absent", request, 100, &reply, &err), -ENOENT);
    assert_non_null(strstr(err.text, "absent does not run"));
    assert_int_equal(ctl_client_open(&client, &spool, "absent", &err), 0);
    assert_int_equal(ctl_client_ask(client, request, 50, &reply, &err), -ETIMEDOUT);
    ctl_client_wake(client); /* a hint to nobody is nobody's trouble */
    ctl_client_close(client);
    json_decref(request);
}

/* Peers that connect and are killed before they have said a word: nng's listener takes nobody after that. */
static void leave_at_once(void)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    char url[SPOOL_URL_BYTES];
    spool_socket_url(&spool, "prog", "ctl", url);
    snprintf(name.sun_path, sizeof name.sun_path, "%.100s", url + strlen("ipc://"));
    for (int i = 0; i < 50; i++) {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(connect(fd, (struct sockaddr *)&name, sizeof name), 0);
        close(fd);
    }
}

static bool is_answering(int timeout_ms)
{
    json_t *reply, *request = message_request("echo");
    int rc = ctl_ask_once(&spool, "prog", request, timeout_ms, &reply, &err);
    json_decref(reply);
    json_decref(request);
    return rc == 0;
}

static void takes_connections_again(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct mono deadline = mono_after(60000);
        bool is_back = false;
        leave_at_once();
        atomic_store(&is_watching, true);
        while (!is_back && !mono_is_past(deadline))
            is_back = is_answering(200);
        assert_true(is_back);
        atomic_store(&is_watching, false);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(asks_and_is_answered, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refusals_say_why, set_up, tear_down),
        cmocka_unit_test_setup_teardown(garbage_is_answered_too, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nobody_there, set_up, tear_down),
        cmocka_unit_test_setup_teardown(takes_connections_again, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
