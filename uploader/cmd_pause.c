/* spillway pause, resume, probe: an operator's word to the uploader that runs on this spool, about some
 * databases or all.
 */
#include <errno.h>

#include "common/base/exit.h"
#include "common/cli/command.h"
#include "common/control/client.h"
#include "common/control/message.h"

enum { ANSWER_MS = 5000 };

static int print_json(const json_t *reply)
{
    char *text = json_dumps(reply, JSON_COMPACT);
    int rc = text ? puts(text) : -1;
    free(text);
    return rc < 0 ? EXIT_TROUBLE : EXIT_DONE;
}

static int fail(const char *op, const char *db, int rc, const struct err *err)
{
    if (rc == -ENOENT)
        return cli_fail(EXIT_AGAIN, "%s: uploader does not run on this spool: start it", op);
    return cli_fail(rc == -EREMOTEIO ? EXIT_USAGE : EXIT_AGAIN, "%s%s%s: %s", op, db ? " " : "", db ? db : "",
                    err->text);
}

/* `db` NULL: all of them. */
static int order(struct cli *cli, const char *op, const char *done, const char *db)
{
    json_t *request = message_request(op), *reply = NULL, *name;
    struct err err;
    size_t i;
    if (db)
        json_object_set_new(request, "db", json_string(db));
    int rc = request ? ctl_ask_once(&cli->spool, "uploader", request, ANSWER_MS, &reply, &err)
                     : err_set(&err, -ENOMEM, "out of memory");
    int code = rc ? fail(op, db, rc, &err) : cli->is_json ? print_json(reply) : EXIT_DONE;
    if (rc == 0 && !cli->is_json)
        json_array_foreach (json_object_get(reply, "databases"), i, name)
            printf("%s  %s\n", json_string_value(name), done);
    json_decref(request);
    json_decref(reply);
    return code;
}

static int order_all(struct cli *cli, const char *op, const char *done)
{
    int code = cli->word_count == 0 ? order(cli, op, done, NULL) : EXIT_DONE;
    for (size_t i = 0; i < cli->word_count; i++) {
        int one = order(cli, op, done, cli->words[i]);
        code = code ? code : one;
    }
    return code;
}

int cmd_pause(struct cli *cli)
{
    return order_all(
        cli, "pause",
        "paused: nothing new of it is sent until `spillway resume`, or until uploader starts anew");
}

int cmd_resume(struct cli *cli)
{
    return order_all(cli, "resume", "resumed");
}

int cmd_probe(struct cli *cli)
{
    return order_all(cli, "probe", "is asked now; what waits of it is tried now");
}
