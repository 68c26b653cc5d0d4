#include "tests/adxsim/queue.h"

#include <errno.h>
#include <stdarg.h>

#include "tests/adxsim/base64.h"

enum { URL_MAX = 8192, ANSWER_MAX = 8 << 20, TEXT_MAX = 64 << 10 };

/* "https://host/queue?sas" with a path and arguments put in. The caller ends url. */
PRINTF(4, 5)
static void make_url(struct buf *url, const char *queue, const char *path, const char *format, ...)
{
    size_t len = strcspn(queue, "?");
    char arguments[2048];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(arguments, sizeof arguments, format, args);
    va_end(args);
    buf_init(url, URL_MAX);
    buf_printf(url, "%.*s/messages%s?%s&%s", (int)len, queue, path, arguments, queue + len + 1);
}

static int perform(struct client *client, const struct client_request *request, int expected,
                   struct client_response *response)
{
    int rc = client_perform(client, request, response);

    if (rc == 0 && response->status != expected)
        rc = response->status == 404 ? -ENOENT : -EACCES;
    if (rc < 0)
        client_response_fini(response);
    return rc;
}

/* The text of the first <name> in [at, end), entities decoded; "" when absent. The caller frees. */
static char *element(const char *at, const char *end, const char *name)
{
    static const struct {
        const char *entity;
        char c;
    } entities[] = {{"&lt;", '<'}, {"&gt;", '>'}, {"&amp;", '&'}, {"&quot;", '"'}, {"&apos;", '\''}};
    char open[40], close[40];

    (void)snprintf(open, sizeof open, "<%s>", name);
    (void)snprintf(close, sizeof close, "</%s>", name);
    const char *from = memmem(at, (size_t)(end - at), open, strlen(open));
    const char *to = from ? memmem(from, (size_t)(end - from), close, strlen(close)) : NULL;
    if (!to)
        return mem_strdup("");
    from += strlen(open);
    char *text = mem_alloc((size_t)(to - from) + 1);
    size_t n = 0;
    while (from < to) {
        size_t i = 0;
        while (i < ARRAY_LEN(entities) && strncmp(from, entities[i].entity, strlen(entities[i].entity)) != 0)
            i++;
        text[n++] = i < ARRAY_LEN(entities) ? entities[i].c : *from;
        from += i < ARRAY_LEN(entities) ? strlen(entities[i].entity) : 1;
    }
    return text;
}

static int parse_messages(const struct buf *xml, struct queue_message *messages)
{
    static const char open[] = "<QueueMessage>", close[] = "</QueueMessage>";
    const char *at = buf_text(xml), *end;
    int n = 0;

    while (n < QUEUE_TAKE_MAX && (at = strstr(at, open)) != NULL && (end = strstr(at, close)) != NULL) {
        char *count = element(at, end, "DequeueCount");
        messages[n++] = (struct queue_message){.id = element(at, end, "MessageId"),
                                               .pop_receipt = element(at, end, "PopReceipt"),
                                               .text = element(at, end, "MessageText"),
                                               .dequeue_count = (int)strtol(count, NULL, 10)};
        free(count);
        at = end;
    }
    return n;
}

int queue_take(struct client *client, const char *url, long hidden_s,
               struct queue_message messages[static QUEUE_TAKE_MAX])
{
    struct client_response response;
    struct buf full;

    make_url(&full, url, "", "numofmessages=%d&visibilitytimeout=%ld", QUEUE_TAKE_MAX, hidden_s);
    const struct client_request request = {.method = "GET", .url = full.data, .response_max = ANSWER_MAX};
    int rc = perform(client, &request, 200, &response);
    if (rc == 0) {
        rc = parse_messages(&response.body, messages);
        client_response_fini(&response);
    }
    buf_fini(&full);
    return rc;
}

void queue_message_fini(struct queue_message *message)
{
    free(message->id);
    free(message->pop_receipt);
    free(message->text);
    *message = (struct queue_message){0};
}

/* A pop receipt is base64: its plus, slash and padding would mean something else in a query. */
static char *encode(const char *text)
{
    char *out = mem_alloc(strlen(text) * 3 + 1), *at = out;

    for (; *text; text++) {
        if (strchr("+/=& %#?", *text))
            at += snprintf(at, 4, "%%%02X", (unsigned)(unsigned char)*text);
        else
            *at++ = *text;
    }
    return out;
}

static int change(struct client *client, const char *url, const struct queue_message *message,
                  const char *method, const char *arguments)
{
    struct client_response response;
    struct buf full;
    char *receipt = encode(message->pop_receipt), path[80];

    (void)snprintf(path, sizeof path, "/%s", message->id);
    make_url(&full, url, path, "popreceipt=%s%s", receipt, arguments);
    const struct client_request request = {.method = method, .url = full.data};
    int rc = perform(client, &request, 204, &response);
    if (rc == 0)
        client_response_fini(&response);
    buf_fini(&full);
    free(receipt);
    return rc;
}

int queue_delete(struct client *client, const char *url, const struct queue_message *message)
{
    return change(client, url, message, "DELETE", "");
}

int queue_release(struct client *client, const char *url, const struct queue_message *message, long hidden_s)
{
    char arguments[40];

    (void)snprintf(arguments, sizeof arguments, "&visibilitytimeout=%ld", hidden_s);
    return change(client, url, message, "PUT", arguments);
}

int queue_post(struct client *client, const char *url, const char *text, size_t len)
{
    static const char *const headers[] = {"Content-Type: application/xml", NULL};
    struct client_response response;
    struct buf full, body;

    make_url(&full, url, "", "messagettl=604800");
    buf_init(&body, TEXT_MAX + 200);
    buf_puts(&body, "<QueueMessage><MessageText>");
    base64_encode(text, len < TEXT_MAX / 2 ? len : TEXT_MAX / 2, &body);
    buf_puts(&body, "</MessageText></QueueMessage>");
    const struct client_request request = {
        .method = "POST", .url = full.data, .headers = headers, .body = body.data, .len = body.len};
    int rc = perform(client, &request, 201, &response);
    if (rc == 0)
        client_response_fini(&response);
    buf_fini(&full);
    buf_fini(&body);
    return rc;
}
