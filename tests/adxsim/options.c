#include "tests/adxsim/options.h"

#include <getopt.h>
#include <stdarg.h>

#include "tests/adxsim/sim.h"

static const char usage[] =
    "Usage: adxsim --listen HOST:PORT --data DIR [OPTION]...\n"
    "An HTTP server that behaves like an Azure Data Explorer cluster. For tests: it keeps no secret.\n\n"
    "  --listen HOST:PORT   the engine: a loopback address; port 0: the kernel chooses (the first line of output "
    "says it)\n"
    "  --data DIR           where tables are kept; made if it is not there\n"
    "  --database NAME      a database to create if it is not there; may be repeated (default NetDefaultDB)\n"
    "  --emulator           behave like Kustainer: no streaming, cluster name KustoPersonal\n"
    "  --no-streaming       streaming ingestion is off in tables whose policy does not enable it\n"
    "\nQueued ingestion:\n"
    "  --dm HOST:PORT       the data-management host; needs --storage\n"
    "  --storage ACCOUNT    NAME,KEY,BLOB-URL,QUEUE-URL[,TABLE-URL]: an account of Azurite; may be repeated\n"
    "  --storage-proxy      clients reach the accounts through ports of ours, where faults can be had\n"
    "  --cluster NAME       begins the names of containers and queues (default adxsim)\n"
    "\nAuthentication and TLS:\n"
    "  --token-file FILE    ask for a bearer token that is a line of FILE (read at each request)\n"
    "  --auth FILE          ask for a bearer token issued by the two hosts below; FILE: JSON, see README.md\n"
    "  --aad HOST:PORT      Entra ID: POST /TENANT/oauth2/v2.0/token\n"
    "  --imds HOST:PORT     managed identity, of virtual machines and of App Service; never TLS\n"
    "  --tls-cert FILE --tls-key FILE\n"
    "                       PEM; TLS on all ports but that of --imds\n"
    "\nMore:\n"
    "  --set NAME=N         a setting, such as batch-ms=100; see README.md\n"
    "  --port-file FILE     write the engine's port there once ready\n"
    "  --ready-file FILE    write the URLs of all hosts there once ready, as JSON\n"
    "  --help, --version\n\n"
    "Faults and assertions: tests/adxsim/README.md. Exit: 0 after SIGTERM, 100 wrong usage, 111 trouble.\n";

