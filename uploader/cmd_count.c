/* spillway count: how many rows of a table ADX has. The endpoint is asked, nobody's memory. */
#include <errno.h>
#include <inttypes.h>

#include "common/base/exit.h"
#include "common/cli/command.h"
#include "common/cli/inventory.h"
#include "uploader/adx/http.h"
#include "uploader/adx/kql.h"
#include "uploader/adx/trust.h"
#include "uploader/token/token.h"

enum { TABLES_MAX = 100000 };

struct counting {
    struct cli *cli;
    struct http http;
    struct target target;
    struct tokens *tokens;
    struct trust trust;
    struct buf token;
    struct err err;
};

static int find_target(struct counting *counting, const char *db)
{
    size_t count;
    char *const *texts = conf_list(counting->cli->conf, CONF_DATABASE, &count);
    for (size_t i = 0; i < count; i++) {
        int rc = target_parse(texts[i], &counting->target, &counting->err);
        if (rc)
            return rc;
        if (strcmp(counting->target.db, db) != 0)
            continue;
        if (counting->target.kind == TARGET_ADX)
            return 0;
        return err_set(&counting->err, -EINVAL, "%s goes to a directory: zcat %s/%s/TABLE/*.gz | wc -l", db,
                       counting->target.place, counting->target.folder);
    }
    return err_set(&counting->err, -EINVAL,
                   "where is %s? give --database %s=URL, or the programs' --config FILE", db, db);
}

static int start_tokens(struct counting *counting)
{
    const struct conf *conf = counting->cli->conf;
    struct token_options options;
    int rc = token_options_read(&options, conf, &counting->err);
    counting->trust.hosts = conf_list(conf, CONF_TRUSTED_HOST, &counting->trust.count);
    if (rc == 0 && !(counting->tokens = tokens_new(&options, NULL)))
        rc = err_set(&counting->err, -ENOMEM, "out of memory");
    return rc;
}

static int take_token(struct counting *counting)
{
    struct outcome outcome;
    counting->target.may_get_token = trust_endpoint(&counting->trust, counting->target.place);
    return tokens_take(counting->tokens, &counting->target, &counting->token, &outcome)
               ? 0
               : err_set(&counting->err, -EIO, "%s: %s", counting->target.place, outcome.text);
}

/* Ask; `*rows` is the first table's rows of the answer, the caller's. */
static int ask(struct counting *counting, const char *endpoint, const struct buf *csl, json_t **rows)
{
    char url[HTTP_URL_BYTES];
    snprintf(url, sizeof url, "%s/v1/rest/%s", counting->target.place, endpoint);
    struct buf text;
    buf_init(&text, HTTP_ANSWER_MAX);
    json_t *body = json_pack("{s:s, s:s}", "db", counting->target.db, "csl", csl->data);
    char *dump = body ? json_dumps(body, JSON_COMPACT) : NULL;
    int rc = dump ? buf_puts(&text, dump) : -ENOMEM;
    free(dump);
    json_decref(body);
    struct outcome outcome = {.verdict = VERDICT_RETRY, .text = "out of memory"};
    if (rc == 0) {
        const struct http_request request = {
            .target = &counting->target,
            .what = endpoint,
            .url = url,
            .text = &text,
            .token = counting->token.len ? counting->token.data : NULL,
            .timeout_ms = conf_number(counting->cli->conf, CONF_REQUEST_TIMEOUT),
        };
        http_send(&counting->http, &request, &outcome);
    }
    buf_fini(&text);
    if (outcome.verdict != VERDICT_SUCCESS)
        return err_set(&counting->err, -EIO, "%s: %s: %s", counting->target.place,
                       verdict_word(outcome.verdict), outcome.text);
    json_t *answer = json_loadb(counting->http.answer.data, counting->http.answer.len, 0, NULL);
    *rows = json_incref(json_object_get(json_array_get(json_object_get(answer, "Tables"), 0), "Rows"));
    json_decref(answer);
    return *rows
               ? 0
               : err_set(&counting->err, -EPROTO, "%s: its answer is not understood", counting->target.place);
}

static int count_table(struct counting *counting, const char *table)
{
    struct buf csl;
    json_t *rows = NULL;
    buf_init(&csl, HTTP_ANSWER_MAX);
    int rc = kql_put_name(&csl, table);
    if (rc == 0)
        rc = buf_puts(&csl, " | count");
    if (rc == 0)
        rc = ask(counting, "query", &csl, &rows);
    buf_fini(&csl);
    if (rc)
        return rc;
    json_int_t count = json_integer_value(json_array_get(json_array_get(rows, 0), 0));
    if (counting->cli->is_json) {
        json_t *line = json_pack("{s:s, s:s, s:I}", "db", counting->target.db, "table", table, "rows", count);
        char *text = line ? json_dumps(line, JSON_COMPACT) : NULL;
        puts(text ? text : "");
        free(text);
        json_decref(line);
    } else {
        printf("%12" JSON_INTEGER_FORMAT "  %s/%s\n", count, counting->target.db, table);
    }
    json_decref(rows);
    return 0;
}

static int count_all_tables(struct counting *counting)
{
    struct buf csl;
    json_t *rows = NULL, *row;
    size_t i;
    buf_init(&csl, 256);
    int rc = buf_puts(&csl, ".show tables | project TableName");
    if (rc == 0)
        rc = ask(counting, "mgmt", &csl, &rows);
    buf_fini(&csl);
    json_array_foreach (rows, i, row) {
        const char *table = json_string_value(json_array_get(row, 0));
        if (rc || i >= TABLES_MAX)
            break;
        if (table)
            rc = count_table(counting, table);
    }
    json_decref(rows);
    return rc;
}

static int count_word(struct counting *counting, const char *word)
{
    struct inventory_words words;
    int rc = inventory_parse(word, &words, &counting->err);
    if (rc == 0)
        rc = find_target(counting, words.db);
    if (rc == 0)
        rc = take_token(counting);
    if (rc == 0)
        rc = words.filter.table ? count_table(counting, words.table) : count_all_tables(counting);
    return rc;
}

int cmd_count(struct cli *cli)
{
    struct counting counting = {.cli = cli};
    if (!cli->word_count)
        return cli_fail(EXIT_USAGE, "count: of what? give DB or DB/TABLE");
    buf_init(&counting.token, HTTP_TOKEN_MAX);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    int rc = start_tokens(&counting);
    for (size_t i = 0; rc == 0 && i < cli->word_count; i++)
        rc = count_word(&counting, cli->words[i]);
    http_fini(&counting.http);
    tokens_free(counting.tokens);
    token_wipe(&counting.token);
    curl_global_cleanup();
    return rc ? cli_fail(rc == -EINVAL ? EXIT_USAGE : EXIT_AGAIN, "%s", counting.err.text) : EXIT_DONE;
}
