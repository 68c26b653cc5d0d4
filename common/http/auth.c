#include "common/http/auth.h"

#include <errno.h>
#include <strings.h>

#include "common/base/secret.h"

int auth_read_token(const char *token_file, char token[static AUTH_TOKEN_MAX + 1], struct err *err)
{
    struct buf text;
    buf_init(&text, AUTH_TOKEN_MAX + 2);
    int rc = secret_read(token_file, &text);
    if (rc == -EINVAL || rc == -EFBIG || text.len > AUTH_TOKEN_MAX)
        rc = err_set(err, -EINVAL, "token-file %s: must hold one token of 1 to %d bytes, and nothing else",
                     token_file, AUTH_TOKEN_MAX);
    else if (rc)
        rc = err_set(err, -EINVAL, "token-file %s: cannot be read: %s", token_file, strerror(-rc));
    if (rc == 0) {
        memset(token, 0, AUTH_TOKEN_MAX + 1);
        memcpy(token, text.data, text.len);
    }
    secret_forget(&text);
    return rc;
}

int auth_reload(struct auth *auth, const char *token_file, struct err *err)
{
    char token[AUTH_TOKEN_MAX + 1];
    int rc = auth_read_token(token_file, token, err);
    if (rc)
        return rc;
    pthread_mutex_lock(&auth->lock);
    memcpy(auth->token, token, sizeof auth->token);
    pthread_mutex_unlock(&auth->lock);
    explicit_bzero(token, sizeof token);
    return 0;
}

int auth_init(struct auth *auth, const char *token_file, bool has_ca, struct err *err)
{
    *auth = (struct auth){.lock = PTHREAD_MUTEX_INITIALIZER, .has_ca = has_ca};
    return token_file ? auth_reload(auth, token_file, err) : 0;
}

bool auth_is_token(const char *header, const char *token)
{
    static const char scheme[] = "Bearer ";
    if (strncasecmp(header, scheme, sizeof scheme - 1) != 0)
        return false;
    const char *given = header + sizeof scheme - 1;
    size_t bytes = strlen(given), want = strlen(token);
    volatile unsigned char differs = bytes != want;
    for (size_t i = 0; i < want; i++)
        differs |= (unsigned char)(token[i] ^ given[bytes ? i % bytes : 0]);
    return !differs;
}

enum auth_verdict auth_check(struct auth *auth, bool is_vouched, const char *header)
{
    if (auth->has_ca && is_vouched)
        return AUTH_OK;
    pthread_mutex_lock(&auth->lock);
    bool has_token = auth->token[0];
    bool is_right = has_token && header && auth_is_token(header, auth->token);
    pthread_mutex_unlock(&auth->lock);
    if (is_right || (!has_token && !auth->has_ca))
        return AUTH_OK;
    return header ? AUTH_WRONG : AUTH_NOBODY;
}
