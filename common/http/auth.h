/* Who may come in: who presents the token, or, over TLS, a certificate that tls-ca vouches for. With
 * neither configured: everyone who can connect. Thread-safe. */
#ifndef SPILLWAY_HTTP_AUTH_H
#define SPILLWAY_HTTP_AUTH_H

#include <pthread.h>
#include <stdbool.h>

#include "common/base/err.h"

enum { AUTH_TOKEN_MAX = 4096 };

struct auth {
    pthread_mutex_t lock;
    char token[AUTH_TOKEN_MAX + 1]; /* "": none */
    bool has_ca;
};

enum auth_verdict { AUTH_OK, AUTH_NOBODY /* 401 */, AUTH_WRONG /* 403 */ };

/* `token_file` may be NULL. -EINVAL with a text when it cannot be read, is empty or too long. */
NODISCARD int auth_init(struct auth *auth, const char *token_file, bool has_ca, struct err *err);

/* The token in a token-file, zero-filled behind it; -EINVAL with a text that names the file. */
NODISCARD int auth_read_token(const char *token_file, char token[static AUTH_TOKEN_MAX + 1], struct err *err);

/* Read the token again; on failure the old one stays. */
NODISCARD int auth_reload(struct auth *auth, const char *token_file, struct err *err);

static inline bool auth_is_wanted(const struct auth *auth)
{
    return auth->token[0] || auth->has_ca;
}

/* `header`: the value of Authorization, or NULL. `is_vouched`: tls-ca vouches for the client's certificate.
 */
enum auth_verdict auth_check(struct auth *auth, bool is_vouched, const char *header);

/* The value of an Authorization header against a token; takes as long whatever they have in common. */
NODISCARD bool auth_is_token(const char *header, const char *token);

#endif
