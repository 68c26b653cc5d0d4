/* What is wrong with rows: for answers, and for the .why beside them in quarantine. One thread at a time. */
#ifndef SPILLWAY_FAULTS_H
#define SPILLWAY_FAULTS_H

#include <jansson.h>
#include <stdint.h>

#include "common/base/compiler.h"
#include "walwriter/json_rows.h"

enum { FAULTS_LISTED_MAX = 1000 };

struct fault {
    uint64_t row, line; /* of the body, from 1; a blank line is no row */
    char why[JSON_ROW_WHY_BYTES];
};

/* The first FAULTS_LISTED_MAX of them are listed, all are counted. Zeroed to begin with. */
struct faults {
    json_t *list; /* [{"row":N,"line":N,"reason":TEXT}...]; NULL: none */
    uint64_t count;
};

/* What does not fit into memory is counted, not listed. */
void faults_add(struct faults *faults, const struct fault *fault);
/* Add all of `from`, which is empty then. */
void faults_move(struct faults *to, struct faults *from);

void faults_fini(struct faults *faults);

#endif
