#include "peerd/ring/members.h"

#include <errno.h>

void members_init(struct members *members, const char *own_name, int64_t own_incarnation, int64_t hold_ms)
{
    *members = (struct members){.own_name = own_name, .own_incarnation = own_incarnation, .hold_ms = hold_ms};
}

void members_fini(struct members *members)
{
    for (size_t i = 0; i < members->count; i++)
        peer_state_unref(members->list[i].state);
    free(members->list);
    members->list = NULL;
    members->count = 0;
}

/* --- the list --------------------------------------------------------------------------------------- */

static bool is_at(const struct ring_member *member, const struct member_address *address)
{
    return strcmp(member->address.url, address->url) == 0 &&
           strcmp(member->address.connect_to, address->connect_to) == 0 &&
           strcmp(member->address.name, address->name) == 0;
}

static void begin_member(struct members *members, struct ring_member *member,
                         const struct member_address *address, struct moment now)
{
    *member = (struct ring_member){.address = *address, .id = ++members->last_id, .changed_ms = now.wall_ms};
    snprintf(member->name, sizeof member->name, "%s", address->name);
    presence_init(&member->presence, now.mono_ms);
}

int members_set(struct members *members, const struct member_address *addresses, size_t count,
                struct moment now)
{
    struct ring_member *list = calloc(count + 1, sizeof *list);
    if (!list)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        struct ring_member *old = NULL;
        for (size_t k = 0; k < members->count && !old; k++)
            if (is_at(&members->list[k], &addresses[i]))
                old = &members->list[k];
        if (old) {
            list[i] = *old;
            old->state = NULL;
        } else {
            begin_member(members, &list[i], &addresses[i], now);
        }
    }
    members_fini(members);
    members->list = list;
    members->count = count;
    return 0;
}

struct ring_member *members_find(struct members *members, uint64_t id)
{
    for (size_t i = 0; i < members->count; i++)
        if (members->list[i].id == id)
            return &members->list[i];
    return NULL;
}

bool members_has_new(const struct members *members)
{
    for (size_t i = 0; i < members->count; i++)
        if (members->list[i].presence.state == PRESENCE_NEW && !members->list[i].is_ourselves)
            return true;
    return false;
}

/* --- what they answer ------------------------------------------------------------------------------- */

static void note_change(struct ring_member *member, bool was_present, struct moment now)
{
    if (presence_is_present(&member->presence) == was_present)
        return;
    member->changed_ms = now.wall_ms;
    member->transitions++;
}

static void set_words(struct ring_member *member, enum view_trouble trouble, const char *words)
{
    member->trouble = trouble;
    snprintf(member->words, sizeof member->words, "%s", words);
}

/* Is it whom it should be? If not, it is away, and says why. */
static bool is_welcome(const struct members *members, struct ring_member *member)
{
    const char *said = member->state->name;
    char words[VIEW_WORDS_BYTES];
    bool is_ours = strcmp(said, members->own_name) == 0;
    bool is_configured = *member->address.name;

    member->is_ourselves =
        !is_configured && is_ours && member->state->incarnation == members->own_incarnation;
    if (member->is_ourselves)
        return false;
    if (is_ours)
        snprintf(words, sizeof words, "it answers with our own name: give each instance a --name of its own");
    else if (is_configured && strcmp(member->address.name, said) != 0)
        snprintf(words, sizeof words, "it answers as %s: mend --name there, or --peer here", said);
    else
        return true;
    presence_expel(&member->presence);
    set_words(member, VIEW_MISNAMED, words);
    return false;
}

void members_answer(struct members *members, struct ring_member *member, struct peer_state *state,
                    struct moment now)
{
    bool was_present = presence_is_present(&member->presence);
    peer_state_unref(member->state);
    member->state = state;
    member->polls++;
    member->heard_ms = now.wall_ms;
    if (is_welcome(members, member)) {
        if (strcmp(member->name, state->name) != 0) { /* learned, or another one has this address now */
            snprintf(member->name, sizeof member->name, "%s", state->name);
            presence_init(&member->presence, now.mono_ms);
        }
        presence_answer(&member->presence, now.mono_ms, members->hold_ms);
        set_words(member, VIEW_OK, "");
    }
    note_change(member, was_present, now);
}

