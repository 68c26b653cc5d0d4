#include <errno.h>

#include "common/base/clock.h"
#include "common/base/exit.h"
#include "common/base/units.h"
#include "common/cli/jsonline.h"
#include "common/cli/selection.h"
#include "common/spool/reader.h"

struct listing {
    struct cli *cli;
    bool wants_rows;
    int64_t now_ms;
};

struct listed {
    const struct inventory_entry *entry;
    char db[NAME_FILE_MAX_BYTES + 1];
    struct segment_name name; /* table "" where the name tells none */
    bool has_rows;
    struct scan_summary summary;
};

static void describe(const struct listing *listing, const struct inventory_entry *entry,
                     struct listed *listed)
{
    listed->entry = entry;
    listed->has_rows = false;
    inventory_db(entry->folder, listed->db);
    if (inventory_read_name(entry->file, &listed->name) == INVENTORY_OTHER)
        listed->name.table[0] = '\0';
    if (!listing->wants_rows)
        return;
    struct spool_place place = inventory_place(entry);
    int dir = spool_place_open(&listing->cli->spool, &place, false);
    if (dir < 0)
        return;
    char file[SPOOL_NAME_BYTES];
    listed->has_rows =
        segment_read_summary(dir, inventory_file(entry, file), &listed->summary, NULL, NULL) == 0;
    close(dir);
}

static void print_json(const struct listed *listed)
{
    const struct inventory_entry *entry = listed->entry;
    int64_t time_ms = inventory_time_ms(entry);
    char time[WALL_TEXT_BYTES] = "", file[SPOOL_NAME_BYTES];
    struct jsonline line;
    if (time_ms)
        wall_format(time_ms, time);
    jsonline_begin(&line);
    jsonline_text(&line, "queue", spool_queue_name(entry->folder->queue));
    jsonline_text(&line, "db", listed->db);
    jsonline_text(&line, "table", listed->name.table);
    jsonline_text(&line, "file", inventory_file(entry, file));
    jsonline_number(&line, "bytes", entry->bytes);
    jsonline_text(&line, "time", time);
    if (*entry->folder->group)
        jsonline_text(&line, "batch", entry->folder->group);
    if (listed->has_rows) {
        jsonline_number(&line, "rows", (int64_t)listed->summary.rows);
        jsonline_number(&line, "raw_bytes", (int64_t)listed->summary.raw_bytes);
        jsonline_number(&line, "blocks", (int64_t)listed->summary.blocks);
    }
    jsonline_end(&line);
}

static void print_row(const struct listing *listing, const struct listed *listed)
{
    const struct inventory_entry *entry = listed->entry;
    int64_t time_ms = inventory_time_ms(entry);
    char size[UNITS_TEXT_BYTES], age[UNITS_TEXT_BYTES] = "-", rows[24] = "-", file[SPOOL_NAME_BYTES];
    if (time_ms)
        units_format_time(listing->now_ms - time_ms, age);
    if (listed->has_rows)
        snprintf(rows, sizeof rows, "%llu", (unsigned long long)listed->summary.rows);
    printf("%-10s  %10s  %9s  ", spool_queue_name(entry->folder->queue),
           units_format_size(entry->bytes, size), age);
    if (listing->wants_rows)
        printf("%12s  ", rows);
    printf("%s/%s  %s%s%s\n", listed->db, *listed->name.table ? listed->name.table : "?",
           entry->folder->group, *entry->folder->group ? "/" : "", inventory_file(entry, file));
}

static void list_all(const struct listing *listing, const struct inventory *inventory)
{
    bool is_json = listing->cli->is_json;
    if (!is_json)
        printf("%-10s  %10s  %9s  %s%s\n", "QUEUE", "SIZE", "AGE",
               listing->wants_rows ? "        ROWS  " : "", "TABLE  FILE");
    for (size_t i = 0; i < inventory->count && !ferror(stdout); i++) {
        struct listed listed;
        describe(listing, &inventory->entries[i], &listed);
        if (is_json)
            print_json(&listed);
        else
            print_row(listing, &listed);
    }
}

int cmd_ls(struct cli *cli)
{
    static const struct selection_rules rules = {.queues = INVENTORY_ALL_QUEUES, .none_is_all = true};
    const struct listing listing = {
        .cli = cli, .wants_rows = conf_flag(cli->conf, CONF_ROWS), .now_ms = wall_now_ms()};
    struct inventory inventory = {0};
    struct err err = {0};
    int rc = selection_gather(cli, &rules, &inventory, NULL, &err);
    if (rc == 0)
        list_all(&listing, &inventory);
    inventory_fini(&inventory);
    return rc == 0 ? EXIT_DONE : cli_fail(rc == -EINVAL ? EXIT_USAGE : EXIT_TROUBLE, "%s", err.text);
}
