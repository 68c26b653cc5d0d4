/* A JSON object on one line of stdout, written as it is built: what --json prints for each segment, a hundred
 * thousand of them.
 *
 *     struct jsonline line;
 *     jsonline_begin(&line);
 *     jsonline_text(&line, "file", file);
 *     jsonline_number(&line, "bytes", bytes);
 *     jsonline_end(&line);
 *
 * Keys are constants that need no escape. Texts may be any bytes: what is not UTF-8 becomes U+FFFD. Errors
 * show at the end, in ferror(stdout). One thread. */
#ifndef SPILLWAY_CLI_JSONLINE_H
#define SPILLWAY_CLI_JSONLINE_H

#include <stdbool.h>
#include <stdint.h>

struct jsonline {
    bool has_keys;
};

void jsonline_begin(struct jsonline *line);
void jsonline_text(struct jsonline *line, const char *key, const char *value);
void jsonline_number(struct jsonline *line, const char *key, int64_t value);
void jsonline_bool(struct jsonline *line, const char *key, bool value);
void jsonline_raw(struct jsonline *line, const char *key, const char *json); /* text that is JSON already */
void jsonline_end(struct jsonline *line);

#endif
