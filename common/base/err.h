/* An error for people: a code for the program, a sentence for the reader.
 *
 * A function that can fail in ways that a person must understand takes a `struct err *` as its last
 * argument, returns a negative errno, and has filled the text. The sentence names the object, the
 * operation, the cause and, where one exists, what to do. It never holds a secret.
 * The caller owns the struct (it is plain data; nothing to free). Not shared between threads. */
#ifndef SPILLWAY_ERR_H
#define SPILLWAY_ERR_H

#include "common/base/compiler.h"

enum { ERR_TEXT_BYTES = 1024 };

struct err {
    int code; /* negative errno, 0 when there is none */
    char text[ERR_TEXT_BYTES];
};

/* Fill `err` (may be NULL) and return `code`, so that `return err_set(...)` reads well.
 * `code` is a negative errno. Longer texts are cut. */
int err_set(struct err *err, int code, const char *format, ...) PRINTF(3, 4);

/* The same, with ": " and the text of errno `-code` added at the end. */
int err_errno(struct err *err, int code, const char *format, ...) PRINTF(3, 4);

/* A static analyser sees one file at a time; this tells it that what is returned is `code`. */
#ifdef __clang_analyzer__
#define err_set(err, code, ...) ((void)err_set(err, code, __VA_ARGS__), (code))
#define err_errno(err, code, ...) ((void)err_errno(err, code, __VA_ARGS__), (code))
#endif

#endif
