/* Who may ask: bearer tokens, from a file, or issued by the fake identity endpoints. Thread-safe. */
#ifndef ADXSIM_AUTH_H
#define ADXSIM_AUTH_H

#include "tests/adxsim/sim.h"

enum auth_result {
    AUTH_GRANTED,
    AUTH_NO_TOKEN, /* absent, unknown, expired, for another audience */
    AUTH_NO_ROLE   /* a good token of a principal without a role */
};

/* authorization: the header's value, or NULL. */
enum auth_result auth_check(const struct sim *sim, const char *authorization);

#endif
