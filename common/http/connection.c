#include "common/http/connection.h"

#include "common/http/loop.h"
#include "common/http/server.h"

static gnutls_session_t session_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    return info ? info->tls_session : NULL;
}

static struct connection *begin(struct http_loop *loop, struct MHD_Connection *handle)
{
    struct http_server *server = http_loop_server(loop);
    struct connection *connection = calloc(1, sizeof *connection);
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(handle, MHD_CONNECTION_INFO_CONNECTION_FD);
    gnutls_session_t session = session_of(handle);
    if (!connection || !info || !session != !server->tls) {
        free(connection);
        return NULL; /* without credentials the handshake fails; without a client nothing is answered */
    }
    const union MHD_ConnectionInfo *from =
        MHD_get_connection_info(handle, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    connection->loop = loop;
    connection->address = address_of(from ? from->client_addr : NULL);
    connection->is_counted = addresses_enter(&server->addresses, &connection->address);
    if (session)
        connection->credentials = tls_begin(server->tls, session);
    clients_add(&server->clients, &connection->client, info->connect_fd);
    return connection;
}

void connection_notify(void *loop, struct MHD_Connection *handle, void **context,
                       enum MHD_ConnectionNotificationCode what)
{
    struct http_server *server = http_loop_server(loop);
    struct connection *connection = *context;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        *context = begin(loop, handle);
        http_loop_count_in(loop);
        return;
    }
    http_loop_count_out(loop);
    *context = NULL;
    if (!connection)
        return;
    if (connection->is_counted)
        addresses_leave(&server->addresses, &connection->address);
    clients_remove(&server->clients, &connection->client);
    if (connection->credentials)
        tls_end(server->tls, connection->credentials);
    free(connection);
}

struct connection *connection_of(struct MHD_Connection *handle)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(handle, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info ? info->socket_context : NULL;
}

struct client *http_client(struct MHD_Connection *handle)
{
    struct connection *connection = connection_of(handle);
    return connection ? &connection->client : NULL;
}

enum auth_verdict http_server_check(struct http_server *server, struct MHD_Connection *handle)
{
    struct connection *connection = connection_of(handle);
    bool is_vouched =
        server->tls && connection && tls_is_vouched(server->tls, session_of(handle), &connection->verdict);
    return auth_check(&server->auth, is_vouched,
                      MHD_lookup_connection_value(handle, MHD_HEADER_KIND, MHD_HTTP_HEADER_AUTHORIZATION));
}
