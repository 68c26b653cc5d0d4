#include "tests/adxsim/mgmt.h"

#include <errno.h>

#include "tests/adxsim/settings.h"

enum { WORDS_MAX = 4 };

struct command {
    const char *words[WORDS_MAX + 1];
    int (*run)(struct mgmt *mgmt);
    bool needs_database;
    bool dm; /* of the data-management host: the engine refuses it, and that one refuses all others */
    bool both;
};

/* Longer phrases before their beginnings. */
static const struct command commands[] = {
    {.words = {".get", "ingestion", "resources"}, .run = mgmt_get_resources, .dm = true},
    {.words = {".get", "kusto", "identity", "token"}, .run = mgmt_get_identity, .dm = true},
    {.words = {".show", "version"}, .run = mgmt_show_version, .both = true},
    {.words = {".show", "cluster", "details"}, .run = mgmt_show_cluster},
    {.words = {".show", "cluster"}, .run = mgmt_show_cluster},
    {.words = {".show", "databases"}, .run = mgmt_show_databases},
    {.words = {".show", "ingestion", "failures"}, .run = mgmt_show_failures},
    {.words = {".show", "tables"}, .run = mgmt_show_tables, .needs_database = true},
    {.words = {".show", "table"}, .run = mgmt_show_table, .needs_database = true},
    {.words = {".show", "database"}, .run = mgmt_show_database},
    {.words = {".create-merge", "table"}, .run = mgmt_create_merge_table, .needs_database = true},
    {.words = {".create", "table"}, .run = mgmt_create_table, .needs_database = true},
    {.words = {".create-or-alter", "table"}, .run = mgmt_create_or_alter, .needs_database = true},
    {.words = {".alter", "table"}, .run = mgmt_alter_table, .needs_database = true},
    {.words = {".alter-merge", "table"}, .run = mgmt_alter_table, .needs_database = true},
    {.words = {".drop", "table"}, .run = mgmt_drop_table, .needs_database = true},
    {.words = {".clear", "table"}, .run = mgmt_clear_table, .needs_database = true},
    {.words = {".ingest", "inline", "into", "table"}, .run = mgmt_ingest_inline, .needs_database = true},
};

int mgmt_syntax(struct mgmt *mgmt, const char *wanted)
{
    const struct csl *csl = mgmt->csl;
    const char near[2] = {csl->punct, '\0'};
    const char *at = csl->kind == CSL_PUNCT  ? near
                     : csl->kind == CSL_END  ? "<EOF>"
                     : csl->kind == CSL_BAD  ? "(a token that cannot be read)"
                     : csl->kind == CSL_DATA ? "<|"
                                             : buf_text(&csl->text);

    return error_set(mgmt->error, ERROR_SYNTAX,
                     "Syntax error: A recognition error occurred near '%.80s': %s was expected", at, wanted);
}

int mgmt_expect_word(struct mgmt *mgmt, const char *word)
{
    return csl_accept_word(mgmt->csl, word) ? 0 : mgmt_syntax(mgmt, word);
}

int mgmt_expect_punct(struct mgmt *mgmt, char c)
{
    return csl_accept_punct(mgmt->csl, c) ? 0 : mgmt_syntax(mgmt, (char[]){c, '\0'});
}

int mgmt_expect_end(struct mgmt *mgmt)
{
    return mgmt->csl->kind == CSL_END ? 0 : mgmt_syntax(mgmt, "the end of the command");
}

int mgmt_take_name(struct mgmt *mgmt, char **name)
{
    return csl_take_name(mgmt->csl, name) ? 0 : mgmt_syntax(mgmt, "a name");
}

int mgmt_io(struct mgmt *mgmt, int rc)
{
    if (rc == 0 || rc == -EPROTO)
        return rc;
    return error_set(mgmt->error, ERROR_INTERNAL, "The store failed; see adxsim's standard error");
}

