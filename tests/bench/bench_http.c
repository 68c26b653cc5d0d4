/* Load for the receiver daemon, and what it is compared with. One thread, epoll, keep-alive connections, each
 * with one request under way. It shares the machine with what it measures: so requests are put together
 * before, and a request costs a system call to send, one to receive, and its part of one to wait:
 *
 *     bench_http load HOST:PORT|unix:PATH CLIENTS SECONDS TABLES ROWS [PATH_PREFIX]
 *         POSTs of ROWS rows of metrics CSV each, to TABLES tables in turn; prints
 *         {"requests":N,"ok":N,"rows":N,"bytes":N,"seconds":S,"p50_ms":..,"p99_ms":..}
 *     bench_http serial DIR SECONDS BYTES
 *         write BYTES, fdatasync, again; prints {"ops":N,"seconds":S} */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

#include "common/base/clock.h"

enum {
    ANSWER_MS = 120000,
    CLIENTS_MAX = 4096,
    REQUEST_MAX = 4 << 20,
    ANSWER_MAX = 4096,
    TIMES_MAX = 4 << 20,
    BODIES = 61 /* so that a table which gets many of them is not deflated as one body over and over */
};

struct client {
    int fd;
    int64_t began_ns;
    size_t got;
    char answer[ANSWER_MAX];
};

static struct {
    const char *address, *prefix;
    unsigned clients, tables, rows;
    double seconds;
    char **heads;         /* of each table: all but the length */
    char *bodies[BODIES]; /* the length, the empty line and the rows */
    size_t body_bytes[BODIES], row_bytes[BODIES];
    uint64_t next, requests, ok, bytes;
    uint32_t *times_us;
    size_t time_count;
} load;

static struct client clients[CLIENTS_MAX];

static double seconds_since(int64_t start_ns)
{
    return (double)(mono_now().ns - start_ns) / 1e9;
}

static int connect_tcp(const char *address)
{
    char host[64];
    const char *colon = strrchr(address, ':');
    if (!colon || (size_t)(colon - address) >= sizeof host)
        errx(100, "%s: give HOST:PORT", address);
    memcpy(host, address, (size_t)(colon - address));
    host[colon - address] = '\0';
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10))};
    if (inet_pton(AF_INET, host, &to.sin_addr) != 1)
        errx(100, "%s: not an address", host);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) != 0)
        err(111, "%s", address);
    return fd;
}

static int connect_any(const char *address)
{
    if (strncmp(address, "unix:", 5) != 0)
        return connect_tcp(address);
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    snprintf(to.sun_path, sizeof to.sun_path, "%s", address + 5);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) != 0)
        err(111, "%s", address);
    return fd;
}

static unsigned below(unsigned n)
{
    static uint64_t state = 88172645463325252u;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (unsigned)(state >> 33) % n;
}

static void make_bodies(void)
{
    static const char format[] = "2026-11-22T06:%02u:%02u.%03uZ,node-%03u,cpu_usage_percent,%02u.%02u\n";
    size_t room = (size_t)load.rows * 96 + 512;
    char *rows = malloc(room);
    for (unsigned n = 0; n < BODIES; n++) {
        size_t bytes = 0;
        for (unsigned i = 0; i < load.rows; i++)
            bytes += (size_t)snprintf(rows + bytes, room - bytes, format, i / 60 % 60, i % 60, below(1000),
                                      below(512), below(100), below(100));
        int all = asprintf(&load.bodies[n], "Content-Length: %zu\r\n\r\n%s", bytes, rows);
        if (all < 0 || all > REQUEST_MAX)
            errx(100, "too many rows");
        load.body_bytes[n] = (size_t)all;
        load.row_bytes[n] = bytes;
    }
    free(rows);
}

static void make_heads(void)
{
    load.heads = calloc(load.tables, sizeof *load.heads);
    for (unsigned n = 0; n < load.tables; n++)
        if (asprintf(&load.heads[n], "POST %s%u?format=csv HTTP/1.1\r\nHost: b\r\n", load.prefix, n) < 0)
            errx(111, "out of memory");
}

/* What one call does not take of a large request is sent piece by piece. */
static void send_rest(int fd, const struct iovec *parts, size_t sent)
{
    for (size_t i = 0; i < 2; i++) {
        const char *data = parts[i].iov_base;
        size_t bytes = parts[i].iov_len, skip = sent < bytes ? sent : bytes;
        sent -= skip;
        for (size_t at = skip; at < bytes;) {
            ssize_t n = send(fd, data + at, bytes - at, MSG_NOSIGNAL);
            if (n < 0)
                err(111, "send");
            at += (size_t)n;
        }
    }
}

static void send_request(struct client *client, int64_t now_ns)
{
    uint64_t number = load.next++;
    char *head = load.heads[number % load.tables], *body = load.bodies[number % BODIES];
    struct iovec parts[] = {{head, strlen(head)}, {body, load.body_bytes[number % BODIES]}};
    const struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    size_t bytes = parts[0].iov_len + parts[1].iov_len;
    ssize_t sent = sendmsg(client->fd, &message, MSG_NOSIGNAL);
    if (sent < 0)
        err(111, "send");
    if ((size_t)sent < bytes)
        send_rest(client->fd, parts, (size_t)sent);
    load.bytes += load.row_bytes[number % BODIES];
    client->got = 0;
    client->began_ns = now_ns;
}

