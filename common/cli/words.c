#include "common/cli/words.h"

#include <errno.h>

#include "common/base/clock.h"

static int parse_queue(const char *name, unsigned *queues, struct err *err)
{
    enum spool_queue queue;
    if (spool_queue_parse(name, &queue))
        return err_set(
            err, -EINVAL,
            "--in: '%.100s' is no queue: wants active, sealed, upload, batch, transfer, incoming or "
            "quarantine",
            name);
    *queues |= 1u << queue;
    return 0;
}

int words_read_flags(const struct cli *cli, unsigned queues, struct inventory_filter *filter, struct err *err)
{
    *filter = (struct inventory_filter){.from_ms = INT64_MIN, .before_ms = INT64_MAX};
    int64_t now = wall_now_ms();
    size_t count;
    char *const *names = conf_list(cli->conf, CONF_IN, &count);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = parse_queue(names[i], &filter->queues, err);
    if (!count)
        filter->queues = queues;
    if (conf_is_set(cli->conf, CONF_NEWER))
        filter->from_ms = now - conf_number(cli->conf, CONF_NEWER);
    if (conf_is_set(cli->conf, CONF_OLDER))
        filter->before_ms = now - conf_number(cli->conf, CONF_OLDER);
    return rc;
}

/* "QUEUE/DB/FILE" or "QUEUE/DB/GROUP/FILE": false if it does not look like one. */
static bool read_place(const char *path, struct words *words)
{
    char queue_name[16];
    enum spool_queue queue;
    size_t queue_bytes = strcspn(path, "/");
    snprintf(queue_name, sizeof queue_name, "%.*s", (int)queue_bytes, path);
    if (path[queue_bytes] != '/' || spool_queue_parse(queue_name, &queue))
        return false;
    const char *db = path + queue_bytes + 1, *file = strrchr(db, '/');
    size_t db_bytes = strcspn(db, "/");
    if (!file || !db_bytes || !file[1] || db_bytes >= sizeof words->folder ||
        strlen(file + 1) >= sizeof words->file || !strchr(file, '.'))
        return false;
    snprintf(words->folder, sizeof words->folder, "%.*s", (int)db_bytes, db);
    snprintf(words->file, sizeof words->file, "%s", file + 1);
    words->filter.folder = words->folder;
    words->filter.file = words->file;
    words->filter.queues &= 1u << queue;
    return true;
}

/* The part of the path behind the spool's own, or NULL. The last component need not be there any more. */
static const char *behind_spool(const struct cli *cli, const char *word, char resolved[static PATH_MAX])
{
    char folder[PATH_MAX];
    const char *slash = strrchr(word, '/');
    size_t len = strlen(cli->spool.path);
    if (!slash || snprintf(folder, sizeof folder, "%.*s", (int)(slash - word), word) >= (int)sizeof folder ||
        !realpath(*folder ? folder : "/", resolved))
        return NULL;
    size_t used = strlen(resolved);
    if (snprintf(resolved + used, PATH_MAX - used, "%s", slash) >= (int)(PATH_MAX - used))
        return NULL;
    return strncmp(resolved, cli->spool.path, len) == 0 && resolved[len] == '/' ? resolved + len + 1 : NULL;
}

int words_read(const struct cli *cli, const char *word, const struct inventory_filter *flags,
               struct words *words, struct err *err)
{
    char resolved[PATH_MAX];
    words->filter = *flags;
    if (read_place(word, words))
        return 0;
    if (!strchr(word, '/') && strchr(word, ',') && strlen(word) < sizeof words->file) {
        snprintf(words->file, sizeof words->file, "%s", word);
        words->filter.file = words->file;
        return 0;
    }
    const char *inside = behind_spool(cli, word, resolved);
    if (inside && read_place(inside, words))
        return 0;
    int rc = inventory_parse(word, &words->names, err);
    if (rc == 0) {
        words->filter.folder = words->names.filter.folder;
        words->filter.table = words->names.filter.table;
    }
    return rc;
}

bool words_is_in_spool(const struct cli *cli, const char *word)
{
    char resolved[PATH_MAX];
    return behind_spool(cli, word, resolved) != NULL;
}