void options_wrong(const char *format, ...)
{
    va_list args;

    fputs("adxsim: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputs("; see adxsim --help\n", stderr);
    exit(EXIT_USAGE);
}

void die(const char *format, ...)
{
    va_list args;

    fputs("adxsim: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    exit(EXIT_TROUBLE);
}

static void check(struct options *options)
{
    if (!options->listen[HOST_ENGINE] || !options->data)
        options_wrong("--listen and --data are needed");
    if (!options->listen[HOST_DM] != !options->storage.naccounts)
        options_wrong("--dm and --storage go together");
    if (options->emulator && options->listen[HOST_DM])
        options_wrong("the emulator has no data-management host");
    if (options->storage_proxy && !options->storage.naccounts)
        options_wrong("--storage-proxy needs --storage");
    if (options->auth_file && options->token_file)
        options_wrong("--auth and --token-file exclude each other");
    if ((options->listen[HOST_AAD] || options->listen[HOST_IMDS]) && !options->auth_file)
        options_wrong("--aad and --imds need --auth");
    if (!options->tls_cert != !options->tls_key)
        options_wrong("--tls-cert and --tls-key go together");
    if (!options->ndatabases)
        options->databases[options->ndatabases++] = SIM_DEFAULT_DATABASE;
    if (!options->storage.cluster)
        options->storage.cluster = mem_strdup("adxsim");
}

static void add_database(struct options *options, const char *name)
{
    if (options->ndatabases == DATABASES_MAX || !*name)
        options_wrong("too many databases, or one without a name");
    options->databases[options->ndatabases++] = name;
}

/* Azure's rule for the names of containers, which begin with this. */
static void set_cluster(struct options *options, const char *name)
{
    size_t len = strlen(name);

    if (len == 0 || len > 40 || strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789") != len)
        options_wrong("--cluster wants 1 to 40 of a-z and 0-9");
    free(options->storage.cluster);
    options->storage.cluster = mem_strdup(name);
}

enum {
    OPT_EMULATOR = 1000,
    OPT_NO_STREAMING,
    OPT_STORAGE_PROXY,
    OPT_STORAGE,
    OPT_DATABASE,
    OPT_CLUSTER,
    OPT_SET,
    OPT_HELP,
    OPT_VERSION,
    OPT_TEXT /* and above: plain texts, in the order of texts[] below */
};

static const struct option known[] = {
    {"emulator", no_argument, NULL, OPT_EMULATOR},
    {"no-streaming", no_argument, NULL, OPT_NO_STREAMING},
    {"storage-proxy", no_argument, NULL, OPT_STORAGE_PROXY},
    {"storage", required_argument, NULL, OPT_STORAGE},
    {"database", required_argument, NULL, OPT_DATABASE},
    {"cluster", required_argument, NULL, OPT_CLUSTER},
    {"set", required_argument, NULL, OPT_SET},
    {"help", no_argument, NULL, OPT_HELP},
    {"version", no_argument, NULL, OPT_VERSION},
    {"listen", required_argument, NULL, OPT_TEXT},
    {"dm", required_argument, NULL, OPT_TEXT + 1},
    {"aad", required_argument, NULL, OPT_TEXT + 2},
    {"imds", required_argument, NULL, OPT_TEXT + 3},
    {"data", required_argument, NULL, OPT_TEXT + 4},
    {"token-file", required_argument, NULL, OPT_TEXT + 5},
    {"auth", required_argument, NULL, OPT_TEXT + 6},
    {"port-file", required_argument, NULL, OPT_TEXT + 7},
    {"ready-file", required_argument, NULL, OPT_TEXT + 8},
    {"tls-cert", required_argument, NULL, OPT_TEXT + 9},
    {"tls-key", required_argument, NULL, OPT_TEXT + 10},
    {NULL, 0, NULL, 0},
};

static void take_option(struct options *options, int c, char *argument)
{
    const char *reason;

    switch (c) {
    case OPT_EMULATOR:
        options->emulator = true;
        break;
    case OPT_NO_STREAMING:
        options->no_streaming = true;
        break;
    case OPT_STORAGE_PROXY:
        options->storage_proxy = true;
        break;
    case OPT_STORAGE:
        if (storage_add(&options->storage, argument, &reason) < 0)
            options_wrong("--storage: %s", reason);
        memset(argument, '*', strlen(argument)); /* the key is not for ps */
        break;
    case OPT_DATABASE:
        add_database(options, argument);
        break;
    case OPT_CLUSTER:
        set_cluster(options, argument);
        break;
    case OPT_SET:
        if (settings_parse(&options->settings, argument) < 0)
            options_wrong("--set %s: no such setting, or a value out of its range", argument);
        break;
    case OPT_HELP:
        fputs(usage, stdout);
        exit(0);
    case OPT_VERSION:
        puts("adxsim " SPILLWAY_VERSION);
        exit(0);
    default:
        exit(EXIT_USAGE);
    }
}

void options_parse(int argc, char **argv, struct options *options)
{
    const char **const texts[] = {&options->listen[HOST_ENGINE],
                                  &options->listen[HOST_DM],
                                  &options->listen[HOST_AAD],
                                  &options->listen[HOST_IMDS],
                                  &options->data,
                                  &options->token_file,
                                  &options->auth_file,
                                  &options->port_file,
                                  &options->ready_file,
                                  &options->tls_cert,
                                  &options->tls_key};
    int c;

    settings_init(&options->settings);
    while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
        if (c >= OPT_TEXT)
            *texts[c - OPT_TEXT] = optarg;
        else
            take_option(options, c, optarg);
    }
    if (optind != argc)
        options_wrong("an argument too many");
    check(options);
}
