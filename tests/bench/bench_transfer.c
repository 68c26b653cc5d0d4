/* P3: transfers, and what they are compared with.
 *
 *     bench_transfer sink [CERT KEY]
 *         a libmicrohttpd server, set up as peerd's is, that reads each body and throws it away; prints its
 * port, and serves until standard input ends bench_transfer load PORT CLIENTS SECONDS FILE TARGET [tls]
 *         CLIENTS keep-alive connections, each with one request under way, send FILE to TARGET and a number;
 * prints
 *         {"requests":N,"ok":N,"bytes":N,"seconds":S} */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <inttypes.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "common/base/clock.h"
#include "common/base/file.h"

enum { CLIENTS_MAX = 256, FILE_MAX = 1 << 20, ANSWER_MAX = 4096, HEAD_MAX = 1024, THREADS = 2 };

/* --- the server that throws away -------------------------------------------------------------------- */

static enum MHD_Result throw_away(void *arg, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *data, size_t *bytes,
                                  void **request)
{
    static char text[] = "{\"v\":1}\n";
    (void)arg, (void)url, (void)method, (void)version, (void)data;
    if (!*request) {
        *request = text;
        return MHD_YES;
    }
    if (*bytes > 0) {
        *bytes = 0;
        return MHD_YES;
    }
    struct MHD_Response *response =
        MHD_create_response_from_buffer(sizeof text - 1, text, MHD_RESPMEM_PERSISTENT);
    enum MHD_Result result = MHD_queue_response(connection, MHD_HTTP_ACCEPTED, response);
    MHD_destroy_response(response);
    return result;
}

static char *read_text(const char *path)
{
    struct buf buf;
    buf_init(&buf, FILE_MAX);
    if (file_read(AT_FDCWD, path, &buf) != 0 || !buf.data)
        errx(111, "%s: cannot be read", path);
    return buf.data;
}

static int run_sink(int argc, char **argv)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    bool is_tls = argc == 4;
    char *cert = is_tls ? read_text(argv[2]) : NULL, *key = is_tls ? read_text(argv[3]) : NULL;
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | (is_tls ? MHD_USE_TLS : 0);
    struct MHD_Daemon *daemon =
        MHD_start_daemon(flags, 0, NULL, NULL, throw_away, NULL, MHD_OPTION_SOCK_ADDR, &at,
                         MHD_OPTION_THREAD_POOL_SIZE, (unsigned)THREADS, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                         (size_t)24 << 10, is_tls ? MHD_OPTION_HTTPS_MEM_CERT : MHD_OPTION_END, cert,
                         MHD_OPTION_HTTPS_MEM_KEY, key, MHD_OPTION_END);
    if (!daemon)
        errx(111, "the server does not start");
    printf("%u\n", MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT)->port);
    fflush(stdout);
    while (getchar() != EOF)
        ;
    MHD_stop_daemon(daemon);
    free(cert);
    free(key);
    return 0;
}

/* --- the load --------------------------------------------------------------------------------------- */

static struct {
    uint16_t port;
    double seconds;
    const char *target;
    bool is_tls;
    char *content;
    size_t bytes;
    int64_t start_ns;
    gnutls_certificate_credentials_t credentials;
    _Atomic uint64_t requests, ok;
} load;

struct client {
    unsigned number;
    int fd;
    gnutls_session_t session;
    char request[FILE_MAX + HEAD_MAX], answer[ANSWER_MAX];
};

static void open_client(struct client *client)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(load.port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (client->fd < 0 || connect(client->fd, (struct sockaddr *)&to, sizeof to) != 0)
        err(111, "port %u", load.port);
    if (!load.is_tls)
        return;
    gnutls_init(&client->session, GNUTLS_CLIENT);
    gnutls_set_default_priority(client->session);
    gnutls_credentials_set(client->session, GNUTLS_CRD_CERTIFICATE, load.credentials);
    gnutls_transport_set_int(client->session, client->fd);
    if (gnutls_handshake(client->session) < 0)
        errx(111, "no handshake");
}

