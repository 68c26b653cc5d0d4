#include "peerd/ring/poller.h"

#include <errno.h>

#include "common/base/clock.h"
#include "common/base/log.h"

enum {
    ANSWER_PARTS = 5, /* two requests that get no answer must fit into --peer-hold */
    ANSWER_MIN_MS = 50,
    ANSWER_MAX_MS = 5000,
    SETTLE_ANSWERS = 2,
    VIEW_INTERVAL_MS = 1000, /* what only informs is published so often */
    VIEW_GATHER_MS = 20,     /* answers that come close together make one view */
};

/* A request under way. */
struct asking {
    uint64_t member; /* its id */
    CURL *easy;
    struct curl_slist *connect_to;
    struct buf answer;
    char words[CURL_ERROR_SIZE];
    struct asking *next;
};

struct poller {
    struct poller_options options;
    pthread_t thread;
    bool is_running;
    atomic_bool is_stopping;
    CURLM *multi;
    struct members members; /* from here on: the thread's */
    struct asking *askings;
    uint64_t roster_version;
    int64_t settle_ms; /* when at the latest the view is settled; monotonic */
    int64_t view_ms;   /* when the last view was made, and the last one published */
    int64_t put_ms;
    bool is_settled, has_news;
};

static struct moment moment_now(void)
{
    return (struct moment){.mono_ms = mono_now().ns / 1000000, .wall_ms = wall_now_ms()};
}

/* --- asking ----------------------------------------------------------------------------------------- */

static size_t take_answer(char *data, size_t one, size_t bytes, void *arg)
{
    (void)one;
    struct asking *asking = arg;
    return buf_put(&asking->answer, data, bytes) == 0 ? bytes : 0;
}

static void free_asking(struct asking *asking)
{
    curl_easy_cleanup(asking->easy);
    curl_slist_free_all(asking->connect_to);
    buf_fini(&asking->answer);
    free(asking);
}

/* How long an answer may take: less than the hold time, so that one that is late is no verdict. */
static int64_t answer_ms(const struct peer_settings *settings)
{
    int64_t share = settings->hold_ms * 2 / ANSWER_PARTS;
    return share < ANSWER_MIN_MS ? ANSWER_MIN_MS : share > ANSWER_MAX_MS ? ANSWER_MAX_MS : share;
}

static void set_up(struct poller *poller, struct asking *asking, const struct ring_member *member)
{
    char url[VIEW_URL_BYTES + 16];
    CURL *easy = asking->easy;
    snprintf(url, sizeof url, "%s/peer/state", member->address.url);
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)answer_ms(poller->options.settings));
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_answer);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, asking);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, asking->words);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, asking);
    credentials_apply(poller->options.credentials, easy, &asking->connect_to, member->address.connect_to);
}

static int ask(struct poller *poller, struct ring_member *member)
{
    struct asking *asking = calloc(1, sizeof *asking);
    if (!asking)
        return -ENOMEM;
    asking->member = member->id;
    asking->easy = curl_easy_init();
    buf_init(&asking->answer, PEER_STATE_BYTES_MAX);
    if (asking->easy)
        set_up(poller, asking, member);
    if (!asking->easy || curl_multi_add_handle(poller->multi, asking->easy) != CURLM_OK) {
        free_asking(asking);
        return -ENOMEM;
    }
    asking->next = poller->askings;
    poller->askings = asking;
    member->is_asked = true;
    return 0;
}

static void ask_who_is_due(struct poller *poller, struct moment now)
{
    for (size_t i = 0; i < poller->members.count; i++) {
        struct ring_member *member = &poller->members.list[i];
        if (member->is_asked || member->due_ms > now.mono_ms)
            continue;
        member->due_ms = now.mono_ms + poller->options.settings->poll_interval_ms;
        if (ask(poller, member) != 0)
            members_failure(&poller->members, member, VIEW_SILENT, "out of memory", now);
    }
}

/* --- answers ---------------------------------------------------------------------------------------- */

static void note_failure(struct poller *poller, struct ring_member *member, const struct asking *asking,
                         CURLcode code, long status, struct moment now)
{
    char words[VIEW_WORDS_BYTES];
    if (code != CURLE_OK) {
        snprintf(words, sizeof words, "%.150s", *asking->words ? asking->words : curl_easy_strerror(code));
        members_failure(&poller->members, member, VIEW_SILENT, words, now);
        return;
    }
    bool is_refusal = status == 401 || status == 403;
    snprintf(words, sizeof words, "HTTP %ld%s", status,
             is_refusal ? ": it does not take our token or certificate: is token-file the same there?" : "");
    members_failure(&poller->members, member, status >= 500 ? VIEW_SILENT : VIEW_FOREIGN, words, now);
}

static void take_result(struct poller *poller, struct asking *asking, CURLcode code, struct moment now)
{
    long status = 0;
    struct peer_state *state;
    struct err err;
    struct ring_member *member = members_find(&poller->members, asking->member);
    if (!member)
        return; /* it is not in the ring any more */
    member->is_asked = false;
    curl_easy_getinfo(asking->easy, CURLINFO_RESPONSE_CODE, &status);
    if (code != CURLE_OK || status != 200) {
        note_failure(poller, member, asking, code, status, now);
    } else if (peer_state_parse(asking->answer.data ? asking->answer.data : "", asking->answer.len, &state,
                                &err) != 0) {
        char words[VIEW_WORDS_BYTES];
        snprintf(words, sizeof words, "its answer is not understood: %.110s", err.text);
        members_failure(&poller->members, member, VIEW_FOREIGN, words, now);
    } else {
        members_answer(&poller->members, member, state, now);
    }
    poller->has_news = true;
}

