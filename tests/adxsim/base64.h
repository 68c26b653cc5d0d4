/* Base64, standard alphabet, strictly: what Azure's storage and messages use. Pure. */
#ifndef ADXSIM_BASE64_H
#define ADXSIM_BASE64_H

#include "common/base/compiler.h"
#include "tests/adxsim/buf.h"

/* Append the encoding, padded, on one line. */
void base64_encode(const void *data, size_t len, struct buf *out);
/* Append what the text encodes. 0; -EBADMSG: a character out of the alphabet (blanks and the URL alphabet
 * included), padding absent or misplaced, or bits set that the padding says are not there; -E2BIG. */
NODISCARD int base64_decode(const char *text, size_t len, struct buf *out);

#endif
