#include "walwriter/stop.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>

int stop_init(struct stop *stop)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    *stop = (struct stop){.fd = -1};
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
        return -errno;
    signal(SIGPIPE, SIG_IGN);
    stop->fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return stop->fd < 0 ? -errno : 0;
}

void stop_fini(struct stop *stop)
{
    if (stop->fd >= 0)
        close(stop->fd);
    stop->fd = -1;
}

bool stop_wait(struct stop *stop, int timeout_ms)
{
    struct pollfd source = {.fd = stop->fd, .events = POLLIN};
    if (!stop->is_asked && poll(&source, 1, timeout_ms) > 0)
        stop->is_asked = true;
    return stop->is_asked;
}
