/* Answers: a status, headers and a text. Thread-safe. */
#ifndef SPILLWAY_HTTP_ANSWER_H
#define SPILLWAY_HTTP_ANSWER_H

#include <jansson.h>
#include <microhttpd.h>
#include <stdbool.h>

#define HTTP_TYPE_JSON "application/json"
#define HTTP_TYPE_METRICS "text/plain; version=0.0.4"

struct http_answer {
    unsigned status;
    const char *type;           /* Content-Type */
    char *text;                 /* malloc'd and taken; NULL: no memory, the connection ends */
    const char *const *headers; /* name, value, name, value, ..., NULL; or NULL */
    bool is_last;               /* the connection is to end with it */
};

/* An object as one line of text; `take_object` may be NULL (no memory), as may what is returned. */
char *http_json_line(json_t *take_object);

/* Queue it. */
enum MHD_Result http_answer(struct MHD_Connection *connection, const struct http_answer *answer);

/* Write it to the connection although the body is still coming; the caller ends the connection then. */
void http_answer_at_once(struct MHD_Connection *connection, const struct http_answer *answer);

#endif
