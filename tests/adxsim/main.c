/* adxsim: an honest stand-in of Azure Data Explorer, for tests and the demo. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/eventfd.h>
#include <sys/stat.h>

#include "tests/adxsim/buf.h"
#include "tests/adxsim/fault.h"
#include "tests/adxsim/journal.h"
#include "tests/adxsim/server.h"
#include "tests/adxsim/store.h"

enum { EXIT_USAGE = 100, EXIT_TROUBLE = 111, DATABASES_MAX = 64 };

static const char usage[] =
    "Usage: adxsim --listen HOST:PORT --data DIR [OPTION]...\n"
    "An HTTP server that behaves like an Azure Data Explorer cluster. For tests: it keeps no secret.\n\n"
    "  --listen HOST:PORT   a loopback address; port 0: the kernel chooses (the first line of output says "
    "it)\n"
    "  --data DIR           where tables are kept; made if it is not there\n"
    "  --database NAME      a database to create if it is not there; may be repeated (default NetDefaultDB)\n"
    "  --emulator           behave like Kustainer: no streaming, cluster name KustoPersonal\n"
    "  --no-streaming       streaming ingestion is off in tables whose policy does not enable it\n"
    "  --token-file FILE    ask for a bearer token that is a line of FILE (read at each request)\n"
    "  --port-file FILE     write the port there once ready\n"
    "  --help, --version\n\n"
    "Faults and assertions: tests/adxsim/README.md. Exit: 0 after SIGTERM, 100 wrong usage, 111 trouble.\n";

struct options {
    const char *listen;
    const char *data;
    const char *databases[DATABASES_MAX];
    size_t ndatabases;
    const char *token_file;
    const char *port_file;
    bool emulator;
    bool no_streaming;
};

NORETURN static void wrong_usage(const char *why)
{
    fprintf(stderr, "adxsim: %s; see adxsim --help\n", why);
    exit(EXIT_USAGE);
}

PRINTF(1, 2) NORETURN static void die(const char *format, ...)
{
    va_list args;

    fputs("adxsim: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    exit(EXIT_TROUBLE);
}

static void parse_options(int argc, char **argv, struct options *options)
{
    static const struct option known[] = {
        {"listen", required_argument, NULL, 'l'},    {"data", required_argument, NULL, 'd'},
        {"database", required_argument, NULL, 'D'},  {"emulator", no_argument, NULL, 'e'},
        {"no-streaming", no_argument, NULL, 's'},    {"token-file", required_argument, NULL, 't'},
        {"port-file", required_argument, NULL, 'p'}, {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'v'},         {NULL, 0, NULL, 0},
    };
    int c;

    while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (c) {
        case 'l':
            options->listen = optarg;
            break;
        case 'd':
            options->data = optarg;
            break;
        case 'D':
            if (options->ndatabases == DATABASES_MAX || !*optarg)
                wrong_usage("too many databases, or one without a name");
            options->databases[options->ndatabases++] = optarg;
            break;
        case 'e':
            options->emulator = true;
            break;
        case 's':
            options->no_streaming = true;
            break;
        case 't':
            options->token_file = optarg;
            break;
        case 'p':
            options->port_file = optarg;
            break;
        case 'h':
            fputs(usage, stdout);
            exit(0);
        case 'v':
            puts("adxsim " SPILLWAY_VERSION);
            exit(0);
        default:
            exit(EXIT_USAGE);
        }
    }
    if (optind != argc)
        wrong_usage("an argument too many");
    if (!options->listen || !options->data)
        wrong_usage("--listen and --data are needed");
    if (!options->ndatabases)
        options->databases[options->ndatabases++] = SIM_DEFAULT_DATABASE;
}

static void open_store(const struct options *options, struct sim *sim)
{
    if (mkdir(options->data, 0755) < 0 && errno != EEXIST)
        die("cannot make %s: %s", options->data, strerror(errno));
    int rc = store_open(options->data, &sim->store);
    if (rc < 0)
        die("cannot open the store in %s: %s", options->data,
            rc == -EWOULDBLOCK ? "another adxsim has it" : strerror(-rc));
    for (size_t i = 0; i < options->ndatabases; i++) {
        rc = store_create_database(sim->store, options->databases[i]);
        if (rc < 0 && rc != -EEXIST)
            die("cannot create database %s in %s", options->databases[i], options->data);
    }
}

/* Whole or not at all: whoever polls for the file never reads half a number. */
static void write_port_file(const char *path, uint16_t port)
{
    char *temporary;

    if (asprintf(&temporary, "%s.tmp.%d", path, (int)getpid()) < 0)
        die("out of memory");
    FILE *file = fopen(temporary, "we");
    if (!file || fprintf(file, "%u\n", port) < 0 || fclose(file) != 0 || rename(temporary, path) < 0)
        die("cannot write %s: %s", path, strerror(errno));
    free(temporary);
}

int main(int argc, char **argv)
{
    struct options options = {0};
    char host[64];
    sigset_t signals;
    uint16_t port;
    int fd, rc, got;

    parse_options(argc, argv, &options);
    /* Before any thread exists, so that all of them inherit it. */
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);

    rc = server_listen(options.listen, &fd, &port, host);
    if (rc == -EINVAL)
        wrong_usage("--listen wants HOST:PORT with a loopback HOST (127.0.0.1, [::1], localhost)");
    if (rc < 0)
        die("cannot listen on %s: %s", options.listen, strerror(-rc));
    struct sim sim = {.emulator = options.emulator,
                      .streaming_default = !options.no_streaming,
                      .token_file = options.token_file,
                      .faults = faults_new(),
                      .journal = journal_new(),
                      .stop_fd = eventfd(0, EFD_CLOEXEC)};
    open_store(&options, &sim);
    struct server *server = server_start(&sim, fd);
    if (!server)
        die("cannot start the HTTP server");
    printf("listening on http://%s:%u\n", host, port);
    fflush(stdout);
    if (options.port_file)
        write_port_file(options.port_file, port);

    sigwait(&signals, &got);
    if (eventfd_write(sim.stop_fd, 1) < 0)
        die("eventfd: %s", strerror(errno));
    server_stop(server);
    store_close(sim.store);
    faults_free(sim.faults);
    journal_free(sim.journal);
    close(sim.stop_fd);
    return 0;
}
