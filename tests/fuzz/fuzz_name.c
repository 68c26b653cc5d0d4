/* libFuzzer target: names of databases, tables and segments, as they are found in directories and on command
 * lines. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/segment/name.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

#define CHECK(condition) ((condition) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    char out[NAME_FILE_MAX_BYTES + 1], again[NAME_FILE_MAX_BYTES + 1];
    struct segment_name name;
    char *text = malloc(bytes + 1);
    CHECK(text);
    if (bytes > 0)
        memcpy(text, data, bytes);
    text[bytes] = '\0';
    /* What can be written for the file system can be read back, and only that. */
    if (name_encode(text, out, sizeof out) == NAME_OK) {
        CHECK(name_decode(out, strlen(out), again, sizeof again) == NAME_OK);
        CHECK(strcmp(text, again) == 0);
        CHECK(out[0] != '.' && !strchr(out, '/'));
    }
    if (name_decode(text, strlen(text), out, sizeof out) == NAME_OK) {
        CHECK(name_encode(out, again, sizeof again) == NAME_OK);
        CHECK(strcmp(text, again) == 0);
    }
    if (segment_name_parse(text, &name) == NAME_OK) {
        CHECK(segment_name_build(&name, out) == NAME_OK);
        CHECK(strcmp(text, out) == 0);
    }
    free(text);
    return 0;
}
