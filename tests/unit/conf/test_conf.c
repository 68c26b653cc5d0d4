#include "tests/unit/unit.h"

#include <fcntl.h>

#include "common/base/file.h"
#include "common/conf/conf.h"
#include "common/conf/help.h"

static const struct conf_about guard = {
    .program = "diskguard", .bit = CONF_G, .summary = "s", .usage = "", .text = "t", .examples = "e\n"};
static const struct conf_about upload = {
    .program = "uploader", .bit = CONF_U, .summary = "s", .usage = "", .text = "t", .examples = "e\n"};

static char *dir_path, *file_path;
static struct conf *conf;
static struct err err;

static int set_up(void **state)
{
    (void)state;
    dir_path = unit_temp_dir();
    unsetenv("SPILLWAY_MAX_DISK_USAGE");
    return asprintf(&file_path, "%s/spillway.conf", dir_path) < 0;
}

static int tear_down(void **state)
{
    (void)state;
    conf_free(conf);
    conf = NULL;
    unsetenv("SPILLWAY_MAX_DISK_USAGE");
    unsetenv("SPILLWAY_DATABASE");
    free(file_path);
    unit_remove_dir(dir_path);
    return 0;
}

static void write_file(const char *text)
{
    int dir = open(dir_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(file_replace_lazily(dir, "spillway.conf", text, strlen(text)), 0);
    close(dir);
}

/* Arguments end with NULL; argv[0] is not among them. */
static int load(const struct conf_about *about, const char *const *arguments)
{
    enum conf_verdict verdict;
    const char *argv[20] = {about->program};
    int argc = 1;
    while (*arguments)
        argv[argc++] = *arguments++;
    conf_free(conf);
    union {
        const char **in;
        char **out;
    } words = {.in = argv};
    return conf_load(&conf, about, argc, words.out, &verdict, &err);
}
#define LOAD(about, ...) load(&(about), (const char *const[]){__VA_ARGS__, NULL})

static void flag_beats_environment_beats_file_beats_default(void **state)
{
    (void)state;
    char config[600];
    snprintf(config, sizeof config, "--config=%s", file_path);
    write_file("# a comment\n\n  max-disk-usage = 1G  \nmax-segment-count=7\n");
    assert_int_equal(LOAD(guard, config), 0);
    assert_int_equal(conf_number(conf, CONF_MAX_DISK_USAGE), 1073741824);
    assert_int_equal(conf_number(conf, CONF_MAX_SEGMENT_COUNT), 7);
    assert_string_equal(conf_text(conf, CONF_MIN_FREE), "5%");
    assert_string_equal(conf_origin(conf, CONF_MIN_FREE), "default");
    assert_non_null(strstr(conf_origin(conf, CONF_MAX_DISK_USAGE), "spillway.conf:3"));

    setenv("SPILLWAY_MAX_DISK_USAGE", "2G", 1);
    assert_int_equal(LOAD(guard, config), 0);
    assert_int_equal(conf_number(conf, CONF_MAX_DISK_USAGE), 2147483648);

    assert_int_equal(LOAD(guard, "--max-disk-usage", "3G", config), 0);
    assert_int_equal(conf_number(conf, CONF_MAX_DISK_USAGE), 3221225472);
    assert_string_equal(conf_origin(conf, CONF_MAX_DISK_USAGE), "flag");
}

static void lists_grow_within_one_source_only(void **state)
{
    (void)state;
    size_t count;
    setenv("SPILLWAY_DATABASE", "A=u1 B=u2", 1);
    assert_int_equal(LOAD(upload, "--once"), 0);
    assert_string_equal(conf_list(conf, CONF_DATABASE, &count)[1], "B=u2");
    assert_int_equal(count, 2);
    assert_int_equal(LOAD(upload, "--database", "C=u3"), 0);
    assert_string_equal(conf_list(conf, CONF_DATABASE, &count)[0], "C=u3");
    assert_int_equal(count, 1);
    assert_true(conf_is_set(conf, CONF_DATABASE));
    assert_false(conf_is_set(conf, CONF_BATCH_AGE));
}

/* Each names what is wrong, and where. */
static void errors_name_the_place_and_what_is_accepted(void **state)
{
    (void)state;
    static const struct {
        const char *argument, *value, *expected;
    } flags[] = {
        {"--max-disk-usage", "20X", "--max-disk-usage: '20X' is not what it takes: wants a size"},
        {"--max-disk-usage", NULL, "--max-disk-usage wants a value: N"},
        {"--max-segment-count", "0", "out of range"},
        {"--sync", "always", "--sync is not a flag of diskguard"},
        {"--log-level", "loud", "log-level: 'loud' is none of error|warn|info|debug"},
        {"--no-such", NULL, "unknown flag --no-such"},
        {"-x", NULL, "unknown flag -x"},
        {"--spool=", NULL, "spool: '' is not what it takes"},
    };
    for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
        assert_true(LOAD(guard, flags[i].argument, flags[i].value) < 0);
        if (!strstr(err.text, flags[i].expected))
            fail_msg("%s: %s", flags[i].argument, err.text);
    }
    static const struct {
        const char *text, *expected;
    } files[] = {
        {"spool = /x\nmax-disk = 3\n", "spillway.conf:2: unknown key 'max-disk'"},
        {"max-disk-usage 3\n", "spillway.conf:1: 'max-disk-usage 3' is not 'key = value'"},
        {"\n\nsync = sometimes", "spillway.conf:3: sync: 'sometimes' is none of never|seal|interval|always"},
    };
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        write_file(files[i].text);
        assert_true(conf_check_file(file_path, &err) < 0);
        if (!strstr(err.text, files[i].expected))
            fail_msg("%s: %s", files[i].text, err.text);
    }
    assert_true(LOAD(guard, "--config", "/nonexistent/file") < 0);
    assert_non_null(strstr(err.text, "/nonexistent/file"));
}

