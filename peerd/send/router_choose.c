/* What is known of a table's segments that wait in sealed/, and what follows from it: failover.h before
 * route.h. */
#include <assert.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "peerd/send/router_parts.h"

static int64_t seen_ms(const struct waiting_segment *segment)
{
    return (int64_t)(uint32_t)((uint32_t)(uint64_t)(mono_now().ns / 1000000) - segment->seen_ms);
}

uint64_t router_bytes_of(struct routing_pass *pass, const struct waiting_group *group, size_t index)
{
    struct waiting_segment *segment = &pass->db->queue.segments[group->first + index];
    struct stat st;
    if (!segment->is_measured) {
        char file[NAME_FILE_MAX_BYTES + 1];
        waiting_name(&pass->db->queue, group, index, file);
        if (fstatat(pass->dir, file, &st, AT_SYMLINK_NOFOLLOW) == 0)
            segment->raw_bytes = (uint64_t)st.st_size;
        segment->is_measured = true;
    }
    return segment->raw_bytes;
}

/* The batch at hand: the oldest segments, until they are many or large. */
static void measure(struct routing_pass *pass, const struct waiting_group *group, struct route_facts *facts)
{
    const struct route_settings *settings = &pass->router->settings;
    while (facts->files < group->count && facts->files < settings->files &&
           facts->bytes <= settings->max_bytes)
        facts->bytes += router_bytes_of(pass, group, facts->files++);
}

/* Where failover.h has it go: comes before age and size. What waits in sealed/ does not rest: that is done in
 * upload/ (reclaim.h). */
static struct failover_route look(struct routing_pass *pass, const struct waiting_group *group)
{
    char schema[SCHEMA_HASH_TEXT_BYTES] = "-";
    if (group->has_schema)
        schema_hash_text(group->schema_hash, schema);
    const struct failover_segment segment = {.table = group->table, .schema = schema};
    return failover_route(pass->view, &pass->failover, pass->db->db, &segment);
}

static void gather(struct routing_pass *pass, const struct waiting_group *group,
                   const struct view_member *owner, struct route_facts *facts)
{
    assert(owner); /* there is always one: in the worst case it is us */
    const struct waiting_segment *oldest = &pass->db->queue.segments[group->first];
    *facts = (struct route_facts){
        .is_own = owner->is_self, .is_settled = pass->view->is_settled, .is_alone = pass->view->count == 1};
    facts->seen_ms = seen_ms(oldest);
    facts->age_ms = route_age_ms(oldest->id, pass->now_ms, facts->seen_ms);
    if (owner->is_self)
        return;
    facts->is_trouble = shipping_is_trouble(pass->shipping, owner->name);
    facts->has_slot = shipping_has_slot(pass->shipping, owner->name);
    measure(pass, group, facts);
}

/* Those from the oldest on that are too old. */
static size_t count_old(const struct routing_pass *pass, const struct waiting_group *group)
{
    size_t count = 1;
    while (count < group->count) {
        const struct waiting_segment *segment = &pass->db->queue.segments[group->first + count];
        if (route_age_ms(segment->id, pass->now_ms, seen_ms(segment)) <= pass->router->settings.max_age_ms)
            break;
        count++;
    }
    return count;
}

static int64_t wait_of(const struct routing_pass *pass, const struct route_facts *facts,
                       const struct route *route)
{
    if (route->rule == ROUTE_LINGER)
        return pass->router->settings.linger_ms - facts->seen_ms;
    return route->rule == ROUTE_HELD ? mono_left_ms(pass->db->held_until) : 0;
}

struct choice router_choose(struct routing_pass *pass, const struct waiting_group *group)
{
    const struct route_settings *settings = &pass->router->settings;
    struct choice choice = {.way = look(pass, group)};
    struct route_facts facts;
    choice.owner = choice.way.to ? choice.way.to : view_self(pass->view);
    choice.is_failing = choice.way.way == FAILOVER_DETOUR || choice.way.way == FAILOVER_DIVERT ||
                        choice.way.way == FAILOVER_REST;
    gather(pass, group, choice.owner, &facts);
    facts.is_held = choice.way.way == FAILOVER_DIVERT && !mono_is_past(pass->db->held_until);
    choice.route = choice.is_failing ? route_move_on(settings, &facts) : route_decide(settings, &facts);
    choice.wait_ms = wait_of(pass, &facts, &choice.route);
    if (choice.route.rule == ROUTE_OLD && !facts.is_own)
        choice.count = count_old(pass, group);
    else
        choice.count = !choice.is_failing && (facts.is_own || facts.is_alone) ? group->count : facts.files;
    return choice;
}
