#include "common/cli/selection.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "common/cli/progress.h"
#include "common/cli/words.h"

struct selection {
    struct cli *cli;
    const struct selection_rules *rules;
    struct inventory_filter flags;
    struct inventory inventory;
    uint64_t unmatched;
    selection_visit *visit;
    void *arg;
};

/* --- gathering -------------------------------------------------------------------------------------- */

/* Such a file is the caller's to visit, by its path. */
static bool is_outside(const struct selection *selection, const char *word)
{
    struct stat st;
    return selection->rules->takes_outside && stat(word, &st) == 0 && S_ISREG(st.st_mode) &&
           !words_is_in_spool(selection->cli, word);
}

static int add(struct selection *selection, const struct inventory_filter *filter, struct err *err)
{
    int rc = inventory_add(&selection->inventory, &selection->cli->spool, filter);
    return rc ? err_errno(err, rc, "spool %s: cannot be listed", selection->cli->spool.path) : 0;
}

static int add_word(struct selection *selection, const char *word, struct err *err)
{
    struct words words;
    size_t before = selection->inventory.count;
    int rc = words_read(selection->cli, word, &selection->flags, &words, err);
    if (rc == 0)
        rc = add(selection, &words.filter, err);
    if (rc == 0 && selection->inventory.count == before) {
        selection->unmatched++;
        if (words.filter.file)
            cli_fail(0, "%s: is not there", word);
    }
    return rc;
}

static int gather(struct selection *selection, struct err *err)
{
    struct cli *cli = selection->cli;
    int rc = words_read_flags(cli, selection->rules->queues, &selection->flags, err);
    bool is_all = !cli->word_count && (selection->rules->none_is_all || cli_said(cli, CONF_ALL_OF_IT));
    if (rc == 0 && !cli->word_count && !is_all)
        return err_set(err, -EINVAL, "of what? give DB, DB/TABLE or files, or --all");
    if (rc == 0 && is_all)
        rc = add(selection, &selection->flags, err);
    for (size_t i = 0; rc == 0 && i < cli->word_count; i++)
        if (!is_outside(selection, cli->words[i]))
            rc = add_word(selection, cli->words[i], err);
    inventory_settle(&selection->inventory);
    return rc;
}

int selection_gather(struct cli *cli, const struct selection_rules *rules, struct inventory *inventory,
                     uint64_t *unmatched, struct err *err)
{
    struct selection selection = {.cli = cli, .rules = rules};
    int rc = gather(&selection, err);
    *inventory = selection.inventory;
    if (unmatched)
        *unmatched = selection.unmatched;
    return rc;
}

/* --- visiting --------------------------------------------------------------------------------------- */

static int visit_path(const struct selection *selection, const char *path, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_errno(err, -errno, "%s: cannot be opened", path);
    int rc = selection->visit(selection->arg, fd, path, NULL);
    close(fd);
    return rc;
}

static int visit_entry(struct selection *selection, struct inventory_entry *entry, uint64_t *gone,
                       struct err *err)
{
    char label[INVENTORY_LABEL_BYTES];
    int fd = inventory_open(&selection->inventory, &selection->cli->spool, entry);
    if (fd == -ENOENT) { /* uploaded, or removed, meanwhile */
        *gone += 1;
        return 0;
    }
    inventory_label(entry, label);
    if (fd < 0)
        return err_errno(err, fd, "%s: cannot be opened", label);
    int rc = selection->visit(selection->arg, fd, label, entry);
    close(fd);
    return rc;
}

static int visit_inventory(struct selection *selection, uint64_t *gone, struct err *err)
{
    struct inventory *inventory = &selection->inventory;
    const char *name = selection->rules->progress;
    struct progress progress;
    if (name)
        progress_begin(&progress, name, inventory_bytes(inventory));
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < inventory->count; i++) {
        rc = visit_entry(selection, &inventory->entries[i], gone, err);
        if (name)
            progress_add(&progress, inventory->entries[i].bytes);
    }
    if (name)
        progress_end(&progress);
    return rc;
}

int selection_visit_all(struct cli *cli, const struct selection_rules *rules, selection_visit *visit,
                        void *arg, uint64_t *gone, struct err *err)
{
    struct selection selection = {.cli = cli, .rules = rules, .visit = visit, .arg = arg};
    uint64_t ignored = 0;
    int rc = gather(&selection, err);
    for (size_t i = 0; rc == 0 && i < cli->word_count; i++)
        if (is_outside(&selection, cli->words[i]))
            rc = visit_path(&selection, cli->words[i], err);
    if (rc == 0)
        rc = visit_inventory(&selection, gone ? gone : &ignored, err);
    inventory_fini(&selection.inventory);
    return rc;
}
