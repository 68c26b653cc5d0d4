#include "common/base/exit.h"
#include "common/base/log.h"
#include "common/control/daemon.h"
#include "walwriter/receiver.h"
#include "walwriter/run.h"
#include "walwriter/settings.h"

static const struct conf_about about = {
    .program = "walwriter",
    .bit = CONF_W,
    .summary = "take rows into the spool",
    .usage = "< rows",
    .text =
        "Takes rows from standard input to its end, or, with --http, by HTTP until it is stopped; compresses them once into blocks, and puts the blocks into segments below DIR: files that are complete gzip files (zcat prints the rows). A segment is sealed, that is moved from active/ to sealed/, when it is large or old enough and at the end; from then on peerd or uploader takes it.\n"
        "\n"
        "Before it begins, it adopts what a walwriter that was killed has left in active/: no row that was in a block is lost.\n"
        "\n"
        "Nothing is written that diskguard did not grant.\n"
        "\n"
        "STANDARD INPUT (--db and --table are required)\n"
        "\n"
        "A bad row (a CSV row whose quote never ends, a row over max-row-bytes, a JSON line that is not an object) goes to quarantine/DB/, with a .why beside it that tells lines and reasons; the rows round it are taken. The exit code is 1 then. With --strict the first bad row ends the run: all before it is taken, the error says line and reason, the exit code is 100. Blank lines are no rows. A last row without a newline gets one.\n"
        "\n"
        "When there is no room it waits (--on-full block) or exits 75 (--on-full fail); the rows that were taken are safe either way, and the error says how many they are.\n"
        "\n"
        "With --json the last line on standard output is {\"rows\":N,\"bytes\":N,\"blocks\":N,\"segments\":N,...}: rows and raw bytes that were taken; bad_rows and bad_bytes follow. SIGTERM: the whole rows that were read are taken, then it exits 0.\n"
        "\n"
        "Exit codes here: 0 every row is in a segment in sealed/; 1 so it is, but for bad rows, which are in quarantine/; 75 no room; 100 wrong usage, or with --strict a bad row; 111 trouble of another kind (disk error).\n"
        "\n"
        "HTTP (--http HOST:PORT, or --http unix:PATH)\n"
        "\n"
        "POST /ingest/DB/TABLE?format=csv|json[&schema=Col:type,...][&partial=1] takes a body of rows, of known length or chunked, as it is or with Content-Encoding: gzip, for any database (with --db A,B for those only). The answer 200 {\"rows\":N,\"bytes\":N,...} is given once they are as safe as --sync says. All rows of a request are taken, or none: a bad one is answered 400, with its number, line and reason. With partial=1 the good ones are taken, and the bad ones go to quarantine/ and are counted in the answer.\n"
        "\n"
        "Refusals are JSON {\"error\":TEXT,\"code\":WORD,...}, given before the body is read where its head tells enough: 400 bad request or row; 401, 403 no token, a wrong one, or a database that is not taken; 404, 405; 413 over max-body-bytes; 415 unknown encoding; 429 with Retry-After: no room on the disk for this database, no diskguard, or no memory; 503 it is about to leave, or the disk is in trouble. After 429 and 503, and without an answer, send again; only without an answer, or after a 503 with code disk, may the rows be there already.\n"
        "\n"
        "GET /healthz, /readyz (503 and the reasons when it takes nothing), /metrics (Prometheus). With token-file a request needs Authorization: Bearer TOKEN; with tls-cert and tls-key TLS is spoken, and with tls-ca a client's certificate does instead of the token. /healthz and /readyz are for everyone.\n"
        "\n"
        "SIGTERM: requests under way are answered, new ones get 503, all segments are sealed, and it exits 0; a second SIGTERM: it leaves at once, the next start adopts the rest. Nothing acknowledged is lost either way. SIGHUP: the token is read again.\n"
        "\n"
        "WHAT --sync PROMISES of rows that were taken (answered 200, or counted)\n"
        "\n"
        "    mode        kill -9    crash of the system or power cut\n"
        "    never       nothing    what the system had not yet written by itself: some 30 s, also of sealed segments\n"
        "    seal        nothing    rows of segments that are not sealed yet (segment-age, segment-bytes)\n"
        "    interval    nothing    rows of the last second, or of the last sync if that takes longer\n"
        "    always      nothing    nothing\n"
        "\n"
        "The columns say what is lost. A row from standard input is taken when its block is in the file: at most flush-interval after it was read, and at full speed a few blocks (2 MiB) later; until then kill -9 loses it. In no mode is a damaged block taken for a whole one: what a power cut left half-written is cut off or set aside by whoever adopts it.",
    .examples =
        "    walwriter --spool /var/spool/spillway --db Metrics --table Cpu --schema 'Time:datetime,Host:string,Load:real' < cpu.csv\n"
        "    tail -F app.log.json | walwriter --spool S --db Logs --table App --format json --segment-age 5s\n"
        "    walwriter --spool S --db D --table T --no-guard --json --input-name day1.csv < day1.csv && rm day1.csv\n"
        "    walwriter --spool S --http 127.0.0.1:8080 --sync always\n"
        "    curl --data-binary @cpu.csv 'http://127.0.0.1:8080/ingest/Metrics/Cpu?format=csv'\n",
};

/* --- the receiver daemon ---------------------------------------------------------------------------- */

static const enum conf_id receiver_required[] = {CONF_HTTP, CONF_KEYS};

static const struct ctl_op receiver_ops[] = {{"seal", receiver_on_seal}, {NULL, NULL}};

static const struct daemon_module receiver = {
    .about = &about,
    .required = receiver_required,
    .check = receiver_check,
    .init = receiver_init,
    .step = receiver_step,
    .stop = receiver_stop,
    .reload = receiver_reload,
    .status = receiver_status,
    .metrics = receiver_metrics,
    .ops = receiver_ops,
    .fini = receiver_fini,
};

/* --- standard input --------------------------------------------------------------------------------- */

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

static int start(const struct conf *conf, enum conf_verdict verdict)
{
    static const enum conf_id required[] = {CONF_SPOOL, CONF_DB, CONF_TABLE, CONF_KEYS};
    struct err err = {0};
    if (conf_require(conf, required, &err) != 0) {
        fprintf(stderr, "walwriter: %s\n", err.text);
        return EXIT_USAGE;
    }
    log_init("walwriter", (enum log_level)conf_number(conf, CONF_LOG_LEVEL),
             conf_flag(conf, CONF_LOG_TIMESTAMPS));
    return run(conf, verdict);
}

int main(int argc, char **argv)
{
    struct conf *conf;
    enum conf_verdict verdict;
    struct err err = {0};
    int rc = conf_load(&conf, &about, argc, argv, &verdict, &err);
    bool is_daemon = rc == 0 && verdict != CONF_EXIT && conf_is_set(conf, CONF_HTTP);
    int code = EXIT_DONE;
    if (rc) {
        fprintf(stderr, "walwriter: %s\n", err.text);
        code = EXIT_USAGE;
    } else if (verdict != CONF_EXIT && !is_daemon) {
        code = start(conf, verdict);
    }
    conf_free(conf);
    return is_daemon ? daemon_main(argc, argv, &receiver) : code;
}
