/* Answers in Kusto's shapes. */
#ifndef ADXSIM_REPLY_H
#define ADXSIM_REPLY_H

#include "tests/adxsim/error.h"
#include "tests/adxsim/http.h"
#include "tests/adxsim/result.h"

/* An error, as the request's host words it. Kusto: JSON if the client's Accept says application/json, one
 * line of text otherwise (adx.md 1.1). Storage: XML, and x-ms-error-code. Identity: {"error",
 * "error_description"}. */
void reply_error(struct reply *reply, const struct request *request, const struct sim_error *error);
/* As V1 tables, or as the frames of V2 (which only queries have). */
void reply_result(struct reply *reply, const struct result *result, bool v2);
/* Takes the JSON. */
void reply_take_json(struct reply *reply, int status, json_t *json);

#endif
