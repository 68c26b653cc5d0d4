/* Where a database's rows go: one --database DB=URL, taken apart and checked. Pure; nothing is connected to.
 */
#ifndef UPLOADER_TARGET_H
#define UPLOADER_TARGET_H

#include <stdbool.h>

#include "common/base/err.h"
#include "common/segment/name.h"

enum target_kind { TARGET_ADX, TARGET_DIR };

enum { TARGET_PLACE_BYTES = 2048 };

struct target {
    enum target_kind kind;
    char db[NAME_FILE_MAX_BYTES + 1];     /* as people write it */
    char folder[NAME_FILE_MAX_BYTES + 1]; /* the same, encoded */
    char place[TARGET_PLACE_BYTES];       /* http(s)://HOST[:PORT][/...] without a slash at the end, or the
                                             directory */
    bool may_get_token;                   /* https, or loopback: a token never goes elsewhere */
    bool is_loopback;
};

/* "DB=https://…", "DB=http://HOST:PORT", "DB=dir:/PATH". -EINVAL with a line that says what is wrong and what
 * would do. */
NODISCARD int target_parse(const char *text, struct target *target, struct err *err);

/* The data-management endpoint of an ADX target, or its engine, by the rule of Kusto's clients: ingest-
 * before the host, or not. Addresses of numbers, localhost and onebox.dev.kusto.windows.net stay as they are.
 * -ENAMETOOLONG when it does not fit. */
NODISCARD int target_data_management(const struct target *engine, struct target *dm);
void target_to_engine(struct target *target);

#endif
