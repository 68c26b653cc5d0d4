/* spillway explain SEGMENT ...: where each goes, and why. Where it is in the spool says the first half, peerd
 * the second. */
#include <errno.h>

#include "common/base/exit.h"
#include "common/base/units.h"
#include "common/cli/jsonline.h"
#include "common/cli/selection.h"
#include "common/control/client.h"
#include "common/control/message.h"

enum { ANSWER_MS = 5000 };

struct explaining {
    struct cli *cli;
    uint64_t shown;
};

/* What is so whatever peerd says; NULL: peerd decides. */
static const char *fixed(enum spool_queue queue)
{
    static const char *const texts[QUEUE_COUNT] = {
        [QUEUE_ACTIVE] = "it is being written; it goes to sealed/ when it is large or old enough",
        [QUEUE_BATCH] = "uploader sends it to ADX now, or tries again; it gives it back when it is to leave",
        [QUEUE_TRANSFER] = "it is on its way to a peer, or waits to be sent again",
        [QUEUE_INCOMING] = "it is being received",
        [QUEUE_QUARANTINE] =
            "it was set aside; the .why beside it says why. spillway requeue brings it back"};
    return texts[queue];
}

/* NULL: `err` says why not. */
static json_t *ask(struct explaining *explaining, const struct inventory_entry *entry, const char *db,
                   struct err *err)
{
    json_t *request = message_request("explain"), *reply = NULL;
    json_object_set_new(request, "db", json_string(db));
    json_object_set_new(request, "file", json_string(entry->file));
    json_object_set_new(request, "queue", json_string(spool_queue_name(entry->folder->queue)));
    int rc = ctl_ask_once(&explaining->cli->spool, "peerd", request, ANSWER_MS, &reply, err);
    json_decref(request);
    if (rc == 0)
        return reply;
    if (rc == -ENOENT)
        err_set(err, rc, "peerd does not run: it decides when it does");
    json_decref(reply);
    return NULL;
}

struct answer {
    const char *way, *to, *why;
    const char *rule; /* a word */
    char text[512];
};

static void from_peerd(const json_t *reply, struct answer *answer)
{
    char time[UNITS_TEXT_BYTES];
    int64_t wait_ms = message_number(reply, "wait_ms", 0);
    const char *rule = message_text(reply, "rule_text", "");
    answer->way = message_text(reply, "way", "");
    answer->to = message_text(reply, "to", "");
    answer->rule = message_text(reply, "rule", "");
    snprintf(answer->text, sizeof answer->text, "%s%s%s%s%s%s", message_text(reply, "why", ""),
             *rule ? "; " : "", rule, wait_ms > 0 ? " (for " : "",
             wait_ms > 0 ? units_format_time(wait_ms, time) : "", wait_ms > 0 ? ")" : "");
    answer->why = answer->text;
}

static void tell(struct explaining *explaining, const struct inventory_entry *entry, const char *label,
                 const char *db, const char *table, const struct answer *answer)
{
    if (!explaining->cli->is_json) {
        printf("%s\n    %s%s%s: %s\n", label, answer->way, *answer->to ? " -> " : "", answer->to,
               answer->why);
        return;
    }
    struct jsonline line;
    jsonline_begin(&line);
    jsonline_text(&line, "file", label);
    jsonline_text(&line, "queue", spool_queue_name(entry->folder->queue));
    jsonline_text(&line, "db", db);
    jsonline_text(&line, "table", table);
    jsonline_text(&line, "way", answer->way);
    jsonline_text(&line, "to", answer->to);
    jsonline_text(&line, "rule", answer->rule);
    jsonline_text(&line, "why", answer->why);
    jsonline_end(&line);
}

static int explain_one(void *arg, int fd, const char *label, const struct inventory_entry *entry)
{
    struct explaining *explaining = arg;
    char db[NAME_FILE_MAX_BYTES + 1];
    struct segment_name name = {0};
    struct answer answer = {.way = "stays", .to = "", .rule = ""};
    struct err err;
    (void)fd;
    if (!entry)
        return 0;
    inventory_db(entry->folder, db);
    answer.why = fixed(entry->folder->queue);
    json_t *reply = NULL;
    if (!answer.why && inventory_read_name(entry->file, &name) == INVENTORY_OTHER) {
        answer.why = "its name is not that of a segment: it is left alone";
    } else if (!answer.why) {
        reply = ask(explaining, entry, db, &err);
        if (reply)
            from_peerd(reply, &answer);
        else
            answer.why = err.text;
    }
    tell(explaining, entry, label, db, name.table, &answer);
    explaining->shown++;
    json_decref(reply);
    return 0;
}

int cmd_explain(struct cli *cli)
{
    static const struct selection_rules rules = {.queues = INVENTORY_ALL_QUEUES};
    struct explaining explaining = {.cli = cli};
    struct err err;
    uint64_t gone = 0;
    int rc = selection_visit_all(cli, &rules, explain_one, &explaining, &gone, &err);
    if (rc)
        return cli_fail(rc == -EINVAL ? EXIT_USAGE : EXIT_TROUBLE, "%s", err.text);
    return explaining.shown ? EXIT_DONE : EXIT_DAMAGED;
}
