/* libFuzzer target: what a peer says of itself. Whatever is understood can be written, and is understood
 * again as the same. */
#include <stdint.h>
#include <stdlib.h>

#include "peerd/ring/peer_state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

#define CHECK(condition) ((condition) ? (void)0 : abort())

static void compare(const struct peer_state *a, const struct peer_state *b)
{
    CHECK(strcmp(a->name, b->name) == 0 && a->incarnation == b->incarnation);
    CHECK(a->disk_used == b->disk_used && a->disk_limit == b->disk_limit);
    CHECK(a->database_count == b->database_count);
    for (size_t i = 0; i < a->database_count; i++) {
        CHECK(strcmp(a->databases[i].name, b->databases[i].name) == 0);
        CHECK(a->databases[i].health == b->databases[i].health);
        CHECK(peer_state_find(a, b->databases[i].name) == &a->databases[i]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct peer_state *state, *again;
    struct err err = {0};
    struct buf text;
    if (peer_state_parse((const char *)data, bytes, &state, &err) != 0) {
        CHECK(!state && *err.text);
        return 0;
    }
    CHECK(peer_name_is_valid(state->name));
    buf_init(&text, PEER_STATE_BYTES_MAX);
    CHECK(peer_state_write(state, &text) == 0);
    CHECK(peer_state_parse(text.data, text.len, &again, &err) == 0);
    compare(state, again);
    buf_fini(&text);
    peer_state_unref(state);
    peer_state_unref(again);
    return 0;
}
