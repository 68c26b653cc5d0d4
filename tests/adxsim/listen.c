/* The listening socket: loopback only. */
#include "tests/adxsim/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

enum { BACKLOG = 256 };

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static int parse_port(const char *text, uint16_t *port)
{
    char *end;
    unsigned long n = strtoul(text, &end, 10);

    if (!*text || *end || n > 65535 || *text == '-' || *text == '+')
        return -EINVAL;
    *port = (uint16_t)n;
    return 0;
}

static int parse_host(const char *host, uint16_t port, union address *address, socklen_t *len)
{
    *address = (union address){0};
    if (inet_pton(AF_INET, strcmp(host, "localhost") == 0 ? "127.0.0.1" : host, &address->v4.sin_addr) == 1) {
        address->v4.sin_family = AF_INET;
        address->v4.sin_port = htons(port);
        *len = sizeof address->v4;
        return (ntohl(address->v4.sin_addr.s_addr) >> 24) == 127 ? 0 : -EINVAL;
    }
    if (strcmp(host, "[::1]") == 0) {
        address->v6.sin6_family = AF_INET6;
        address->v6.sin6_port = htons(port);
        address->v6.sin6_addr = in6addr_loopback;
        *len = sizeof address->v6;
        return 0;
    }
    return -EINVAL;
}

static int open_socket(const union address *address, socklen_t len)
{
    int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1, rc;

    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, &address->any, len) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    rc = -errno;
    close(fd);
    return rc;
}

int server_listen(const char *text, int *fd, uint16_t *port, char host[static 64])
{
    const char *colon = strrchr(text, ':');
    union address address;
    socklen_t len;

    if (!colon || (size_t)(colon - text) >= 64 || parse_port(colon + 1, port) < 0)
        return -EINVAL;
    (void)snprintf(host, 64, "%.*s", (int)(colon - text), text);
    if (parse_host(host, *port, &address, &len) < 0)
        return -EINVAL;
    *fd = open_socket(&address, len);
    if (*fd < 0)
        return *fd;
    getsockname(*fd, &address.any, &len);
    *port = ntohs(address.any.sa_family == AF_INET ? address.v4.sin_port : address.v6.sin6_port);
    return 0;
}
