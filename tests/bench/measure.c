/* measure FILE COMMAND...: run it, and write "wall-seconds cpu-seconds resident-MB exit-code" to FILE. Small,
 * because a child's peak resident size begins with that of whoever forked it. */
#include <err.h>
#include <errno.h>
#include <sys/resource.h>
#include <sys/wait.h>

static double seconds_of(struct timeval tv)
{
    return (double)tv.tv_sec + 1e-6 * (double)tv.tv_usec;
}

int main(int argc, char **argv)
{
    struct timespec from, to;
    struct rusage usage;
    int status;
    if (argc < 3)
        errx(100, "usage: measure FILE COMMAND...");
    clock_gettime(CLOCK_MONOTONIC, &from);
    pid_t child = fork();
    if (child == 0) {
        execvp(argv[2], argv + 2);
        _exit(127);
    }
    while (child > 0 && wait4(child, &status, 0, &usage) < 0)
        if (errno != EINTR)
            err(111, "wait4");
    clock_gettime(CLOCK_MONOTONIC, &to);
    FILE *out = child < 0 ? NULL : fopen(argv[1], "we");
    if (!out) {
        warn("%s", argv[1]);
        return 111;
    }
    fprintf(out, "%.6f %.6f %.3f %d\n",
            (double)(to.tv_sec - from.tv_sec) + 1e-9 * (double)(to.tv_nsec - from.tv_nsec),
            seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime), (double)usage.ru_maxrss / 1024,
            WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    return fclose(out) == 0 ? 0 : 111;
}
