/* What a request wants of the committer: asked with commit_submit(), answered by a call of `done`. Between
 * the two it belongs to the committer. */
#ifndef SPILLWAY_JOB_H
#define SPILLWAY_JOB_H

#include "walwriter/registry.h"
#include "walwriter/stage.h"

enum job_kind {
    JOB_ROOM,    /* is there room for room_bytes? Nothing is written */
    JOB_PIECE,   /* what is in the stage goes to the request's own files */
    JOB_COMMIT,  /* likewise, or to the table's segment when it has none; and it is to count from now on */
    JOB_DISCARD, /* remove the request's own files */
};

enum job_result {
    JOB_DONE,
    JOB_FULL,   /* no room: nothing was kept. `why`, retry_ms */
    JOB_FAILED, /* the disk is in trouble: `why` */
};

struct upload;

struct job {
    enum job_kind kind;
    struct table *table;
    struct stage *stage;
    int64_t room_bytes;
    struct upload *upload; /* the request's own files; NULL: none. The committer makes and frees them */
    void (*done)(struct job *job);
    struct job *next;
    /* the answer */
    enum job_result result;
    char why[REFUSAL_BYTES];
    uint64_t rows, bytes, bad_rows; /* of all pieces */
    /* (committer) */
    struct slot *slots[2]; /* where its rows went */
};

#endif
