/* One request and its answer, free of the HTTP library. */
#ifndef ADXSIM_HTTP_H
#define ADXSIM_HTTP_H

#include <sys/types.h>

#include "tests/adxsim/buf.h"
#include "tests/adxsim/host.h"
#include "tests/adxsim/ident.h"

struct site;

struct request {
    enum host host; /* to which it came */
    const struct site *site;
    const char *method;
    char *path;        /* as sent, without the query; percent signs not decoded */
    const char *query; /* as sent, after the question mark; "" when none */
    struct buf body;
    struct buf headers; /* all of them, "Name: value\n" each */
    bool too_large;     /* the body was longer than body.max: read, and thrown away */
    /* Some of the headers, NULL when absent. */
    const char *content_type;
    const char *content_encoding;
    const char *accept;
    const char *authorization;
    const char *request_id;
    char activity_id[IDENT_GUID_SIZE];
    /* What the handler learned of it, for the journal; owned. */
    char *database;
    char *csl_head; /* the beginning of a command */
};

enum reply_end {
    REPLY_WHOLE,
    REPLY_DROP, /* close the connection without a word */
    REPLY_CUT   /* close it in the middle of the body */
};

struct reply {
    int status;
    const char *content_type;
    struct buf headers; /* further ones, "Name: value\n" each */
    struct buf body;
    int retry_after_s; /* header, when not negative */
    bool gzip;         /* compress the body, whether or not the client takes that */
    enum reply_end end;
    int fault_id; /* the rule that shaped it, or 0 */
    /* When read is set, the body comes from it, in pieces, until it gives 0; negative: cut the connection. */
    ssize_t (*read)(void *context, char *data, size_t max);
    void (*close)(void *context);
    void *context;
};

/* Percent-decode; NULL for a broken escape or a NUL byte. The caller frees. */
char *http_decode(const char *text, size_t len, bool plus_is_blank);
/* An argument of the query, decoded (name without regard to case); NULL when absent or broken. The caller
 * frees. */
char *http_argument(const struct request *request, const char *name);

/* A header of the request; NULL when absent. The caller frees. */
char *http_header(const struct request *request, const char *name);

/* The answer is this JSON text / this status and nothing more. */
void reply_json_text(struct reply *reply, int status, const char *text);
void reply_empty(struct reply *reply, int status);

#endif
