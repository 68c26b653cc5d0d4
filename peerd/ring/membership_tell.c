#include "common/base/log.h"
#include "peerd/ring/membership.h"

static const struct view_member *find_again(const struct view *view, const struct view_member *member)
{
    for (size_t i = 0; i < view->count; i++)
        if (strcmp(view->members[i].url, member->url) == 0 &&
            strcmp(view->members[i].connect_to, member->connect_to) == 0 &&
            strcmp(view->members[i].name, member->name) == 0)
            return &view->members[i];
    return NULL;
}

static void publish(struct peerd *peerd, const char *type, const struct view_member *member, const char *why)
{
    daemon_publish(peerd->daemon, type,
                   json_pack("{s:s, s:s, s:s}", "peer", member->name, "url", member->url, "why", why));
}

static void tell_back(struct peerd *peerd, const struct view_member *member, bool is_first)
{
    const char *why = is_first ? "it answers for the first time" : "it answers again";
    log_info("peer-back", log_s("peer", member->name), log_s("url", member->url), log_s("why", why));
    publish(peerd, "peer-back", member, why);
}

static void tell_away(struct peerd *peerd, const struct view_member *member, const char *why)
{
    log_warn("peer-away", log_s("peer", member->name), log_s("url", member->url), log_s("cause", why),
             log_s("meaning", "it owns no table until it is back"));
    publish(peerd, "peer-away", member, why);
}

/* Something that a person must mend. */
static void tell_trouble(const struct view_member *member)
{
    if (member->trouble == VIEW_MISNAMED)
        log_error("peer-has-another-name", log_s("peer", member->name), log_s("url", member->url),
                  log_s("cause", member->words));
    else if (member->trouble == VIEW_DOUBLE)
        log_warn("peer-is-there-twice", log_s("peer", member->name), log_s("url", member->url),
                 log_s("cause", member->words));
    else if (member->trouble == VIEW_FOREIGN)
        log_error("peer-not-understood", log_s("peer", member->name), log_s("url", member->url),
                  log_s("cause", member->words));
}

static void tell_member(struct peerd *peerd, const struct view_member *before, const struct view_member *now)
{
    bool was_present = before && before->is_present;
    if (now->is_self)
        return;
    if (now->is_present && !was_present)
        tell_back(peerd, now, !before || before->trouble == VIEW_NEW);
    else if (!now->is_present && was_present)
        tell_away(peerd, now, *now->words ? now->words : view_trouble_word(now->trouble));
    else if (!now->is_present && now->trouble == VIEW_SILENT && before && before->trouble == VIEW_NEW)
        tell_away(peerd, now, now->words);
    if (!before || before->trouble != now->trouble)
        tell_trouble(now);
}

static void tell_changes(struct peerd *peerd, const struct view *before, const struct view *now)
{
    for (size_t i = 0; i < now->count; i++)
        tell_member(peerd, find_again(before, &now->members[i]), &now->members[i]);
    for (size_t i = 0; i < before->count; i++)
        if (before->members[i].is_present && !view_find(now, before->members[i].name))
            tell_away(peerd, &before->members[i], "it is not in the list of members any more");
}

void membership_tell(struct peerd *peerd)
{
    struct membership *membership = peerd->membership;
    struct view *now = views_get(&peerd->views);
    if (now->version == membership->told->version) {
        view_unref(now);
        return;
    }
    tell_changes(peerd, membership->told, now);
    view_unref(membership->told);
    membership->told = now;
}
