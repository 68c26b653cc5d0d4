#include "common/base/crash.h"

#include <signal.h>
#include <stdatomic.h>

const char *crash_at;

__attribute__((constructor)) static void read_environment(void)
{
    crash_at = getenv("SPILLWAY_CRASH_AT");
}

void crash_reached(const char *name)
{
    static atomic_ulong times;
    size_t len = strcspn(crash_at, "#");
    if (strlen(name) != len || strncmp(crash_at, name, len) != 0)
        return;
    unsigned long wanted = crash_at[len] ? strtoul(crash_at + len + 1, NULL, 10) : 1;
    if (atomic_fetch_add(&times, 1) + 1 == wanted)
        raise(SIGKILL);
}
