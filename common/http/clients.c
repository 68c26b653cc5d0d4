#include "common/http/clients.h"

#include <sys/socket.h>

#include "common/base/clock.h"

static const int64_t second_ns = 1000000000;

void clients_init(struct clients *clients, int64_t timeout_ms)
{
    *clients = (struct clients){.lock = PTHREAD_MUTEX_INITIALIZER, .timeout_ms = timeout_ms};
    list_init(&clients->list);
}

void clients_add(struct clients *clients, struct client *client, int fd)
{
    *client = (struct client){.fd = fd};
    clients_await_head(clients, client);
    pthread_mutex_lock(&clients->lock);
    list_append(&clients->list, &client->link);
    pthread_mutex_unlock(&clients->lock);
}

void clients_remove(struct clients *clients, struct client *client)
{
    pthread_mutex_lock(&clients->lock);
    list_remove(&client->link);
    pthread_mutex_unlock(&clients->lock);
}

static void set(struct client *client, int64_t deadline_ns, bool is_in_body)
{
    if (!client)
        return;
    atomic_store_explicit(&client->deadline_ns, deadline_ns, memory_order_relaxed);
    atomic_store_explicit(&client->is_in_body, is_in_body, memory_order_relaxed);
}

void clients_await_head(const struct clients *clients, struct client *client)
{
    set(client, mono_after(clients->timeout_ms).ns, false);
}

void clients_await_body(const struct clients *clients, struct client *client, int64_t start_ns,
                        uint64_t bytes)
{
    set(client, start_ns + clients->timeout_ms * 1000000 + (int64_t)(bytes / CLIENTS_LEAST_RATE) * second_ns,
        true);
}

void clients_rest(struct client *client)
{
    set(client, 0, false);
}

static bool is_late(const struct client *client, int64_t now_ns)
{
    int64_t deadline_ns = atomic_load_explicit(&client->deadline_ns, memory_order_relaxed);
    return deadline_ns != 0 && deadline_ns <= now_ns;
}

static bool has_left(const struct client *client)
{
    char byte;
    return atomic_load_explicit(&client->is_in_body, memory_order_relaxed) &&
           recv(client->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

unsigned clients_reap(struct clients *clients)
{
    unsigned cut = 0;
    int64_t now_ns = mono_now().ns;
    pthread_mutex_lock(&clients->lock);
    for (struct link *l = clients->list.next; l != &clients->list; l = l->next) {
        struct client *client = LIST_ENTRY(l, struct client, link);
        if (!is_late(client, now_ns) && !has_left(client))
            continue;
        shutdown(client->fd, SHUT_RDWR);
        set(client, 0, false);
        cut++;
    }
    pthread_mutex_unlock(&clients->lock);
    return cut;
}