static void words_and_flags_mix(void **state)
{
    (void)state;
    size_t count;
    assert_int_equal(LOAD(guard, "a", "--spool", "S", "b", "--", "--c"), 0);
    assert_string_equal(conf_words(conf, &count)[2], "--c");
    assert_int_equal(count, 3);
    assert_string_equal(conf_text(conf, CONF_SPOOL), "S");
}

static void what_is_required_is_named(void **state)
{
    (void)state;
    assert_int_equal(LOAD(guard, "--spool", "S"), 0);
    assert_int_equal(conf_require(conf, (const enum conf_id[]){CONF_SPOOL, CONF_KEYS}, &err), 0);
    assert_true(conf_require(conf, (const enum conf_id[]){CONF_MAX_DISK_USAGE, CONF_KEYS}, &err) < 0);
    assert_non_null(strstr(err.text, "--max-disk-usage N is needed"));
}

/* The table itself: a key without text, with a default that does not parse, or of two names, is a bug. */
static void the_table_is_sound(void **state)
{
    (void)state;
    for (size_t i = 0; i < CONF_KEYS; i++) {
        const struct conf_key *key = conf_key((enum conf_id)i);
        int64_t number;
        assert_true(strlen(key->help) >= 20);
        assert_true(key->programs != 0);
        if (key->fallback)
            assert_int_equal(conf_check_value((enum conf_id)i, key->fallback, &number, NULL), 0);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(key->name, conf_key((enum conf_id)j)->name);
    }
}

static void help_and_manual_have_every_key(void **state)
{
    (void)state;
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    conf_print_help(out, &upload);
    conf_print_man(out, &upload);
    fclose(out);
    for (size_t i = 0; i < CONF_KEYS; i++) {
        char flag[64];
        snprintf(flag, sizeof flag, "    --%s%c", conf_key((enum conf_id)i)->name,
                 *conf_key((enum conf_id)i)->argument ? ' ' : '\n');
        assert_true(!!strstr(text, flag) == !!(conf_key((enum conf_id)i)->programs & CONF_U));
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(flag_beats_environment_beats_file_beats_default, set_up, tear_down),
        cmocka_unit_test_setup_teardown(lists_grow_within_one_source_only, set_up, tear_down),
        cmocka_unit_test_setup_teardown(errors_name_the_place_and_what_is_accepted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(words_and_flags_mix, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_required_is_named, set_up, tear_down),
        cmocka_unit_test(the_table_is_sound),
        cmocka_unit_test(help_and_manual_have_every_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
