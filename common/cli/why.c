#include "common/cli/why.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <sys/stat.h>

#include "common/base/file.h"

enum { WHY_BYTES_MAX = 16 << 20, WHY_NAME_BYTES = SPOOL_NAME_BYTES + 16 };

static const char why_suffix[] = ".why";
static const char taken_name[] = ".why.old"; /* one operator at a time */

static void why_name(const char *file, char name[static WHY_NAME_BYTES])
{
    snprintf(name, WHY_NAME_BYTES, "%s%s", file, why_suffix);
}

/* NULL in `*root`: it is not JSON, or larger than a .why is, or it is not there. */
static int read_json(int dir, const char *name, json_t **root)
{
    struct buf text;
    buf_init(&text, WHY_BYTES_MAX);
    int rc = file_read(dir, name, &text);
    *root = rc == 0 ? json_loadb(text.data, text.len, 0, NULL) : NULL;
    buf_fini(&text);
    return rc == -ENOENT || rc == -EFBIG ? 0 : rc;
}

static json_t *load(int dir, const char *name)
{
    json_t *root;
    return read_json(dir, name, &root) == 0 ? root : NULL;
}

static void take_words(struct why *why, const json_t *root)
{
    const char *reason = json_string_value(json_object_get(root, "reason"));
    why->went_on =
        json_object_get(root, "salvaged") || json_integer_value(json_object_get(root, "rows_salvaged")) > 0;
    why->is_refused = reason && strncmp(reason, "rows that walwriter", strlen("rows that walwriter")) == 0;
    /* Short, and still text: a character that would be cut in two is left out. */
    size_t len = reason ? strnlen(reason, sizeof why->reason - 1) : 0;
    while (reason && reason[len] && len > 0 && ((unsigned char)reason[len] & 0xc0) == 0x80)
        len--;
    snprintf(why->reason, sizeof why->reason, "%.*s", (int)len, reason ? reason : "");
}

int why_read(int dir, const char *file, struct why *why)
{
    char name[WHY_NAME_BYTES];
    struct stat st;
    json_t *root;
    *why = (struct why){0};
    why_name(file, name);
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? 0 : -errno;
    int rc = read_json(dir, name, &root);
    if (rc)
        return rc;
    why->inode = st.st_ino;
    take_words(why, root);
    json_decref(root);
    return 0;
}

/* Whoever puts a file into quarantine writes the .why first. So what is there is taken, looked at, and put
 * back unless it is ours; meanwhile a new one may come, and is the better one. */
static bool take(int dir, const char *name)
{
    return renameat(dir, name, dir, taken_name) == 0;
}

static void decide(int dir, const char *name, bool is_ours)
{
    if (!is_ours && renameat2(dir, taken_name, dir, name, RENAME_NOREPLACE) == 0)
        return;
    (void)unlinkat(dir, taken_name, 0);
}

void why_drop(int dir, const char *file, const struct why *why)
{
    char name[WHY_NAME_BYTES];
    struct stat st;
    why_name(file, name);
    if (!why->inode || fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0 || st.st_ino != why->inode ||
        !take(dir, name))
        return;
    decide(dir, name, fstatat(dir, taken_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_ino == why->inode);
}

static bool is_marked(int dir, const char *name)
{
    json_t *root = load(dir, name);
    bool marked = json_object_get(root, WHY_MARK) != NULL;
    json_decref(root);
    return marked;
}

void why_drop_marked(int dir, const char *file)
{
    char name[WHY_NAME_BYTES];
    why_name(file, name);
    if (is_marked(dir, name) && faccessat(dir, file, F_OK, AT_SYMLINK_NOFOLLOW) != 0 && take(dir, name))
        decide(dir, name, is_marked(dir, taken_name));
}

/* What was taken by someone who then was killed or could not go on: back to its file, when that is there and
 * has no newer one. */
static void sweep_taken(int dir)
{
    json_t *root = load(dir, taken_name);
    const char *file = json_string_value(json_object_get(root, "file"));
    if (file && !strchr(file, '/') && strlen(file) < SPOOL_NAME_BYTES) {
        char name[WHY_NAME_BYTES];
        why_name(file, name);
        decide(dir, name, faccessat(dir, file, F_OK, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT);
    }
    json_decref(root);
}

static void sweep_folder(int quarantine, const char *db)
{
    int dir = openat(quarantine, db, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = dir < 0 ? NULL : fdopendir(dir);
    if (!stream) {
        if (dir >= 0)
            close(dir);
        return;
    }
    sweep_taken(dir);
    for (struct dirent *entry; (entry = readdir(stream));) {
        char file[SPOOL_NAME_BYTES];
        size_t len = strlen(entry->d_name), suffix = strlen(why_suffix);
        if (entry->d_name[0] == '.' || len <= suffix || strcmp(entry->d_name + len - suffix, why_suffix) != 0)
            continue;
        snprintf(file, sizeof file, "%.*s", (int)(len - suffix), entry->d_name);
        if (faccessat(dir, file, F_OK, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT)
            why_drop_marked(dir, file);
    }
    closedir(stream);
}

void why_sweep(const struct spool *spool)
{
    int quarantine = openat(spool->queues[QUEUE_QUARANTINE], ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = quarantine < 0 ? NULL : fdopendir(quarantine);
    if (!stream) {
        if (quarantine >= 0)
            close(quarantine);
        return;
    }
    for (struct dirent *entry; (entry = readdir(stream));)
        if (entry->d_name[0] != '.')
            sweep_folder(quarantine, entry->d_name);
    closedir(stream);
}
