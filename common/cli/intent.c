#include "common/cli/intent.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>

#include "common/base/file.h"
#include "common/spool/place.h"

enum { INTENT_BYTES_MAX = 4 << 20 };

static const char intent_name[] = "requeue.json";

int intent_write(const struct spool *spool, const char *folder, const struct intent_file *files, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, json_pack("[s, I]", files[i].file, (json_int_t)files[i].why.inode));
    json_t *root = json_pack("{s:i, s:s, s:o}", "v", 1, "db", folder, "moves", list);
    char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
    int rc = text ? file_replace_lazily(spool->state, intent_name, text, strlen(text)) : -ENOMEM;
    free(text);
    json_decref(root);
    return rc;
}

void intent_clear(const struct spool *spool)
{
    (void)unlinkat(spool->state, intent_name, 0);
}

static void finish(int dir, const json_t *moves)
{
    for (size_t i = 0; i < json_array_size(moves); i++) {
        const json_t *move = json_array_get(moves, i);
        const char *file = json_string_value(json_array_get(move, 0));
        const struct why why = {.inode = (ino_t)json_integer_value(json_array_get(move, 1))};
        if (file && !strchr(file, '/') && faccessat(dir, file, F_OK, AT_SYMLINK_NOFOLLOW) != 0 &&
            errno == ENOENT)
            why_drop(dir, file, &why);
    }
}

void intent_finish(const struct spool *spool)
{
    struct buf text;
    buf_init(&text, INTENT_BYTES_MAX);
    int rc = file_read(spool->state, intent_name, &text);
    json_t *root = rc == 0 ? json_loadb(text.data, text.len, 0, NULL) : NULL;
    const char *folder = json_string_value(json_object_get(root, "db"));
    buf_fini(&text);
    if (folder && !strchr(folder, '/')) {
        struct spool_place place = spool_place(QUEUE_QUARANTINE, folder);
        int dir = spool_place_open(spool, &place, false);
        if (dir >= 0) {
            finish(dir, json_object_get(root, "moves"));
            close(dir);
        }
    }
    json_decref(root);
    if (rc == 0 || rc == -EFBIG) /* else it could not be read now, and is there the next time */
        intent_clear(spool);
}
