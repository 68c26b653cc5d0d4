/* --help and man pages, from the table of keys. Writes to `out`; errors of writing are the stream's. */
#ifndef SPILLWAY_CONF_HELP_H
#define SPILLWAY_CONF_HELP_H

#include "common/conf/conf.h"

void conf_print_help(FILE *out, const struct conf_about *about);

/* A man page (roff, section 1). */
void conf_print_man(FILE *out, const struct conf_about *about);

#endif
