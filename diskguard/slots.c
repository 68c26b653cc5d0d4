#include "diskguard/slots.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "diskguard/process.h"

enum { PAGE = 4096, VERSION = 2 };

static const char file_name[] = "leases";
static const char magic[8] = "spwlease";

struct header {
    char magic[8];
    uint64_t version, boot;
};

static struct slot *slot_list(const struct slots *slots)
{
    return (struct slot *)(void *)((char *)slots->map + sizeof(struct header));
}

/* Blocks are allocated before they are mapped: a store into a hole of a full file system would be a SIGBUS.
 */
static int map_bytes(struct slots *slots, size_t bytes)
{
    int rc = posix_fallocate(slots->fd, 0, (off_t)bytes);
    if (rc)
        return -rc;
    void *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, slots->fd, 0);
    if (map == MAP_FAILED)
        return -errno;
    if (slots->map)
        munmap(slots->map, slots->mapped_bytes);
    slots->map = map;
    slots->mapped_bytes = bytes;
    slots->count = (bytes - sizeof(struct header)) / sizeof(struct slot);
    return 0;
}

static int start_anew(struct slots *slots)
{
    if (ftruncate(slots->fd, 0) != 0)
        return -errno;
    int rc = map_bytes(slots, PAGE);
    if (rc)
        return rc;
    struct header *header = slots->map;
    assert(header);
    *header = (struct header){.version = VERSION, .boot = process_boot()};
    memcpy(header->magic, magic, sizeof magic);
    return 0;
}

static bool is_ours(const struct slots *slots)
{
    const struct header *header = slots->map;
    return memcmp(header->magic, magic, sizeof magic) == 0 && header->version == VERSION &&
           header->boot == process_boot();
}

int slots_open(struct slots *slots, const struct spool *spool, bool *is_anew, struct err *err)
{
    struct stat st = {0};
    *slots = (struct slots){.fd = openat(spool->state, file_name, O_RDWR | O_CREAT | O_CLOEXEC, 0644)};
    *is_anew = false;
    if (slots->fd < 0 || fstat(slots->fd, &st) != 0)
        return err_errno(err, -errno, "spool %s: state/%s cannot be opened", spool->path, file_name);
    int rc = 0;
    if (st.st_size >= PAGE && st.st_size % PAGE == 0)
        rc = map_bytes(slots, (size_t)st.st_size);
    if (rc == 0 && (!slots->map || !is_ours(slots))) {
        *is_anew = st.st_size > 0;
        if (slots->map)
            munmap(slots->map, slots->mapped_bytes);
        *slots = (struct slots){.fd = slots->fd};
        rc = start_anew(slots);
    }
    /* A full disk is no reason not to start: slots_reserve() tries again, and nothing is granted before. */
    if (rc == -ENOSPC || rc == -EDQUOT)
        rc = 0;
    if (rc)
        err_errno(err, rc, "spool %s: state/%s cannot be mapped", spool->path, file_name);
    return rc;
}

void slots_close(struct slots *slots)
{
    if (slots->map)
        munmap(slots->map, slots->mapped_bytes);
    if (slots->fd >= 0)
        close(slots->fd);
    *slots = (struct slots){.fd = -1};
}

int slots_reserve(struct slots *slots, size_t index)
{
    int rc = slots->map ? 0 : start_anew(slots);
    if (rc || index < slots->count)
        return rc;
    size_t bytes = sizeof(struct header) + (index + 1) * sizeof(struct slot);
    return map_bytes(slots, (bytes + PAGE - 1) / PAGE * PAGE);
}

const struct slot *slots_at(const struct slots *slots, size_t index)
{
    if (index >= slots->count)
        return NULL;
    const struct slot *slot = &slot_list(slots)[index];
    return slot->pid ? slot : NULL;
}

void slots_write(struct slots *slots, size_t index, const struct slot *slot)
{
    if (index >= slots->count)
        return;
    struct slot *to = &slot_list(slots)[index];
    bool is_same = to->pid == slot->pid && to->start == slot->start && to->lease == slot->lease &&
                   strcmp(to->folder, slot->folder) == 0;
    if (is_same && slot->pid) {
        to->seq = slot->seq;
        to->bytes = slot->bytes;
        to->files = slot->files;
        return;
    }
    /* Killed between these stores, the slot is free: what it says is not promised to anybody before the
     * answer goes out, and what it said before was settled. */
    to->pid = 0;
    atomic_signal_fence(memory_order_seq_cst);
    to->start = slot->start;
    to->lease = slot->lease;
    to->seq = slot->seq;
    to->bytes = slot->bytes;
    to->files = slot->files;
    memcpy(to->folder, slot->folder, sizeof to->folder);
    to->folder[sizeof to->folder - 1] = '\0';
    atomic_signal_fence(memory_order_seq_cst);
    to->pid = slot->pid;
}
