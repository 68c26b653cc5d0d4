#include <errno.h>
#include <unistd.h>

#include "peerd/send/router_parts.h"

static const struct waiting_group *find_group(const struct waiting *queue, const struct segment_name *name)
{
    for (size_t i = 0; i < queue->group_count; i++) {
        const struct waiting_group *group = &queue->groups[i];
        if (group->has_schema == name->has_schema && group->format == name->format &&
            (!name->has_schema || group->schema_hash == name->schema_hash) &&
            strcmp(group->table, name->table) == 0)
            return group;
    }
    return NULL;
}

/* Its place among those of its group. */
static bool find_segment(const struct waiting *queue, const struct waiting_group *group, uint64_t id,
                         size_t *index)
{
    for (*index = 0; *index < group->count; ++*index)
        if (queue->segments[group->first + *index].id == id)
            return true;
    return false;
}

static void say(struct router_answer *answer, const struct choice *choice, bool is_behind)
{
    bool is_ours = choice->route.way == ROUTE_UPLOAD || choice->owner->is_self;
    *answer = (struct router_answer){.way = choice->way.way,
                                     .reason = choice->way.reason,
                                     .rule = choice->route.reason,
                                     .rule_text = choice->route.text,
                                     .wait_ms = choice->wait_ms,
                                     .is_ours = is_ours,
                                     .is_behind = is_behind};
    snprintf(answer->to, sizeof answer->to, "%s", is_ours ? "" : choice->owner->name);
    if (choice->way.way == FAILOVER_SHARD && choice->route.way == ROUTE_UPLOAD)
        answer->way = FAILOVER_OWN;
}

int router_explain(struct router *router, const struct view *view, struct shipping *shipping,
                   const char *folder, const struct segment_name *name, struct router_answer *answer)
{
    int rc = router_scan(router);
    struct routing_pass pass = {.router = router,
                                .view = view,
                                .shipping = shipping,
                                .now_ms = wall_now_ms(),
                                .db = router_find(router, folder)};
    size_t index;
    if (rc)
        return rc;
    if (!pass.db || !router_begin(&pass))
        return -ENOENT;
    const struct waiting_group *group = find_group(&pass.db->queue, name);
    bool is_there = group && find_segment(&pass.db->queue, group, name->id, &index);
    if (is_there) {
        const struct choice choice = router_choose(&pass, group);
        say(answer, &choice, choice.route.way != ROUTE_WAIT && index >= choice.count);
    }
    close(pass.dir);
    return is_there ? 0 : -ENOENT;
}
