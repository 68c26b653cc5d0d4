/* Addresses of servers as people write them into the configuration: http[s]://HOST[:PORT][/PATH], without
 * user, query and fragment. Nothing is looked up or connected to. Thread-safe. */
#ifndef SPILLWAY_URL_H
#define SPILLWAY_URL_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/compiler.h"

struct url_base {
    bool is_https, is_loopback;
    bool may_get_token; /* https, or loopback: where else a token would be read by others */
};

/* Check `address` and copy it to `out` without slashes at the end. NULL, or why not, for people. */
NODISCARD const char *url_base_parse(const char *address, char *out, size_t out_bytes, struct url_base *base);

#endif
