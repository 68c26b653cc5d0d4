/* Bearer tokens for ADX, kept for all workers: one struct tokens for the process. A thread of its own, begun
 * with the first token that is wanted, does the asking (token_source.h), so there is never more than one
 * request for the same one: it fetches the next before the old one ends (token_refresh_ms()), and the old one
 * is used until then. What failed is tried again with growing pauses, and answered from memory in between.
 *
 * A token is only ever given for an endpoint that is trusted (trust.h; target->may_get_token says so). */
#ifndef UPLOADER_TOKEN_H
#define UPLOADER_TOKEN_H

#include "uploader/adx/target.h"
#include "uploader/token/token_source.h"

enum {
    TOKEN_REFUSED_MS = 60 * 1000, /* a token that ADX refuses is replaced at most so often */
    TOKEN_RETRY_MIN_MS = 1000,
    TOKEN_RETRY_MAX_MS = 60 * 1000,
};

struct tokens;

/* `options` is copied, its texts are borrowed. `is_stopping` (may be NULL): once it is set, nothing is asked
 * for any more and nobody waits; what is there is still given. */
NODISCARD struct tokens *tokens_new(const struct token_options *options, const atomic_bool *is_stopping);

/* Nobody may be waiting in it any more. NULL is fine. */
void tokens_free(struct tokens *tokens);

/* Put the token for `target` into `token`; empty where none is to be sent. Waits for the first one. False:
 * `outcome` says why there is none. Thread-safe, as is the next. */
bool tokens_take(struct tokens *tokens, const struct target *target, struct buf *token,
                 struct outcome *outcome);

/* ADX has answered 401 to this token. True: there is another one now, so that asking again makes sense; it is
 * in `token`. */
bool tokens_replace(struct tokens *tokens, const struct target *target, struct buf *token);

#endif
