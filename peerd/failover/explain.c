/* "explain": where a segment goes that waits in sealed/ or upload/, and why. Asked of the very functions that
 * move it (router.h, reclaim.h), so what is told is what happens. */
#include <errno.h>
#include <fcntl.h>

#include "common/control/message.h"
#include "peerd/failover/failing.h"
#include "peerd/failover/reclaim.h"
#include "peerd/send/routing.h"

struct question {
    const char *db, *file;
    char folder[SPOOL_NAME_BYTES];
    struct segment_name name;
};

static bool read_question(const json_t *request, struct question *question)
{
    question->db = message_text(request, "db", "");
    question->file = message_text(request, "file", "");
    return name_check(question->db, strlen(question->db)) == NAME_OK &&
           name_encode(question->db, question->folder, sizeof question->folder) == NAME_OK &&
           segment_name_parse(question->file, &question->name) == NAME_OK;
}

static json_t *answer_sealed(struct peerd *peerd, const struct view *view, const struct question *question)
{
    struct router_answer answer;
    int rc = routing_explain(peerd, view, question->folder, &question->name, &answer);
    if (rc)
        return NULL;
    return json_pack("{s:s, s:s, s:b, s:s, s:s, s:s, s:I}", "way", failover_way_word(answer.way), "to",
                     answer.is_ours ? peerd->settings.name : answer.to, "self", answer.is_ours, "why",
                     answer.reason, "rule", answer.is_behind ? "behind" : answer.rule, "rule_text",
                     answer.is_behind ? "older ones of its table are moved first" : answer.rule_text,
                     "wait_ms", (json_int_t)answer.wait_ms);
}

/* It may have to leave, once it has rested; not while we are about to reach the database ourselves. */
static json_t *answer_upload(struct peerd *peerd, const struct view *view, const struct question *question)
{
    const struct failover now = failing_look(peerd, view, question->db);
    const struct spool_place place = spool_place(QUEUE_UPLOAD, question->folder);
    int dir = spool_place_open(&peerd->daemon->spool, &place, false);
    if (dir < 0 || faccessat(dir, question->file, F_OK, AT_SYMLINK_NOFOLLOW) != 0) {
        if (dir >= 0)
            close(dir);
        return NULL;
    }
    const struct failover_route route = reclaim_route(view, &now, question->db, dir, question->file);
    close(dir);
    bool is_moving = route.way == FAILOVER_DETOUR || route.way == FAILOVER_DIVERT;
    int64_t stay_ms = is_moving ? failing_stay_ms(peerd, question->db) : 0;
    const char *rule = !is_moving ? "" : stay_ms > 0 ? "stays" : "owner";
    const char *text = !is_moving    ? ""
                       : stay_ms > 0 ? "it is back for others: we ask whether it is for us before this leaves"
                                     : "it is taken back from uploader, and sent";
    return json_pack("{s:s, s:s, s:b, s:s, s:s, s:s, s:I}", "way", failover_way_word(route.way), "to",
                     route.to ? route.to->name : peerd->settings.name, "self", !route.to || route.to->is_self,
                     "why", route.reason, "rule", rule, "rule_text", text, "wait_ms",
                     (json_int_t)(route.rest_ms > stay_ms ? route.rest_ms : stay_ms));
}

static json_t *explain(struct peerd *peerd, const struct question *question, bool is_sealed)
{
    struct view *view = views_get(&peerd->views);
    const struct failover now = failing_look(peerd, view, question->db);
    json_t *answer = is_sealed ? answer_sealed(peerd, view, question) : answer_upload(peerd, view, question);
    json_t *state = json_pack("{s:b, s:s, s:I, s:I, s:b}", "failover", now.is_active, "cause",
                              failover_cause_word(now.cause), "reached_by", (json_int_t)now.reaching,
                              "present", (json_int_t)now.present, "settled", view->is_settled);
    view_unref(view);
    if (answer)
        json_object_update(answer, state);
    json_decref(state);
    return answer;
}

json_t *explain_op(void *state, const struct ctl_peer *peer, const json_t *request)
{
    const char *queue = message_text(request, "queue", "");
    bool is_sealed = strcmp(queue, "sealed") == 0;
    struct question question;
    (void)peer;
    if (!read_question(request, &question) || (!is_sealed && strcmp(queue, "upload") != 0))
        return message_refusal("malformed",
                               "\"db\" is a name, \"file\" that of a segment, \"queue\" sealed or "
                               "upload");
    json_t *answer = explain(state, &question, is_sealed);
    if (!answer)
        return message_refusal("gone", "it is not there any more");
    json_t *reply = message_reply();
    json_object_update(reply, answer);
    json_decref(answer);
    return reply;
}
