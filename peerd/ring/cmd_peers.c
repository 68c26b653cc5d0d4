/* spillway peers: the members of the ring as peerd sees them, each with its last word. */
#include <errno.h>

#include "common/base/clock.h"
#include "common/base/exit.h"
#include "common/base/units.h"
#include "common/cli/command.h"
#include "common/control/client.h"
#include "common/control/message.h"

enum { ANSWER_MS = 5000 };

static int print_json(const json_t *json)
{
    char *text = json_dumps(json, JSON_COMPACT);
    int code = text && puts(text) >= 0 ? EXIT_DONE : EXIT_TROUBLE;
    free(text);
    return code;
}

static void print_databases(const json_t *member)
{
    const char *db;
    json_t *database, *databases = json_object_get(member, "databases");
    bool is_first = true;
    json_object_foreach (databases, db, database) {
        const char *health = message_text(database, "health", "up");
        bool is_failover = json_is_true(json_object_get(database, "failover"));
        if (strcmp(health, "up") == 0 && !is_failover)
            continue;
        printf("%s%s %s%s", is_first ? "  " : ", ", db, health, is_failover ? " (failover)" : "");
        is_first = false;
    }
}

static void print_member(const json_t *member)
{
    char since[UNITS_TEXT_BYTES], used[UNITS_TEXT_BYTES];
    bool is_self = json_is_true(json_object_get(member, "self"));
    bool is_present = json_is_true(json_object_get(member, "present"));
    const json_t *disk = json_object_get(member, "disk");
    const char *name = message_text(member, "name", ""), *words = message_text(member, "words", "");
    const char *trouble = message_text(member, "trouble", "");
    int64_t since_ms = wall_now_ms() - message_number(member, "since", 0);
    printf("%-20s  %-9s  %9s  %11s  %-8s  %s", *name ? name : "?",
           is_self      ? "ourselves"
           : is_present ? "present"
                        : trouble,
           units_format_time(since_ms > 0 ? since_ms : 0, since),
           disk ? units_format_size(message_number(disk, "used", 0), used) : "",
           disk ? message_text(disk, "pressure", "") : "", message_text(member, "url", ""));
    print_databases(member);
    putchar('\n');
    if (!is_self && *words)
        printf("%-20s  %s%s\n", "", is_present ? "last failure: " : "", words);
}

static void print_table(const json_t *reply)
{
    size_t i;
    json_t *member, *dns = json_object_get(reply, "dns");
    printf("%-20s  %-9s  %9s  %11s  %-8s  %s\n", "MEMBER", "STATE", "SINCE", "DISK USED", "PRESSURE",
           "URL, AND TROUBLE WITH DATABASES");
    json_array_foreach (json_object_get(reply, "peers"), i, member)
        print_member(member);
    printf(
        "\n%lld of %lld members present, view %lld%s\n", (long long)message_number(reply, "present", 0),
        (long long)message_number(reply, "members", 0), (long long)message_number(reply, "view_version", 0),
        json_is_true(json_object_get(reply, "settled")) ? ""
                                                        : ", not settled yet: peers are still being asked");
    const char *words = message_text(dns, "words", "");
    if (*words)
        printf("DNS: the list is that of before, for the last look-up failed: %s\n", words);
}

int cmd_peers(struct cli *cli)
{
    json_t *reply = NULL, *request = message_request("peers");
    struct err err;
    int rc = request ? ctl_ask_once(&cli->spool, "peerd", request, ANSWER_MS, &reply, &err)
                     : err_set(&err, -ENOMEM, "out of memory");
    int code = EXIT_DONE;
    if (rc)
        code = cli_fail(EXIT_AGAIN, "%s: only a running peerd knows its peers; spillway owner works without",
                        err.text);
    else if (cli->is_json)
        code = print_json(reply);
    else
        print_table(reply);
    json_decref(request);
    json_decref(reply);
    return code;
}
