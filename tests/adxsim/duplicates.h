/* Rows that are in a table more than once. */
#ifndef ADXSIM_DUPLICATES_H
#define ADXSIM_DUPLICATES_H

#include <jansson.h>

#include "tests/adxsim/store.h"

/* {"rows", "distinct", "duplicates" (rows that are too many), "examples": [{"key": [..], "times"}] (100 at
 * most)}. key: columns with commas between; NULL or "": all. NULL when a column is not there. Takes the
 * store's lock. */
json_t *duplicates_report(struct store *store, const struct table *table, const char *key);

#endif
