#include "common/control/message.h"
#include "common/segment/name.h"
#include "peerd/ring/membership.h"
#include "peerd/ring/view_json.h"

static size_t count_present(const struct view *view)
{
    size_t present = 0;
    for (size_t i = 0; i < view->count; i++)
        present += view->members[i].is_present;
    return present;
}

static json_t *dns_json(struct discovery *discovery, const char *name)
{
    struct discovery_status status;
    discovery_status(discovery, &status);
    return json_pack("{s:s, s:I, s:I, s:I, s:I, s:s}", "name", name, "lookups", (json_int_t)status.lookups,
                     "failures", (json_int_t)status.failures, "members", (json_int_t)status.members,
                     "succeeded", (json_int_t)status.succeeded_ms, "words", status.words);
}

static void add_ring(struct peerd *peerd, const struct view *view, json_t *out)
{
    json_object_set_new(out, "name", json_string(peerd->settings.name));
    json_object_set_new(out, "view_version", json_integer((json_int_t)view->version));
    json_object_set_new(out, "settled", json_boolean(view->is_settled));
    json_object_set_new(out, "members", json_integer((json_int_t)view->count));
    json_object_set_new(out, "present", json_integer((json_int_t)count_present(view)));
    if (peerd->membership->discovery)
        json_object_set_new(out, "dns", dns_json(peerd->membership->discovery, peerd->settings.dns));
}

void membership_status(struct peerd *peerd, json_t *out)
{
    struct view *view = views_get(&peerd->views);
    json_t *peers = view_members_json(view);
    json_array_remove(peers, view->self);
    add_ring(peerd, view, out);
    json_object_set_new(out, "peers", peers);
    view_unref(view);
}

json_t *membership_op_peers(void *state, const struct ctl_peer *peer, const json_t *request)
{
    (void)peer, (void)request;
    struct peerd *peerd = state;
    struct view *view = views_get(&peerd->views);
    json_t *reply = message_reply();
    add_ring(peerd, view, reply);
    json_object_set_new(reply, "peers", view_members_json(view));
    view_unref(view);
    return reply;
}

json_t *membership_op_owner(void *state, const struct ctl_peer *peer, const json_t *request)
{
    (void)peer;
    struct peerd *peerd = state;
    const char *db = message_text(request, "db", ""), *table = message_text(request, "table", "");
    const char *schema = message_text(request, "schema", "-");
    if (name_check(db, strlen(db)) != NAME_OK || name_check(table, strlen(table)) != NAME_OK ||
        strlen(schema) >= SCHEMA_HASH_TEXT_BYTES)
        return message_refusal("malformed", "\"db\" and \"table\" are names, \"schema\" is a schema's hash");
    struct view *view = views_get(&peerd->views);
    json_t *reply = message_reply(), *owner = view_owner_json(view, db, table, schema);
    json_object_update(reply, owner);
    json_object_set_new(reply, "settled", json_boolean(view->is_settled));
    json_object_set_new(reply, "view_version", json_integer((json_int_t)view->version));
    json_decref(owner);
    view_unref(view);
    return reply;
}

/* Each name once. */
static bool is_shown(const struct view_member *member)
{
    return !member->is_self && *member->name && member->trouble != VIEW_DOUBLE;
}

static void add_family(struct metrics *out, const struct view *view, const char *name, enum metrics_type type,
                       const char *help, int64_t (*value)(const struct view_member *member))
{
    metrics_family(out, name, type, help);
    for (size_t i = 0; i < view->count; i++)
        if (is_shown(&view->members[i]))
            metrics_sample(out, name, "peer", view->members[i].name, value(&view->members[i]));
}

static int64_t value_present(const struct view_member *member)
{
    return member->is_present;
}

static int64_t value_polls(const struct view_member *member)
{
    return (int64_t)member->polls;
}

static int64_t value_failures(const struct view_member *member)
{
    return (int64_t)member->failures;
}

static int64_t value_transitions(const struct view_member *member)
{
    return (int64_t)member->transitions;
}

static void add_dns_metrics(struct discovery *discovery, struct metrics *out)
{
    struct discovery_status status;
    discovery_status(discovery, &status);
    metrics_single(out, "spillway_peers_dns_lookups_total", METRICS_COUNTER,
                   "Look-ups of the members in DNS.", (int64_t)status.lookups);
    metrics_single(out, "spillway_peers_dns_failures_total", METRICS_COUNTER,
                   "Those that failed: the list of before stayed.", (int64_t)status.failures);
}

void membership_metrics(struct peerd *peerd, struct metrics *out)
{
    struct view *view = views_get(&peerd->views);
    metrics_single(out, "spillway_ring_members", METRICS_GAUGE, "Members of the ring, ourselves included.",
                   (int64_t)view->count);
    metrics_single(out, "spillway_ring_members_present", METRICS_GAUGE, "Those that are present.",
                   (int64_t)count_present(view));
    metrics_single(out, "spillway_ring_view_version", METRICS_COUNTER,
                   "Changes of anything that ownership can depend on.", (int64_t)view->version);
    if (view->count > 1) {
        add_family(out, view, "spillway_peer_present", METRICS_GAUGE, "1 while the peer is present.",
                   value_present);
        add_family(out, view, "spillway_peer_polls_total", METRICS_COUNTER, "How often it was asked.",
                   value_polls);
        add_family(out, view, "spillway_peer_poll_failures_total", METRICS_COUNTER,
                   "How often it did not answer, or not as it should.", value_failures);
        add_family(out, view, "spillway_peer_transitions_total", METRICS_COUNTER,
                   "How often it went away or came back.", value_transitions);
    }
    if (peerd->membership->discovery)
        add_dns_metrics(peerd->membership->discovery, out);
    view_unref(view);
}