/* Is the whole answer there? */
static bool is_whole(const struct client *client)
{
    static const char name[] = "\r\nContent-Length: ";
    const char *end = strstr(client->answer, "\r\n\r\n"), *length = strstr(client->answer, name);
    if (!end || !length)
        return false;
    return client->got >= (size_t)(end + 4 - client->answer) + strtoul(length + sizeof name - 1, NULL, 10);
}

static bool read_answer(struct client *client)
{
    ssize_t n = recv(client->fd, client->answer + client->got, ANSWER_MAX - 1 - client->got, 0);
    if (n <= 0)
        err(111, "the connection ended");
    client->got += (size_t)n;
    client->answer[client->got] = '\0';
    return is_whole(client);
}

static void note_answer(const struct client *client, int64_t now_ns)
{
    load.requests++;
    load.ok += strncmp(client->answer, "HTTP/1.1 200", 12) == 0;
    if (load.time_count < TIMES_MAX)
        load.times_us[load.time_count++] = (uint32_t)((now_ns - client->began_ns) / 1000);
}

static int compare_times(const void *a, const void *b)
{
    const uint32_t *first = a, *second = b;
    return (*first > *second) - (*first < *second);
}

static double percentile_ms(double share)
{
    return load.time_count ? load.times_us[(size_t)((double)(load.time_count - 1) * share)] / 1e3 : 0;
}

static void report(double seconds)
{
    qsort(load.times_us, load.time_count, sizeof *load.times_us, compare_times);
    printf("{\"requests\":%" PRIu64 ",\"ok\":%" PRIu64 ",\"rows\":%" PRIu64 ",\"bytes\":%" PRIu64
           ",\"seconds\":%.3f,\"p50_ms\":%.2f,\"p99_ms\":%.2f}\n",
           load.requests, load.ok, load.ok * load.rows, load.bytes, seconds, percentile_ms(0.5),
           percentile_ms(0.99));
}

static void run_load(void)
{
    int poller = epoll_create1(EPOLL_CLOEXEC);
    load.times_us = malloc(TIMES_MAX * sizeof *load.times_us);
    make_heads();
    make_bodies();
    for (unsigned i = 0; i < load.clients; i++) {
        clients[i].fd = connect_any(load.address);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &clients[i]};
        if (epoll_ctl(poller, EPOLL_CTL_ADD, clients[i].fd, &event) != 0)
            err(111, "epoll");
    }
    int64_t start_ns = mono_now().ns, end_ns = start_ns + (int64_t)(load.seconds * 1e9);
    unsigned busy = load.clients;
    for (unsigned i = 0; i < load.clients; i++)
        send_request(&clients[i], start_ns);
    while (busy > 0) {
        struct epoll_event events[256];
        int n = epoll_wait(poller, events, 256, ANSWER_MS);
        if (n <= 0)
            errx(111, "no answer in %d s", ANSWER_MS / 1000);
        for (int i = 0; i < n; i++) {
            struct client *client = events[i].data.ptr;
            if (!read_answer(client))
                continue;
            int64_t now_ns = mono_now().ns;
            note_answer(client, now_ns);
            if (now_ns < end_ns)
                send_request(client, now_ns);
            else
                busy--;
        }
    }
    report(seconds_since(start_ns));
}

static void run_serial(const char *dir, double seconds, size_t bytes)
{
    char path[4096], *data = calloc(1, bytes);
    snprintf(path, sizeof path, "%s/bench-serial", dir);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644);
    if (fd < 0 || !data)
        err(111, "%s", path);
    int64_t start_ns = mono_now().ns;
    uint64_t ops = 0;
    while (seconds_since(start_ns) < seconds) {
        if (write(fd, data, bytes) != (ssize_t)bytes || fdatasync(fd) != 0)
            err(111, "%s", path);
        ops++;
    }
    printf("{\"ops\":%" PRIu64 ",\"seconds\":%.3f}\n", ops, seconds_since(start_ns));
    unlink(path);
    free(data);
}

int main(int argc, char **argv)
{
    if (argc == 5 && strcmp(argv[1], "serial") == 0) {
        run_serial(argv[2], strtod(argv[3], NULL), strtoul(argv[4], NULL, 10));
        return 0;
    }
    if (argc < 7 || strcmp(argv[1], "load") != 0)
        errx(
            100,
            "usage: bench_http load ADDRESS CLIENTS SECONDS TABLES ROWS [PREFIX] | serial DIR SECONDS BYTES");
    load.address = argv[2];
    load.clients = (unsigned)strtoul(argv[3], NULL, 10);
    load.seconds = strtod(argv[4], NULL);
    load.tables = (unsigned)strtoul(argv[5], NULL, 10);
    load.rows = (unsigned)strtoul(argv[6], NULL, 10);
    load.prefix = argc > 7 ? argv[7] : "/ingest/Bench/T";
    if (load.clients == 0 || load.clients > CLIENTS_MAX || load.tables == 0)
        errx(100, "CLIENTS: 1 to %d; TABLES: 1 or more", CLIENTS_MAX);
    run_load();
    return 0;
}
