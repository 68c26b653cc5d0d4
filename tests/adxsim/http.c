#include "tests/adxsim/http.h"

#include <ctype.h>
#include <strings.h>

static int hex(char c)
{
    return isdigit((unsigned char)c) ? c - '0' : isxdigit((unsigned char)c) ? (c | 0x20) - 'a' + 10 : -1;
}

char *http_decode(const char *text, size_t len, bool plus_is_blank)
{
    char *out = mem_alloc(len + 1);
    size_t n = 0;

    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (c == '+' && plus_is_blank) {
            c = ' ';
        } else if (c == '%') {
            int high = len - i > 2 ? hex(text[i + 1]) : -1;
            int low = high >= 0 ? hex(text[i + 2]) : -1;
            if (high < 0 || low < 0 || (high == 0 && low == 0)) {
                free(out);
                return NULL;
            }
            c = (char)(high * 16 + low);
            i += 2;
        }
        out[n++] = c;
    }
    return out;
}

char *http_argument(const struct request *request, const char *name)
{
    const char *at = request->query;

    while (*at) {
        size_t len = strcspn(at, "&"), key = strcspn(at, "=&");
        if (key == strlen(name) && strncasecmp(at, name, key) == 0)
            return key < len ? http_decode(at + key + 1, len - key - 1, true) : mem_strdup("");
        at += len + (at[len] ? 1 : 0);
    }
    return NULL;
}

char *http_header(const struct request *request, const char *name)
{
    size_t len = strlen(name);

    for (const char *at = buf_text(&request->headers); *at;) {
        size_t line = strcspn(at, "\n");
        if (line > len && at[len] == ':' && strncasecmp(at, name, len) == 0)
            return mem_strndup(at + len + 2, line - len - 2);
        at += line + (at[line] ? 1 : 0);
    }
    return NULL;
}

void reply_json_text(struct reply *reply, int status, const char *text)
{
    reply->status = status;
    reply->content_type = "application/json; charset=utf-8";
    buf_clear(&reply->body);
    buf_puts(&reply->body, text);
}

void reply_empty(struct reply *reply, int status)
{
    reply->status = status;
    reply->content_type = NULL;
    buf_clear(&reply->body);
}
