#include <errno.h>
#include <signal.h>
#include <stdarg.h>

#include "common/base/exit.h"
#include "common/base/log.h"
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
        "Commands:\n"
        "    status                        programs, disk budget, and what waits in which queue\n"
        "    ls [DB[/TABLE]] ...           segments, oldest first; --rows counts their rows\n"
        "    cat DB[/TABLE]|FILE ...       the rows of all their segments, in every queue, oldest first\n"
        "    verify [DB[/TABLE]|FILE] ...  check every block; --deep inflates them too; exit 1 if anything "
        "is damaged\n"
        "    count DB[/TABLE] ...          the rows that ADX has by now (asks the endpoint of --database)\n"
        "    events                        what happens, as it happens, as JSON lines\n"
        "    metrics                       all programs' metrics, as Prometheus reads them\n"
        "    conf                          every key, its value, and where that comes from\n"
        "    conf FILE --check             check a configuration file",
    .examples = "    spillway --spool /var/spool/spillway status\n"
                "    export SPILLWAY_SPOOL=/var/spool/spillway\n"
                "    spillway cat Metrics/Cpu | head\n"
                "    spillway ls --json Metrics | jq -s 'map(.bytes) | add'\n"
                "    spillway verify --deep || echo damaged\n",
};

struct command {
    const char *name;
    cli_command *run;
    bool wants_spool;
};

static const struct command commands[] = {
    {"status", cmd_status, true}, {"ls", cmd_ls, true},        {"cat", cmd_cat, true},
    {"verify", cmd_verify, true}, {"conf", cmd_conf, false},   {"metrics", cmd_metrics, true},
    {"events", cmd_events, true}, {"count", cmd_count, false},
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

static int run_in_spool(struct cli *cli, const struct command *command)
{
    struct err err;
    const char *path = conf_text(cli->conf, CONF_SPOOL);
    if (!path)
        return cli_fail(EXIT_USAGE, "--spool DIR (or SPILLWAY_SPOOL) is needed: which spool?");
    if (spool_open_readonly(&cli->spool, path, &err))
        return cli_fail(EXIT_USAGE, "%s", err.text);
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
    int code = command->wants_spool ? run_in_spool(&cli, command) : command->run(&cli);
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
