#include "walwriter/hints.h"

#include <fcntl.h>

static const char *const programs[HINTS_PROGRAMS] = {"peerd", "uploader"};

/* Connect in the background to who is there; a program that comes later is found at the next segment. */
static void connect_all(struct hints *hints)
{
    for (size_t i = 0; i < HINTS_PROGRAMS; i++) {
        char socket[64];
        struct err err;
        snprintf(socket, sizeof socket, "%s.ctl", programs[i]);
        if (!hints->clients[i] && faccessat(hints->spool->run, socket, F_OK, 0) == 0 &&
            ctl_client_open(&hints->clients[i], hints->spool, programs[i], &err) != 0)
            hints->clients[i] = NULL;
    }
}

void hints_init(struct hints *hints, const struct spool *spool)
{
    *hints = (struct hints){.spool = spool};
    connect_all(hints);
}

void hints_fini(struct hints *hints)
{
    for (size_t i = 0; i < HINTS_PROGRAMS; i++)
        ctl_client_close(hints->clients[i]);
    *hints = (struct hints){0};
}

void hints_give(struct hints *hints)
{
    connect_all(hints);
    for (size_t i = 0; i < HINTS_PROGRAMS; i++)
        if (hints->clients[i])
            ctl_client_wake(hints->clients[i]);
}
