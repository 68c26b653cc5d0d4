#include "common/spool/salvage.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "common/base/crash.h"
#include "common/base/file.h"
#include "common/spool/lock.h"
#include "common/spool/reader.h"
#include "common/spool/writer.h"

void salvage_name(const char *file, char name[static SPOOL_NAME_BYTES])
{
    static const char *const endings[] = {WRITER_BAD_SUFFIX, WRITER_PART_SUFFIX, WRITER_LANDING_SUFFIX};
    size_t bytes = strlen(file);
    for (size_t i = 0; i < ARRAY_LEN(endings); i++) {
        size_t end = strlen(endings[i]);
        if (bytes > end && strcmp(file + bytes - end, endings[i]) == 0) {
            bytes -= end;
            break;
        }
    }
    name[0] = '\0';
    if (bytes + strlen(SALVAGE_PREFIX SALVAGE_SUFFIX) < SPOOL_NAME_BYTES)
        snprintf(name, SPOOL_NAME_BYTES, SALVAGE_PREFIX "%.*s" SALVAGE_SUFFIX, (int)bytes, file);
}

/* A copy that an earlier attempt left is overwritten, but only once we have its lock. */
static int open_copy(int dir, const char *name)
{
    int fd = openat(dir, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd < 0)
        return -errno;
    int rc = lock_file(fd, dir, name);
    if (rc == 0 && ftruncate(fd, 0) != 0)
        rc = -errno;
    if (rc == 0)
        return fd;
    close(fd);
    return rc == -EWOULDBLOCK || rc == -ESTALE ? -EBUSY : rc;
}

static void count_member(struct scan_summary *copied, const struct member *member)
{
    copied->heads += member->is_head;
    copied->blocks += !member->is_head;
    copied->rows += member->rows;
    copied->raw_bytes += member->isize;
    copied->valid_bytes += member->member_bytes;
}

static int copy_members(struct segment_reader *reader, int to, const void *head, size_t head_bytes,
                        struct scan_summary *copied)
{
    struct scan_item item;
    const uint8_t *bytes;
    bool is_first = true;
    int rc;
    while ((rc = segment_reader_next(reader, &item, &bytes)) > 0) {
        rc = 0;
        if (is_first && !(item.is_member && item.member.is_head))
            rc = file_write_all(to, head, head_bytes);
        if (rc == 0 && item.is_member) {
            rc = file_write_all(to, bytes, item.member.member_bytes);
            count_member(copied, &item.member);
        }
        if (rc)
            break;
        is_first = false;
    }
    return rc;
}

int salvage_copy(int dir, const char *file, int from, const void *head, size_t head_bytes, int *fd,
                 struct scan_summary *copied, struct err *err)
{
    char name[SPOOL_NAME_BYTES];
    struct segment_reader reader;
    *copied = (struct scan_summary){0};
    salvage_name(file, name);
    int rc = segment_reader_init(&reader, from, err);
    if (rc)
        return rc;
    int to = open_copy(dir, name);
    if (to < 0) {
        segment_reader_close(&reader);
        return err_errno(err, to, "a second copy of %s cannot be made", file);
    }
    rc = copy_members(&reader, to, head, head_bytes, copied);
    crash_point("salvage:after-copy");
    segment_reader_close(&reader);
    if (rc == 0 && fsync(to) != 0)
        rc = -errno;
    if (rc == 0)
        rc = file_sync_dir(dir);
    if (rc == 0) {
        crash_point("salvage:after-sync");
        *fd = to;
        return 0;
    }
    unlinkat(dir, name, 0);
    close(to);
    return err_errno(err, rc, "%s cannot be written anew", file);
}
