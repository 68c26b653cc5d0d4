/* What identity services say, which source is taken, who is trusted. */
#include "tests/unit/unit.h"

#include "common/base/clock.h"
#include "uploader/adx/trust.h"
#include "uploader/token/token_command.h"
#include "uploader/token/token_source.h"

enum { NOW_S = 1800000000, HOUR_MS = 3600000 };

static int parse(const char *text, char *token, size_t size, int64_t *lifetime_ms)
{
    struct buf out;
    struct err err = {0};
    buf_init(&out, TOKEN_BYTES_MAX);
    int rc = token_parse_output(text, strlen(text), (int64_t)NOW_S * 1000, &out, lifetime_ms, &err);
    snprintf(token, size, "%s", rc == 0 ? out.data : err.text);
    buf_fini(&out);
    return rc;
}

static void answers_of_all_kinds(void **state)
{
    (void)state;
    static const struct {
        const char *text, *token;
        int64_t lifetime_ms;
    } cases[] = {
        {"{\"token_type\":\"Bearer\",\"expires_in\":3599,\"access_token\":\"a.b-c_d\"}", "a.b-c_d", 3599000},
        {"{\"access_token\":\"t\",\"expires_in\":\"86399\",\"expires_on\":\"1800086399\"}", "t", 86399000},
        {"{\"access_token\":\"t\",\"expires_on\":1800003600}", "t", HOUR_MS},
        {"{\"access_token\":\"t\",\"expires_on\":\"1700000000\"}", "t", 0},
        {"{\"accessToken\":\"t\",\"expires_on\":1800003600,\"expiresOn\":\"2001-01-01 00:00:00.000000\"}",
         "t", HOUR_MS},
        {"{\"access_token\":\"t\"}", "t", TOKEN_UNKNOWN_MS},
        {"{\"access_token\":\"t\",\"expires_in\":\"soon\"}", "t", TOKEN_UNKNOWN_MS},
        {"{\"access_token\":\"t\",\"expires_in\":1e300}", "t", (int64_t)366 * 86400000},
        {"{\"access_token\":\"t\",\"expires_in\":-5}", "t", TOKEN_UNKNOWN_MS},
        {"\n  {\"access_token\":\"t\",\"expires_in\":1}\n", "t", 1000},
        {"plain.token\n", "plain.token", TOKEN_UNKNOWN_MS},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char token[256];
        int64_t lifetime_ms;
        if (parse(cases[i].text, token, sizeof token, &lifetime_ms) != 0)
            fail_msg("%s: %s", cases[i].text, token);
        assert_string_equal(token, cases[i].token);
        assert_int_equal(lifetime_ms, cases[i].lifetime_ms);
    }
}

static void local_time_of_the_cli(void **state)
{
    (void)state;
    char text[160], token[64], when[64];
    int64_t lifetime_ms;
    time_t end = NOW_S + 1234;
    struct tm local;
    localtime_r(&end, &local);
    strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S.123456", &local);
    snprintf(text, sizeof text, "{\"accessToken\":\"t\",\"expiresOn\":\"%s\"}", when);
    assert_int_equal(parse(text, token, sizeof token, &lifetime_ms), 0);
    assert_int_equal(lifetime_ms, 1234000);
}

static void no_token_no_words_of_it(void **state)
{
    (void)state;
    static const char *const cases[] = {"",
                                        " \n",
                                        "{",
                                        "{}",
                                        "{\"access_token\":5}",
                                        "{\"access_token\":\"\"}",
                                        "{\"access_token\":\"planted secret\"}",
                                        "planted secret",
                                        "planted\nsecret",
                                        "{\"planted\":\"secret\"}"};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char token[ERR_TEXT_BYTES];
        int64_t lifetime_ms;
        assert_int_equal(parse(cases[i], token, sizeof token, &lifetime_ms), -EINVAL);
        assert_null(strstr(token, "planted"));
        assert_true(strlen(token) > 0);
    }
}

