/* The bearer token for ADX, where one is configured. Thread-safe. */
#ifndef UPLOADER_TOKEN_H
#define UPLOADER_TOKEN_H

#include <stdbool.h>

#include "common/base/buf.h"
#include "uploader/adx.h"
#include "uploader/outcome.h"

/* Put the token into `token`; empty when none is configured. False: `outcome` says why there is none. */
bool token_take(const struct adx_options *options, struct buf *token, struct outcome *outcome);

#endif
