#include "tests/adxsim/storage.h"

#include <errno.h>

#include "tests/adxsim/base64.h"
#include "tests/adxsim/sas.h"

enum { OWNER_LIFETIME_S = 7 * 86400, URL_MAX = 8192, KEY_MAX = 256 };

const char *service_name(enum service service)
{
    static const char *const names[] = {
        [SERVICE_BLOB] = "blob", [SERVICE_QUEUE] = "queue", [SERVICE_TABLE] = "table"};

    return names[service];
}

/* Up to the next comma, which is skipped; NULL for nothing. The caller frees. */
static char *take_part(const char **at)
{
    size_t len = strcspn(*at, ",");
    char *part = len ? mem_strndup(*at, len) : NULL;

    *at += len + ((*at)[len] ? 1 : 0);
    return part;
}

static bool is_url(const char *text)
{
    return text && (strncmp(text, "http://", 7) == 0 || strncmp(text, "https://", 8) == 0) &&
           text[strlen(text) - 1] != '/';
}

int storage_add(struct storage *storage, const char *text, const char **reason)
{
    struct account *account = &storage->accounts[storage->naccounts];

    if (storage->naccounts == ACCOUNTS_MAX) {
        *reason = "too many accounts";
        return -EINVAL;
    }
    storage->naccounts++;
    account->name = take_part(&text);
    char *key = take_part(&text);
    buf_init(&account->key, KEY_MAX);
    for (unsigned i = 0; i < SERVICES; i++) {
        account->urls[i] = take_part(&text);
        account->public[i] = account->urls[i] ? mem_strdup(account->urls[i]) : NULL;
    }
    *reason = NULL;
    if (!account->name || !key || *text)
        *reason = "it must be NAME,KEY,BLOB-URL,QUEUE-URL[,TABLE-URL]";
    else if (base64_decode(key, strlen(key), &account->key) < 0)
        *reason = "the key is not base64";
    else if (!is_url(account->urls[SERVICE_BLOB]) || !is_url(account->urls[SERVICE_QUEUE]) ||
             (account->urls[SERVICE_TABLE] && !is_url(account->urls[SERVICE_TABLE])))
        *reason = "a URL does not start with http:// or https://, or ends with a slash";
    free(key);
    return *reason ? -EINVAL : 0;
}

void storage_fini(struct storage *storage)
{
    for (size_t i = 0; i < storage->naccounts; i++) {
        struct account *account = &storage->accounts[i];
        free(account->name);
        buf_fini(&account->key);
        for (unsigned s = 0; s < SERVICES; s++) {
            free(account->urls[s]);
            free(account->public[s]);
        }
    }
    free(storage->cluster);
    *storage = (struct storage){0};
}

static void describe(const struct storage *storage, const struct account *account, enum service service,
                     const char *type, const char *permissions, const char *name, struct resource *out)
{
    *out =
        (struct resource){.type = type, .account = account, .service = service, .permissions = permissions};
    (void)snprintf(out->name, sizeof out->name, "%s%s", service == SERVICE_TABLE ? "" : storage->cluster,
                   name);
}

/* In every account: its containers, then its input queue; then, in the first one, what is there once. A real
 * cluster's answer mixes them likewise. */
bool storage_resource(const struct storage *storage, size_t i, struct resource *out)
{
    enum { PER_ACCOUNT = CONTAINERS_PER_ACCOUNT + 1 };
    size_t common = storage->naccounts * PER_ACCOUNT;
    const struct account *first = &storage->accounts[0];
    char name[32];

    if (i < common) {
        const struct account *account = &storage->accounts[i / PER_ACCOUNT];
        if (i % PER_ACCOUNT == CONTAINERS_PER_ACCOUNT) {
            describe(storage, account, SERVICE_QUEUE, "SecuredReadyForAggregationQueue", "a",
                     "-readyforaggregation", out);
        } else {
            (void)snprintf(name, sizeof name, "-ingestdata-%zu", i % PER_ACCOUNT);
            describe(storage, account, SERVICE_BLOB, "TempStorage", "racwdl", name, out);
        }
        return true;
    }
    if (!storage->naccounts)
        return false;
    switch (i - common) {
    case 0:
        describe(storage, first, SERVICE_QUEUE, "FailedIngestionsQueue", "rp", "-failed-ingestions", out);
        return true;
    case 1:
        describe(storage, first, SERVICE_QUEUE, "SuccessfulIngestionsQueue", "rp", "-successful-ingestions",
                 out);
        return true;
    case 2:
        describe(storage, first, SERVICE_TABLE, "IngestionsStatusTable", "rau", "ingestionsstatus", out);
        return first->urls[SERVICE_TABLE] != NULL;
    default:
        return false;
    }
}

void storage_client_url(const struct resource *resource, long lifetime_s, struct buf *out)
{
    static const enum sas_kind kinds[] = {
        [SERVICE_BLOB] = SAS_CONTAINER, [SERVICE_QUEUE] = SAS_QUEUE, [SERVICE_TABLE] = SAS_TABLE};
    const struct sas sas = {.kind = kinds[resource->service],
                            .account = resource->account->name,
                            .key = &resource->account->key,
                            .name = resource->name,
                            .permissions = resource->permissions,
                            .lifetime_s = lifetime_s};

    buf_printf(out, "%s/%s?", resource->account->public[resource->service], resource -> name);
    sas_write(&sas, out);
}

void storage_owner_url(const struct resource *resource, struct buf *out)
{
    const struct sas sas = {.kind = SAS_ACCOUNT,
                            .account = resource->account->name,
                            .key = &resource->account->key,
                            .permissions = "rwdlacup",
                            .lifetime_s = OWNER_LIFETIME_S};

    buf_printf(out, "%s/%s?", resource->account->urls[resource->service], resource->name);
    sas_write(&sas, out);
}

/* PUT .../container?restype=container, PUT .../queue, POST .../Tables: made, or there already (409, 204). */
static int make_resource(const struct resource *resource, struct client *client)
{
    static const char *const json[] = {"Content-Type: application/json",
                                       "Accept: application/json;odata=nometadata", NULL};
    struct client_request request = {.method = "PUT"};
    struct client_response response;
    struct buf url, body;

    buf_init(&url, URL_MAX);
    buf_init(&body, URL_MAX);
    if (resource->service == SERVICE_TABLE) {
        struct resource tables = *resource;
        (void)snprintf(tables.name, sizeof tables.name, "Tables");
        storage_owner_url(&tables, &url);
        buf_printf(&body, "{\"TableName\":\"%s\"}", resource->name);
        request.method = "POST";
        request.headers = json;
        request.body = body.data;
        request.len = body.len;
    } else {
        storage_owner_url(resource, &url);
        if (resource->service == SERVICE_BLOB)
            buf_puts(&url, "&restype=container");
    }
    request.url = url.data;
    int rc = client_perform(client, &request, &response);
    bool good = response.status == 201 || response.status == 204 || response.status == 409;
    if (rc == 0 && !good)
        rc = -EACCES;
    if (rc < 0)
        fprintf(stderr, "error storage-prepare account=%s %s=%s status=%d cause=\"%s\" answer=\"%.200s\"\n",
                resource->account->name, service_name(resource->service), resource->name, response.status,
                strerror(-rc), buf_text(&response.body));
    client_response_fini(&response);
    buf_fini(&url);
    buf_fini(&body);
    return rc;
}

int storage_prepare(const struct storage *storage, struct client *client)
{
    struct resource resource;
    int rc = 0;

    for (size_t i = 0; rc == 0 && storage_resource(storage, i, &resource); i++)
        rc = make_resource(&resource, client);
    return rc;
}