static void renewal(void **state)
{
    (void)state;
    assert_int_equal(token_refresh_ms(3599000), 3599000 - TOKEN_MARGIN_MS);
    assert_int_equal(token_refresh_ms(86399000), 86399000 / 2);
    assert_int_equal(token_refresh_ms(4000), 2000);
    for (int64_t ms = 0; ms < 90000000; ms = ms * 3 / 2 + 1) {
        assert_true(token_usable_ms(ms) <= ms && token_usable_ms(ms) >= ms * 9 / 10);
        assert_true(token_refresh_ms(ms) <= token_usable_ms(ms));
    }
}

static void errors_in_the_services_words(void **state)
{
    (void)state;
    char out[64];
    const char *text =
        "{\"error\":\"invalid_client\",\"error_description\":\"AADSTS7000215: wrong.\\r\\nTrace ID: x\"}";
    token_parse_error(text, strlen(text), out, sizeof out);
    assert_string_equal(out, "invalid_client: AADSTS7000215: wrong.");
    token_parse_error("<html>", 6, out, sizeof out);
    assert_string_equal(out, "");
}

static void metadata(void **state)
{
    (void)state;
    struct token_audience audience;
    struct err err;
    const char *gov =
        "{\"AzureAD\":{\"LoginEndpoint\":\"https://login.microsoftonline.us/\",\"LoginMfaRequired\":false,"
        "\"KustoServiceResourceId\":\"https://kusto.kusto.usgovcloudapi.net\"}}";
    assert_int_equal(token_parse_metadata(gov, strlen(gov), &audience, &err), 0);
    assert_string_equal(audience.login, "https://login.microsoftonline.us");
    assert_string_equal(audience.resource, "https://kusto.kusto.usgovcloudapi.net");
    const char *mfa = "{\"AzureAD\":{\"LoginMfaRequired\":true}}";
    assert_int_equal(token_parse_metadata(mfa, strlen(mfa), &audience, &err), 0);
    assert_string_equal(audience.login, "https://login.microsoftonline.com");
    assert_string_equal(audience.resource, "https://kusto.kustomfa.windows.net");
    assert_int_equal(token_parse_metadata("", 0, &audience, &err), 0);
    assert_string_equal(audience.resource, "https://kusto.kusto.windows.net");
    assert_int_equal(token_parse_metadata("<html>", 6, &audience, &err), -EINVAL);
}

/* --- trust ------------------------------------------------------------------------------------------ */