static void put(struct client *client, const char *data, size_t bytes)
{
    while (bytes > 0) {
        ssize_t n = load.is_tls ? gnutls_record_send(client->session, data, bytes)
                                : send(client->fd, data, bytes, MSG_NOSIGNAL);
        if (n <= 0)
            errx(111, "cannot send");
        data += n;
        bytes -= (size_t)n;
    }
}

static bool is_whole(const char *answer, size_t got)
{
    const char *end = strstr(answer, "\r\n\r\n"), *length = strcasestr(answer, "content-length:");
    return end && length && got >= (size_t)(end + 4 - answer) + strtoul(length + 15, NULL, 10);
}

static bool get(struct client *client)
{
    size_t got = 0;
    do {
        char *to = client->answer + got;
        size_t room = ANSWER_MAX - 1 - got;
        ssize_t n;
        do
            n = load.is_tls ? gnutls_record_recv(client->session, to, room) : recv(client->fd, to, room, 0);
        while (load.is_tls && (n == GNUTLS_E_AGAIN || n == GNUTLS_E_INTERRUPTED));
        if (n <= 0)
            errx(111, "the connection ended");
        got += (size_t)n;
        client->answer[got] = '\0';
    } while (!is_whole(client->answer, got));
    return strncmp(client->answer, "HTTP/1.1 202", 12) == 0;
}

static void *work(void *arg)
{
    struct client *client = arg;
    open_client(client);
    for (uint64_t i = 0; (double)(mono_now().ns - load.start_ns) / 1e9 < load.seconds; i++) {
        int head = snprintf(client->request, HEAD_MAX,
                            "POST %s%u-%" PRIu64 " HTTP/1.1\r\nHost: b\r\nContent-Type: application/gzip\r\n"
                            "Content-Length: %zu\r\n\r\n",
                            load.target, client->number, i, load.bytes);
        memcpy(client->request + head, load.content, load.bytes);
        put(client, client->request, (size_t)head + load.bytes);
        load.ok += get(client);
        load.requests++;
    }
    if (client->session)
        gnutls_deinit(client->session);
    close(client->fd);
    return NULL;
}

static int run_load(int argc, char **argv)
{
    pthread_t threads[CLIENTS_MAX];
    struct buf content;
    unsigned clients = (unsigned)strtoul(argv[3], NULL, 10);
    load.port = (uint16_t)strtoul(argv[2], NULL, 10);
    load.seconds = strtod(argv[4], NULL);
    load.target = argv[6];
    load.is_tls = argc == 8;
    buf_init(&content, FILE_MAX);
    if (clients == 0 || clients > CLIENTS_MAX || file_read(AT_FDCWD, argv[5], &content) != 0)
        errx(100, "CLIENTS: 1 to %d; FILE: at most 1 MiB", CLIENTS_MAX);
    load.content = content.data;
    load.bytes = content.len;
    gnutls_certificate_allocate_credentials(&load.credentials);
    load.start_ns = mono_now().ns;
    for (unsigned i = 0; i < clients; i++) {
        struct client *client = calloc(1, sizeof *client);
        if (!client)
            errx(111, "out of memory");
        client->number = i;
        if (pthread_create(&threads[i], NULL, work, client) != 0)
            errx(111, "no thread");
    }
    for (unsigned i = 0; i < clients; i++)
        pthread_join(threads[i], NULL);
    printf("{\"requests\":%" PRIu64 ",\"ok\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"seconds\":%.3f}\n",
           (uint64_t)load.requests, (uint64_t)load.ok, (uint64_t)load.ok * load.bytes,
           (double)(mono_now().ns - load.start_ns) / 1e9);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc >= 2 && strcmp(argv[1], "sink") == 0 && (argc == 2 || argc == 4))
        return run_sink(argc, argv);
    if (argc >= 7 && argc <= 8 && strcmp(argv[1], "load") == 0)
        return run_load(argc, argv);
    errx(100, "usage: bench_transfer sink [CERT KEY] | load PORT CLIENTS SECONDS FILE TARGET [tls]");
}