void members_failure(struct members *members, struct ring_member *member, enum view_trouble trouble,
                     const char *words, struct moment now)
{
    bool was_present = presence_is_present(&member->presence);
    member->polls++;
    member->failures++;
    member->is_ourselves = false;
    presence_failure(&member->presence, now.mono_ms, members->hold_ms);
    set_words(member, trouble, words);
    note_change(member, was_present, now);
}

/* --- the view --------------------------------------------------------------------------------------- */

static enum view_trouble trouble_of(const struct ring_member *member)
{
    switch (member->presence.state) {
    case PRESENCE_NEW:
        return VIEW_NEW;
    case PRESENCE_PRESENT:
        return VIEW_OK;
    case PRESENCE_RETURNING:
        return VIEW_RETURNING;
    case PRESENCE_AWAY:
        break;
    }
    return member->trouble == VIEW_OK ? VIEW_SILENT : member->trouble;
}

static void show_member(const struct ring_member *member, struct view_member *shown)
{
    *shown = (struct view_member){
        .is_present = presence_is_present(&member->presence),
        .trouble = trouble_of(member),
        .changed_ms = member->changed_ms,
        .heard_ms = member->heard_ms,
        .polls = member->polls,
        .failures = member->failures,
        .transitions = member->transitions,
        .state = peer_state_ref(member->state),
    };
    snprintf(shown->name, sizeof shown->name, "%s", member->name);
    snprintf(shown->url, sizeof shown->url, "%s", member->address.url);
    snprintf(shown->connect_to, sizeof shown->connect_to, "%s", member->address.connect_to);
    snprintf(shown->words, sizeof shown->words, "%s", member->words);
}

static void show_self(struct peer_state *own, struct view_member *shown)
{
    *shown = (struct view_member){.is_self = true, .is_present = true, .state = peer_state_ref(own)};
    snprintf(shown->name, sizeof shown->name, "%s", own->name);
    shown->changed_ms = shown->heard_ms = own->incarnation;
}

/* By name; of one name ourselves first, then who is present, then by URL: the first is the one that counts.
 */
static int compare(const void *left, const void *right)
{
    const struct view_member *a = left, *b = right;
    int order = strcmp(a->name, b->name);
    if (order == 0)
        order = b->is_self - a->is_self;
    if (order == 0)
        order = b->is_present - a->is_present;
    if (order == 0)
        order = strcmp(a->url, b->url);
    return order ? order : strcmp(a->connect_to, b->connect_to);
}

static void mark_doubles(struct view *view)
{
    for (size_t i = 1; i < view->count; i++) {
        const struct view_member *first = &view->members[i - 1];
        struct view_member *member = &view->members[i];
        while (first > view->members && first->trouble == VIEW_DOUBLE)
            first--;
        if (!*member->name || strcmp(first->name, member->name) != 0 || member->trouble == VIEW_MISNAMED)
            continue;
        bool is_same =
            first->state && member->state && first->state->incarnation == member->state->incarnation;
        member->is_present = false;
        member->trouble = VIEW_DOUBLE;
        snprintf(member->words, sizeof member->words, "%s %.80s",
                 is_same ? "the same instance as" : "another instance of the name of", first->url);
    }
}

struct view *members_view(const struct members *members, struct peer_state *own, bool is_settled,
                          const struct view *before)
{
    size_t count = 1;
    for (size_t i = 0; i < members->count; i++)
        count += !members->list[i].is_ourselves;
    struct view *view = view_new(count);
    if (!view)
        return NULL;
    show_self(own, &view->members[0]);
    for (size_t i = 0, at = 1; i < members->count; i++)
        if (!members->list[i].is_ourselves)
            show_member(&members->list[i], &view->members[at++]);
    qsort(view->members, view->count, sizeof view->members[0], compare);
    while (!view->members[view->self].is_self)
        view->self++;
    mark_doubles(view);
    view->is_settled = is_settled;
    view->version = !before ? 1 : before->version + !view_is_alike(view, before);
    return view;
}
