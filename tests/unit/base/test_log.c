#include "tests/unit/unit.h"

#include <fcntl.h>

#include "common/base/compiler.h"
#include "common/base/log.h"

/* What `write_lines` puts on stderr. */
static char *captured(void (*write_lines)(void))
{
    static char text[1 << 18];
    char name[] = "/tmp/spillway-log.XXXXXX";
    int fd = mkstemp(name), kept = dup(STDERR_FILENO);
    assert_true(fd >= 0);
    unlink(name);
    dup2(fd, STDERR_FILENO);
    write_lines();
    dup2(kept, STDERR_FILENO);
    close(kept);
    ssize_t len = pread(fd, text, sizeof text - 1, 0);
    close(fd);
    text[len < 0 ? 0 : len] = '\0';
    return text;
}

static void write_values(void)
{
    log_init("prog", LEVEL_INFO, false);
    log_info("sealed", log_s("table", "Cpu"), log_n("rows", -3), log_s("why", "no room"),
             log_s("none", NULL));
    log_warn("forged", log_s("value", "a\nerror fake x=\"1\"\\\x01"));
    log_debug("hidden", log_n("n", 1));
}

static void lines_are_for_grep_and_cannot_be_forged(void **state)
{
    (void)state;
    assert_string_equal(captured(write_values),
                        "info sealed program=prog table=Cpu rows=-3 why=\"no room\" none=\"\"\n"
                        "warn forged program=prog value=\"a\\nerror fake x=\\\"1\\\"\\\\\\x01\"\n");
}

static void write_storm(void)
{
    log_init("prog", LEVEL_INFO, false);
    for (int i = 0; i < 1000; i++)
        log_info("storm", log_n("i", i));
    log_info("calm", log_n("i", 0));
}

static void storms_are_counted_not_written(void **state)
{
    (void)state;
    size_t lines = 0;
    const char *text = captured(write_storm);
    for (const char *at = text; (at = strchr(at, '\n')); at++)
        lines++;
    assert_int_equal(lines, LOG_BURST + 1);
    assert_non_null(strstr(text, "info calm"));
}

static void write_long(void)
{
    static char huge[20000];
    memset(huge, 'x', sizeof huge - 1);
    log_init("prog", LEVEL_INFO, true);
    log_info("long", log_s("value", huge));
}

static void a_line_has_a_ceiling_and_an_end(void **state)
{
    (void)state;
    const char *text = captured(write_long);
    assert_int_equal(text[strlen(text) - 1], '\n');
    assert_true(strlen(text) <= 8192);
    assert_non_null(strstr(text, "info long time=20"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_for_grep_and_cannot_be_forged),
        cmocka_unit_test(storms_are_counted_not_written),
        cmocka_unit_test(a_line_has_a_ceiling_and_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
