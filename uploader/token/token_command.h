/* Running the command that prints a token. Without a shell, unless what it says needs one. */
#ifndef UPLOADER_TOKEN_COMMAND_H
#define UPLOADER_TOKEN_COMMAND_H

#include <stdatomic.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"

enum { COMMAND_WORDS_MAX = 64 };

/* Take a command apart as a shell would: blanks, '…', "…" and \. -EINVAL: a quote is not closed, there is
 * nothing, or too much; -ENOEXEC: it needs a shell (| & ; < > ( ) $ ` * ? [ ~ # outside of single quotes, or
 * a NAME=value before it). On success words[] points into `copy`, ended by NULL. Pure. */
NODISCARD int command_split(const char *text, struct buf *copy, char *words[static COMMAND_WORDS_MAX + 1]);

/* Run it to its end, at most `timeout_ms`, or until `is_aborted` (may be NULL) is set; then it is killed with
 * all that it has started. What it prints goes to `output` (-ENOSPC beyond its ceiling). Not 0: `err` says
 * what happened, with the first line that it wrote to stderr; long words of that are left out, they may be
 * secrets. Its stdin is /dev/null. Thread-safe. */
NODISCARD int command_run(const char *text, int64_t timeout_ms, const atomic_bool *is_aborted,
                          struct buf *output, struct err *err);

#endif
