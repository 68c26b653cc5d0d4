/* What the commands of `spillway` share. Each command is one file with one function, listed in main.c. */
#ifndef SPILLWAY_CLI_COMMAND_H
#define SPILLWAY_CLI_COMMAND_H

#include <stdbool.h>

#include "common/conf/conf.h"
#include "common/spool/spool.h"

struct cli {
    const struct conf *conf;
    struct spool spool; /* opened for reading, or to work in it, as the command wants it */
    bool is_json;
    char *const *words; /* after the command's own name */
    size_t word_count;
};

/* Returns the exit code. */
typedef int cli_command(struct cli *cli);

cli_command cmd_status, cmd_ls, cmd_cat, cmd_verify, cmd_conf, cmd_metrics, cmd_events;
cli_command cmd_requeue, cmd_rm, cmd_export;
cli_command cmd_count;                                                  /* uploader/cmd_count.c */
cli_command cmd_pause, cmd_resume, cmd_probe;                           /* uploader/cmd_pause.c */
cli_command cmd_owner, cmd_peers, cmd_failover, cmd_explain, cmd_audit; /* peerd/ */

/* Say why the command cannot go on, on stderr; returns `code`. */
int cli_fail(int code, const char *format, ...) PRINTF(2, 3);

/* Was this flag given on this very command line? For what must not come from a file or the environment:
 * --yes, --force. */
bool cli_said(const struct cli *cli, enum conf_id flag);

/* The programs that answer on control sockets, ended by NULL, in the order of the pipeline. */
extern const char *const cli_daemons[];

#endif
