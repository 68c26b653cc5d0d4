/* The line that long work shows on a terminal: how much is done, of how much, and how long it will take; and
 * nothing of it elsewhere. */
#include "tests/unit/unit.h"

#include "common/cli/progress.h"

/* What `draw` puts on standard error. */
static void draw_into(char *text, size_t cap, void (*draw)(void))
{
    char *dir = unit_temp_dir(), *path;
    assert_true(asprintf(&path, "%s/err", dir) > 0);
    int before = dup(STDERR_FILENO);
    assert_non_null(freopen(path, "we", stderr));
    draw();
    fflush(stderr);
    dup2(before, STDERR_FILENO);
    close(before);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    text[fread(text, 1, cap - 1, file)] = '\0';
    fclose(file);
    free(path);
    unit_remove_dir(dir);
}

static void half(bool is_terminal)
{
    struct progress progress;
    progress_begin(&progress, "verify", 4 << 20);
    progress.is_shown = is_terminal || progress.is_shown;
    progress.next = mono_after(3600000);
    progress_add(&progress, 1 << 20); /* too soon to draw anything */
    progress.next = (struct mono){0};
    progress_add(&progress, 1 << 20);
    progress_end(&progress);
}

static void on_a_terminal(void)
{
    half(true);
}

static void in_a_file(void)
{
    half(false);
}

static void nothing_to_do(void)
{
    struct progress progress;
    progress_begin(&progress, "cat", 0);
    progress.is_shown = true;
    progress.next = (struct mono){0};
    progress_add(&progress, 0);
    progress_end(&progress);
}

static void a_terminal_is_told_how_far_it_is(void **state)
{
    (void)state;
    char text[512];
    draw_into(text, sizeof text, on_a_terminal);
    assert_non_null(strstr(text, "\r\033[Kverify:  50 % of 4.0 MiB, 2.0 MiB done, "));
    assert_null(strstr(text, "25 %"));
    assert_string_equal(text + strlen(text) - 4, "\r\033[K"); /* and it is gone at the end */
    draw_into(text, sizeof text, nothing_to_do);
    assert_non_null(strstr(text, "cat: 100 % of 0 B"));
}

static void anything_else_is_told_nothing(void **state)
{
    (void)state;
    char text[512];
    draw_into(text, sizeof text, in_a_file);
    assert_string_equal(text, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_terminal_is_told_how_far_it_is),
        cmocka_unit_test(anything_else_is_told_nothing),
    };
    return cmocka_run_group_tests_name("spillway/progress", tests, NULL, NULL);
}
