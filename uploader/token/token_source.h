/* Where tokens come from (adx.md §5.2 to §5.5): the sources, how one is chosen, and one request to it. */
#ifndef UPLOADER_TOKEN_SOURCE_H
#define UPLOADER_TOKEN_SOURCE_H

#include "common/conf/conf.h"
#include "uploader/adx/outcome.h"
#include "uploader/token/token_http.h"
#include "uploader/token/token_parse.h"

enum token_auth { /* as --auth says them */
                  AUTH_AUTO,
                  AUTH_NONE,
                  AUTH_FILE,
                  AUTH_COMMAND,
                  AUTH_SECRET,
                  AUTH_WORKLOAD,
                  AUTH_MANAGED,
};
const char *token_auth_word(enum token_auth auth);

enum { TOKEN_TIMEOUT_MS = 30000 };

/* Texts live as long as the configuration and the environment. NULL: not given. */
struct token_options {
    enum token_auth auth;
    const char *file, *command;
    const char *client_id, *tenant_id;
    const char *secret_file; /* else the variable AZURE_CLIENT_SECRET */
    const char *federated_file;
    const char *authority;   /* in place of what the endpoint's metadata says */
    const char *resource_id; /* of a managed identity */
    const char *machine;     /* http://169.254.169.254, or what AZURE_POD_IDENTITY_AUTHORITY_HOST says */
    const char *app_endpoint, *app_header; /* IDENTITY_ENDPOINT, IDENTITY_HEADER: App Service */
};

/* From configuration and environment. -EINVAL: what was asked for lacks something; `err` says what. */
NODISCARD int token_options_read(struct token_options *options, const struct conf *conf, struct err *err);

/* What "auto" means for this endpoint: what is configured; else, for https that is not loopback, the first
 * that the environment speaks of, in the order of DefaultAzureCredential: client secret, workload identity,
 * managed identity (which needs no sign). */
enum token_auth token_auth_of(const struct token_options *options, const char *place);

/* Is a request to a service needed, or a command: something that takes time and is worth keeping? */
bool token_is_kept(enum token_auth auth);

/* Fetch one, waiting TOKEN_TIMEOUT_MS at most. False: `outcome` says why not: UNAUTHORISED for what somebody
 * must mend, DOWN for what may pass. */
bool token_fetch(const struct token_options *options, enum token_auth auth,
                 const struct token_audience *audience, const atomic_bool *is_aborted, struct buf *token,
                 int64_t *lifetime_ms, struct outcome *outcome);

/* Ask an endpoint for its metadata. */
bool token_find_audience(const struct token_options *options, const char *place,
                         const atomic_bool *is_aborted, struct token_audience *audience,
                         struct outcome *outcome);

#endif
