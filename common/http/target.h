/* The target of a request line: paths and queries, percent-decoded. Pure; thread-safe. */
#ifndef SPILLWAY_HTTP_TARGET_H
#define SPILLWAY_HTTP_TARGET_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/compiler.h"

/* Decode %XX in place, and + to a space where that is the rule (queries). False: it is not encoded as it
 * should be. A NUL is refused, too: what follows it would vanish. */
NODISCARD bool http_decode(char *text, bool plus_is_space);

enum http_query_status {
    HTTP_QUERY_OK,
    HTTP_QUERY_TWICE,   /* a parameter that is wanted was given twice */
    HTTP_QUERY_ENCODED, /* it has no value, or one that is not encoded as it should be */
    HTTP_QUERY_UNKNOWN, /* one that is not among those that are wanted */
};

/* Split `query` (NULL: none) in place: values[i] becomes the decoded value of names[i], NULL where it is
 * absent. Parameters of other names are HTTP_QUERY_UNKNOWN, or, with `take_unknown`, passed over. Ends at the
 * first that is not OK: `*which` is its name then. */
NODISCARD enum http_query_status http_query_take(char *query, const char *const *names, size_t count,
                                                 bool take_unknown, const char **values, const char **which);

#endif
