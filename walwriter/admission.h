/* What the head of a request tells, and whether its body may come: who sends, to where, how much, and is
 * there room? The first "no" is the request's answer (request_refuse()). In the thread of the request's
 * connection. */
#ifndef SPILLWAY_ADMISSION_H
#define SPILLWAY_ADMISSION_H

#include <stdbool.h>

struct request;

/* Token or certificate. False: refused. */
bool admission_check_sender(struct request *request);

/* All there is to ask of a request that brings rows. True: it has a table, and a stage for its body. False:
 * refused. */
bool admission_grant(struct request *request, const char *method);

#endif
