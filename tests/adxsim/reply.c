#include "tests/adxsim/reply.h"

/* Storage's own names for what a rule does not name. */
static const char *storage_code(const struct sim_error *error)
{
    switch (error->status) {
    case 403:
        return "AuthenticationFailed";
    case 404:
        return "ResourceNotFound";
    case 429:
    case 503:
        return "ServerBusy";
    default:
        return error->status >= 500 ? "InternalError" : "InvalidInput";
    }
}

static void storage_error(struct reply *reply, const struct request *request, const struct sim_error *error)
{
    const char *code = storage_code(error);

    reply->content_type = "application/xml";
    buf_printf(&reply->headers, "x-ms-error-code: %s\nx-ms-request-id: %s\nx-ms-version: 2022-11-02\n", code,
               request->activity_id);
    buf_printf(
        &reply->body,
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>%s</Code><Message>adxsim was told to answer "
        "%d\nRequestId:%s</Message></Error>",
        code, error->status, request->activity_id);
}

static void kusto_error(struct reply *reply, const struct request *request, const struct sim_error *error)
{
    if (request->accept && strstr(request->accept, "application/json")) {
        reply->content_type = "application/json; charset=utf-8";
        error_write(error, request->request_id, request->activity_id, &reply->body);
    } else {
        reply->content_type = "text/plain; charset=utf-8";
        buf_printf(&reply->body, "%s: %s (send Accept: application/json for more)\n", error->code,
                   error->message);
    }
}

void reply_error(struct reply *reply, const struct request *request, const struct sim_error *error)
{
    reply->status = error->status;
    buf_clear(&reply->body);
    switch (request->host) {
    case HOST_STORAGE:
        storage_error(reply, request, error);
        break;
    case HOST_AAD:
    case HOST_IMDS:
        reply_take_json(reply, error->status,
                        json_pack("{s:s, s:s}", "error", error->status < 500 ? error->code : "server_error",
                                  "error_description", error->message));
        break;
    case HOST_ENGINE:
    case HOST_DM:
    case HOSTS:
        kusto_error(reply, request, error);
        break;
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
