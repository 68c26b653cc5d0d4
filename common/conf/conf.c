#include "common/conf/conf.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>

#include "common/base/buf.h"
#include "common/base/file.h"
#include "common/conf/help.h"

enum { FILE_BYTES_MAX = 1 << 20, LIST_MAX = 4096 };

/* Where a value comes from, weakest first: a later one replaces an earlier one. */
enum source { FROM_DEFAULT, FROM_FILE, FROM_ENVIRONMENT, FROM_FLAG };

struct value {
    enum source source;
    char *origin;
    char **texts; /* one, or many for a LIST */
    size_t count;
    int64_t number;
};

struct conf {
    const struct conf_about *about; /* NULL when a file alone is checked */
    struct value values[CONF_KEYS];
    char **words;
    size_t word_count;
};

static void value_clear(struct value *value)
{
    for (size_t i = 0; i < value->count; i++)
        free(value->texts[i]);
    free(value->texts);
    free(value->origin);
    *value = (struct value){0};
}

void conf_free(struct conf *conf)
{
    if (!conf)
        return;
    for (size_t i = 0; i < CONF_KEYS; i++)
        value_clear(&conf->values[i]);
    free(conf->words);
    free(conf);
}

static bool is_key(const char *name, size_t len, enum conf_id *id)
{
    for (size_t i = 0; i < CONF_KEYS; i++) {
        if (strlen(conf_key((enum conf_id)i)->name) == len &&
            strncmp(conf_key((enum conf_id)i)->name, name, len) == 0) {
            *id = (enum conf_id)i;
            return true;
        }
    }
    return false;
}

/* Take one value from one source; what a weaker source said is forgotten, a LIST of the same source grows. */
static int take_value(struct conf *conf, enum conf_id id, const char *text, enum source source,
                      const char *origin, struct err *err)
{
    struct value *value = &conf->values[id];
    int64_t number;
    int rc = conf_check_value(id, text, &number, err);
    if (rc)
        return rc;
    if (value->count && value->source > source)
        return 0;
    if (value->count && (value->source < source || conf_key(id)->type != TYPE_LIST))
        value_clear(value);
    if (value->count >= LIST_MAX)
        return err_set(err, -E2BIG, "%s: given more than %d times", conf_key(id)->name, LIST_MAX);
    char **texts = realloc(value->texts, (value->count + 1) * sizeof *texts);
    if (!texts)
        return err_set(err, -ENOMEM, "%s: out of memory", conf_key(id)->name);
    value->texts = texts;
    char *copy = strdup(text), *from = strdup(origin);
    if (!copy || !from) {
        free(copy);
        free(from);
        return err_set(err, -ENOMEM, "%s: out of memory", conf_key(id)->name);
    }
    free(value->origin);
    texts[value->count++] = copy;
    value->origin = from;
    value->source = source;
    value->number = number;
    return 0;
}

static int load_defaults(struct conf *conf, struct err *err)
{
    for (size_t i = 0; i < CONF_KEYS; i++) {
        const char *fallback = conf_key((enum conf_id)i)->fallback;
        int rc = fallback ? take_value(conf, (enum conf_id)i, fallback, FROM_DEFAULT, "default", err) : 0;
        if (rc)
            return rc;
    }
    return 0;
}

static char *trim(char *text)
{
    while (isspace((unsigned char)*text))
        text++;
    size_t len = strlen(text);
    while (len && isspace((unsigned char)text[len - 1]))
        text[--len] = '\0';
    return text;
}

static int load_line(struct conf *conf, const char *path, unsigned number, char *line, struct err *err)
{
    char origin[600];
    snprintf(origin, sizeof origin, "%.500s:%u", path, number);
    line = trim(line);
    if (!*line || *line == '#')
        return 0;
    char *equals = strchr(line, '=');
    if (!equals)
        return err_set(err, -EINVAL, "%s: '%s' is not 'key = value'", origin, line);
    *equals = '\0';
    const char *name = trim(line), *text = trim(equals + 1);
    enum conf_id id;
    if (!is_key(name, strlen(name), &id))
        return err_set(err, -EINVAL, "%s: unknown key '%s': 'spillway conf' lists all there are", origin,
                       name);
    struct err why;
    int rc = take_value(conf, id, text, FROM_FILE, origin, &why);
    return rc ? err_set(err, rc, "%s: %s", origin, why.text) : 0;
}

