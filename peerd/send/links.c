#include "peerd/send/links.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NOT_READY_MS = 5000 }; /* where a peer that is starting or draining does not say for how long */

void links_fini(struct links *links)
{
    free(links->list);
    *links = (struct links){0};
}

struct link *links_get(struct links *links, const char *name)
{
    for (size_t i = 0; i < links->count; i++)
        if (strcmp(links->list[i].name, name) == 0)
            return &links->list[i];
    struct link *list = realloc(links->list, (links->count + 1) * sizeof *list);
    if (!list)
        return NULL;
    links->list = list;
    struct link *link = &list[links->count++];
    *link = (struct link){.fate = FATE_DELIVERED};
    snprintf(link->name, sizeof link->name, "%s", name);
    return link;
}

int64_t link_trouble_ms(const struct answer *answer, int64_t unhealthy_ms)
{
    int64_t least_ms = 0;
    switch (answer->fate) {
    case FATE_NO_BUDGET:
        least_ms = *answer->failover ? 0 : unhealthy_ms;
        break;
    case FATE_UNREACHABLE:
    case FATE_UNKNOWN:
    case FATE_UNAUTHORISED:
    case FATE_MISNAMED:
    case FATE_FOREIGN:
        least_ms = unhealthy_ms;
        break;
    case FATE_NOT_READY:
        least_ms = answer->retry_after_ms > 0 ? 1 : NOT_READY_MS < unhealthy_ms ? NOT_READY_MS : unhealthy_ms;
        break;
    case FATE_DELIVERED:
    case FATE_REFUSED:
    case FATE_CONFLICT:
    case FATE_TOO_LARGE:
    case FATE_LOCAL:
    case FATE_COUNT:
        break;
    }
    return least_ms > 0 && answer->retry_after_ms > least_ms ? answer->retry_after_ms : least_ms;
}

void link_note(struct link *link, const struct answer *answer, int64_t unhealthy_ms)
{
    int64_t trouble_ms = link_trouble_ms(answer, unhealthy_ms);
    if (answer->fate == FATE_LOCAL)
        return;
    if (trouble_ms == 0) { /* it answers: it is there */
        link->failures = 0;
        link->trouble_until = (struct mono){0};
    } else {
        link->failures++;
        link->trouble_until = mono_after(trouble_ms);
    }
    if (answer->fate == FATE_DELIVERED)
        return;
    link->fate = answer->fate;
    link->failed_ms = wall_now_ms();
    snprintf(link->cause, sizeof link->cause, "%s", answer->why);
}