static void remove_asking(struct poller *poller, struct asking *asking)
{
    struct asking **at = &poller->askings;
    while (*at != asking)
        at = &(*at)->next;
    *at = asking->next;
    curl_multi_remove_handle(poller->multi, asking->easy);
    free_asking(asking);
}

static void take_results(struct poller *poller)
{
    int left;
    const CURLMsg *message;
    while ((message = curl_multi_info_read(poller->multi, &left))) {
        struct asking *asking;
        CURLcode code = message->data.result;
        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &asking);
        take_result(poller, asking, code, moment_now());
        remove_asking(poller, asking);
    }
}

/* --- views ------------------------------------------------------------------------------------------ */

static void read_roster(struct poller *poller, struct moment now)
{
    struct member_address *addresses;
    size_t count;
    uint64_t version = poller->roster_version;
    int rc = roster_read(poller->options.roster, &version, &addresses, &count);
    if (rc == 0)
        return;
    if (rc > 0) {
        rc = members_set(&poller->members, addresses, count, now);
        free(addresses);
    }
    if (rc) {
        log_warn("cannot-take-members", log_s("cause", strerror(-rc)), log_s("do", "it is tried again"));
        return;
    }
    poller->roster_version = version;
    poller->has_news = true;
}

static void settle(struct poller *poller, struct moment now)
{
    bool is_known = roster_is_complete(poller->options.roster) && !members_has_new(&poller->members);
    if (!poller->is_settled && (is_known || now.mono_ms >= poller->settle_ms))
        poller->is_settled = poller->has_news = true;
}

/* Milliseconds until a view is to be made. */
static int64_t view_due_ms(const struct poller *poller, struct moment now)
{
    int64_t due = poller->view_ms + (poller->has_news ? VIEW_GATHER_MS : VIEW_INTERVAL_MS);
    return due > now.mono_ms ? due - now.mono_ms : 0;
}

/* Put it where others see it, when it says anything new, and now and then. */
static void put_view(struct poller *poller, struct view *view, bool is_new, struct moment now)
{
    if (!is_new && now.mono_ms - poller->put_ms < VIEW_INTERVAL_MS) {
        view_unref(view);
        return;
    }
    poller->put_ms = now.mono_ms;
    views_put(poller->options.views, view);
    if (is_new && poller->options.changed)
        poller->options.changed(poller->options.arg);
}

static int publish(struct poller *poller, struct moment now)
{
    struct view *before = views_get(poller->options.views);
    struct peer_state *own = own_get(poller->options.own);
    struct view *view = members_view(&poller->members, own, poller->is_settled, before);
    bool is_new = view && (!before || view->version != before->version);
    view_unref(before);
    peer_state_unref(own);
    poller->view_ms = now.mono_ms;
    poller->has_news = false;
    if (!view)
        return -ENOMEM;
    put_view(poller, view, is_new, now);
    return 0;
}

/* --- the thread ------------------------------------------------------------------------------------- */

static int wait_ms(const struct poller *poller, struct moment now)
{
    int64_t due = now.mono_ms + view_due_ms(poller, now);
    for (size_t i = 0; i < poller->members.count; i++)
        if (!poller->members.list[i].is_asked && poller->members.list[i].due_ms < due)
            due = poller->members.list[i].due_ms;
    return due > now.mono_ms ? (int)(due - now.mono_ms) : 0;
}

static void *run(void *arg)
{
    struct poller *poller = arg;
    while (!atomic_load(&poller->is_stopping)) {
        int running;
        struct moment now = moment_now();
        read_roster(poller, now);
        ask_who_is_due(poller, now);
        curl_multi_perform(poller->multi, &running);
        take_results(poller);
        now = moment_now();
        settle(poller, now);
        if (view_due_ms(poller, now) == 0 && publish(poller, now) != 0)
            log_warn("cannot-publish-view", log_s("cause", "out of memory"));
        curl_multi_poll(poller->multi, NULL, 0, wait_ms(poller, now), NULL);
    }
    return NULL;
}

int poller_start(struct poller **out, const struct poller_options *options, struct err *err)
{
    struct poller *poller = *out = calloc(1, sizeof *poller);
    if (!poller)
        return err_set(err, -ENOMEM, "out of memory");
    struct moment now = moment_now();
    const struct peer_settings *settings = options->settings;
    poller->options = *options;
    poller->settle_ms = now.mono_ms + settings->hold_ms + SETTLE_ANSWERS * answer_ms(settings);
    members_init(&poller->members, settings->name, options->incarnation, settings->hold_ms);
    read_roster(poller, now);
    settle(poller, now);
    poller->multi = curl_multi_init();
    int rc = poller->multi ? publish(poller, now) : -ENOMEM;
    if (rc == 0) {
        curl_multi_setopt(poller->multi, CURLMOPT_MAXCONNECTS, (long)VIEW_MEMBERS_MAX);
        rc = -pthread_create(&poller->thread, NULL, run, poller);
    }
    poller->is_running = rc == 0;
    if (rc == 0)
        return 0;
    poller_stop(poller);
    *out = NULL;
    return err_errno(err, rc, "the ring cannot be watched");
}

void poller_stop(struct poller *poller)
{
    if (!poller)
        return;
    if (poller->is_running) {
        atomic_store(&poller->is_stopping, true);
        curl_multi_wakeup(poller->multi);
        pthread_join(poller->thread, NULL);
    }
    while (poller->askings)
        remove_asking(poller, poller->askings);
    if (poller->multi)
        curl_multi_cleanup(poller->multi);
    members_fini(&poller->members);
    free(poller);
}

void poller_nudge(struct poller *poller)
{
    curl_multi_wakeup(poller->multi);
}
