#include "common/control/daemon.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/utsname.h>

#include "common/base/exit.h"
#include "common/base/log.h"
#include "common/base/secret.h"
#include "common/control/events.h"
#include "common/control/message.h"

enum { GONE_MAX = 4096 };

struct daemon_loop {
    const struct daemon_module *module;
    void *state;
    struct ctl_server *server;
    struct ctl_op *ops; /* the module's and the skeleton's */
    struct events events;
    int signal_fd, wake_fd;
    bool is_finished;
    int exit_code;
    unsigned stop_signals;
    struct mono started, leave_at;
    /* Connections that ended, from nng's threads; guarded by lock. When there are more than fit, the last
     * slot repeats. */
    pthread_mutex_t lock;
    uint32_t gone[GONE_MAX];
    size_t gone_count;
};

void daemon_finish(struct daemon *daemon, int exit_code)
{
    daemon->loop->is_finished = true;
    daemon->loop->exit_code = exit_code;
}

void daemon_wake(struct daemon *daemon)
{
    uint64_t one = 1;
    ssize_t n = write(daemon->loop->wake_fd, &one, sizeof one);
    (void)n; /* EAGAIN: it is awake already */
}

void daemon_publish(struct daemon *daemon, const char *type, json_t *fields)
{
    events_publish(&daemon->loop->events, type, fields);
}

/* --- operations that every program answers ---------------------------------------------------------- */

struct shell {
    struct daemon daemon;
    struct daemon_loop loop;
    int argc;
    char **argv;
    char instance[256];
    char since[WALL_TEXT_BYTES];
};

/* There is one daemon in a process; nng's handlers get its module's state, the skeleton's own get this. */
static struct shell shell;

static json_t *op_status(void *arg, const struct ctl_peer *peer, const json_t *request)
{
    (void)arg, (void)peer, (void)request;
    json_t *reply = message_reply();
    const struct daemon_module *module = shell.loop.module;
    json_object_set_new(reply, "program", json_string(module->about->program));
    json_object_set_new(reply, "version", json_string(SPILLWAY_VERSION));
    json_object_set_new(reply, "pid", json_integer(getpid()));
    json_object_set_new(reply, "since", json_string(shell.since));
    json_object_set_new(reply, "uptime_ms", json_integer(mono_since_ms(shell.loop.started)));
    json_object_set_new(reply, "spool", json_string(shell.daemon.spool.path));
    json_object_set_new(reply, "instance", json_string(shell.instance));
    json_object_set_new(reply, "draining", json_boolean(shell.daemon.is_stopping));
    module->status(shell.loop.state, reply);
    return reply;
}

static json_t *op_metrics(void *arg, const struct ctl_peer *peer, const json_t *request)
{
    (void)arg, (void)peer, (void)request;
    struct metrics metrics;
    metrics_init(&metrics);
    const struct daemon_module *module = shell.loop.module;
    metrics_family(&metrics, "spillway_up", METRICS_GAUGE, "1 for each program that answers.");
    metrics_sample(&metrics, "spillway_up", "program", module->about->program, 1);
    if (module->metrics)
        module->metrics(shell.loop.state, &metrics);
    json_t *reply = message_reply();
    json_object_set_new(reply, "text", json_stringn(metrics.text.data, metrics.text.len));
    metrics_fini(&metrics);
    return reply;
}

static json_t *op_reload(void *arg, const struct ctl_peer *peer, const json_t *request)
{
    (void)arg, (void)peer, (void)request;
    if (!shell.loop.module->reload)
        return message_refusal("nothing", "this program has nothing to reload");
    shell.loop.module->reload(shell.loop.state);
    return message_reply();
}

static json_t *op_wake(void *arg, const struct ctl_peer *peer, const json_t *request)
{
    (void)arg, (void)peer, (void)request;
    daemon_wake(&shell.daemon);
    return message_reply();
}

static const struct ctl_op common_ops[] = {
    {"status", op_status}, {"metrics", op_metrics}, {"reload", op_reload}, {"wake", op_wake}, {NULL, NULL},
};

static int merge_ops(struct daemon_loop *loop)
{
    size_t own = 0;
    while (loop->module->ops && loop->module->ops[own].op)
        own++;
    loop->ops = calloc(own + ARRAY_LEN(common_ops), sizeof *loop->ops);
    if (!loop->ops)
        return -ENOMEM;
    for (size_t i = 0; i < own; i++)
        loop->ops[i] = loop->module->ops[i];
    for (size_t i = 0; i < ARRAY_LEN(common_ops); i++)
        loop->ops[own + i] = common_ops[i];
    return 0;
}

