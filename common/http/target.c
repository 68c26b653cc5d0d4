#include "common/http/target.h"

#include <string.h>

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

bool http_decode(char *text, bool plus_is_space)
{
    char *to = text;
    for (const char *from = text; *from; from++) {
        char c = *from;
        if (c == '%') {
            int high = hex_digit(from[1]), low = high < 0 ? -1 : hex_digit(from[2]);
            if (low < 0 || high + low == 0)
                return false;
            c = (char)(high << 4 | low);
            from += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        *to++ = c;
    }
    *to = '\0';
    return true;
}

/* `pair` is name=value, encoded. */
static enum http_query_status take_pair(char *pair, const char *const *names, size_t count,
                                        const char **values)
{
    char *value = strchr(pair, '=');
    if (value)
        *value++ = '\0';
    for (size_t i = 0; i < count; i++) {
        if (strcmp(pair, names[i]) != 0)
            continue;
        if (values[i])
            return HTTP_QUERY_TWICE;
        if (!value || !http_decode(value, true))
            return HTTP_QUERY_ENCODED;
        values[i] = value;
        return HTTP_QUERY_OK;
    }
    return HTTP_QUERY_UNKNOWN;
}

enum http_query_status http_query_take(char *query, const char *const *names, size_t count, bool take_unknown,
                                       const char **values, const char **which)
{
    char *rest = query;
    for (size_t i = 0; i < count; i++)
        values[i] = NULL;
    while (rest && *rest) {
        char *pair = strsep(&rest, "&");
        enum http_query_status status = *pair ? take_pair(pair, names, count, values) : HTTP_QUERY_OK;
        if (status == HTTP_QUERY_OK || (status == HTTP_QUERY_UNKNOWN && take_unknown))
            continue;
        *which = pair;
        return status;
    }
    return HTTP_QUERY_OK;
}
