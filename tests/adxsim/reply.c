#include "tests/adxsim/reply.h"

void reply_error(struct reply *reply, const struct request *request, const struct sim_error *error)
{
    reply->status = error->status;
    buf_clear(&reply->body);
    if (request->accept && strstr(request->accept, "application/json")) {
        reply->content_type = "application/json; charset=utf-8";
        error_write(error, request->request_id, request->activity_id, &reply->body);
    } else {
        reply->content_type = "text/plain; charset=utf-8";
        buf_printf(&reply->body, "%s: %s (send Accept: application/json for more)\n", error->code,
                   error->message);
    }
}

void reply_result(struct reply *reply, const struct result *result, bool v2)
{
    reply->status = 200;
    reply->content_type = "application/json; charset=utf-8";
    buf_clear(&reply->body);
    if (v2)
        result_write_v2(result, &reply->body);
    else
        result_write(result, &reply->body);
}

void reply_take_json(struct reply *reply, int status, json_t *json)
{
    char *text = json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY);

    reply_json_text(reply, status, text ? text : "null");
    free(text);
    json_decref(json);
}
