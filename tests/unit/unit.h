/* What every unit test needs; the order of includes is cmocka's wish. */
#ifndef SPILLWAY_UNIT_H
#define SPILLWAY_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <ftw.h>

/* A directory of the test's own. */
static inline char *unit_temp_dir(void)
{
    const char *base = getenv("TMPDIR");
    char *path = NULL;
    if (asprintf(&path, "%s/spillway-unit.XXXXXX", base ? base : "/tmp") < 0 || !mkdtemp(path))
        fail_msg("no temporary directory");
    return path;
}

static inline int unit_remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)st, (void)type, (void)where;
    return remove(path);
}

static inline void unit_remove_dir(char *path)
{
    nftw(path, unit_remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(path);
}

#endif
