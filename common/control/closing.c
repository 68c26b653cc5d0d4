#include "common/control/closing.h"

#include <pthread.h>

struct closing {
    nng_socket socket;
    void *owner;
};

static void *close_socket(void *arg)
{
    struct closing *closing = arg;
    nng_close(closing->socket);
    free(closing->owner);
    free(closing);
    return NULL;
}

void socket_close(nng_socket socket, void *take_owner)
{
    pthread_t thread;
    struct closing *closing = malloc(sizeof *closing);
    if (!closing)
        return; /* the process's end closes it */
    *closing = (struct closing){.socket = socket, .owner = take_owner};
    if (pthread_create(&thread, NULL, close_socket, closing) == 0)
        pthread_detach(thread);
}
