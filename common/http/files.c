#include "common/http/files.h"

#include <errno.h>
#include <sys/resource.h>

#include "common/base/log.h"

enum {
    OTHER_FILES = 512, /* descriptors that are neither connections nor segments */
    LEAST_FILES = 64,  /* segments */
};

int http_raise_file_limit(size_t connections_max, size_t *open_max, struct err *err)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return err_errno(err, -errno, "RLIMIT_NOFILE");
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return err_errno(err, -errno, "RLIMIT_NOFILE");
    rlim_t others = OTHER_FILES + connections_max;
    if (limit.rlim_cur < others + LEAST_FILES)
        return err_set(
            err, -EINVAL,
            "max-connections %zu: the limit of open files (ulimit -n) is %llu: raise it, or allow fewer connections",
            connections_max, (unsigned long long)limit.rlim_cur);
    if (limit.rlim_cur - others < *open_max) {
        log_info("fewer-open-files", log_u("max_open_files", *open_max),
                 log_u("held_open", limit.rlim_cur - others), log_u("ulimit", limit.rlim_cur));
        *open_max = limit.rlim_cur - others;
    }
    return 0;
}
