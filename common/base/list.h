/* Doubly linked lists through members of the structs that are in them. A link that is in no list is zeroed.
 */
#ifndef SPILLWAY_LIST_H
#define SPILLWAY_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct link {
    struct link *previous, *next;
};

/* The head is a link, too: next is the first, previous the last. */
static inline void list_init(struct link *head)
{
    head->previous = head->next = head;
}

static inline bool list_is_empty(const struct link *head)
{
    return head->next == head;
}

static inline bool list_has(const struct link *link)
{
    return link->next != NULL;
}

static inline void list_remove(struct link *link)
{
    if (!link->next) /* NOLINT(clang-analyzer-unix.Malloc): it takes two links of a list for the same one */
        return;
    link->previous->next = link->next;
    link->next->previous = link->previous;
    link->previous = link->next = NULL;
}

/* To the end; from another place of it, when it is in one. */
static inline void list_append(struct link *head, struct link *link)
{
    list_remove(link);
    link->previous = head->previous;
    link->next = head;
    head->previous->next = link;
    head->previous = link;
}

/* The struct that `link` is the member of. */
#define LIST_ENTRY(link, type, member) ((type *)(void *)((char *)(link)-offsetof(type, member)))

#endif
