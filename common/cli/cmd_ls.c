#include <errno.h>

#include "common/base/clock.h"
#include "common/base/exit.h"
#include "common/base/units.h"
#include "common/cli/command.h"
#include "common/cli/inventory.h"
#include "common/segment/flake.h"
#include "common/spool/reader.h"

struct listed {
    const struct inventory_entry *entry;
    char db[NAME_FILE_MAX_BYTES + 1];
    struct segment_name name;
    int64_t time_ms; /* when it was begun; 0 unknown */
    bool has_rows;
    struct scan_summary summary;
};

static void describe(struct cli *cli, struct inventory_entry *entry, struct listed *listed)
{
    *listed = (struct listed){.entry = entry};
    if (name_decode(entry->db, strlen(entry->db), listed->db, sizeof listed->db) != NAME_OK)
        snprintf(listed->db, sizeof listed->db, "%.*s", NAME_FILE_MAX_BYTES, entry->db);
    if (entry->is_segment && segment_name_parse(entry->file, &listed->name) == NAME_OK) {
        struct flake parts;
        flake_decompose(entry->id, &parts);
        listed->time_ms = (int64_t)parts.unix_ms;
    }
    if (!conf_flag(cli->conf, CONF_ROWS))
        return;
    struct spool_place place = inventory_place(entry);
    int dir = spool_place_open(&cli->spool, &place, false);
    if (dir < 0)
        return;
    listed->has_rows = segment_read_summary(dir, entry->file, &listed->summary, NULL, NULL) == 0;
    close(dir);
}

static int print_json(const struct listed *listed)
{
    const struct inventory_entry *entry = listed->entry;
    char time[WALL_TEXT_BYTES] = "";
    if (listed->time_ms)
        wall_format(listed->time_ms, time);
    json_t *line = json_pack("{s:s, s:s, s:s, s:s, s:I, s:s}", "queue", spool_queue_name(entry->queue), "db",
                             listed->db, "table", listed->name.table, "file", entry->file, "bytes",
                             (json_int_t)entry->bytes, "time", time);
    if (line && *entry->group)
        json_object_set_new(line, "batch", json_string(entry->group));
    if (line && listed->has_rows) {
        json_object_set_new(line, "rows", json_integer((json_int_t)listed->summary.rows));
        json_object_set_new(line, "raw_bytes", json_integer((json_int_t)listed->summary.raw_bytes));
        json_object_set_new(line, "blocks", json_integer((json_int_t)listed->summary.blocks));
    }
    char *text = line ? json_dumps(line, JSON_COMPACT) : NULL;
    json_decref(line);
    if (!text)
        return -ENOMEM;
    puts(text);
    free(text);
    return 0;
}

static void print_row(const struct listed *listed, bool wants_rows)
{
    const struct inventory_entry *entry = listed->entry;
    char size[UNITS_TEXT_BYTES], age[UNITS_TEXT_BYTES] = "-", rows[24] = "-";
    if (listed->time_ms)
        units_format_time(wall_now_ms() - listed->time_ms, age);
    if (listed->has_rows)
        snprintf(rows, sizeof rows, "%llu", (unsigned long long)listed->summary.rows);
    printf("%-10s  %10s  %9s  ", spool_queue_name(entry->queue), units_format_size(entry->bytes, size), age);
    if (wants_rows)
        printf("%12s  ", rows);
    printf("%s/%s  %s%s%s\n", listed->db, entry->is_segment ? listed->name.table : "?", entry->group,
           *entry->group ? "/" : "", entry->file);
}

static int add_words(struct cli *cli, struct inventory *inventory, struct err *err)
{
    static const struct inventory_filter any;
    if (!cli->word_count)
        return inventory_add(inventory, &cli->spool, &any);
    for (size_t i = 0; i < cli->word_count; i++) {
        struct inventory_words words;
        int rc = inventory_parse(cli->words[i], &words, err);
        if (rc)
            return rc;
        rc = inventory_add(inventory, &cli->spool, &words.filter);
        if (rc)
            return err_errno(err, rc, "spool %s: cannot be listed", cli->spool.path);
    }
    return 0;
}

int cmd_ls(struct cli *cli)
{
    struct inventory inventory = {0};
    struct err err = {.text = "cannot be listed"};
    int rc = add_words(cli, &inventory, &err);
    if (rc) {
        inventory_fini(&inventory);
        return cli_fail(rc == -EINVAL ? EXIT_USAGE : EXIT_TROUBLE, "%s", err.text);
    }
    inventory_settle(&inventory);
    bool wants_rows = conf_flag(cli->conf, CONF_ROWS);
    if (!cli->is_json)
        printf("%-10s  %10s  %9s  %s%s\n", "QUEUE", "SIZE", "AGE", wants_rows ? "        ROWS  " : "",
               "TABLE  FILE");
    for (size_t i = 0; i < inventory.count; i++) {
        struct listed listed;
        describe(cli, &inventory.entries[i], &listed);
        if (!cli->is_json)
            print_row(&listed, wants_rows);
        else if (print_json(&listed))
            return cli_fail(EXIT_TROUBLE, "out of memory");
    }
    inventory_fini(&inventory);
    return EXIT_DONE;
}
