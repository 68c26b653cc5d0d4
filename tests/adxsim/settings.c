#include "tests/adxsim/settings.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

struct known {
    const char *name;
    long long initial;
    long long min;
    long long max;
};

static const struct known known[SETTINGS] = {
    [SETTING_SAS_S] = {"sas-seconds", 86400, -31536000, 31536000},
    [SETTING_IDENTITY_S] = {"identity-seconds", 7200, 0, 31536000},
    [SETTING_TOKEN_S] = {"token-seconds", 3599, 0, 31536000},
    [SETTING_BATCH_MS] = {"batch-ms", 1000, 0, 1800000},
    [SETTING_BATCH_COUNT] = {"batch-count", 500, 1, 25000},
    [SETTING_BATCH_BYTES] = {"batch-bytes", 1LL << 30, 1, 1LL << 40},
    [SETTING_HIDDEN_S] = {"hidden-seconds", 15, 1, 86400},
    [SETTING_RETRIES] = {"retries", 5, 1, 1000},
    [SETTING_PAUSED] = {"paused", 0, 0, 1},
    [SETTING_DATABASE_MISSING] = {"database-missing", 404, 400, 404},
    [SETTING_STREAMING] = {"streaming", 1, 0, 1},
};

void settings_init(struct settings *settings)
{
    for (unsigned i = 0; i < SETTINGS; i++)
        atomic_init(&settings->values[i], known[i].initial);
}

long long settings_get(const struct settings *settings, enum setting setting)
{
    return atomic_load(&settings->values[setting]);
}

static const struct known *find(const char *name, size_t len)
{
    for (unsigned i = 0; i < SETTINGS; i++)
        if (strlen(known[i].name) == len && memcmp(known[i].name, name, len) == 0)
            return &known[i];
    return NULL;
}

static bool is_valid(const struct known *setting, long long value)
{
    bool either = setting != &known[SETTING_DATABASE_MISSING] || value == 400 || value == 404;

    return value >= setting->min && value <= setting->max && either;
}

int settings_parse(struct settings *settings, const char *text)
{
    size_t len = strcspn(text, "=");
    const struct known *setting = find(text, len);
    char *end;

    if (!setting || !text[len] || !text[len + 1])
        return -EINVAL;
    errno = 0;
    long long value = strtoll(text + len + 1, &end, 10);
    if (errno || *end || !is_valid(setting, value))
        return -EINVAL;
    atomic_store(&settings->values[setting - known], value);
    return 0;
}

int settings_set_json(struct settings *settings, const json_t *object)
{
    json_t *copy = (json_t *)(uintptr_t)object, *value;
    const char *name;

    if (!json_is_object(object))
        return -EINVAL;
    json_object_foreach (copy, name, value) {
        const struct known *setting = find(name, strlen(name));
        if (!setting || !json_is_integer(value) || !is_valid(setting, json_integer_value(value)))
            return -EINVAL;
    }
    json_object_foreach (copy, name, value)
        atomic_store(&settings->values[find(name, strlen(name)) - known], json_integer_value(value));
    return 0;
}

json_t *settings_json(const struct settings *settings)
{
    json_t *object = json_object();

    for (unsigned i = 0; i < SETTINGS; i++)
        json_object_set_new(object, known[i].name, json_integer(settings_get(settings, (enum setting)i)));
    return object;
}
