#include "common/cli/selection.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "common/cli/progress.h"

struct selection {
    selection_visit *visit;
    void *arg;
    const char *progress_name;
};

static bool is_file(const char *word)
{
    struct stat st;
    return stat(word, &st) == 0 && S_ISREG(st.st_mode);
}

static int visit_path(const struct selection *selection, const char *path, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_errno(err, -errno, "%s: cannot be opened", path);
    int rc = selection->visit(selection->arg, fd, path, NULL);
    close(fd);
    return rc;
}

static int visit_entry(struct cli *cli, const struct selection *selection, struct inventory_entry *entry,
                       struct err *err)
{
    int fd = inventory_open(&cli->spool, entry);
    if (fd == -ENOENT) /* uploaded, or removed, meanwhile */
        return 0;
    char text[SPOOL_PLACE_BYTES], label[SPOOL_PLACE_BYTES + SPOOL_NAME_BYTES];
    struct spool_place place = inventory_place(entry);
    snprintf(label, sizeof label, "%s/%s", spool_place_text(&place, text), entry->file);
    if (fd < 0)
        return err_errno(err, fd, "%s: cannot be opened", label);
    int rc = selection->visit(selection->arg, fd, label, entry);
    close(fd);
    return rc;
}

static int visit_inventory(struct cli *cli, const struct selection *selection, struct inventory *inventory,
                           struct err *err)
{
    int64_t total = 0;
    for (size_t i = 0; i < inventory->count; i++)
        total += inventory->entries[i].bytes;
    struct progress progress;
    if (selection->progress_name)
        progress_begin(&progress, selection->progress_name, total);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < inventory->count; i++) {
        rc = visit_entry(cli, selection, &inventory->entries[i], err);
        if (selection->progress_name)
            progress_add(&progress, inventory->entries[i].bytes);
    }
    if (selection->progress_name)
        progress_end(&progress);
    return rc;
}

int selection_visit_all(struct cli *cli, bool none_is_all, const char *progress_name, selection_visit *visit,
                        void *arg, struct err *err)
{
    static const struct inventory_filter any;
    struct selection selection = {.visit = visit, .arg = arg, .progress_name = progress_name};
    struct inventory inventory = {0};
    int rc = 0;
    if (!cli->word_count && !none_is_all)
        return err_set(err, -EINVAL, "of what? give DB, DB/TABLE or files");
    if (!cli->word_count && (rc = inventory_add(&inventory, &cli->spool, &any)) != 0)
        err_errno(err, rc, "spool %s: cannot be listed", cli->spool.path);
    for (size_t i = 0; rc == 0 && i < cli->word_count; i++) {
        struct inventory_words words;
        if (is_file(cli->words[i]))
            rc = visit_path(&selection, cli->words[i], err);
        else if ((rc = inventory_parse(cli->words[i], &words, err)) == 0 &&
                 (rc = inventory_add(&inventory, &cli->spool, &words.filter)) != 0)
            err_errno(err, rc, "spool %s: cannot be listed", cli->spool.path);
    }
    inventory_settle(&inventory);
    if (rc == 0)
        rc = visit_inventory(cli, &selection, &inventory, err);
    inventory_fini(&inventory);
    return rc;
}
