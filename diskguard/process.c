#include "diskguard/process.h"

#include <errno.h>
#include <fcntl.h>

enum { FIELD_STATE = 3, FIELD_START = 22 };

static int read_small(const char *path, char *text, size_t cap)
{
    text[0] = '\0';
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    ssize_t n = read(fd, text, cap - 1);
    int rc = n < 0 ? -errno : 0;
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    return rc;
}

int process_start_time(int64_t pid, uint64_t *start)
{
    char path[48], text[1024];
    snprintf(path, sizeof path, "/proc/%lld/stat", (long long)pid);
    int rc = read_small(path, text, sizeof text);
    if (rc)
        return rc == -ENOENT || rc == -ESRCH ? -ESRCH : -EIO;
    /* The name, in parentheses, may hold anything; what follows the last one is plain. */
    const char *at = strrchr(text, ')');
    if (!at || at[1] != ' ')
        return -EIO;
    at += 2;
    if (*at == 'Z' || *at == 'X')
        return -ESRCH;
    for (int field = FIELD_STATE; field < FIELD_START && at; field++) {
        at = strchr(at, ' ');
        at = at ? at + 1 : NULL;
    }
    if (!at)
        return -EIO;
    *start = strtoull(at, NULL, 10);
    return 0;
}

bool process_is_alive(int64_t pid, uint64_t start)
{
    uint64_t now;
    int rc = process_start_time(pid, &now);
    return rc == -EIO || (rc == 0 && now == start);
}

uint64_t process_boot(void)
{
    char text[64];
    if (read_small("/proc/sys/kernel/random/boot_id", text, sizeof text))
        return 0;
    uint64_t hash = UINT64_C(14695981039346656037); /* FNV-1a */
    for (const char *c = text; *c; c++)
        hash = (hash ^ (unsigned char)*c) * UINT64_C(1099511628211);
    return hash;
}
