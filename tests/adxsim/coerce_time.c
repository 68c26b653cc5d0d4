/* datetime and timespan as text: read strictly, written in one form. */
#include "tests/adxsim/coerce.h"

#include <ctype.h>

enum { FRACTION_DIGITS = 7 }; /* a Kusto tick is 100 ns */

struct scan {
    const char *at;
    const char *end;
};

static bool take(struct scan *s, char c)
{
    if (s->at == s->end || *s->at != c)
        return false;
    s->at++;
    return true;
}

/* min to max digits. */
static bool take_digits(struct scan *s, int min, int max, int *out)
{
    int n = 0, value = 0;

    for (; n < max && s->at < s->end && isdigit((unsigned char)*s->at); n++)
        value = value * 10 + (*s->at++ - '0');
    *out = value;
    return n >= min;
}

/* ".digits": those that Kusto keeps are copied, the rest only read. */
static bool take_fraction(struct scan *s, char kept[FRACTION_DIGITS + 1])
{
    int n = 0;

    for (; s->at < s->end && isdigit((unsigned char)*s->at); s->at++, n++)
        if (n < FRACTION_DIGITS)
            kept[n] = *s->at;
    kept[n < FRACTION_DIGITS ? n : FRACTION_DIGITS] = '\0';
    return n > 0;
}

static int days_in(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return days[month - 1] + (month == 2 && leap ? 1 : 0);
}

struct civil {
    int year, month, day, hour, minute, second;
    char fraction[FRACTION_DIGITS + 1];
};

static bool take_date(struct scan *s, struct civil *c)
{
    return take_digits(s, 4, 4, &c->year) && take(s, '-') && take_digits(s, 2, 2, &c->month) &&
           take(s, '-') && take_digits(s, 2, 2, &c->day) && c->year >= 1 && c->month >= 1 && c->month <= 12 &&
           c->day >= 1 && c->day <= days_in(c->year, c->month);
}

static bool take_clock(struct scan *s, struct civil *c)
{
    if (!take_digits(s, 2, 2, &c->hour) || !take(s, ':') || !take_digits(s, 2, 2, &c->minute))
        return false;
    if (take(s, ':')) {
        if (!take_digits(s, 2, 2, &c->second))
            return false;
        if (take(s, '.') && !take_fraction(s, c->fraction))
            return false;
    }
    return c->hour <= 23 && c->minute <= 59 && c->second <= 59;
}

/* Z, nothing (UTC is meant) or +hh:mm. */
static bool take_offset(struct scan *s, int *minutes)
{
    int hour, minute, sign;

    *minutes = 0;
    if (s->at == s->end || take(s, 'Z') || take(s, 'z'))
        return s->at == s->end;
    sign = *s->at == '-' ? -1 : 1;
    if (!take(s, '+') && !take(s, '-'))
        return false;
    if (!take_digits(s, 2, 2, &hour) || !take(s, ':') || !take_digits(s, 2, 2, &minute) || hour > 14 ||
        minute > 59)
        return false;
    *minutes = sign * (hour * 60 + minute);
    return s->at == s->end;
}

/* To UTC, across midnight at most once each way. False past either end of the calendar. */
static bool shift(struct civil *c, int offset_minutes)
{
    int minutes = c->hour * 60 + c->minute - offset_minutes;
    int days = minutes < 0 ? -1 : minutes >= 24 * 60 ? 1 : 0;

    minutes -= days * 24 * 60;
    c->hour = minutes / 60;
    c->minute = minutes % 60;
    c->day += days;
    if (c->day == 0) {
        c->month = c->month == 1 ? 12 : c->month - 1;
        c->year -= c->month == 12 ? 1 : 0;
        if (c->year == 0)
            return false;
        c->day = days_in(c->year, c->month);
    } else if (c->day > days_in(c->year, c->month)) {
        c->day = 1;
        c->month = c->month == 12 ? 1 : c->month + 1;
        c->year += c->month == 1 ? 1 : 0;
    }
    return c->year <= 9999;
}

size_t coerce_datetime(const char *text, size_t len, char out[static 48])
{
    struct scan s = {text, text + len};
    struct civil c = {0};
    int offset = 0;

    if (!take_date(&s, &c))
        return 0;
    if (s.at < s.end) {
        if (!take(&s, 'T') && !take(&s, 't') && !take(&s, ' '))
            return 0;
        if (!take_clock(&s, &c) || !take_offset(&s, &offset))
            return 0;
    }
    if (offset && !shift(&c, offset))
        return 0;
    int n = snprintf(out, 48, "%04d-%02d-%02dT%02d:%02d:%02d%s%sZ", c.year, c.month, c.day, c.hour, c.minute,
                     c.second, c.fraction[0] ? "." : "", c.fraction);
    return n > 0 ? (size_t)n : 0;
}

size_t coerce_timespan(const char *text, size_t len, char out[static 48])
{
    struct scan s = {text, text + len};
    char fraction[FRACTION_DIGITS + 1] = "", days_text[16] = "";
    int days = 0, hour, minute, second = 0;
    bool negative = take(&s, '-');

    if (!take_digits(&s, 1, 8, &hour))
        return 0;
    if (take(&s, '.')) {
        days = hour;
        if (!take_digits(&s, 1, 2, &hour))
            return 0;
    }
    if (!take(&s, ':') || !take_digits(&s, 1, 2, &minute))
        return 0;
    if (take(&s, ':')) {
        if (!take_digits(&s, 1, 2, &second))
            return 0;
        if (take(&s, '.') && !take_fraction(&s, fraction))
            return 0;
    }
    if (s.at != s.end || hour > 23 || minute > 59 || second > 59)
        return 0;
    if (days)
        (void)snprintf(days_text, sizeof days_text, "%d.", days);
    int n = snprintf(out, 48, "%s%s%02d:%02d:%02d%s%s", negative ? "-" : "", days_text, hour, minute, second,
                     fraction[0] ? "." : "", fraction);
    return n > 0 ? (size_t)n : 0;
}
