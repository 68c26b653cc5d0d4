#include "common/cli/operator.h"

#include <errno.h>

#include "common/base/exit.h"
#include "common/cli/intent.h"

int operator_begin(struct cli *cli, struct ledger *ledger, struct err *err)
{
    *ledger = LEDGER_CLOSED;
    int rc = spool_lock(&cli->spool, "operator", err);
    if (rc == -EBUSY)
        return err_set(err, rc, "spool %s: another rm or requeue is at work: try again when it is done",
                       cli->spool.path);
    if (rc == 0)
        rc = ledger_open(ledger, &cli->spool, err);
    if (rc == 0) {
        intent_finish(&cli->spool);
        why_sweep(&cli->spool);
    }
    return rc;
}

int operator_fail(int rc, const struct err *err)
{
    int code = rc == -EINVAL ? EXIT_USAGE : rc == -EBUSY ? EXIT_AGAIN : EXIT_TROUBLE;
    return cli_fail(code, "%s", err->code ? err->text : strerror(-rc));
}
