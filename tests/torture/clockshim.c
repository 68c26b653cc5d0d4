/* LD_PRELOAD shim of the tests of clock steps: wall time is off by as many milliseconds as the file
 * CLOCK_SHIFT_FILE says (a decimal number; absent or empty: 0), read anew at each call, so that a test steps
 * the clock of a running program by writing the file (and renaming it into place). Monotonic time is left
 * alone, as it is by a step of the real clock. Times of files are the kernel's, and stay. */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* Without the program's own libc calls: another shim may count those. */
static long long shift_ms(void)
{
    char text[32];
    const char *path = getenv("CLOCK_SHIFT_FILE");
    int fd = path ? (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0)
        return 0;
    long n = syscall(SYS_read, fd, text, sizeof text - 1);
    syscall(SYS_close, fd);
    text[n > 0 ? n : 0] = '\0';
    return strtoll(text, NULL, 10);
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    if (syscall(SYS_clock_gettime, clock, now) != 0)
        return -1;
    if (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE)
        return 0;
    long long shift = shift_ms(), ns = now->tv_nsec + shift % 1000 * 1000000 + 1000000000;
    now->tv_sec += shift / 1000 + ns / 1000000000 - 1;
    now->tv_nsec = (long)(ns % 1000000000);
    return 0;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    struct timespec ts;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &ts);
    now->tv_sec = ts.tv_sec;
    now->tv_usec = ts.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *out)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    if (out)
        *out = ts.tv_sec;
    return ts.tv_sec;
}
