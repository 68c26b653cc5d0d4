/* libFuzzer target: control messages, which anyone of our uid may send. */
#include <stdint.h>
#include <stdlib.h>

#include "common/control/lease_message.h"
#include "common/control/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

#define CHECK(condition) ((condition) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct lease_request request;
    json_t *message = NULL;
    struct err err;
    if (message_parse(data, bytes, &message, &err) != 0) {
        CHECK(!message);
        return 0;
    }
    CHECK(json_is_object(message));
    CHECK(message_number(message, "v", -1) == MESSAGE_VERSION);
    CHECK(message_number(message, "need", 0) >= 0);
    (void)message_text(message, "op", "");
    if (lease_request_parse(message, &request, &err) == 0) {
        CHECK(request.holding >= 0 && request.need >= 0 && request.want >= request.need);
        CHECK(memchr(request.db, '\0', sizeof request.db) && !strchr(request.db, '/'));
    }
    json_decref(message);
    return 0;
}
