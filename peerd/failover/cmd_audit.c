/* spillway audit: does the sum of rows add up, for each database (audit.h)? While data moves a look at it is
 * not one moment: it is drawn up again until it adds up, or until two looks agree that it does not. */
#include <errno.h>

#include "common/base/clock.h"
#include "common/base/exit.h"
#include "common/cli/command.h"
#include "common/cli/inventory.h"
#include "common/cli/jsonline.h"
#include "peerd/failover/audit.h"

enum { PATIENCE_MS = 10000, PAUSE_MS = 300 };

static bool adds_up(const struct audit *audit)
{
    for (size_t i = 0; i < audit->count; i++)
        if (audit_difference(&audit->list[i]) != 0)
            return false;
    return true;
}

/* Nothing has moved between the two. */
static bool is_same(const struct audit *a, const struct audit *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (strcmp(a->list[i].folder, b->list[i].folder) != 0 ||
            memcmp(a->list[i].rows, b->list[i].rows, sizeof a->list[i].rows) != 0)
            return false;
    return true;
}

/* `*is_moving`: it does not add up, and no two looks were the same. */
static int look(const struct spool *spool, struct audit *audit, bool *is_moving, struct err *err)
{
    struct mono deadline = mono_after(PATIENCE_MS);
    int rc = audit_look(audit, spool, err);
    *is_moving = false;
    while (rc == 0 && !adds_up(audit)) {
        struct audit before = *audit;
        const struct timespec pause = {.tv_nsec = PAUSE_MS * 1000000L};
        nanosleep(&pause, NULL);
        rc = audit_look(audit, spool, err);
        bool has_settled = rc == 0 && is_same(&before, audit);
        audit_fini(&before);
        if (has_settled)
            break;
        if (mono_is_past(deadline)) {
            *is_moving = rc == 0 && !adds_up(audit);
            break;
        }
    }
    return rc;
}

static const char *name_of(const char *folder, char db[static NAME_FILE_MAX_BYTES + 1])
{
    bool is_name = name_decode(folder, strlen(folder), db, NAME_FILE_MAX_BYTES + 1) == NAME_OK;
    return is_name ? db : folder;
}

static void print_json(const struct audit_database *database)
{
    char db[NAME_FILE_MAX_BYTES + 1];
    struct jsonline line;
    jsonline_begin(&line);
    jsonline_text(&line, "db", name_of(database->folder, db));
    for (int column = 0; column < AUDIT_COLUMNS; column++)
        jsonline_number(&line, audit_column_word((enum audit_column)column), database->rows[column]);
    jsonline_number(&line, "difference", audit_difference(database));
    jsonline_number(&line, "unknown_files", (int64_t)database->unknown);
    jsonline_bool(&line, "adds_up", audit_difference(database) == 0);
    jsonline_end(&line);
}

static void print_row(const struct audit_database *database)
{
    char db[NAME_FILE_MAX_BYTES + 1];
    int64_t difference = audit_difference(database);
    printf("%-20s", name_of(database->folder, db));
    for (int column = 0; column < AUDIT_COLUMNS; column++)
        printf("  %11lld", (long long)database->rows[column]);
    if (difference == 0)
        puts("  adds up");
    else
        printf("  %lld rows %s\n", (long long)(difference < 0 ? -difference : difference),
               difference < 0 ? "MISSING" : "TOO MANY");
    if (database->unknown > 0)
        printf("%-20s  of %llu files the rows cannot be told: spillway verify\n", "",
               (unsigned long long)database->unknown);
}

static void print(const struct cli *cli, const struct audit *audit)
{
    if (!cli->is_json) {
        printf("%-20s", "ROWS OF");
        for (int column = 0; column < AUDIT_COLUMNS; column++)
            printf("  %11s", audit_column_word((enum audit_column)column));
        putchar('\n');
    }
    for (size_t i = 0; i < audit->count; i++) {
        if (cli->is_json)
            print_json(&audit->list[i]);
        else
            print_row(&audit->list[i]);
    }
    if (!cli->is_json && audit->count == 0)
        puts("(nothing has come yet)");
}

int cmd_audit(struct cli *cli)
{
    struct audit audit;
    struct err err;
    bool is_moving = false;
    if (cli->word_count > 0)
        return cli_fail(EXIT_USAGE, "audit: takes no words");
    int rc = look(&cli->spool, &audit, &is_moving, &err);
    int code = EXIT_DONE;
    if (rc)
        code = cli_fail(EXIT_TROUBLE, "%s", err.text);
    else
        print(cli, &audit);
    if (rc == 0 && !adds_up(&audit))
        code = is_moving ? cli_fail(EXIT_AGAIN, "audit: data moves faster than it can be counted: try again")
                         : EXIT_DAMAGED;
    audit_fini(&audit);
    return code;
}
