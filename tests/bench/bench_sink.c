/* The throw-away server that is the limit of what a libmicrohttpd server can do: bodies are read and
 * forgotten, every request is answered by 200 and nothing.
 *
 *     bench_sink PORT_FILE   listens on loopback, writes its port there; one thread, large reads: for
 * transfers bench_sink unix:PATH   listens there; threads and memory of a connection as walwriter's: for
 * small requests
 *
 * Both serve until SIGTERM. */
#include <arpa/inet.h>
#include <err.h>
#include <microhttpd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "common/http/server.h"

enum { LARGE_BYTES = 256 << 10, BACKLOG = 128 };

static enum MHD_Result handle(void *arg, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *data, size_t *bytes,
                              void **seen)
{
    static int marker;
    (void)arg, (void)url, (void)method, (void)version, (void)data;
    if (!*seen) {
        *seen = &marker;
        return MHD_YES;
    }
    if (*bytes > 0) {
        *bytes = 0;
        return MHD_YES;
    }
    struct MHD_Response *response = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    enum MHD_Result result = MHD_queue_response(connection, MHD_HTTP_OK, response);
    MHD_destroy_response(response);
    return result;
}

static struct MHD_Daemon *serve_port(const char *port_file)
{
    const struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct MHD_Daemon *daemon =
        MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ERROR_LOG, 0, NULL, NULL, handle, NULL,
                         MHD_OPTION_SOCK_ADDR, (const struct sockaddr *)&address,
                         MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)LARGE_BYTES, MHD_OPTION_END);
    const union MHD_DaemonInfo *info = daemon ? MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT) : NULL;
    FILE *out = info ? fopen(port_file, "w") : NULL;
    if (out && (fprintf(out, "%u\n", info->port) < 0 || fclose(out) != 0))
        err(111, "%s", port_file);
    return out ? daemon : NULL;
}

static struct MHD_Daemon *serve_unix(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%s.new", path); /* it is there when it can be used */
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, BACKLOG) != 0 ||
        rename(address.sun_path, path) != 0)
        err(111, "%s", path);
    return MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ERROR_LOG, 0, NULL, NULL, handle, NULL,
                            MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_THREAD_POOL_SIZE, (unsigned)HTTP_LOOPS,
                            MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HTTP_CONNECTION_BYTES,
                            MHD_OPTION_END);
}

int main(int argc, char **argv)
{
    sigset_t ends;
    int number;
    if (argc != 2)
        errx(100, "usage: bench_sink PORT_FILE | unix:PATH");
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    pthread_sigmask(SIG_BLOCK, &ends, NULL);
    bool is_unix = strncmp(argv[1], "unix:", 5) == 0;
    struct MHD_Daemon *daemon = is_unix ? serve_unix(argv[1] + 5) : serve_port(argv[1]);
    if (!daemon)
        errx(111, "cannot listen");
    sigwait(&ends, &number);
    MHD_stop_daemon(daemon);
    return 0;
}
