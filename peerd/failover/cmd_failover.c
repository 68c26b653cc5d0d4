/* spillway failover: the state of each database, where it is held, and what would be dropped next; and an
 * operator's word: on, off, clear. peerd is asked; when it is down, what it left in state/ is shown. */
#include <errno.h>

#include "common/base/clock.h"
#include "common/base/exit.h"
#include "common/base/units.h"
#include "common/cli/command.h"
#include "common/cli/inventory.h"
#include "common/control/client.h"
#include "common/control/message.h"
#include "peerd/failover/board_file.h"
#include "peerd/failover/drops.h"

enum { ANSWER_MS = 5000, DEFAULT_TTL_MS = 4 * 3600 * 1000 };

/* --- asking ----------------------------------------------------------------------------------------- */

static int ask(struct cli *cli, const char *program, json_t *take_request, json_t **reply, struct err *err)
{
    int rc = take_request ? ctl_ask_once(&cli->spool, program, take_request, ANSWER_MS, reply, err) : -ENOMEM;
    json_decref(take_request);
    return rc;
}

static json_t *action_request(const struct cli *cli)
{
    json_t *request = message_request("failover");
    json_object_set_new(request, "action", json_string(cli->words[0]));
    json_object_set_new(request, "db", json_string(cli->words[1]));
    json_object_set_new(
        request, "ttl_ms",
        json_integer(conf_is_set(cli->conf, CONF_TTL) ? conf_number(cli->conf, CONF_TTL) : DEFAULT_TTL_MS));
    if (conf_text(cli->conf, CONF_AT))
        json_object_set_new(request, "at", json_string(conf_text(cli->conf, CONF_AT)));
    return request;
}

/* --- without peerd ---------------------------------------------------------------------------------- */

static void add_given_up(void *arg, const char *db, enum drop_fate fate, enum drop_reason reason,
                         const struct drops_sum *sum)
{
    json_t *databases = arg, *one = NULL, *entry;
    size_t i;
    json_array_foreach (databases, i, entry)
        if (strcmp(message_text(entry, "db", ""), db) == 0)
            one = entry;
    if (!one) {
        one = json_pack("{s:s, s:b, s:[]}", "db", db, "active", 0, "given_up");
        json_array_append_new(databases, one);
    }
    json_array_append_new(json_object_get(one, "given_up"),
                          json_pack("{s:s, s:s, s:I, s:I, s:I}", "fate", drop_fate_word(fate), "reason",
                                    drop_reason_word(reason), "segments", (json_int_t)sum->segments, "rows",
                                    (json_int_t)sum->rows, "bytes", (json_int_t)sum->bytes));
}

static json_t *entry_of(const struct board_entry *entry, const struct override *word)
{
    json_t *one = json_pack("{s:s, s:b, s:s, s:s, s:I, s:s, s:[]}", "db", entry->db, "active",
                            entry->now.is_active, "at", entry->at, "reason", "last known", "since",
                            (json_int_t)entry->since_ms, "health", health_word(entry->health), "given_up");
    if (word)
        json_object_set_new(one, "override",
                            json_pack("{s:s, s:s, s:s, s:I}", "mode", override_mode_word(word->mode), "at",
                                      word->at, "by", word->by, "until", (json_int_t)word->until_ms));
    return one;
}

static int read_state(const struct cli *cli, json_t **reply, struct err *err)
{
    struct overrides *overrides = calloc(1, sizeof *overrides);
    struct board board = {0};
    json_t *databases = json_array();
    int64_t now_ms = wall_now_ms();
    int rc = overrides ? board_file_load(&board, overrides, &cli->spool, now_ms, err)
                       : err_set(err, -ENOMEM, "out of memory");
    for (size_t i = 0; rc == 0 && i < overrides->count; i++)
        (void)board_make(&board, overrides->list[i].db);
    for (size_t i = 0; rc == 0 && i < board.count; i++)
        json_array_append_new(databases,
                              entry_of(&board.list[i], overrides_find(overrides, board.list[i].db, now_ms)));
    if (rc == 0) {
        rc = drops_read_totals(&cli->spool, add_given_up, databases);
        rc = rc == -ENOENT ? 0 : rc;
        if (rc)
            err_errno(err, rc, "spool %s: state/drops.jsonl", cli->spool.path);
    }
    *reply = json_pack("{s:b, s:o}", "peerd", 0, "databases", databases);
    board_fini(&board);
    free(overrides);
    return rc;
}

