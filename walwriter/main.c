#include "common/base/exit.h"
#include "common/base/log.h"
#include "common/conf/conf.h"
#include "walwriter/run.h"
#include "walwriter/settings.h"

static const struct conf_about about = {
    .program = "walwriter",
    .bit = CONF_W,
    .summary = "take rows into the spool",
    .usage = "< rows",
    .text = "Reads rows from standard input to its end, compresses them once into blocks, and puts the "
            "blocks into segments below "
            "DIR: files that are complete gzip files (zcat prints the rows). A segment is sealed, that is "
            "moved from active/ to "
            "sealed/, when it is large or old enough and at the end of the input; from then on peerd or "
            "uploader takes it.\n"
            "\n"
            "Before it reads, it adopts what a walwriter that was killed has left in active/: no row that "
            "was in a block is lost.\n"
            "\n"
            "A bad row (a CSV row whose quote never ends, a row over max-row-bytes, a JSON line that is not "
            "an object) goes to "
            "quarantine/DB/, with a .why beside it that tells lines and reasons; the rows round it are "
            "taken. The exit code is 1 "
            "then. With --strict the first bad row ends the run: all before it is taken, the error says line "
            "and reason, the exit "
            "code is 100. Blank lines are no rows. A last row without a newline gets one.\n"
            "\n"
            "Nothing is written that diskguard did not grant. When there is no room it waits (--on-full "
            "block) or exits 75 "
            "(--on-full fail); the rows that were taken are safe either way, and the error says how many "
            "they are.\n"
            "\n"
            "With --json the last line on standard output is "
            "{\"rows\":N,\"bytes\":N,\"blocks\":N,\"segments\":N,...}: rows and raw bytes "
            "that were taken; bad_rows and bad_bytes follow. SIGTERM: the whole rows that were read are "
            "taken, then it exits 0.\n"
            "\n"
            "Exit codes here: 0 every row is in a segment in sealed/; 1 so it is, but for bad rows, which "
            "are in quarantine/; 75 no "
            "room; 100 wrong usage, or with --strict a bad row; 111 trouble of another kind (disk error).",
    .examples = "    walwriter --spool /var/spool/spillway --db Metrics --table Cpu --schema "
                "'Time:datetime,Host:string,Load:real' "
                "< cpu.csv\n"
                "    tail -F app.log.json | walwriter --spool S --db Logs --table App --format json "
                "--segment-age 5s\n"
                "    walwriter --spool S --db D --table T --no-guard --json --input-name day1.csv < day1.csv "
                "&& rm day1.csv\n",
};

/* Check the settings; run, unless --check asked for no more. */
static int run(const struct conf *conf, enum conf_verdict verdict)
{
    struct settings settings;
    struct err err = {0};
    if (settings_init(&settings, conf, &err) != 0) {
        fprintf(stderr, "walwriter: %s\n", err.text);
        return EXIT_USAGE;
    }
    int code = verdict == CONF_CHECK ? EXIT_DONE : run_stream(&settings, STDIN_FILENO);
    settings_fini(&settings);
    return code;
}

int main(int argc, char **argv)
{
    static const enum conf_id required[] = {CONF_SPOOL, CONF_DB, CONF_TABLE, CONF_KEYS};
    struct conf *conf;
    enum conf_verdict verdict;
    struct err err = {0};
    int rc = conf_load(&conf, &about, argc, argv, &verdict, &err);
    int code = EXIT_DONE;
    if (rc == 0 && verdict != CONF_EXIT)
        rc = conf_require(conf, required, &err);
    if (rc) {
        fprintf(stderr, "walwriter: %s\n", err.text);
        code = EXIT_USAGE;
    } else if (verdict != CONF_EXIT) {
        log_init("walwriter", (enum log_level)conf_number(conf, CONF_LOG_LEVEL),
                 conf_flag(conf, CONF_LOG_TIMESTAMPS));
        code = run(conf, verdict);
    }
    conf_free(conf);
    return code;
}
