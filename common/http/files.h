/* How many files a server may hold open beside its connections. Main thread, at the start. */
#ifndef SPILLWAY_HTTP_FILES_H
#define SPILLWAY_HTTP_FILES_H

#include <stddef.h>

#include "common/base/err.h"

/* Raise our limit of open descriptors as far as we may. `*open_max`, how many segments are to be held open,
 * is lowered where the limit leaves fewer beside `connections_max` connections; that is logged. -EINVAL with
 * a text: not even the connections fit. */
NODISCARD int http_raise_file_limit(size_t connections_max, size_t *open_max, struct err *err);

#endif
