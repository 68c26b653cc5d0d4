/* walwriter on a stream: adopt what an earlier one left, then rows from a descriptor into segments until its
 * end, a signal or an error; then the summary. */
#ifndef SPILLWAY_RUN_H
#define SPILLWAY_RUN_H

#include "common/base/exit.h"
#include "walwriter/settings.h"

/* Returns the exit code (main.c has the list). Logs; with --json prints the summary to stdout. `input` stays
 * open. */
int run_stream(const struct settings *settings, int input);

#endif
