/* dns_answer.h, with messages as a server sends them (the seeds of fuzz_dns), and dns_server_parse(). */
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <fcntl.h>

#include "common/base/file.h"
#include "peerd/ring/dns_answer.h"
#include "peerd/settings.h"

static struct buf message;
static struct dns_records records;

static int tear_down(void **state)
{
    (void)state;
    buf_fini(&message);
    dns_records_fini(&records);
    return 0;
}

static void read_seed(const char *name)
{
    const char *repo = getenv("REPO");
    char path[4096];
    snprintf(path, sizeof path, "%s/tests/fuzz/corpus/dns/%s", repo ? repo : ".", name);
    buf_init(&message, 1 << 16);
    if (file_read(AT_FDCWD, path, &message) != 0)
        fail_msg("%s cannot be read", path);
}

static int parse(size_t bytes)
{
    return dns_answer_parse((const unsigned char *)message.data, bytes, &records);
}

static void srv_with_addresses_sent_along(void **state)
{
    (void)state;
    read_seed("srv");
    assert_int_equal(parse(message.len), 0);
    assert_int_equal(records.count, 4);
    assert_int_equal(records.ttl, 20); /* the least of those that were asked for */
    assert_int_equal(records.list[0].kind, DNS_SRV);
    assert_string_equal(records.list[0].owner, "_spillway._tcp.ring.test");
    assert_string_equal(records.list[0].target, "n0.ring.test");
    assert_int_equal(records.list[0].port, 9000);
    assert_string_equal(records.list[1].target, "n1.ring.test"); /* in lower case */
    assert_true(records.list[2].is_additional);
    assert_string_equal(records.list[2].address, "10.0.0.1");
    assert_true(records.list[3].is_v6);
    assert_string_equal(records.list[3].address, "::1");
}

static void an_address(void **state)
{
    (void)state;
    read_seed("a");
    assert_int_equal(parse(message.len), 0);
    assert_int_equal(records.count, 1);
    assert_string_equal(records.list[0].owner, "ring.test");
    assert_string_equal(records.list[0].address, "127.0.0.1");
    assert_int_equal(records.ttl, 5);
}

static void one_cut_short_is_refused(void **state)
{
    (void)state;
    read_seed("srv");
    for (size_t bytes = 0; bytes < message.len; bytes++) {
        assert_int_equal(parse(bytes), -EBADMSG);
        assert_null(records.list);
    }
}

static void names_that_are_no_hosts_are_left_out(void **state)
{
    (void)state;
    read_seed("srv");
    char *target = memmem(message.data, message.len, "\002n0", 3);
    assert_non_null(target);
    target[1] = '/';
    target[2] = '@';
    assert_int_equal(parse(message.len), 0);
    assert_int_equal(records.count, 3);
    assert_string_equal(records.list[0].target, "n1.ring.test");
}

static void servers(void **state)
{
    (void)state;
    struct sockaddr_in server;
    struct err err;
    assert_int_equal(dns_server_parse("127.0.0.1:5353", &server, &err), 0);
    assert_int_equal(ntohs(server.sin_port), 5353);
    assert_int_equal(ntohl(server.sin_addr.s_addr), 0x7f000001);
    assert_int_equal(dns_server_parse("10.0.0.1", &server, &err), 0);
    assert_int_equal(ntohs(server.sin_port), 53);
    static const char *const bad[] = {
        "", "localhost", "10.0.0.1:", "10.0.0.1:0", "10.0.0.1:70000", "::1", "1.2.3.4.5.6.7.8.9.10.11.12:1"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(dns_server_parse(bad[i], &server, &err), -EINVAL);
        assert_non_null(strstr(err.text, "--dns-server"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(srv_with_addresses_sent_along, tear_down),
        cmocka_unit_test_teardown(an_address, tear_down),
        cmocka_unit_test_teardown(one_cut_short_is_refused, tear_down),
        cmocka_unit_test_teardown(names_that_are_no_hosts_are_left_out, tear_down),
        cmocka_unit_test(servers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
