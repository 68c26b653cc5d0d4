/* The part that keeps the view of the ring. */
#include <errno.h>

#include "common/control/message.h"
#include "peerd/peerd.h"

/* Ourselves alone: what holds before anybody was heard of. */
static int publish_first(struct peerd *peerd, struct err *err)
{
    struct view *view = view_new(1);
    struct peer_state *own = peer_state_new(peerd->settings.name, wall_now_ms());
    if (!view || !own) {
        view_unref(view);
        peer_state_unref(own);
        return err_set(err, -ENOMEM, "out of memory");
    }
    struct view_member *self = &view->members[0];
    snprintf(self->name, sizeof self->name, "%s", peerd->settings.name);
    self->is_self = self->is_present = true;
    self->changed_ms = wall_now_ms();
    self->state = own;
    view->version = 1;
    view->is_settled = !peer_settings_has_peers(peerd->daemon->conf);
    views_put(&peerd->views, view);
    return 0;
}

static int init(struct peerd *peerd, struct err *err)
{
    return publish_first(peerd, err);
}

static json_t *member_json(const struct view_member *member)
{
    return json_pack("{s:s, s:s, s:b, s:b, s:s}", "name", member->name, "url", member->url, "self",
                     member->is_self, "present", member->is_present, "trouble",
                     view_trouble_word(member->trouble));
}

static void status(struct peerd *peerd, json_t *out)
{
    struct view *view = views_get(&peerd->views);
    json_t *peers = json_array();
    for (size_t i = 0; i < view->count; i++)
        if (!view->members[i].is_self)
            json_array_append_new(peers, member_json(&view->members[i]));
    json_object_set_new(out, "peers", peers);
    view_unref(view);
}

const struct peerd_part membership_part = {.init = init, .status = status};
