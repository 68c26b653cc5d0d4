#include "common/http/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

enum { BACKLOG = 1024, HOST_BYTES = 128, UNIX_MODE = 0660 };

static const char unix_prefix[] = "unix:";

static const char *unix_path_of(const char *address)
{
    size_t bytes = sizeof unix_prefix - 1;
    return strncmp(address, unix_prefix, bytes) == 0 ? address + bytes : NULL;
}

/* Split HOST:PORT; brackets round the host go. */
static int split(const char *address, char host[static HOST_BYTES], const char **port, struct err *err)
{
    const char *colon = strrchr(address, ':'), *from = address;
    size_t bytes = colon ? (size_t)(colon - address) : 0;
    if (bytes >= 2 && address[0] == '[' && address[bytes - 1] == ']') {
        from++;
        bytes -= 2;
    }
    if (!colon || !colon[1] || bytes >= HOST_BYTES || strspn(colon + 1, "0123456789") != strlen(colon + 1))
        return err_set(err, -EINVAL, "http '%.100s': give HOST:PORT or unix:PATH", address);
    memcpy(host, from, bytes);
    host[bytes] = '\0';
    *port = colon + 1;
    return 0;
}

int listen_check(const char *address, struct err *err)
{
    char host[HOST_BYTES];
    const char *port, *path = unix_path_of(address);
    struct sockaddr_un name;
    if (path && (!*path || strlen(path) >= sizeof name.sun_path))
        return err_set(err, -EINVAL, "http '%.100s': the path of a Unix socket has 1 to %zu bytes", address,
                       sizeof name.sun_path - 1);
    return path ? 0 : split(address, host, &port, err);
}

/* --- unix ------------------------------------------------------------------------------------------- */

static bool answers(const struct sockaddr_un *name)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool is_alive = fd >= 0 && connect(fd, (const struct sockaddr *)name, sizeof *name) == 0;
    if (fd >= 0)
        close(fd);
    return is_alive;
}

static int open_unix(struct listener *listener, const char *path, struct err *err)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    struct stat st;
    snprintf(name.sun_path, sizeof name.sun_path, "%.*s", (int)sizeof name.sun_path - 1, path);
    if (lstat(path, &st) == 0) {
        if (!S_ISSOCK(st.st_mode))
            return err_set(err, -EINVAL, "http unix:%s: something that is no socket is there", path);
        if (answers(&name))
            return err_set(err, -EADDRINUSE, "http unix:%s: another program listens there", path);
        unlink(path);
    }
    listener->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (listener->fd < 0 || bind(listener->fd, (const struct sockaddr *)&name, sizeof name) != 0)
        return err_errno(err, -errno, "http unix:%s", path);
    listener->unix_path = strdup(path);
    listener->is_local = true;
    snprintf(listener->text, sizeof listener->text, "unix:%s", path);
    return chmod(path, UNIX_MODE) == 0 ? 0 : err_errno(err, -errno, "http unix:%s: chmod", path);
}

/* --- TCP -------------------------------------------------------------------------------------------- */

static bool is_loopback(const struct sockaddr *name)
{
    if (name->sa_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)(const void *)name)->sin_addr.s_addr) >> 24 == 127;
    /* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult): getsockname filled it */
    return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)(const void *)name)->sin6_addr);
}

static int describe(struct listener *listener)
{
    struct sockaddr_storage name = {0};
    socklen_t bytes = sizeof name;
    char host[INET6_ADDRSTRLEN + 16], port[8];
    if (getsockname(listener->fd, (struct sockaddr *)&name, &bytes) != 0)
        return -errno;
    if (getnameinfo((struct sockaddr *)&name, bytes, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return -EINVAL;
    bool is_v6 = name.ss_family == AF_INET6;
    snprintf(listener->text, sizeof listener->text, "%s%s%s:%s", is_v6 ? "[" : "", host, is_v6 ? "]" : "",
             port);
    listener->is_local = is_loopback((struct sockaddr *)&name);
    return 0;
}

static int bind_to(struct listener *listener, const struct addrinfo *to)
{
    static const int on = 1;
    listener->fd = socket(to->ai_family, to->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, to->ai_protocol);
    if (listener->fd < 0)
        return -errno;
    (void)setsockopt(listener->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener->fd, to->ai_addr, to->ai_addrlen) == 0)
        return 0;
    int rc = -errno;
    close(listener->fd);
    listener->fd = -1;
    return rc;
}

static int open_tcp(struct listener *listener, const char *address, struct err *err)
{
    char host[HOST_BYTES];
    const char *port;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV}, *found;
    int rc = split(address, host, &port, err);
    if (rc)
        return rc;
    int status = getaddrinfo(*host ? host : NULL, port, &hints, &found);
    if (status)
        return err_set(err, -EINVAL, "http %s: %s", address, gai_strerror(status));
    rc = -EADDRNOTAVAIL;
    for (const struct addrinfo *to = found; to && rc; to = to->ai_next)
        rc = bind_to(listener, to);
    freeaddrinfo(found);
    if (rc == 0)
        rc = describe(listener);
    return rc ? err_errno(err, rc, "http %s: cannot listen there", address) : 0;
}

int listen_open(struct listener *listener, const char *address, struct err *err)
{
    const char *path = unix_path_of(address);
    *listener = (struct listener){.fd = -1};
    int rc = listen_check(address, err);
    if (rc == 0)
        rc = path ? open_unix(listener, path, err) : open_tcp(listener, address, err);
    if (rc == 0 && listen(listener->fd, BACKLOG) != 0)
        rc = err_errno(err, -errno, "http %s: cannot listen there", address);
    if (rc && listener->fd >= 0)
        close(listener->fd);
    if (rc)
        listen_close(listener);
    return rc;
}

void listen_close(struct listener *listener)
{
    if (listener->unix_path)
        unlink(listener->unix_path);
    free(listener->unix_path);
    listener->unix_path = NULL;
    listener->fd = -1;
}
