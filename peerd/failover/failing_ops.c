/* What may be asked about failover, and said: "failover". */
#include <errno.h>

#include "common/base/log.h"
#include "common/control/message.h"
#include "peerd/failover/failing_parts.h"

/* --- the state of all databases --------------------------------------------------------------------- */

static json_t *override_json(const struct override *word)
{
    if (!word)
        return json_null();
    return json_pack("{s:s, s:s, s:s, s:I, s:I}", "mode", word->mode == OVERRIDE_ON ? "on" : "off", "at",
                     word->at, "by", word->by, "set", (json_int_t)word->set_ms, "until",
                     (json_int_t)word->until_ms);
}

/* What each member says of it: how much it holds, and whether it reaches it. */
static json_t *members_json(const struct view *view, const char *db)
{
    json_t *list = json_array();
    for (size_t i = 0; i < view->count; i++) {
        const struct view_member *member = &view->members[i];
        const struct peer_database *said = peer_state_find(member->state, db);
        if (!*member->name || member->trouble == VIEW_DOUBLE)
            continue;
        json_array_append_new(list, json_pack("{s:s, s:b, s:b, s:s, s:I, s:I, s:I}", "name", member->name,
                                              "self", member->is_self, "present", member->is_present,
                                              "health", said ? health_word(said->health) : "up",
                                              "health_since", (json_int_t)(said ? said->since_ms : 0),
                                              "held_bytes", (json_int_t)(said ? said->held_bytes : 0),
                                              "held_segments", (json_int_t)(said ? said->held_segments : 0)));
    }
    return list;
}

struct drop_list {
    const char *db;
    json_t *out;
};

static void add_drop(void *arg, const char *db, enum drop_fate fate, enum drop_reason reason,
                     const struct drops_sum *sum)
{
    struct drop_list *list = arg;
    if (strcmp(db, list->db) == 0)
        json_array_append_new(list->out,
                              json_pack("{s:s, s:s, s:I, s:I, s:I}", "fate", drop_fate_word(fate), "reason",
                                        drop_reason_word(reason), "segments", (json_int_t)sum->segments,
                                        "rows", (json_int_t)sum->rows, "bytes", (json_int_t)sum->bytes));
}

static json_t *entry_json(const struct failing *failing, const struct view *view,
                          const struct board_entry *entry)
{
    struct drop_list drops = {.db = entry->db, .out = json_array()};
    drops_totals(failing->drops, add_drop, &drops);
    return json_pack("{s:s, s:b, s:s, s:s, s:b, s:I, s:I, s:I, s:b, s:s, s:o, s:o, s:o}", "db", entry->db,
                     "active", entry->now.is_active, "reason", failover_cause_word(entry->now.cause), "at",
                     entry->at, "ours", entry->is_ours, "since", (json_int_t)entry->since_ms, "reached_by",
                     (json_int_t)entry->now.reaching, "present", (json_int_t)entry->now.present, "reached",
                     entry->now.is_reached, "health", health_word(entry->health), "override",
                     override_json(overrides_find(&failing->overrides, entry->db, wall_now_ms())), "members",
                     members_json(view, entry->db), "given_up", drops.out);
}

static json_t *list_all(struct peerd *peerd, const char *db)
{
    static const char *const policies[] = {
        [POLICY_DROP] = "drop", [POLICY_KEEP] = "keep", [POLICY_ARCHIVE] = "archive"};
    const struct failing *failing = peerd->failing;
    struct view *view = views_get(&peerd->views);
    json_t *reply = message_reply(), *list = json_array();
    for (size_t i = 0; i < failing->board.count; i++)
        if (!db || strcmp(db, failing->board.list[i].db) == 0)
            json_array_append_new(list, entry_json(failing, view, &failing->board.list[i]));
    json_object_set_new(reply, "mode", json_string(failing->is_observing ? "observe" : "auto"));
    json_object_set_new(reply, "policy", json_string(policies[failing->policy]));
    json_object_set_new(reply, "settled", json_boolean(view->is_settled));
    json_object_set_new(reply, "name", json_string(peerd->settings.name));
    json_object_set_new(reply, "databases", list);
    view_unref(view);
    return reply;
}

/* --- what operators say ----------------------------------------------------------------------------- */

static bool parse_action(const char *action, enum override_mode *mode)
{
    static const struct {
        const char *word;
        enum override_mode mode;
    } actions[] = {{"on", OVERRIDE_ON}, {"off", OVERRIDE_OFF}, {"clear", OVERRIDE_AUTO}};
    for (size_t i = 0; i < ARRAY_LEN(actions); i++) {
        if (strcmp(actions[i].word, action) == 0) {
            *mode = actions[i].mode;
            return true;
        }
    }
    return false;
}

/* Durable before it holds; on failure nothing has changed. */
static int say(struct peerd *peerd, const struct override *word, struct err *err)
{
    struct failing *failing = peerd->failing;
    struct overrides *before = malloc(sizeof *before);
    if (!before)
        return err_set(err, -ENOMEM, "out of memory");
    *before = failing->overrides;
    int rc = overrides_say(&failing->overrides, word, wall_now_ms(), err);
    if (rc == 0)
        rc = failing_store(peerd, err);
    if (rc)
        failing->overrides = *before;
    free(before);
    return rc;
}

static json_t *take_word(struct peerd *peerd, const json_t *request, enum override_mode mode)
{
    const char *db = message_text(request, "db", ""), *at = message_text(request, "at", "");
    struct override word = {.mode = mode, .until_ms = wall_now_ms() + message_number(request, "ttl_ms", 0)};
    struct err err;
    if (strlen(db) >= sizeof word.db || strlen(at) >= sizeof word.at)
        return message_refusal("malformed", "\"db\" or \"at\" is too long to be a name");
    snprintf(word.db, sizeof word.db, "%s", db);
    snprintf(word.at, sizeof word.at, "%s", at);
    snprintf(word.by, sizeof word.by, "%s", peerd->settings.name);
    struct view *view = views_get(&peerd->views);
    bool is_known = !*at || view_find(view, at);
    view_unref(view);
    if (!is_known)
        return message_refusal("unknown", "there is no member of that name in the ring: spillway peers");
    int rc = say(peerd, &word, &err);
    if (rc)
        return message_refusal(rc == -EINVAL ? "malformed" : "failed", err.text);
    log_info("failover-word", log_s("db", db), log_s("mode", override_mode_word(mode)), log_s("at", at),
             log_n("until_ms", word.until_ms));
    peerd->failing->has_news = true;
    failing_update(peerd);
    return list_all(peerd, db);
}

json_t *failing_op_failover(void *state, const struct ctl_peer *peer, const json_t *request)
{
    struct peerd *peerd = state;
    const char *action = message_text(request, "action", "list");
    enum override_mode mode;
    (void)peer;
    if (strcmp(action, "list") == 0)
        return list_all(peerd, message_text(request, "db", NULL));
    if (!parse_action(action, &mode))
        return message_refusal("malformed", "\"action\" is list, on, off or clear");
    return take_word(peerd, request, mode);
}
