/* What identity services and commands answer, and what an endpoint says of its cloud (adx.md §5). Pure;
 * thread-safe. */
#ifndef UPLOADER_TOKEN_PARSE_H
#define UPLOADER_TOKEN_PARSE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"

enum {
    TOKEN_BYTES_MAX = 64 << 10,
    TOKEN_UNKNOWN_MS = 5 * 60 * 1000, /* how long one is used that does not say when it ends */
    TOKEN_MARGIN_MS = 5 * 60 * 1000,  /* it is fetched anew so long before its end */
    TOKEN_LONG_MS = 2 * 3600 * 1000,  /* one that lives longer: at half of its life */
    TOKEN_URL_BYTES = 512,
};

/* {"access_token": …, "expires_in" | "expires_on": …} of Entra ID, virtual machines and App Service, numbers
 * also as strings; {"accessToken": …, "expires_on" | "expiresOn": …} of the Azure CLI. -EINVAL: there is no
 * token in it; `err` does not repeat what was there. `wall_ms`: now. */
NODISCARD int token_parse_json(const char *text, size_t len, int64_t wall_ms, struct buf *token,
                               int64_t *lifetime_ms, struct err *err);

/* The same, or a line that is the token itself. */
NODISCARD int token_parse_output(const char *text, size_t len, int64_t wall_ms, struct buf *token,
                                 int64_t *lifetime_ms, struct err *err);

/* "invalid_client: AADSTS7000215: Invalid client secret provided." of an error's body; "" when it is none. */
void token_parse_error(const char *text, size_t len, char *out, size_t size);

/* When to fetch the next one, from now, of a token that lives so long. */
int64_t token_refresh_ms(int64_t lifetime_ms);

/* How long it may be used. */
int64_t token_usable_ms(int64_t lifetime_ms);

/* Where tokens for an endpoint come from and what for. */
struct token_audience {
    char login[TOKEN_URL_BYTES];    /* https://login.microsoftonline.com */
    char resource[TOKEN_URL_BYTES]; /* https://kusto.kusto.windows.net; with /.default a scope */
};

/* What holds where an endpoint has no metadata. */
void token_audience_default(struct token_audience *audience);

/* Of GET /v1/rest/auth/metadata. What is missing in it is as above. -EINVAL: not JSON, or no addresses;
 * whether they are trusted is not decided here (trust.h). */
NODISCARD int token_parse_metadata(const char *text, size_t len, struct token_audience *audience,
                                   struct err *err);

#endif
