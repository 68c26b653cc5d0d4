#include <errno.h>
#include <strings.h>

#include "common/base/units.h"
#include "common/conf/conf.h"

enum { W = CONF_W, G = CONF_G, P = CONF_P, U = CONF_U, S = CONF_S, ALL = CONF_ALL };

static const struct conf_key keys[] = {
#define KEY(id, name, type, programs, fallback, argument, allowed, help) \
    {name, TYPE_##type, programs, fallback, argument, allowed, help},
#include "common/conf/keys.def"
#undef KEY
};

const struct conf_key *conf_key(enum conf_id id)
{
    return &keys[id];
}

/* The place of `word` among "a|b|c", or -1. */
static int64_t choice_index(const char *choices, const char *word)
{
    size_t len = strlen(word);
    int64_t index = 0;
    for (const char *at = choices;; index++) {
        size_t n = strcspn(at, "|");
        if (n == len && strncmp(at, word, n) == 0)
            return index;
        if (!at[n])
            return -1;
        at += n + 1;
    }
}

static int parse_bool(const char *text, int64_t *number)
{
    static const char *const yes[] = {"yes", "true", "on", "1"}, *const no[] = {"no", "false", "off", "0"};
    for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
        if (strcasecmp(text, yes[i]) == 0 || strcasecmp(text, no[i]) == 0) {
            *number = strcasecmp(text, yes[i]) == 0;
            return 0;
        }
    }
    return -EINVAL;
}

static int parse_number(enum conf_type type, const char *text, int64_t *number)
{
    if (type == TYPE_SIZE)
        return units_parse_size(text, number);
    return type == TYPE_TIME ? units_parse_time(text, number) : units_parse_count(text, number);
}

/* Is it within "least..most"? The bounds are of our own making: they parse. */
static bool is_within(const struct conf_key *key, int64_t number)
{
    if (!key->allowed)
        return true;
    char least[32];
    snprintf(least, sizeof least, "%s", key->allowed);
    char *dots = strstr(least, "..");
    *dots = '\0';
    int64_t low = 0, high = 0;
    if (parse_number(key->type, least, &low) || parse_number(key->type, dots + 2, &high))
        return false;
    return low <= number && number <= high;
}

static const char *type_wants(enum conf_type type)
{
    switch (type) {
    case TYPE_FLAG:
    case TYPE_BOOL:
        return "yes or no";
    case TYPE_SIZE:
        return "a size such as 512K, 64M, 20G";
    case TYPE_TIME:
        return "a time such as 250ms, 30s, 5m, 1h";
    case TYPE_COUNT:
        return "a number";
    case TYPE_TEXT:
    case TYPE_PATH:
    case TYPE_LIST:
    case TYPE_CHOICE:
        break;
    }
    return "a value";
}

int conf_check_value(enum conf_id id, const char *text, int64_t *number, struct err *err)
{
    const struct conf_key *key = conf_key(id);
    int rc = 0;
    *number = 0;
    switch (key->type) {
    case TYPE_FLAG:
    case TYPE_BOOL:
        rc = parse_bool(text, number);
        break;
    case TYPE_SIZE:
    case TYPE_TIME:
    case TYPE_COUNT:
        rc = parse_number(key->type, text, number);
        if (rc == 0 && !is_within(key, *number))
            return err_set(err, -ERANGE, "%s: '%s' is out of range: wants %s from %s", key->name, text,
                           type_wants(key->type), key->allowed);
        break;
    case TYPE_CHOICE:
        *number = choice_index(key->allowed, text);
        if (*number < 0)
            return err_set(err, -EINVAL, "%s: '%s' is none of %s", key->name, text, key->allowed);
        break;
    case TYPE_TEXT:
    case TYPE_PATH:
    case TYPE_LIST:
        rc = *text ? 0 : -EINVAL;
        break;
    }
    return rc ? err_set(err, rc, "%s: '%s' is not what it takes: wants %s", key->name, text,
                        type_wants(key->type))
              : 0;
}
