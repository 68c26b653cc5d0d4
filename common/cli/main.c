#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/utsname.h>

#include "common/base/exit.h"
#include "common/base/log.h"
#include "common/base/secret.h"
#include "common/cli/command.h"

const char *const cli_daemons[] = {"walwriter", "diskguard", "peerd", "uploader", NULL};

static const struct conf_about about = {
    .program = "spillway",
    .bit = CONF_S,
    .summary = "look into a spool and at the programs that work on it",
    .usage = "COMMAND [WORD ...]",
    .text =
        "Works while the programs run, and also when they do not: it reads the spool, which is the truth, "
        "and asks the "
        "programs that answer. It has no state of its own.\n\n"
        "Commands (SEGMENTS: DB, DB/TABLE, a segment's file name, or its path; --in, --older and --newer "
        "select among them):\n"
        "    status                    programs, disk budget, and what waits in which queue\n"
        "    ls [SEGMENTS ...]         segments, oldest first; --rows counts their rows\n"
        "    cat SEGMENTS ...          their rows, in every queue, oldest first; files outside the spool too\n"
        "    verify [SEGMENTS ...]     check every block; --deep inflates them too; exit 1 if anything is damaged\n"
        "    export SEGMENTS --to DIR  copy them out, checked, to DIR/DB/TABLE/FILE; never overwrites, and the spool\n"
        "                              stays as it is; --joined: one gzip member each\n"
        "    requeue SEGMENTS ...      from quarantine back into the pipeline, what is whole of it; --from-archive DIR [DB ...]:\n"
        "                              what a drop policy put there in failover\n"
        "    rm SEGMENTS ...           remove for good, from quarantine, or with --in sealed|upload --yes from there;\n"
        "                              each removal is recorded in state/removed.jsonl before it happens\n"
        "    count DB[/TABLE] ...      the rows that ADX has by now (asks the endpoint of --database)\n"
        "    pause [DB ...]            send nothing new of these databases (all), until resume or until uploader starts anew;\n"
        "                              what was begun goes on, what comes in waits in the spool\n"
        "    resume [DB ...]           send again\n"
        "    probe [DB ...]            ask a database that is away now, and try now what waits of it\n"
        "    peers                     the members of the ring: who is present, since when, and what troubles them\n"
        "    owner DB TABLE [SCHEMA]   which member owns a table's segments, and why; SCHEMA: its text or its hash\n"
        "    failover                  which databases are in failover, why, where they are held, what would be dropped next\n"
        "    failover on|off|clear DB  in failover (--at NAME), never, or by the rule again; for --ttl, in the whole ring\n"
        "    explain SEGMENTS ...      where each goes, and why\n"
        "    audit                     does each row that came add up to where it is now? exit 1 when it does not\n"
        "    events                    what happens, as it happens, as JSON lines\n"
        "    metrics                   all programs' metrics, as Prometheus reads them\n"
        "    conf                      every key, its value, and where that comes from\n"
        "    conf FILE --check         check a configuration file\n\n"
        "export, requeue, rm: exit 1 when something was refused or left out, each with its reason on standard error. All "
        "commands may be used while the programs run: what moves on meanwhile is found again, or passed over.",
    .examples = "    spillway --spool /var/spool/spillway status\n"
                "    export SPILLWAY_SPOOL=/var/spool/spillway\n"
                "    spillway cat Metrics/Cpu | head\n"
                "    spillway ls --json Metrics | jq -s 'map(.bytes) | add'\n"
                "    spillway owner Metrics Cpu 'Timestamp:datetime,Value:real'\n"
                "    spillway verify --deep || echo damaged\n"
                "    spillway requeue Metrics/Cpu            # once ADX takes such rows again\n"
                "    spillway rm Metrics/Cpu --older 30d\n"
                "    spillway pause Metrics; sleep 600; spillway resume Metrics\n"
                "    spillway failover on Metrics --at n2 --ttl 2h\n"
                "    spillway export Metrics --to /mnt/backup --newer 1h\n",
};

