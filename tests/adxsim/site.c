#include "tests/adxsim/site.h"

#include <errno.h>
#include <fcntl.h>

enum { PEM_MAX = 256 << 10 };

static char *read_pem(const char *path)
{
    char *text = mem_alloc(PEM_MAX);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, PEM_MAX - 1);

    if (n < 0)
        die("cannot read %s: %s", path, strerror(errno));
    close(fd);
    return text;
}

static struct site *open_site(struct sites *sites, enum host host, const char *address)
{
    struct site *site = &sites->sites[sites->nsites++];
    const char *scheme = sites->cert && host != HOST_IMDS ? "https" : "http";
    uint16_t port;
    char name[64];

    site->host = host;
    int rc = server_listen(address, &site->fd, &port, name);
    if (rc == -EINVAL)
        options_wrong("'%s' is not HOST:PORT with a loopback HOST (127.0.0.1, [::1], localhost)", address);
    if (rc < 0)
        die("cannot listen on %s: %s", address, strerror(-rc));
    (void)snprintf(site->url, sizeof site->url, "%s://%s:%u", scheme, name, port);
    return site;
}

/* --- in front of storage ---------------------------------------------------------------------------- */

static char *ports_path(const char *data)
{
    char *path;

    if (asprintf(&path, "%s/ports", data) < 0)
        abort();
    return path;
}

/* The port that it had the last time, 0 if there was none: addresses that were lent outlive a restart. */
static unsigned last_port(const char *data, const struct account *account, enum service service)
{
    char *path = ports_path(data), name[64], kind[16];
    FILE *file = fopen(path, "re");
    unsigned port, found = 0;

    while (file && fscanf(file, "%63s %15s %u", name, kind, &port) == 3)
        if (strcmp(name, account->name) == 0 && strcmp(kind, service_name(service)) == 0)
            found = port;
    if (file)
        (void)fclose(file);
    free(path);
    return found;
}

void sites_remember(const struct sites *sites, const char *data)
{
    char *path = ports_path(data);
    FILE *file = fopen(path, "we");

    for (size_t i = 0; file && i < sites->nsites; i++)
        if (sites->sites[i].account)
            (void)fprintf(file, "%s %s %s\n", sites->sites[i].account->name,
                          service_name(sites->sites[i].service), strrchr(sites->sites[i].url, ':') + 1);
    if (!file || fclose(file) != 0)
        die("cannot write %s: %s", path, strerror(errno));
    free(path);
}

/* A port before one service of an account; its clients are told of it in place of the real one. */
static void open_proxy(struct sites *sites, const char *data, struct account *account, enum service service)
{
    char address[32];
    (void)snprintf(address, sizeof address, "127.0.0.1:%u", last_port(data, account, service));
    struct site *site = open_site(sites, HOST_STORAGE, address);

    size_t len = strlen(account->urls[service]), name_len = strlen(account->name);
    if (len <= name_len || account->urls[service][len - name_len - 1] != '/' ||
        strcmp(account->urls[service] + len - name_len, account->name) != 0)
        options_wrong("--storage-proxy needs URLs that end in /%s", account->name);
    site->account = account;
    site->service = service;
    free(account->public[service]);
    if (asprintf(&account->public[service], "%s/%s", site->url, account->name) < 0)
        abort();
}

void sites_open(struct sites *sites, struct options *options)
{
    if (options->tls_cert) {
        sites->cert = read_pem(options->tls_cert);
        sites->key = read_pem(options->tls_key);
    }
    for (unsigned host = 0; host < HOSTS; host++)
        if (options->listen[host])
            (void)open_site(sites, (enum host)host, options->listen[host]);
    if (!options->storage_proxy)
        return;
    for (size_t i = 0; i < options->storage.naccounts; i++)
        for (unsigned s = 0; s < SERVICES; s++)
            if (options->storage.accounts[i].urls[s])
                open_proxy(sites, options->data, &options->storage.accounts[i], (enum service)s);
}

void sites_start(struct sites *sites, const struct sim *sim)
{
    for (size_t i = 0; i < sites->nsites; i++) {
        struct site *site = &sites->sites[i];
        bool tls = site->host != HOST_IMDS;
        site->server = server_start(sim, site, tls ? sites->cert : NULL, tls ? sites->key : NULL);
        if (!site->server)
            die("cannot start the HTTP server on %s (is the certificate right?)", site->url);
    }
}

void sites_stop(struct sites *sites)
{
    for (size_t i = 0; i < sites->nsites; i++)
        server_stop(sites->sites[i].server);
    free(sites->cert);
    free(sites->key);
}

const char *sites_url(const struct sites *sites, enum host host)
{
    for (size_t i = 0; i < sites->nsites; i++)
        if (sites->sites[i].host == host)
            return sites->sites[i].url;
    return "";
}

json_t *sites_json(const struct sites *sites, const struct storage *storage)
{
    json_t *json = json_object(), *accounts = json_array();

    for (unsigned host = 0; host < HOST_STORAGE; host++)
        if (*sites_url(sites, (enum host)host))
            json_object_set_new(json, host_name((enum host)host),
                                json_string(sites_url(sites, (enum host)host)));
    for (size_t i = 0; i < storage->naccounts; i++) {
        const struct account *account = &storage->accounts[i];
        json_array_append_new(accounts, json_pack("{s:s, s:s, s:s}", "account", account->name, "blob",
                                                  account->public[SERVICE_BLOB], "queue",
                                                  account->public[SERVICE_QUEUE]));
    }
    json_object_set_new(json, "storage", accounts);
    return json;
}
