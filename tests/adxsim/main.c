/* adxsim: an honest stand-in of Azure Data Explorer, for tests and the demo. */
#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/stat.h>

#include "tests/adxsim/auth.h"
#include "tests/adxsim/fault.h"
#include "tests/adxsim/journal.h"
#include "tests/adxsim/options.h"
#include "tests/adxsim/sim.h"
#include "tests/adxsim/site.h"
#include "tests/adxsim/store.h"
#include "tests/adxsim/worker.h"

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

static struct auth *load_auth(const char *path)
{
    const char *reason;
    json_error_t room;
    struct auth *auth = auth_load(path, &reason, &room);

    if (!auth)
        options_wrong("--auth %s: %s", path, reason);
    return auth;
}

static void prepare_storage(const struct storage *storage)
{
    struct client *client = client_new(-1); /* SIGTERM is not blocked yet */
    int rc = storage_prepare(storage, client);

    client_free(client);
    if (rc < 0)
        die("the storage accounts cannot be used (above)");
}

/* Whole or not at all: whoever polls for the file never reads half of it. */
static void write_file(const char *path, const char *text)
{
    char *temporary;

    if (asprintf(&temporary, "%s.tmp.%d", path, (int)getpid()) < 0)
        die("out of memory");
    FILE *file = fopen(temporary, "we");
    if (!file || fputs(text, file) < 0 || fclose(file) != 0 || rename(temporary, path) < 0)
        die("cannot write %s: %s", path, strerror(errno));
    free(temporary);
}

/* The first line is for the engine, and as old as the program. */
static void announce(const struct options *options, const struct sites *sites)
{
    const char *engine = sites_url(sites, HOST_ENGINE), *port = strrchr(engine, ':') + 1;
    char line[32];

    printf("listening on %s\n", engine);
    for (size_t i = 0; i < sites->nsites; i++) {
        const struct site *site = &sites->sites[i];
        if (site->account)
            printf("storage %s %s %s\n", site->account->name, service_name(site->service), site->url);
        else if (site->host != HOST_ENGINE)
            printf("%s %s\n", host_name(site->host), site->url);
    }
    fflush(stdout);
    if (options->ready_file) {
        json_t *json = sites_json(sites, &options->storage);
        char *text = json_dumps(json, JSON_INDENT(1));
        write_file(options->ready_file, text);
        free(text);
        json_decref(json);
    }
    (void)snprintf(line, sizeof line, "%.10s\n", port);
    if (options->port_file)
        write_file(options->port_file, line);
}

/* Before any thread exists, so that all of them inherit it; not while storage is waited for, which may hang:
 * until it serves, a signal ends it as any program. */
static void block_signals(sigset_t *signals)
{
    sigemptyset(signals);
    sigaddset(signals, SIGTERM);
    sigaddset(signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, signals, NULL);
}

static void wait_for_signal(const struct sim *sim, const sigset_t *signals)
{
    int got;

    sigwait(signals, &got);
    if (eventfd_write(sim->stop_fd, 1) < 0)
        die("eventfd: %s", strerror(errno));
}

int main(int argc, char **argv)
{
    static struct options options;
    static struct sites sites;
    struct worker *worker = NULL;
    struct auth *auth = NULL;
    sigset_t signals;

    options_parse(argc, argv, &options);
    signal(SIGPIPE, SIG_IGN);
    curl_global_init(CURL_GLOBAL_DEFAULT);

    if (options.auth_file)
        auth = load_auth(options.auth_file);
    sites_open(&sites, &options);
    struct sim sim = {.emulator = options.emulator,
                      .streaming_default = !options.no_streaming,
                      .token_file = options.token_file,
                      .auth = auth,
                      .login_url = sites_url(&sites, HOST_AAD),
                      .faults = faults_new(),
                      .journal = journal_new(),
                      .settings = &options.settings,
                      .storage = options.storage.naccounts ? &options.storage : NULL,
                      .stop_fd = eventfd(0, EFD_CLOEXEC)};
    open_store(&options, &sim);
    sites_remember(&sites, options.data);
    if (sim.storage)
        prepare_storage(sim.storage);
    block_signals(&signals);
    sites_start(&sites, &sim);
    if (sim.storage)
        worker = worker_start(&sim);
    announce(&options, &sites);

    wait_for_signal(&sim, &signals);
    sites_stop(&sites);
    if (worker)
        worker_stop(worker);
    store_close(sim.store);
    storage_fini(&options.storage);
    auth_free(auth);
    faults_free(sim.faults);
    journal_free(sim.journal);
    close(sim.stop_fd);
    curl_global_cleanup();
    return 0;
}
