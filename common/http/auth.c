#include "common/http/auth.h"

#include <errno.h>
#include <fcntl.h>
#include <strings.h>

#include "common/base/file.h"

int auth_reload(struct auth *auth, const char *token_file, struct err *err)
{
    struct buf text;
    buf_init(&text, AUTH_TOKEN_MAX + 2);
    int rc = file_read(AT_FDCWD, token_file, &text);
    size_t bytes = rc == 0 && text.data ? strcspn(text.data, "\r\n") : 0;
    if (rc)
        rc = err_errno(err, -EINVAL, "token-file %s: cannot be read", token_file);
    else if (bytes == 0 || bytes > AUTH_TOKEN_MAX)
        rc = err_set(err, -EINVAL, "token-file %s: its first line must be a token of 1 to %d bytes",
                     token_file, AUTH_TOKEN_MAX);
    if (rc == 0 && text.data) {
        pthread_mutex_lock(&auth->lock);
        memset(auth->token, 0, sizeof auth->token);
        memcpy(auth->token, text.data, bytes);
        pthread_mutex_unlock(&auth->lock);
    }
    if (text.data)
        explicit_bzero(text.data, text.len);
    buf_fini(&text);
    return rc;
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