/* --- connections that end --------------------------------------------------------------------------- */

static void note_gone(void *arg, uint32_t connection)
{
    (void)arg;
    struct daemon_loop *loop = &shell.loop;
    pthread_mutex_lock(&loop->lock);
    if (loop->gone_count < GONE_MAX)
        loop->gone[loop->gone_count++] = connection;
    pthread_mutex_unlock(&loop->lock);
    daemon_wake(&shell.daemon);
}

static void tell_gone(struct daemon_loop *loop)
{
    if (!loop->module->gone)
        return;
    uint32_t gone[GONE_MAX];
    pthread_mutex_lock(&loop->lock);
    size_t count = loop->gone_count;
    memcpy(gone, loop->gone, count * sizeof *gone);
    loop->gone_count = 0;
    pthread_mutex_unlock(&loop->lock);
    for (size_t i = 0; i < count; i++)
        loop->module->gone(loop->state, gone[i]);
}

/* --- the loop --------------------------------------------------------------------------------------- */

static void on_stop(struct daemon *daemon)
{
    struct daemon_loop *loop = daemon->loop;
    if (loop->stop_signals++ || !loop->module->stop) {
        daemon_finish(daemon, EXIT_DONE);
        return;
    }
    log_info("draining", log_n("grace_ms", DAEMON_GRACE_MS));
    daemon->is_stopping = true;
    loop->leave_at = mono_after(DAEMON_GRACE_MS);
    loop->module->stop(loop->state);
}

static void on_signal(struct daemon *daemon)
{
    struct signalfd_siginfo info;
    while (read(daemon->loop->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo != SIGHUP)
            on_stop(daemon);
        else if (daemon->loop->module->reload)
            daemon->loop->module->reload(daemon->loop->state);
    }
}

static int wait_ms(const struct daemon *daemon, struct mono due)
{
    const struct daemon_loop *loop = daemon->loop;
    if (daemon->is_stopping)
        due = mono_earlier(due, loop->leave_at);
    due = mono_earlier(due, ctl_server_due(loop->server));
    due = mono_earlier(due, events_due(&loop->events));
    int64_t left = mono_left_ms(due);
    return left > INT32_MAX ? INT32_MAX : (int)left;
}

static int run_loop(struct daemon *daemon)
{
    struct daemon_loop *loop = daemon->loop;
    enum { SIGNAL, WAKE, REQUEST, SOURCES };
    struct pollfd sources[SOURCES] = {
        [SIGNAL] = {.fd = loop->signal_fd, .events = POLLIN},
        [WAKE] = {.fd = loop->wake_fd, .events = POLLIN},
        [REQUEST] = {.fd = ctl_server_fd(loop->server), .events = POLLIN},
    };
    struct mono due = {0};
    while (!loop->is_finished) {
        if (poll(sources, SOURCES, wait_ms(daemon, due)) < 0 && errno != EINTR)
            return EXIT_TROUBLE;
        bool is_due = mono_is_past(due);
        if (sources[WAKE].revents) {
            uint64_t count;
            is_due = read(loop->wake_fd, &count, sizeof count) > 0 || is_due;
            tell_gone(loop);
        }
        /* Also when its descriptor says nothing: nng 1.5 can lose that signal. */
        ctl_server_serve(loop->server);
        ctl_server_tick(loop->server);
        events_tick(&loop->events);
        if (sources[SIGNAL].revents) {
            on_signal(daemon);
            is_due = true;
        }
        if (is_due && !loop->is_finished) {
            int64_t delay_ms = loop->module->step(loop->state);
            due = mono_after(delay_ms == DAEMON_NEVER ? INT64_MAX : delay_ms);
        }
        if (daemon->is_stopping && mono_is_past(loop->leave_at))
            daemon_finish(daemon, EXIT_DONE);
    }
    return loop->exit_code;
}

/* --- start and end ---------------------------------------------------------------------------------- */

/* Signals are blocked before any thread exists, so that all of them inherit it and only the loop sees them.
 */
static int open_signals(struct daemon_loop *loop)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
        return -errno;
    signal(SIGPIPE, SIG_IGN);
    loop->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return loop->signal_fd < 0 || loop->wake_fd < 0 ? -errno : 0;
}