int mgmt_take_table(struct mgmt *mgmt, struct table *table)
{
    char *name;
    int rc = mgmt_take_name(mgmt, &name);

    *table = (struct table){0};
    if (rc < 0)
        return rc;
    rc = store_find_table(mgmt->store, mgmt->database, name, table);
    if (rc == -ENOENT)
        rc =
            error_set(mgmt->error, ERROR_TABLE_NOT_EXIST,
                      "Entity ID '%s' of kind 'Table' was not found in database '%s'.", name, mgmt->database);
    free(name);
    return mgmt_io(mgmt, rc);
}

/* One property after its name: a string, a name, true, 5. */
static int take_property_value(struct mgmt *mgmt, char **value)
{
    if (csl_take_name_or_string(mgmt->csl, value))
        return 0;
    if (mgmt->csl->kind != CSL_NUMBER)
        return mgmt_syntax(mgmt, "a value");
    *value = mem_strdup(mgmt->csl->text.data);
    csl_next(mgmt->csl);
    return 0;
}

static int take_property(struct mgmt *mgmt, const char *const *names, char **values)
{
    char *name, *value;
    size_t i = 0;
    int rc = mgmt_take_name(mgmt, &name);

    if (rc < 0)
        return rc;
    while (names[i] && strcmp(names[i], name) != 0)
        i++;
    if (!names[i])
        rc = error_set(mgmt->error, ERROR_PROPERTY, "Property '%.80s' is not known", name);
    free(name);
    if (rc < 0 || (rc = mgmt_expect_punct(mgmt, '=')) < 0 || (rc = take_property_value(mgmt, &value)) < 0)
        return rc;
    free(values[i]);
    values[i] = value;
    return 0;
}

int mgmt_take_properties(struct mgmt *mgmt, const char *const *names, char **values)
{
    int rc;

    if (!csl_accept_word(mgmt->csl, "with"))
        return 0;
    if ((rc = mgmt_expect_punct(mgmt, '(')) < 0)
        return rc;
    do
        if ((rc = take_property(mgmt, names, values)) < 0)
            return rc;
    while (csl_accept_punct(mgmt->csl, ','));
    return mgmt_expect_punct(mgmt, ')');
}

/* The command of the host whose words the text begins with; csl is then after them. */
static const struct command *match(struct csl *csl, enum host host, const char *text, size_t len)
{
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        size_t word = 0;
        if (!commands[i].both && commands[i].dm != (host == HOST_DM))
            continue;
        csl_init(csl, text, len);
        while (commands[i].words[word] && csl_accept_word(csl, commands[i].words[word]))
            word++;
        if (!commands[i].words[word])
            return &commands[i];
        csl_fini(csl);
    }
    csl_init(csl, text, len);
    return NULL;
}

static int check_database(struct mgmt *mgmt)
{
    if (store_has_database(mgmt->store, mgmt->database))
        return 0;
    return mgmt_no_database(mgmt->sim, mgmt->database, mgmt->error);
}

int mgmt_no_database(const struct sim *sim, const char *name, struct sim_error *error)
{
    bool old = settings_get(sim->settings, SETTING_DATABASE_MISSING) == 400;

    return error_set(error, old ? ERROR_DATABASE_NOT_EXIST : ERROR_DATABASE_NOT_FOUND,
                     "Entity ID '%.200s' of kind 'Database' was not found.", name);
}

int mgmt_run(const struct sim *sim, enum host host, const char *database, const char *text, size_t len,
             const char *request_id, struct result *result, struct sim_error *error)
{
    struct csl csl;
    struct mgmt mgmt = {.sim = sim,
                        .store = sim->store,
                        .host = host,
                        .database = database ? database : SIM_DEFAULT_DATABASE,
                        .request_id = request_id,
                        .csl = &csl,
                        .result = result,
                        .error = error};
    const struct command *command = match(&csl, host, text, len);
    int rc = 0;

    if (!command || !command->dm)
        store_lock(sim->store);
    if (!command)
        rc = mgmt_syntax(&mgmt, host == HOST_DM ? "a command of data management"
                                                : "a command that the engine knows");
    else if (command->needs_database)
        rc = check_database(&mgmt);
    if (rc == 0 && command)
        rc = command->run(&mgmt);
    if (!command || !command->dm)
        store_unlock(sim->store);
    if (rc == 0)
        rc = result_pipe(result, &csl, error);
    csl_fini(&csl);
    return rc;
}
