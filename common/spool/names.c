#include "common/spool/names.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>

void names_free(struct names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->list[i]);
    free(names->list);
}

int names_read(int dir, struct names *names)
{
    int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = fd < 0 ? NULL : fdopendir(fd);
    if (!stream) {
        int rc = -errno;
        if (fd >= 0)
            close(fd);
        return rc;
    }
    int rc = 0;
    for (struct dirent *entry; rc == 0 && (entry = readdir(stream));) {
        char **list = realloc(names->list, (names->count + 1) * sizeof *list);
        char *name = list ? strdup(entry->d_name) : NULL;
        names->list = list ? list : names->list;
        if (name)
            names->list[names->count++] = name;
        else
            rc = -ENOMEM;
    }
    closedir(stream);
    return rc;
}
