#include "common/base/secret.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/prctl.h>

#include "common/base/file.h"

int secret_read(const char *path, struct buf *secret)
{
    buf_clear(secret);
    int rc = file_read(AT_FDCWD, path, secret);
    if (rc)
        return rc;
    size_t start = 0, end = 0;
    while (start < secret->len && isspace((unsigned char)secret->data[start]))
        start++;
    for (end = start; end < secret->len && isgraph((unsigned char)secret->data[end]);)
        end++;
    for (size_t i = end; i < secret->len; i++)
        if (!isspace((unsigned char)secret->data[i]))
            return -EINVAL;
    if (end == start)
        return -EINVAL;
    memmove(secret->data, secret->data + start, end - start);
    secret->len = end - start;
    secret->data[secret->len] = '\0';
    return 0;
}

void secret_forget(struct buf *secret)
{
    if (secret->data)
        explicit_bzero(secret->data, secret->len);
    buf_fini(secret);
}

void secret_keep_cores(bool is_wanted)
{
    (void)prctl(PR_SET_DUMPABLE, is_wanted ? 1L : 0L, 0L, 0L, 0L);
}