/* --- what the spool and diskguard add --------------------------------------------------------------- */

/* The oldest segment that would be given up. */
static json_t *next_to_go(const struct cli *cli, const char *db)
{
    struct inventory inventory = {0};
    struct inventory_words words;
    struct err err;
    char label[INVENTORY_LABEL_BYTES];
    json_t *next = json_null();
    if (inventory_parse(db, &words, &err) != 0)
        return next;
    words.filter.queues = 1u << QUEUE_SEALED | 1u << QUEUE_TRANSFER | 1u << QUEUE_UPLOAD;
    words.filter.from_ms = INT64_MIN;
    words.filter.before_ms = INT64_MAX;
    if (inventory_add(&inventory, &cli->spool, &words.filter) == 0 && inventory.count > 0) {
        inventory_settle(&inventory);
        const struct inventory_entry *oldest = &inventory.entries[0];
        int64_t time_ms = inventory_time_ms(oldest);
        next = json_pack("{s:s, s:I, s:I}", "file", inventory_label(oldest, label), "bytes",
                         (json_int_t)oldest->bytes, "age_ms",
                         (json_int_t)(time_ms ? wall_now_ms() - time_ms : 0));
    }
    inventory_fini(&inventory);
    return next;
}

static void add_disk(json_t *entry, const json_t *guard)
{
    size_t i;
    json_t *one;
    const char *db = message_text(entry, "db", "");
    json_array_foreach (json_object_get(guard, "databases"), i, one) {
        if (strcmp(message_text(one, "db", ""), db) != 0)
            continue;
        json_object_set_new(entry, "held_bytes", json_integer(message_number(one, "bytes", 0)));
        json_object_set(entry, "full_in_ms", json_object_get(one, "full_in_ms"));
    }
}

static void add_facts(struct cli *cli, json_t *reply)
{
    json_t *guard = NULL, *entry;
    struct err err;
    size_t i;
    int rc = ask(cli, "diskguard", message_request("status"), &guard, &err);
    json_array_foreach (json_object_get(reply, "databases"), i, entry) {
        if (rc == 0)
            add_disk(entry, guard);
        bool goes_elsewhere =
            json_is_true(json_object_get(entry, "active")) && !json_is_true(json_object_get(entry, "ours"));
        json_object_set_new(entry, "next_to_go",
                            goes_elsewhere ? next_to_go(cli, message_text(entry, "db", "")) : json_null());
    }
    json_decref(guard);
}

/* --- telling ---------------------------------------------------------------------------------------- */

static const char *time_text(int64_t wall_ms, char text[static WALL_TEXT_BYTES])
{
    if (wall_ms > 0)
        wall_format(wall_ms, text);
    else
        snprintf(text, WALL_TEXT_BYTES, "-");
    return text;
}

static void print_members(const json_t *entry)
{
    size_t i, shown = 0;
    json_t *member;
    json_array_foreach (json_object_get(entry, "members"), i, member) {
        char size[UNITS_TEXT_BYTES];
        printf("%s%s %s%s", shown++ ? ", " : "    held: ", message_text(member, "name", ""),
               units_format_size(message_number(member, "held_bytes", 0), size),
               json_is_true(json_object_get(member, "present")) ? "" : " (away)");
    }
    if (shown)
        putchar('\n');
}

static void print_details(const json_t *entry, const char *policy)
{
    char time[WALL_TEXT_BYTES], text[UNITS_TEXT_BYTES];
    const json_t *word = json_object_get(entry, "override"), *next = json_object_get(entry, "next_to_go");
    size_t i;
    json_t *sum;
    print_members(entry);
    if (json_is_object(word))
        printf("    operator: %s%s%s, said at %s, until %s\n", message_text(word, "mode", ""),
               *message_text(word, "at", "") ? " at " : "", message_text(word, "at", ""),
               message_text(word, "by", ""), time_text(message_number(word, "until", 0), time));
    json_array_foreach (json_object_get(entry, "given_up"), i, sum)
        printf("    %s: %lld segments, %lld rows (%s)\n", message_text(sum, "fate", ""),
               (long long)message_number(sum, "segments", 0), (long long)message_number(sum, "rows", 0),
               message_text(sum, "reason", ""));
    if (json_is_object(next))
        printf("    next to go (policy %s): %s, %s old\n", policy, message_text(next, "file", ""),
               units_format_time(message_number(next, "age_ms", 0), text));
}

