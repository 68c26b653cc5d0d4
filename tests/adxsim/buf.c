#include "tests/adxsim/buf.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>

static void *must(void *memory)
{
    if (!memory) {
        fputs("adxsim: out of memory\n", stderr);
        _exit(111);
    }
    return memory;
}

void *mem_alloc(size_t size)
{
    return must(calloc(1, size ? size : 1));
}

char *mem_strndup(const char *text, size_t len)
{
    char *copy = mem_alloc(len + 1);

    if (len)
        memcpy(copy, text, len);
    return copy;
}

char *mem_strdup(const char *text)
{
    return mem_strndup(text, strlen(text));
}

void buf_init(struct buf *buf, size_t max_bytes)
{
    *buf = (struct buf){.max = max_bytes};
}

void buf_fini(struct buf *buf)
{
    free(buf->data);
    *buf = (struct buf){.max = buf->max};
}

void buf_clear(struct buf *buf)
{
    buf->len = 0;
    if (buf->data)
        buf->data[0] = '\0';
}

int buf_append(struct buf *buf, const void *data, size_t len)
{
    if (len > buf->max || buf->len > buf->max - len)
        return -E2BIG;
    if (buf->len + len + 1 > buf->cap) {
        size_t cap = buf->cap ? buf->cap * 2 : 256;
        while (cap < buf->len + len + 1)
            cap *= 2;
        buf->data = must(realloc(buf->data, cap));
        buf->cap = cap;
    }
    if (len)
        memcpy(buf->data + buf->len, data, len);
    buf->len += len;
    buf->data[buf->len] = '\0';
    return 0;
}

void buf_puts(struct buf *buf, const char *text)
{
    int rc = buf_append(buf, text, strlen(text));

    assert(rc == 0);
    (void)rc;
}

void buf_putc(struct buf *buf, char c)
{
    int rc = buf_append(buf, &c, 1);

    assert(rc == 0);
    (void)rc;
}

void buf_printf(struct buf *buf, const char *format, ...)
{
    va_list args;
    char *text = NULL;

    va_start(args, format);
    if (vasprintf(&text, format, args) < 0)
        text = NULL;
    va_end(args);
    buf_puts(buf, must(text));
    free(text);
}

const char *buf_text(const struct buf *buf)
{
    return buf->data ? buf->data : "";
}
