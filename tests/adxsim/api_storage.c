/* The port before one service of a storage account: what comes is passed on as it is, and what the storage
 * answers, back; so that storage has faults, too. Chunked bodies stay chunked, and nothing is added: Azurite
 * sees what the client sent, and refuses what it would refuse. */
#include <errno.h>
#include <strings.h>

#include "tests/adxsim/api.h"
#include "tests/adxsim/client.h"
#include "tests/adxsim/fault.h"
#include "tests/adxsim/reply.h"
#include "tests/adxsim/site.h"

enum { FORWARDED_MAX = 64 };

/* Of the connection, not of the request. */
static bool is_own(const char *line)
{
    static const char *const names[] = {
        "Host:", "Connection:", "Keep-Alive:", "Content-Length:", "Expect:", "Date:"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strncasecmp(line, names[i], strlen(names[i])) == 0)
            return true;
    return false;
}

/* Each "Name: value\n" of text as a string of its own; the NULL-terminated list points into the copy, which
 * is changed for it. */
static void split(char *copy, const char *lines[static FORWARDED_MAX + 1])
{
    size_t n = 0;

    for (char *at = copy; *at && n < FORWARDED_MAX;) {
        size_t len = strcspn(at, "\n");
        char *next = at[len] ? at + len + 1 : at + len;
        at[len] = '\0';
        if (!is_own(at))
            lines[n++] = at;
        at = next;
    }
    lines[n] = NULL;
}

/* The account's URL ends in /ACCOUNT, and so begins the path of a request. */
static char *target(const struct site *site, const struct request *request)
{
    const char *url = site->account->urls[site->service];
    size_t base = strlen(url) - strlen(site->account->name) - 1;
    char *full;

    if (asprintf(&full, "%.*s%s%s%s", (int)base, url, request->path, *request->query ? "?" : "",
                 request->query) < 0)
        abort();
    return full;
}

static void take_answer(struct reply *reply, struct client_response *response)
{
    const char *lines[FORWARDED_MAX + 1];
    char *copy = mem_strdup(buf_text(&response->headers));

    split(copy, lines);
    for (size_t i = 0; lines[i]; i++)
        if (strncasecmp(lines[i], "Transfer-Encoding:", 18) != 0)
            buf_printf(&reply->headers, "%s\n", lines[i]);
    free(copy);
    reply->status = response->status;
    buf_fini(&reply->body);
    reply->body = response->body;
    buf_init(&response->body, 0);
}

static void forward(const struct sim *sim, struct request *request, struct reply *reply)
{
    const char *lines[FORWARDED_MAX + 1];
    char *copy = mem_strdup(buf_text(&request->headers)), *url = target(request->site, request);
    struct client *client = client_new(sim->stop_fd);
    struct client_response response;

    split(copy, lines);
    const struct client_request onward = {.method = request->method,
                                          .url = url,
                                          .headers = lines,
                                          .body = request->body.len ? request->body.data : NULL,
                                          .len = request->body.len,
                                          .response_max = STORAGE_BODY_MAX};
    if (client_perform(client, &onward, &response) == 0)
        take_answer(reply, &response);
    else
        reply->end = REPLY_DROP; /* no storage there: as if it had broken the connection itself */
    client_response_fini(&response);
    client_free(client);
    free(url);
    free(copy);
}

void api_storage(const struct sim *sim, struct request *request, struct reply *reply)
{
    const struct site *site = request->site;
    const struct fault_subject subject = {
        .endpoint = service_name(site->service), .account = site->account->name, .method = request->method};
    struct fault fault;

    fault_take(sim->faults, &subject, &fault);
    if (fault_before(sim, &fault, request, reply))
        return;
    forward(sim, request, reply);
    fault_after(&fault, request, reply);
}
