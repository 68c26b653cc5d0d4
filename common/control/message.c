#include "common/control/message.h"

#include <errno.h>

json_t *message_request(const char *op)
{
    return json_pack("{s:i, s:s}", "v", MESSAGE_VERSION, "op", op);
}

json_t *message_reply(void)
{
    return json_pack("{s:i, s:b}", "v", MESSAGE_VERSION, "ok", 1);
}

json_t *message_refusal(const char *code, const char *text)
{
    return json_pack("{s:i, s:b, s:s, s:s}", "v", MESSAGE_VERSION, "ok", 0, "code", code, "error", text);
}

int message_parse(const void *bytes, size_t len, json_t **message, struct err *err)
{
    *message = NULL;
    if (len > MESSAGE_BYTES_MAX)
        return err_set(err, -EINVAL, "message of %zu bytes: at most %d are taken", len, MESSAGE_BYTES_MAX);
    json_error_t why;
    json_t *root = json_loadb(bytes, len, JSON_REJECT_DUPLICATES, &why);
    int rc = 0;
    if (!json_is_object(root))
        rc = err_set(err, -EINVAL, "message is not a JSON object: %s",
                     root ? "it is another value" : why.text);
    else if (message_number(root, "v", -1) != MESSAGE_VERSION)
        rc = err_set(err, -EPROTO, "message of version %lld: this program speaks version %d",
                     (long long)message_number(root, "v", -1), MESSAGE_VERSION);
    if (rc)
        json_decref(root);
    else
        *message = root;
    return rc;
}

const char *message_text(const json_t *message, const char *key, const char *fallback)
{
    const char *text = json_string_value(json_object_get(message, key));
    return text ? text : fallback;
}

int64_t message_number(const json_t *message, const char *key, int64_t fallback)
{
    const json_t *value = json_object_get(message, key);
    return json_is_integer(value) && json_integer_value(value) >= 0 ? json_integer_value(value) : fallback;
}