enum access { NO_SPOOL, TO_LOOK, TO_WORK };

struct command {
    const char *name;
    cli_command *run;
    enum access access;
};

static const struct command commands[] = {
    {"status", cmd_status, TO_LOOK},   {"ls", cmd_ls, TO_LOOK},
    {"cat", cmd_cat, TO_LOOK},         {"verify", cmd_verify, TO_LOOK},
    {"export", cmd_export, TO_LOOK},   {"requeue", cmd_requeue, TO_WORK},
    {"rm", cmd_rm, TO_WORK},           {"conf", cmd_conf, NO_SPOOL},
    {"metrics", cmd_metrics, TO_LOOK}, {"events", cmd_events, TO_LOOK},
    {"count", cmd_count, NO_SPOOL},    {"owner", cmd_owner, TO_LOOK},
    {"peers", cmd_peers, TO_LOOK},     {"failover", cmd_failover, TO_LOOK},
    {"explain", cmd_explain, TO_LOOK}, {"audit", cmd_audit, TO_LOOK},
    {"pause", cmd_pause, TO_LOOK},     {"resume", cmd_resume, TO_LOOK},
    {"probe", cmd_probe, TO_LOOK},
};

int cli_fail(int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("spillway: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    return code;
}

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

bool cli_said(const struct cli *cli, enum conf_id flag)
{
    return conf_flag(cli->conf, flag) && strcmp(conf_origin(cli->conf, flag), "flag") == 0;
}

/* An empty directory is not made into a spool by looking for segments in it. */
static int open_spool(struct cli *cli, const char *path, enum access access, struct err *err)
{
    int rc = spool_open_readonly(&cli->spool, path, err);
    if (rc || access == TO_LOOK)
        return rc;
    struct utsname host;
    spool_close(&cli->spool);
    return spool_open(&cli->spool, path, uname(&host) == 0 ? host.nodename : "localhost", err);
}

static int run_in_spool(struct cli *cli, const struct command *command)
{
    struct err err;
    const char *path = conf_text(cli->conf, CONF_SPOOL);
    if (!path)
        return cli_fail(EXIT_USAGE, "--spool DIR (or SPILLWAY_SPOOL) is needed: which spool?");
    int rc = open_spool(cli, path, command->access, &err);
    if (rc)
        return cli_fail(spool_exit_code(rc), "%s", err.text);
    int code = command->run(cli);
    spool_close(&cli->spool);
    return code;
}

static int run(const struct conf *conf)
{
    struct cli cli = {.conf = conf, .is_json = conf_flag(conf, CONF_JSON)};
    cli.words = conf_words(conf, &cli.word_count);
    if (!cli.word_count)
        return cli_fail(EXIT_USAGE, "which command? see spillway --help");
    const struct command *command = find_command(cli.words[0]);
    if (!command)
        return cli_fail(EXIT_USAGE, "unknown command '%s': see spillway --help", cli.words[0]);
    cli.words++;
    cli.word_count--;
    int code = command->access != NO_SPOOL ? run_in_spool(&cli, command) : command->run(&cli);
    /* A reader that has gone away (| head) has what it wanted. */
    if ((fflush(stdout) != 0 || ferror(stdout)) && errno != EPIPE)
        return cli_fail(EXIT_TROUBLE, "standard output cannot be written: %s", strerror(errno));
    return code;
}

int main(int argc, char **argv)
{
    struct conf *conf;
    struct err err;
    enum conf_verdict verdict;
    int code = EXIT_DONE;
    signal(SIGPIPE, SIG_IGN);
    secret_keep_cores(false); /* count signs in to ADX */
    if (conf_load(&conf, &about, argc, argv, &verdict, &err)) {
        code = cli_fail(EXIT_USAGE, "%s", err.text);
    } else if (verdict != CONF_EXIT) {
        log_init("spillway", (enum log_level)conf_number(conf, CONF_LOG_LEVEL),
                 conf_flag(conf, CONF_LOG_TIMESTAMPS));
        code = run(conf);
    }
    conf_free(conf);
    return code;
}