static void endpoints(void **state)
{
    (void)state;
    char one[] = "adx.corp.example", below[] = ".lab.example";
    char *added[] = {one, below};
    const struct trust none = {0}, trust = {added, 2};
    static const struct {
        const char *url;
        bool is_trusted, is_trusted_when_added;
    } cases[] = {
        {"https://c.westeurope.kusto.windows.net", true, true},
        {"https://ingest-c.westeurope.kusto.windows.net:443/x", true, true},
        {"https://C.WESTEUROPE.KUSTO.WINDOWS.NET", true, true},
        {"https://x.kusto.fabric.microsoft.com", true, true},
        {"https://x.kusto.usgovcloudapi.net", true, true},
        {"http://c.westeurope.kusto.windows.net", false, false},
        {"https://kusto.windows.net", false, false},
        {"https://evilkusto.windows.net", false, false},
        {"https://c.kusto.windows.net.evil.example", false, false},
        {"https://evil.example/.kusto.windows.net", false, false},
        {"https://evil.example#.kusto.windows.net", false, false},
        {"https://evil.example?.kusto.windows.net", false, false},
        {"https://x@c.kusto.windows.net", false, false},
        {"https://evil.example%2f.kusto.windows.net", false, false},
        {"https://evil.example\\.kusto.windows.net", false, false},
        {"https://", false, false},
        {"http://127.0.0.1:80", true, true},
        {"http://[::1]:80", true, true},
        {"http://localhost", true, true},
        {"http://127.evil.example", false, false},
        {"https://adx.corp.example", false, true},
        {"https://ingest-adx.corp.example", false, true},
        {"http://adx.corp.example", false, false},
        {"https://other.corp.example", false, false},
        {"https://x.lab.example", false, true},
        {"https://lab.example", false, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (trust_endpoint(&none, cases[i].url) != cases[i].is_trusted ||
            trust_endpoint(&trust, cases[i].url) != cases[i].is_trusted_when_added)
            fail_msg("%s", cases[i].url);
    }
}

static void sign_in_services(void **state)
{
    (void)state;
    static const struct {
        const char *url, *login;
        bool is_trusted;
    } cases[] = {
        {"https://c.kusto.windows.net", "https://login.microsoftonline.com", true},
        {"https://c.kusto.windows.net", "http://login.microsoftonline.com", false},
        {"https://c.kusto.windows.net", "https://login.microsoftonline.us", false},
        {"https://c.kusto.windows.net", "https://evil.example", false},
        {"https://c.kusto.windows.net", "http://127.0.0.1:1", false},
        {"https://c.kusto.usgovcloudapi.net", "https://login.microsoftonline.us", true},
        {"https://adx.corp.example", "https://login.microsoftonline.com", true},
        {"https://adx.corp.example", "https://adx.corp.example", false},
        {"http://127.0.0.1:1", "http://127.0.0.1:2", true},
        {"http://127.0.0.1:1", "https://login.microsoftonline.com", true},
        {"http://127.0.0.1:1", "https://evil.example", false},
        {"https://c.kusto.windows.net", "", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        if (trust_login(cases[i].url, cases[i].login) != cases[i].is_trusted)
            fail_msg("%s by %s", cases[i].url, cases[i].login);
}

/* --- which source ----------------------------------------------------------------------------------- */

static void auto_takes_the_first_that_is_there(void **state)
{
    (void)state;
    const char *cluster = "https://c.kusto.windows.net", *loop = "https://127.0.0.1:1";
    struct token_options o = {0};
    unsetenv("AZURE_CLIENT_SECRET");
    assert_int_equal(token_auth_of(&o, cluster), AUTH_MANAGED);
    assert_int_equal(token_auth_of(&o, loop), AUTH_NONE);
    assert_int_equal(token_auth_of(&o, "http://127.0.0.1:1"), AUTH_NONE);
    o.app_endpoint = "http://x", o.app_header = "x";
    assert_int_equal(token_auth_of(&o, loop), AUTH_MANAGED);
    o.federated_file = "f";
    assert_int_equal(token_auth_of(&o, cluster), AUTH_MANAGED); /* whose? */
    o.client_id = "c", o.tenant_id = "t";
    assert_int_equal(token_auth_of(&o, cluster), AUTH_WORKLOAD);
    setenv("AZURE_CLIENT_SECRET", "s", 1);
    assert_int_equal(token_auth_of(&o, cluster), AUTH_SECRET);
    unsetenv("AZURE_CLIENT_SECRET");
    assert_int_equal(token_auth_of(&o, cluster), AUTH_WORKLOAD);
    o.secret_file = "f";
    assert_int_equal(token_auth_of(&o, cluster), AUTH_SECRET);
    o.command = "c";
    assert_int_equal(token_auth_of(&o, cluster), AUTH_COMMAND);
    o.file = "f";
    assert_int_equal(token_auth_of(&o, "http://127.0.0.1:1"), AUTH_FILE);
    o.auth = AUTH_NONE;
    assert_int_equal(token_auth_of(&o, cluster), AUTH_NONE);
}

/* --- commands --------------------------------------------------------------------------------------- */

static void commands_are_split_as_a_shell_does(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int rc;
        const char *words[5];
    } cases[] = {
        {"az account get-access-token", 0, {"az", "account", "get-access-token"}},
        {"  a  b\t", 0, {"a", "b"}},
        {"a 'b c' \"d e\"f", 0, {"a", "b c", "d ef"}},
        {"a 'b'c'd' ''", 0, {"a", "bcd", ""}},
        {"a b\\ c \"x\\\"y\" 'p\\q'", 0, {"a", "b c", "x\"y", "p\\q"}},
        {"a '$x;y|z'", 0, {"a", "$x;y|z"}},
        {"a \"b;c\"", 0, {"a", "b;c"}},
        {"a \"$b\"", -ENOEXEC, {0}},
        {"a | b", -ENOEXEC, {0}},
        {"a; b", -ENOEXEC, {0}},
        {"X=1 a", -ENOEXEC, {0}},
        {"a > b", -ENOEXEC, {0}},
        {"a 'b", -EINVAL, {0}},
        {"a \"b", -EINVAL, {0}},
        {"", -EINVAL, {0}},
        {"  ", -EINVAL, {0}},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *words[COMMAND_WORDS_MAX + 1];
        struct buf copy;
        buf_init(&copy, 4096);
        if (command_split(cases[i].text, &copy, words) != cases[i].rc)
            fail_msg("%s", cases[i].text);
        for (size_t k = 0; cases[i].rc == 0 && (k == 0 || cases[i].words[k - 1]); k++) {
            if (!cases[i].words[k])
                assert_null(words[k]);
            else
                assert_string_equal(words[k], cases[i].words[k]);
        }
        buf_fini(&copy);
    }
}

static int run(const char *text, int64_t timeout_ms, size_t max, char *out, size_t size)
{
    struct buf output;
    struct err err = {0};
    buf_init(&output, max);
    int rc = command_run(text, timeout_ms, NULL, &output, &err);
    snprintf(out, size, "%s", rc ? err.text : output.data ? output.data : "");
    buf_fini(&output);
    return rc;
}

static void commands_run(void **state)
{
    (void)state;
    char out[ERR_TEXT_BYTES];
    assert_int_equal(run("echo 'a  b'", 60000, 100, out, sizeof out), 0);
    assert_string_equal(out, "a  b\n");
    assert_int_equal(run("echo a | tr a b", 60000, 100, out, sizeof out), 0);
    assert_string_equal(out, "b\n");
    assert_int_equal(run("cat", 60000, 100, out, sizeof out), 0); /* nothing to read */
    assert_string_equal(out, "");
    assert_int_equal(run("sh -c 'echo one two >&2; exit 7'", 60000, 100, out, sizeof out), -EIO);
    assert_string_equal(out, "it ended with 7: one two");
    assert_int_equal(run("sh -c 'kill -9 $$'", 60000, 100, out, sizeof out), -EIO);
    assert_int_equal(run("yes", 60000, 1000, out, sizeof out), -ENOSPC);
    assert_int_equal(run("/no/such/program", 60000, 100, out, sizeof out), -ENOENT);
    struct mono started = mono_now();
    assert_int_equal(run("sleep 1000", 200, 100, out, sizeof out), -ETIMEDOUT);
    assert_int_equal(run("sh -c 'sleep 1000 & exec sleep 1000 >&- 2>&-'", 200, 100, out, sizeof out),
                     -ETIMEDOUT);
    assert_true(mono_since_ms(started) < 500000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_of_all_kinds),
        cmocka_unit_test(local_time_of_the_cli),
        cmocka_unit_test(no_token_no_words_of_it),
        cmocka_unit_test(renewal),
        cmocka_unit_test(errors_in_the_services_words),
        cmocka_unit_test(metadata),
        cmocka_unit_test(endpoints),
        cmocka_unit_test(sign_in_services),
        cmocka_unit_test(auto_takes_the_first_that_is_there),
        cmocka_unit_test(commands_are_split_as_a_shell_does),
        cmocka_unit_test(commands_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
