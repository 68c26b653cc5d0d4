#include "walwriter/door.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "walwriter/request.h"

enum {
    THREADS = 2,
    CONNECTION_BYTES = 24 << 10, /* libmicrohttpd touches all of it; heads must fit, a long schema too */
    PEM_MAX = 1 << 20,
};

/* --- connections --------------------------------------------------------------------------------------- */

static void on_connection(void *cls, struct MHD_Connection *connection, void **context,
                          enum MHD_ConnectionNotificationCode what)
{
    struct reception *reception = cls;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
        *context = info ? clients_add(&reception->clients, info->connect_fd) : NULL;
        total_add(&reception->totals.connections, 1);
    } else {
        clients_remove(&reception->clients, *context);
        *context = NULL;
        total_sub(&reception->totals.connections, 1);
    }
}

/* The target is taken from the request line as it came (request_new); the library's own decoding is not used.
 */
static size_t leave_encoded(void *cls, struct MHD_Connection *connection, char *text)
{
    (void)cls, (void)connection;
    return strlen(text);
}

static void on_log(void *cls, const char *format, va_list args)
{
    char text[256];
    (void)cls;
    vsnprintf(text, sizeof text, format, args);
    text[strcspn(text, "\n")] = '\0';
    log_debug("http", log_s("message", text));
}

/* --- TLS ----------------------------------------------------------------------------------------------- */

static int read_pem(const char *what, const char *path, char **text, struct err *err)
{
    struct buf buf;
    if (!path)
        return 0;
    buf_init(&buf, PEM_MAX);
    int rc = file_read(AT_FDCWD, path, &buf);
    if (rc == 0 && !buf.data)
        rc = -ENODATA;
    if (rc)
        buf_fini(&buf);
    else
        *text = buf.data;
    return rc ? err_set(err, -EINVAL, "%s %s: cannot be read: %s", what, path, strerror(-rc)) : 0;
}

static int read_pems(struct door *door, struct err *err)
{
    const struct receive_settings *settings = &door->reception->settings;
    int rc = read_pem("tls-cert", settings->tls_cert, &door->cert, err);
    if (rc == 0)
        rc = read_pem("tls-key", settings->tls_key, &door->key, err);
    return rc ? rc : read_pem("tls-ca", settings->tls_ca, &door->ca, err);
}

static void forget_pems(struct door *door)
{
    if (door->key)
        explicit_bzero(door->key, strlen(door->key));
    free(door->cert);
    free(door->key);
    free(door->ca);
    door->cert = door->key = door->ca = NULL;
}

/* --- the server ---------------------------------------------------------------------------------------- */

static int start(struct door *door, struct err *err)
{
    struct reception *reception = door->reception;
    const struct receive_settings *settings = &reception->settings;
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
    struct MHD_OptionItem tls[] = {{MHD_OPTION_HTTPS_MEM_CERT, 0, door->cert},
                                   {MHD_OPTION_HTTPS_MEM_KEY, 0, door->key},
                                   {door->ca ? MHD_OPTION_HTTPS_MEM_TRUST : MHD_OPTION_END, 0, door->ca},
                                   {MHD_OPTION_END, 0, NULL}};
    struct MHD_OptionItem none[] = {{MHD_OPTION_END, 0, NULL}};
    door->daemon = MHD_start_daemon(
        flags | (door->cert ? MHD_USE_TLS : 0), 0, NULL, NULL, request_handle, reception,
        MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL, MHD_OPTION_LISTEN_SOCKET, door->listener.fd,
        MHD_OPTION_THREAD_POOL_SIZE, (unsigned)THREADS, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)settings->connections_max, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
        (unsigned)settings->address_connections_max, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)CONNECTION_BYTES, MHD_OPTION_URI_LOG_CALLBACK, request_new, reception,
        MHD_OPTION_UNESCAPE_CALLBACK, leave_encoded, NULL, MHD_OPTION_NOTIFY_COMPLETED, request_end,
        reception, MHD_OPTION_NOTIFY_CONNECTION, on_connection, reception, MHD_OPTION_ARRAY,
        door->cert ? tls : none, MHD_OPTION_END);
    return door->daemon
               ? 0
               : err_set(err, door->cert ? -EINVAL : -EIO, "http %s: the server cannot be started%s",
                         door->listener.text, door->cert ? ": are tls-cert and tls-key a pair?" : "");
}

static void tell(const struct door *door)
{
    const struct reception *reception = door->reception;
    bool has_auth = auth_is_wanted(&reception->auth);
    log_info("listening", log_s("http", door->listener.text), log_s("tls", door->cert ? "yes" : "no"),
             log_s("auth", has_auth ? "yes" : "no"), log_s("sync", sync_mode_name(reception->settings.sync)));
    if (!has_auth && !door->listener.is_local)
        log_warn("open-door", log_s("http", door->listener.text),
                 log_s("meaning", "whoever reaches this address may send rows"),
                 log_s("action", "give token-file, or tls-ca, or listen on 127.0.0.1"));
}

int door_open(struct door *door, struct reception *reception, struct err *err)
{
    *door = (struct door){.reception = reception, .listener.fd = -1};
    int rc = read_pems(door, err);
    if (rc == 0)
        rc = listen_open(&door->listener, reception->settings.address, err);
    if (rc == 0 && (rc = start(door, err)) != 0)
        close(door->listener.fd);
    if (rc) {
        listen_close(&door->listener);
        forget_pems(door);
        return rc;
    }
    tell(door);
    return 0;
}

void door_close(struct door *door)
{
    if (!door->daemon)
        return;
    MHD_stop_daemon(door->daemon);
    door->daemon = NULL;
    listen_close(&door->listener);
    forget_pems(door);
}
