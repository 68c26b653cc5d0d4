/* Changes by hand: one at a time for a spool, whatever programs run beside it. */
#ifndef SPILLWAY_CLI_OPERATOR_H
#define SPILLWAY_CLI_OPERATOR_H

#include "common/cli/command.h"
#include "common/cli/ledger.h"

/* Take the operator's lock (run/operator.lock, for as long as the process lives) and finish what an rm or
 * requeue that was killed has left. -EBUSY: another rm or requeue works. The caller closes the ledger. */
NODISCARD int operator_begin(struct cli *cli, struct ledger *ledger, struct err *err);

/* EXIT_USAGE, EXIT_AGAIN or EXIT_TROUBLE, and the words on stderr. */
int operator_fail(int rc, const struct err *err);

#endif
