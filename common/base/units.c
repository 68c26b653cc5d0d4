#include "common/base/units.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>

struct unit {
    const char *name;
    double factor;
};

static const struct unit size_units[] = {
    {"", 1},
    {"B", 1},
    {"K", 1024.0},
    {"M", 1048576.0},
    {"G", 1073741824.0},
    {"T", 1099511627776.0},
    {"KiB", 1024.0},
    {"MiB", 1048576.0},
    {"GiB", 1073741824.0},
    {"TiB", 1099511627776.0},
    {NULL, 0},
};

static const struct unit time_units[] = {
    {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}, {NULL, 0},
};

/* Digits, with at most one point; no sign, no exponent, no inf, as strtod would take. */
static const char *number_end(const char *text)
{
    const char *end = text;
    while (isdigit((unsigned char)*end))
        end++;
    if (*end == '.' && end > text && isdigit((unsigned char)end[1]))
        for (end++; isdigit((unsigned char)*end);)
            end++;
    return end;
}

static int parse(const char *text, const struct unit *units, int64_t *value)
{
    const char *suffix = number_end(text);
    if (suffix == text)
        return -EINVAL;
    double number = strtod(text, NULL);
    for (const struct unit *unit = units; unit->name; unit++) {
        if (strcasecmp(unit->name, suffix) != 0)
            continue;
        double scaled = floor(number * unit->factor + 0.5);
        if (scaled >= 9.2e18)
            return -ERANGE;
        *value = (int64_t)scaled;
        return 0;
    }
    return -EINVAL;
}

int units_parse_size(const char *text, int64_t *bytes)
{
    return parse(text, size_units, bytes);
}

int units_parse_time(const char *text, int64_t *ms)
{
    if (strcmp(text, "0") == 0) {
        *ms = 0;
        return 0;
    }
    return parse(text, time_units, ms);
}

int units_parse_count(const char *text, int64_t *count)
{
    if (!isdigit((unsigned char)*text))
        return -EINVAL;
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno)
        return -ERANGE;
    if (*end)
        return -EINVAL;
    *count = value;
    return 0;
}

struct step {
    double limit, divisor;
    const char *format;
};

static const char *format(double value, const struct step *steps, char *text)
{
    while (fabs(value) >= steps->limit)
        steps++;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(text, UNITS_TEXT_BYTES, steps->format, value / steps->divisor);
#pragma GCC diagnostic pop
    return text;
}

const char *units_format_size(int64_t bytes, char text[static UNITS_TEXT_BYTES])
{
    static const struct step steps[] = {
        {1024.0, 1, "%.0f B"},
        {1048576.0, 1024.0, "%.1f KiB"},
        {1073741824.0, 1048576.0, "%.1f MiB"},
        {1099511627776.0, 1073741824.0, "%.1f GiB"},
        {INFINITY, 1099511627776.0, "%.1f TiB"},
    };
    return format((double)bytes, steps, text);
}

const char *units_format_time(int64_t ms, char text[static UNITS_TEXT_BYTES])
{
    static const struct step steps[] = {
        {1000.0, 1, "%.0f ms"},           {120000.0, 1000.0, "%.1f s"},
        {7200000.0, 60000.0, "%.1f min"}, {172800000.0, 3600000.0, "%.1f h"},
        {INFINITY, 86400000.0, "%.1f d"},
    };
    return format((double)ms, steps, text);
}
