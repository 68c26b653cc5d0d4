#include <jansson.h>

#include "common/base/exit.h"
#include "common/cli/command.h"

static void print_key(const struct conf *conf, enum conf_id id)
{
    const struct conf_key *key = conf_key(id);
    size_t count;
    char *const *values = conf_list(conf, id, &count);
    if (!count)
        printf("# %s =\n", key->name);
    for (size_t i = 0; i < count; i++)
        printf("%s = %s    # %s\n", key->name, values[i], conf_origin(conf, id));
}

static json_t *key_json(const struct conf *conf, enum conf_id id)
{
    size_t count;
    char *const *values = conf_list(conf, id, &count);
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, json_string(values[i]));
    return json_pack("{s:s, s:o, s:s}", "key", conf_key(id)->name, "values", list, "origin",
                     conf_origin(conf, id));
}

static int check_file(const char *path)
{
    struct err err;
    if (conf_check_file(path, &err))
        return cli_fail(EXIT_USAGE, "%s", err.text);
    printf("%s: good\n", path);
    return EXIT_DONE;
}

int cmd_conf(struct cli *cli)
{
    if (cli->word_count == 1)
        return check_file(cli->words[0]);
    if (cli->word_count > 1)
        return cli_fail(EXIT_USAGE, "conf: takes one file at most");
    for (size_t i = 0; i < CONF_KEYS; i++) {
        if (!cli->is_json) {
            print_key(cli->conf, (enum conf_id)i);
            continue;
        }
        json_t *line = key_json(cli->conf, (enum conf_id)i);
        char *text = line ? json_dumps(line, JSON_COMPACT) : NULL;
        json_decref(line);
        if (!text)
            return cli_fail(EXIT_TROUBLE, "out of memory");
        puts(text);
        free(text);
    }
    return EXIT_DONE;
}
