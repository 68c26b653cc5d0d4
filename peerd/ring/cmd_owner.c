/* spillway owner DB TABLE [SCHEMA]: who owns a table's segments, and why. peerd is asked; when it is down,
 * the answer comes from the configuration, as if everybody were present. */
#include <errno.h>

#include "common/base/exit.h"
#include "common/cli/command.h"
#include "common/control/client.h"
#include "common/control/message.h"
#include "common/segment/name.h"
#include "peerd/ring/view_json.h"
#include "peerd/settings.h"

enum { ANSWER_MS = 5000 };

struct owner_words {
    const char *db, *table;
    char schema[SCHEMA_HASH_TEXT_BYTES]; /* the hash, or "-" */
};

/* A schema is given as its text or as its hash. */
static int read_schema(const char *word, char hash[static SCHEMA_HASH_TEXT_BYTES], struct err *err)
{
    struct schema schema;
    char why[SCHEMA_ERROR_BYTES];
    if (strchr(word, ':')) {
        if (schema_parse(word, &schema, why) != 0)
            return err_set(err, -EINVAL, "%s", why);
        schema_hash_text(schema_hash(&schema), hash);
        schema_fini(&schema);
        return 0;
    }
    size_t bytes = strlen(word);
    if (bytes == 0 || bytes >= SCHEMA_HASH_TEXT_BYTES ||
        (strcmp(word, "-") != 0 && strspn(word, "0123456789abcdefghijklmnopqrstuvwxyz") != bytes))
        return err_set(err, -EINVAL,
                       "schema '%.40s': give its text, 'Col:type,...', or its hash as in file names, or -",
                       word);
    snprintf(hash, SCHEMA_HASH_TEXT_BYTES, "%s", word);
    return 0;
}

static int check_name(const char *what, const char *name, struct err *err)
{
    enum name_status status = name_check(name, strlen(name));
    return status == NAME_OK ? 0
                             : err_set(err, -EINVAL, "%s '%.100s': %s", what, name, name_status_text(status));
}

static int read_words(const struct cli *cli, struct owner_words *words, struct err *err)
{
    if (cli->word_count < 2 || cli->word_count > 3)
        return err_set(err, -EINVAL, "owner: of what? give DB TABLE [SCHEMA]");
    *words = (struct owner_words){.db = cli->words[0], .table = cli->words[1], .schema = "-"};
    int rc = check_name("database", words->db, err);
    if (rc == 0)
        rc = check_name("table", words->table, err);
    if (rc == 0 && cli->word_count == 3)
        rc = read_schema(cli->words[2], words->schema, err);
    return rc;
}

/* --- without peerd ---------------------------------------------------------------------------------- */

static int compare(const void *left, const void *right)
{
    const struct view_member *a = left, *b = right;
    return strcmp(a->name, b->name);
}

/* Everybody who is listed, as if all were present. */
static struct view *view_of_conf(const struct peer_list *list, const char *own_name)
{
    size_t count = 1;
    for (size_t i = 0; i < list->count; i++)
        count += strcmp(list->peers[i].name, own_name) != 0;
    struct view *view = view_new(count);
    if (!view)
        return NULL;
    struct view_member *member = view->members;
    snprintf(member->name, sizeof member->name, "%s", own_name);
    member->is_self = true;
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->peers[i].name, own_name) == 0)
            continue;
        member++;
        snprintf(member->name, sizeof member->name, "%s", list->peers[i].name);
        snprintf(member->url, sizeof member->url, "%s", list->peers[i].url);
    }
    qsort(view->members, count, sizeof view->members[0], compare);
    for (size_t i = 0; i < count; i++) {
        view->members[i].is_present = true;
        if (view->members[i].is_self)
            view->self = i;
    }
    return view;
}

