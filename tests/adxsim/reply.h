/* Answers in Kusto's shapes. */
#ifndef ADXSIM_REPLY_H
#define ADXSIM_REPLY_H

#include "tests/adxsim/error.h"
#include "tests/adxsim/http.h"
#include "tests/adxsim/result.h"

/* An error: JSON if the client's Accept says application/json, one line of text otherwise (adx.md 1.1). */
void reply_error(struct reply *reply, const struct request *request, const struct sim_error *error);
void reply_result(struct reply *reply, const struct result *result);
/* Takes the JSON. */
void reply_take_json(struct reply *reply, int status, json_t *json);

#endif
