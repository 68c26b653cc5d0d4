/* The throw-away server that peer transfers are measured beside: libmicrohttpd, bodies are read and
 * forgotten.
 *
 *     bench_sink PORT_FILE   listens on loopback, writes its port there, serves until SIGTERM */
#include <arpa/inet.h>
#include <err.h>
#include <microhttpd.h>
#include <signal.h>
#include <stdio.h>

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
    enum MHD_Result result = MHD_queue_response(connection, MHD_HTTP_ACCEPTED, response);
    MHD_destroy_response(response);
    return result;
}

int main(int argc, char **argv)
{
    const struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    sigset_t ends;
    int number;
    if (argc != 2)
        errx(100, "usage: bench_sink PORT_FILE");
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    pthread_sigmask(SIG_BLOCK, &ends, NULL);
    struct MHD_Daemon *daemon =
        MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ERROR_LOG, 0, NULL, NULL, handle, NULL,
                         MHD_OPTION_SOCK_ADDR, (const struct sockaddr *)&address,
                         MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)256 << 10, MHD_OPTION_END);
    if (!daemon)
        errx(111, "cannot listen");
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT);
    FILE *out = fopen(argv[1], "w");
    if (!out || !info || fprintf(out, "%u\n", info->port) < 0 || fclose(out) != 0)
        err(111, "%s", argv[1]);
    sigwait(&ends, &number);
    MHD_stop_daemon(daemon);
    return 0;
}
