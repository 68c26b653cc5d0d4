/* Control messages: one JSON object each way, with "v":1 (house.md §4). Pure; thread-safe. */
#ifndef SPILLWAY_MESSAGE_H
#define SPILLWAY_MESSAGE_H

#include <jansson.h>

#include "common/base/err.h"

enum { MESSAGE_VERSION = 1, MESSAGE_BYTES_MAX = 4 << 20 };

/* {"v":1,"op":op}; NULL when memory is out. The caller owns it and adds what the operation takes. */
json_t *message_request(const char *op);

/* {"v":1,"ok":true} and {"v":1,"ok":false,"code":…,"error":…}. `code` is a word for programs: "busy", "full",
 * "version" … */
json_t *message_reply(void);
json_t *message_refusal(const char *code, const char *text);

/* Parse what came in. -EINVAL not a JSON object, -EPROTO another version; `*message` is then NULL and `err`
 * says it. */
NODISCARD int message_parse(const void *bytes, size_t len, json_t **message, struct err *err);

/* Fields with their types checked: the value, or `fallback` when it is absent, of another type, or negative.
 */
const char *message_text(const json_t *message, const char *key, const char *fallback);
int64_t message_number(const json_t *message, const char *key, int64_t fallback);

#endif