static int answer_from_conf(const struct cli *cli, const struct owner_words *words, json_t **answer,
                            struct err *err)
{
    struct peer_list list;
    struct peer_settings settings = {0};
    int rc = peer_list_init(&list, cli->conf, err);
    if (rc == 0 && conf_text(cli->conf, CONF_PEERS_DNS))
        rc =
            err_set(err, -EAGAIN,
                    "peerd does not run on this spool, and only it knows the members that --peers-dns finds");
    if (rc == 0)
        rc = peer_settings_name(&settings, cli->conf, NULL, err);
    if (rc == 0) {
        struct view *view = view_of_conf(&list, settings.name);
        *answer = view ? view_owner_json(view, words->db, words->table, words->schema) : NULL;
        view_unref(view);
        rc = *answer ? json_object_set_new(*answer, "presence", json_string("unknown")) : -1;
        if (rc)
            rc = err_set(err, -ENOMEM, "out of memory");
    }
    peer_list_fini(&list);
    return rc;
}

/* --- with it ---------------------------------------------------------------------------------------- */

static int answer_from_peerd(struct cli *cli, const struct owner_words *words, json_t **answer,
                             struct err *err)
{
    json_t *request = message_request("owner");
    if (!request)
        return err_set(err, -ENOMEM, "out of memory");
    json_object_set_new(request, "db", json_string(words->db));
    json_object_set_new(request, "table", json_string(words->table));
    json_object_set_new(request, "schema", json_string(words->schema));
    int rc = ctl_ask_once(&cli->spool, "peerd", request, ANSWER_MS, answer, err);
    json_decref(request);
    if (rc == 0)
        json_object_set_new(*answer, "presence", json_string("known"));
    return rc;
}

/* --- telling ---------------------------------------------------------------------------------------- */

static void print_ranking(const json_t *answer, bool is_known)
{
    size_t i;
    json_t *place;
    const char *owner = message_text(answer, "owner", "");
    json_array_foreach (json_object_get(answer, "ranking"), i, place) {
        const char *name = message_text(place, "name", "");
        bool is_present = json_is_true(json_object_get(place, "present"));
        printf("%3zu  %-20s  %s  %s%s\n", i + 1, name, message_text(place, "weight", ""),
               !is_known    ? ""
               : is_present ? "present"
                            : message_text(place, "trouble", "away"),
               strcmp(name, owner) == 0 ? "  <- owner" : "");
    }
}

static void print_answer(const json_t *answer)
{
    bool is_known = strcmp(message_text(answer, "presence", ""), "known") == 0;
    const char *url = message_text(answer, "url", "");
    printf("%s owns %s/%s%s%s%s\n", message_text(answer, "owner", ""), message_text(answer, "db", ""),
           message_text(answer, "table", ""),
           json_is_true(json_object_get(answer, "self")) ? " (ourselves)" : "", *url ? " at " : "", url);
    if (!is_known)
        puts("peerd does not run: this is from the configuration, as if every member were present");
    else if (!json_is_true(json_object_get(answer, "settled")))
        puts("peerd has just begun and has not heard of every member yet");
    printf("\nthe highest xxHash64 of \"%s\" followed by the name, of the members that are present:\n\n",
           message_text(answer, "key", ""));
    print_ranking(answer, is_known);
    if (strcmp(message_text(answer, "schema", "-"), "-") == 0)
        puts(
            "\n(segments with a schema: give it, or its hash, which is the second part of their file names)");
}

int cmd_owner(struct cli *cli)
{
    struct owner_words words = {0};
    struct err err;
    json_t *answer = NULL;
    int code = EXIT_DONE;
    if (read_words(cli, &words, &err) != 0)
        return cli_fail(EXIT_USAGE, "%s", err.text);
    int rc = answer_from_peerd(cli, &words, &answer, &err);
    if (rc == -ENOENT)
        rc = answer_from_conf(cli, &words, &answer, &err);
    if (rc) {
        code = cli_fail(rc == -EINVAL ? EXIT_USAGE : EXIT_AGAIN, "%s", err.text);
    } else if (cli->is_json) {
        char *text = json_dumps(answer, JSON_COMPACT);
        code = text && puts(text) >= 0 ? EXIT_DONE : EXIT_TROUBLE;
        free(text);
    } else {
        print_answer(answer);
    }
    json_decref(answer);
    return code;
}
