/* The lexer of Kusto commands, and the few phrases that commands share. The current token is always in
 * `kind`.
 *
 *     struct csl csl;
 *     csl_init(&csl, text, len);
 *     if (csl_accept_word(&csl, ".drop") && csl_accept_word(&csl, "table") && csl_take_name(&csl, &name)) ...
 *     csl_fini(&csl);
 */
#ifndef ADXSIM_CSL_H
#define ADXSIM_CSL_H

#include <stdbool.h>
#include <stddef.h>

#include "tests/adxsim/buf.h"

enum csl_kind {
    CSL_END,
    CSL_WORD,   /* identifier, or a command's first word: .create-merge */
    CSL_NUMBER, /* starts with a digit; as written */
    CSL_NAME,   /* ['name'] or ["name"] */
    CSL_STRING, /* '..', "..", @'..', h'..', ```..```: decoded */
    CSL_PUNCT,  /* one character */
    CSL_DATA,   /* <| : `at` is the first byte of the data */
    CSL_BAD     /* what cannot be a token: an unclosed string, an unknown escape */
};

struct csl {
    const char *at; /* right after the current token */
    const char *end;
    enum csl_kind kind;
    char punct;
    struct buf text; /* of the current token */
};

/* The text must outlive the lexer. */
void csl_init(struct csl *csl, const char *text, size_t len);
void csl_fini(struct csl *csl);
void csl_next(struct csl *csl);

bool csl_is_word(const struct csl *csl, const char *word);
bool csl_is_punct(const struct csl *csl, char c);
/* True, and past the token, when it is that. */
bool csl_accept_word(struct csl *csl, const char *word);
bool csl_accept_punct(struct csl *csl, char c);

/* These give a string that the caller frees, and move on; false (and *out NULL) when the token is another.
 * A name is a word or ['quoted']; a string is one or several adjacent literals, joined. */
bool csl_take_name(struct csl *csl, char **out);
bool csl_take_string(struct csl *csl, char **out);
bool csl_take_name_or_string(struct csl *csl, char **out);

#endif