static int load_file(struct conf *conf, const char *path, struct err *err)
{
    struct buf buf;
    buf_init(&buf, FILE_BYTES_MAX);
    int rc = file_read(AT_FDCWD, path, &buf);
    if (rc)
        err_errno(err, rc, "configuration file %s cannot be read", path);
    else if (buf.len && strlen(buf.data) != buf.len)
        rc = err_set(err, -EINVAL, "configuration file %s: holds a NUL byte: it is not a text file", path);
    unsigned number = 0;
    for (char *line = buf.data, *next; rc == 0 && line && *line; line = next) {
        size_t len = strcspn(line, "\n");
        next = line + len + (line[len] == '\n');
        line[len] = '\0';
        rc = load_line(conf, path, ++number, line, err);
    }
    buf_fini(&buf);
    return rc;
}

static void env_name(const char *key, char name[static 64])
{
    size_t used = (size_t)snprintf(name, 64, "SPILLWAY_%s", key);
    for (size_t i = 0; i < used; i++)
        name[i] = name[i] == '-' ? '_' : (char)toupper((unsigned char)name[i]);
}

/* A LIST in the environment is separated by white space. */
static int load_env_value(struct conf *conf, enum conf_id id, const char *variable, const char *text,
                          struct err *err)
{
    struct err why;
    int rc = 0;
    if (conf_key(id)->type != TYPE_LIST) {
        rc = take_value(conf, id, text, FROM_ENVIRONMENT, "environment", &why);
    } else {
        char *copy = strdup(text), *save = NULL;
        if (!copy)
            return err_set(err, -ENOMEM, "out of memory");
        for (char *word = strtok_r(copy, " \t\n", &save); word && rc == 0;
             word = strtok_r(NULL, " \t\n", &save))
            rc = take_value(conf, id, word, FROM_ENVIRONMENT, "environment", &why);
        free(copy);
    }
    return rc ? err_set(err, rc, "environment variable %s: %s", variable, why.text) : 0;
}

static int load_environment(struct conf *conf, struct err *err)
{
    for (size_t i = 0; i < CONF_KEYS; i++) {
        char variable[64];
        env_name(conf_key((enum conf_id)i)->name, variable);
        const char *text = getenv(variable);
        if (!text || !((conf_key((enum conf_id)i)->programs | CONF_S) & conf->about->bit))
            continue;
        int rc = load_env_value(conf, (enum conf_id)i, variable, text, err);
        if (rc)
            return rc;
    }
    return 0;
}

/* One argument of the command line, already without its dashes; `next` is the one after it. */
static int load_flag(struct conf *conf, const char *flag, char *next, bool *took_next, struct err *err)
{
    const char *program = conf->about->program;
    size_t len = strcspn(flag, "=");
    const char *text = flag[len] ? flag + len + 1 : NULL;
    enum conf_id id;
    *took_next = false;
    if (!is_key(flag, len, &id))
        return err_set(err, -EINVAL, "unknown flag --%.*s: see %s --help", (int)len, flag, program);
    if (!(conf_key(id)->programs & conf->about->bit))
        return err_set(err, -EINVAL, "--%.*s is not a flag of %s: see %s --help", (int)len, flag, program,
                       program);
    if (!text && conf_key(id)->type == TYPE_FLAG) {
        text = "yes";
    } else if (!text) {
        if (!next)
            return err_set(err, -EINVAL, "--%s wants a value: %s", flag, conf_key(id)->argument);
        text = next;
        *took_next = true;
    }
    struct err why;
    int rc = take_value(conf, id, text, FROM_FLAG, "flag", &why);
    return rc ? err_set(err, rc, "--%s", why.text) : 0;
}

struct asked {
    bool help, version, man, check;
    const char *config;
};

static bool is_asked(struct asked *asked, const char *flag)
{
    const struct {
        const char *flag;
        bool *asked;
    } words[] = {
        {"help", &asked->help}, {"version", &asked->version}, {"man", &asked->man}, {"check", &asked->check}};
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (strcmp(flag, words[i].flag) == 0)
            return *words[i].asked = true;
    return false;
}

