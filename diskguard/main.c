#include "common/control/daemon.h"
#include "diskguard/guard.h"
#include "diskguard/report.h"

static const struct conf_about about = {
    .program = "diskguard",
    .bit = CONF_G,
    .summary = "hold the spool within its disk budget",
    .usage = "",
    .text = "Writers ask diskguard for bytes before they write them. It grants what keeps the whole spool "
            "(every file in it, by "
            "the blocks that it occupies) within --max-disk-usage and the file system above --min-free, and "
            "refuses the rest; it "
            "looks at the spool itself to know what was written and deleted. It reads no segment and deletes "
            "nothing.\n"
            "\n"
            "While it does not run, writers write what they hold already, and wait. It may be killed and "
            "restarted at any time.",
    .examples = "diskguard --spool /var/spool/spillway --max-disk-usage 20G --min-free 5%\n",
};

static const enum conf_id required[] = {CONF_MAX_DISK_USAGE, CONF_KEYS};

static const struct ctl_op ops[] = {
    {"lease", guard_on_lease},
    {"settle", guard_on_settle},
    {"failover", guard_on_failover},
    {NULL, NULL},
};

static const struct daemon_module module = {
    .about = &about,
    .required = required,
    .check = guard_check,
    .init = guard_init,
    .step = guard_step,
    .status = report_status,
    .metrics = report_metrics,
    .ops = ops,
    .gone = guard_gone,
    .fini = guard_fini,
};

int main(int argc, char **argv)
{
    return daemon_main(argc, argv, &module);
}