static int start(struct daemon *daemon, struct err *err)
{
    struct daemon_loop *loop = daemon->loop;
    const char *program = loop->module->about->program;
    int rc = spool_open(&daemon->spool, conf_text(daemon->conf, CONF_SPOOL), daemon->instance, err);
    daemon->spool.is_guarded = !conf_flag(daemon->conf, CONF_NO_GUARD);
    if (rc == 0)
        rc = spool_lock(&daemon->spool, program, err);
    if (rc == 0 && (rc = open_signals(loop)) != 0)
        err_errno(err, rc, "signals cannot be set up");
    if (rc == 0)
        rc = events_open(&loop->events, &daemon->spool, program, err);
    if (rc == 0)
        rc = loop->module->init(daemon, &loop->state, err);
    if (rc == 0 && (rc = merge_ops(loop)) != 0)
        err_set(err, rc, "out of memory");
    /* The socket comes last: who can connect finds a program that is ready. */
    if (rc == 0)
        rc = ctl_server_open(&loop->server, &daemon->spool, program, loop->ops,
                             loop->module->gone ? note_gone : NULL, loop->state, err);
    return rc;
}

static void finish(struct daemon *daemon)
{
    struct daemon_loop *loop = daemon->loop;
    ctl_server_close(loop->server);
    if (loop->state)
        loop->module->fini(loop->state);
    events_close(&loop->events);
    free(loop->ops);
    spool_close(&daemon->spool);
}

static void set_instance(struct daemon *daemon)
{
    struct utsname host;
    const char *name = conf_text(daemon->conf, CONF_NAME);
    if (!name)
        name = uname(&host) == 0 ? host.nodename : "localhost";
    snprintf(shell.instance, sizeof shell.instance, "%s", name);
    daemon->instance = shell.instance;
}

static int run(struct daemon *daemon)
{
    struct err err;
    int rc = start(daemon, &err);
    int code;
    if (rc) {
        log_error("cannot-start", log_s("cause", err.text));
        code = spool_exit_code(rc);
    } else {
        log_info("started", log_s("version", SPILLWAY_VERSION), log_n("pid", getpid()),
                 log_s("spool", daemon->spool.path), log_s("instance", daemon->instance));
        code = run_loop(daemon);
        log_info("stopped", log_n("exit", code));
    }
    finish(daemon);
    return code;
}

/* What the table of keys cannot say of a configuration. */
static int check_conf(const struct conf *conf, const struct daemon_module *module, struct err *err)
{
    static const enum conf_id always[] = {CONF_SPOOL, CONF_KEYS};
    int rc = conf_require(conf, always, err);
    if (rc == 0 && module->required)
        rc = conf_require(conf, module->required, err);
    if (rc == 0 && module->check)
        rc = module->check(conf, err);
    return rc;
}

int daemon_read_conf(struct daemon *daemon, struct conf **conf, struct err *err)
{
    enum conf_verdict verdict;
    const struct daemon_module *module = daemon->loop->module;
    int rc = conf_load(conf, module->about, shell.argc, shell.argv, &verdict, err);
    return rc ? rc : check_conf(*conf, module, err);
}

int daemon_main(int argc, char **argv, const struct daemon_module *module)
{
    struct daemon *daemon = &shell.daemon;
    struct err err;
    enum conf_verdict verdict;
    shell.loop = (struct daemon_loop){.module = module,
                                      .lock = PTHREAD_MUTEX_INITIALIZER,
                                      .started = mono_now(),
                                      .signal_fd = -1,
                                      .wake_fd = -1};
    shell.argc = argc;
    shell.argv = argv;
    daemon->loop = &shell.loop;
    secret_keep_cores(false); /* before anything is read */
    wall_format(wall_now_ms(), shell.since);
    int rc = conf_load(&daemon->conf, module->about, argc, argv, &verdict, &err);
    bool is_answered = rc == 0 && verdict == CONF_EXIT;
    if (rc == 0 && !is_answered)
        rc = check_conf(daemon->conf, module, &err);
    int code = EXIT_DONE;
    if (rc) {
        fprintf(stderr, "%s: %s\n", module->about->program, err.text);
        code = EXIT_USAGE;
    } else if (verdict == CONF_RUN) {
        secret_keep_cores(conf_flag(daemon->conf, CONF_CORE_DUMPS));
        log_init(module->about->program, (enum log_level)conf_number(daemon->conf, CONF_LOG_LEVEL),
                 conf_flag(daemon->conf, CONF_LOG_TIMESTAMPS));
        set_instance(daemon);
        code = run(daemon);
    }
    conf_free(daemon->conf);
    return code;
}