static int load_arguments(struct conf *conf, int argc, char **argv, struct asked *asked, struct err *err)
{
    conf->words = calloc((size_t)argc + 1, sizeof *conf->words);
    if (!conf->words)
        return err_set(err, -ENOMEM, "out of memory");
    bool only_words = false;
    for (int i = 1; i < argc; i++) {
        char *argument = argv[i];
        bool took_next = false;
        int rc = 0;
        if (only_words || argument[0] != '-' || !argument[1])
            conf->words[conf->word_count++] = argument;
        else if (strcmp(argument, "--") == 0)
            only_words = true;
        else if (strcmp(argument, "-h") == 0)
            asked->help = true;
        else if (argument[1] != '-')
            rc = err_set(err, -EINVAL, "unknown flag %s: flags are words, see %s --help", argument,
                         conf->about->program);
        else if (strncmp(argument, "--config=", 9) == 0)
            asked->config = argument + 9;
        else if (strcmp(argument, "--config") == 0 && i + 1 < argc)
            asked->config = argv[++i];
        else if (!is_asked(asked, argument + 2))
            rc = load_flag(conf, argument + 2, argv[i + 1], &took_next, err);
        if (rc)
            return rc;
        i += took_next;
    }
    return 0;
}

static bool is_answered(const struct conf_about *about, const struct asked *asked)
{
    if (asked->help)
        conf_print_help(stdout, about);
    else if (asked->man)
        conf_print_man(stdout, about);
    else if (asked->version)
        printf("%s %s\n", about->program, SPILLWAY_VERSION);
    return asked->help || asked->man || asked->version;
}

int conf_load(struct conf **out, const struct conf_about *about, int argc, char **argv,
              enum conf_verdict *verdict, struct err *err)
{
    struct conf *conf = *out = calloc(1, sizeof *conf);
    *verdict = CONF_RUN;
    if (!conf)
        return err_set(err, -ENOMEM, "out of memory");
    conf->about = about;
    struct asked asked = {.config = getenv("SPILLWAY_CONFIG")};
    int rc = load_arguments(conf, argc, argv, &asked, err);
    if (is_answered(about, &asked)) {
        *verdict = CONF_EXIT;
        return 0;
    }
    if (rc == 0)
        rc = load_environment(conf, err);
    if (rc == 0 && asked.config)
        rc = load_file(conf, asked.config, err);
    if (rc == 0)
        rc = load_defaults(conf, err);
    if (rc == 0 && asked.check)
        *verdict = CONF_CHECK;
    return rc;
}

int conf_check_file(const char *path, struct err *err)
{
    struct conf *conf = calloc(1, sizeof *conf);
    if (!conf)
        return err_set(err, -ENOMEM, "out of memory");
    int rc = load_file(conf, path, err);
    conf_free(conf);
    return rc;
}

bool conf_is_set(const struct conf *conf, enum conf_id id)
{
    return conf->values[id].count && conf->values[id].source != FROM_DEFAULT;
}

const char *conf_text(const struct conf *conf, enum conf_id id)
{
    return conf->values[id].count ? conf->values[id].texts[0] : NULL;
}

int64_t conf_number(const struct conf *conf, enum conf_id id)
{
    assert(conf->values[id].count);
    return conf->values[id].number;
}

bool conf_flag(const struct conf *conf, enum conf_id id)
{
    return conf_number(conf, id) != 0;
}

char *const *conf_list(const struct conf *conf, enum conf_id id, size_t *count)
{
    *count = conf->values[id].count;
    return conf->values[id].texts;
}

static bool has_word(const char *list, const char *word)
{
    size_t bytes = strlen(word);
    for (const char *at = list; at; at = strchr(at, ',')) {
        at += *at == ',';
        at += strspn(at, " ");
        size_t there = strcspn(at, ",");
        while (there > 0 && at[there - 1] == ' ')
            there--;
        if (there == bytes && memcmp(at, word, bytes) == 0)
            return true;
    }
    return false;
}

bool conf_words_have(char *const *texts, size_t count, const char *word)
{
    for (size_t i = 0; i < count; i++)
        if (has_word(texts[i], word))
            return true;
    return false;
}

char *const *conf_words(const struct conf *conf, size_t *count)
{
    *count = conf->word_count;
    return conf->words;
}

const char *conf_origin(const struct conf *conf, enum conf_id id)
{
    return conf->values[id].count ? conf->values[id].origin : "not set";
}

int conf_require(const struct conf *conf, const enum conf_id *ids, struct err *err)
{
    for (; *ids != CONF_KEYS; ids++)
        if (!conf->values[*ids].count)
            return err_set(err, -EINVAL, "--%s %s is needed: see %s --help", conf_key(*ids)->name,
                           conf_key(*ids)->argument, conf->about->program);
    return 0;
}
