/* An answer that sends us to another address (3xx). None is followed: what a request carries, a token, a
 * signature, a secret, is for the host that was named, and for no other (adx.md §1.1). Thread-safe. */
#ifndef UPLOADER_REDIRECT_H
#define UPLOADER_REDIRECT_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>

enum { REDIRECT_TEXT_BYTES = 400 };

/* Was the answer of the transfer that has just ended on `easy` one? Then `text` gets what to say of it: the
 * host that it points to, without the rest of the address, which may repeat a signature. */
bool redirect_describe(CURL *easy, long status, char text[static REDIRECT_TEXT_BYTES]);

#endif
