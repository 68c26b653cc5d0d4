#include <errno.h>
#include <nng/nng.h>
#include <nng/protocol/pubsub0/sub.h>

#include "common/base/exit.h"
#include "common/cli/command.h"
#include "common/control/closing.h"

static int subscribe(const struct cli *cli, nng_socket *socket)
{
    int rc = nng_sub0_open(socket);
    if (rc)
        return rc;
    rc = nng_socket_set(*socket, NNG_OPT_SUB_SUBSCRIBE, "", 0);
    for (size_t i = 0; rc == 0 && cli_daemons[i]; i++) {
        char url[SPOOL_URL_BYTES];
        spool_socket_url(&cli->spool, cli_daemons[i], "evt", url);
        rc = nng_dial(*socket, url, NULL, NNG_FLAG_NONBLOCK); /* also those that start later */
    }
    if (rc)
        socket_close(*socket, NULL);
    return rc;
}

int cmd_events(struct cli *cli)
{
    nng_socket socket;
    int rc = subscribe(cli, &socket);
    while (rc == 0) {
        char *text;
        size_t len;
        rc = nng_recv(socket, &text, &len, NNG_FLAG_ALLOC);
        if (rc)
            break;
        bool is_gone = fwrite(text, 1, len, stdout) != len || putchar('\n') == EOF || fflush(stdout) != 0;
        nng_free(text, len);
        if (is_gone) {
            socket_close(socket, NULL);
            return EXIT_DONE;
        }
    }
    return cli_fail(EXIT_TROUBLE, "events cannot be received: %s", nng_strerror(rc));
}