static void print_entry(const json_t *entry, const char *policy)
{
    bool is_active = json_is_true(json_object_get(entry, "active"));
    char since[WALL_TEXT_BYTES], held[UNITS_TEXT_BYTES] = "-", full[UNITS_TEXT_BYTES] = "-",
                                 reached[32] = "-";
    const json_t *full_in = json_object_get(entry, "full_in_ms");
    if (json_object_get(entry, "held_bytes"))
        units_format_size(message_number(entry, "held_bytes", 0), held);
    if (json_is_integer(full_in))
        units_format_time(json_integer_value(full_in), full);
    if (json_object_get(entry, "present"))
        snprintf(reached, sizeof reached, "%lld of %lld", (long long)message_number(entry, "reached_by", 0),
                 (long long)message_number(entry, "present", 0));
    printf("%-20s  %-8s  %-11s  %-12s  %-8s  %-12s  %-10s  %-10s  %s\n", message_text(entry, "db", ""),
           is_active ? "FAILOVER" : "normal", message_text(entry, "reason", "-"),
           is_active ? message_text(entry, "at", "") : "-", reached, message_text(entry, "health", "up"),
           held, full, time_text(message_number(entry, "since", 0), since));
    print_details(entry, policy);
}

static int print(const struct cli *cli, const json_t *reply)
{
    size_t i;
    json_t *entry;
    if (cli->is_json) {
        char *text = json_dumps(reply, JSON_COMPACT);
        int rc = text ? puts(text) : -1;
        free(text);
        return rc < 0 ? EXIT_TROUBLE : EXIT_DONE;
    }
    if (json_is_false(json_object_get(reply, "peerd")))
        puts("peerd does not run: this is what it left");
    else if (strcmp(message_text(reply, "mode", ""), "observe") == 0)
        puts("--failover observe: this is what would be; nothing is routed by it");
    if (json_array_size(json_object_get(reply, "databases")) == 0) {
        puts("(nobody has spoken of any database yet: all are sharded as normal)");
        return EXIT_DONE;
    }
    printf("%-20s  %-8s  %-11s  %-12s  %-8s  %-12s  %-10s  %-10s  %s\n", "DATABASE", "STATE", "REASON", "AT",
           "REACHED", "FROM HERE", "HELD HERE", "FULL IN", "SINCE");
    json_array_foreach (json_object_get(reply, "databases"), i, entry)
        print_entry(entry, message_text(reply, "policy", "drop"));
    return EXIT_DONE;
}

/* --- all of it -------------------------------------------------------------------------------------- */

static int refuse(int rc, const struct err *err)
{
    return cli_fail(rc == -EINVAL || rc == -EREMOTEIO ? EXIT_USAGE : EXIT_AGAIN, "failover: %s", err->text);
}

static int show(struct cli *cli)
{
    json_t *reply = NULL;
    struct err err;
    int rc = ask(cli, "peerd", message_request("failover"), &reply, &err);
    if (rc == -ENOENT || rc == -ETIMEDOUT)
        rc = read_state(cli, &reply, &err);
    if (rc == 0)
        add_facts(cli, reply);
    int code = rc ? refuse(rc, &err) : print(cli, reply);
    json_decref(reply);
    return code;
}

static int say(struct cli *cli)
{
    json_t *reply = NULL;
    struct err err;
    bool is_on = strcmp(cli->words[0], "on") == 0;
    if (conf_text(cli->conf, CONF_AT) && !is_on)
        return cli_fail(EXIT_USAGE, "failover %s: --at NAME goes with `on` only", cli->words[0]);
    int rc = ask(cli, "peerd", action_request(cli), &reply, &err);
    if (rc == -ENOENT)
        err_set(&err, rc,
                "peerd does not run on this spool, and it is peerd that keeps such words: start it");
    int code = rc ? refuse(rc, &err) : print(cli, reply);
    json_decref(reply);
    return code;
}

int cmd_failover(struct cli *cli)
{
    static const char *const actions[] = {"on", "off", "clear"};
    if (cli->word_count == 0)
        return show(cli);
    for (size_t i = 0; i < ARRAY_LEN(actions); i++)
        if (strcmp(cli->words[0], actions[i]) == 0 && cli->word_count == 2)
            return say(cli);
    return cli_fail(EXIT_USAGE, "failover: give nothing, or on|off|clear DB");
}
