/* A request as request.c (its life) and admission.c (what its head says) see it; private to them. */
#ifndef SPILLWAY_REQUEST_PARTS_H
#define SPILLWAY_REQUEST_PARTS_H

#include "common/http/head.h"
#include "walwriter/answer.h"
#include "walwriter/body.h"
#include "walwriter/request.h"

enum phase { NEW, LOOKING, ASKING, READING, PIECE, REFUSED, COMMITTING };

struct request {
    struct job job; /* the first member: the committer gives it back */
    struct http_wait wait;
    struct reception *reception;
    struct MHD_Connection *connection;
    struct client *client;
    struct route route;
    enum phase phase;
    bool has_stage, has_body, is_counted;
    bool has_ended; /* the library knows it no more */
    bool is_full;   /* the stage is to be handed on before anything else */
    struct http_head head;
    int64_t started_ns;
    struct stage stage;
    struct body body;
    struct refused refused;
};

/* From now on the answer is this; what was set aside for the body is given back. */
__attribute__((format(printf, 4, 5))) void request_refuse(struct request *request, unsigned status,
                                                          const char *code, const char *format, ...);

#endif
