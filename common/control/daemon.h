/* The skeleton of a daemon: options, configuration, spool, lock, signals, control socket, loop and drain,
 * once for all. A daemon's main() is one table and one call:
 *
 *     int main(int argc, char **argv) { return daemon_main(argc, argv, &module); }
 *
 * The loop waits for the control socket, a signal, a wake-up or the time that step() asked for, and then
 * calls step(). Everything but daemon_wake() belongs to the main thread. */
#ifndef SPILLWAY_DAEMON_H
#define SPILLWAY_DAEMON_H

#include <jansson.h>
#include <stdbool.h>

#include "common/base/clock.h"
#include "common/conf/conf.h"
#include "common/control/metrics.h"
#include "common/control/server.h"
#include "common/spool/spool.h"

/* What the skeleton owns and lends to the module; valid from init() to fini(). */
struct daemon {
    struct conf *conf;
    struct spool spool;
    const char *instance; /* --name, or the host's */
    bool is_stopping;     /* SIGTERM or SIGINT came: stop() was called */
    struct daemon_loop *loop;
};

enum { DAEMON_NEVER = -1, DAEMON_GRACE_MS = 10000 };

struct daemon_module {
    const struct conf_about *about;
    const enum conf_id *required; /* ends with CONF_KEYS; beside these --spool is always required */

    /* Is the configuration one that it could run with? For --check, and before init(). -EINVAL and `err`.
     * NULL: what the table of keys accepts is fine. */
    int (*check)(const struct conf *conf, struct err *err);

    /* Make the state. A negative errno and `err` on failure: -EINVAL means wrong configuration (exit
     * EXIT_USAGE), all else EXIT_TROUBLE. Nothing remote may be waited for. */
    int (*init)(struct daemon *daemon, void **state, struct err *err);

    /* Do what is due. Returns milliseconds until it wants to be called again, or DAEMON_NEVER; it is called
     * earlier when something wakes it. */
    int64_t (*step)(void *state);

    /* SIGTERM came: stop taking on work. step() goes on being called until it calls daemon_finish(); after
     * DAEMON_GRACE_MS, or a second signal, the process leaves anyway. NULL: leave at once. */
    void (*stop)(void *state);

    /* SIGHUP or {"op":"reload"}. NULL: nothing to reload. */
    void (*reload)(void *state);

    /* Add to the answer of {"op":"status"}, which has program, version, pid, since, spool and instance
     * already. */
    void (*status)(void *state, json_t *out);

    /* Add to the answer of {"op":"metrics"}. NULL: none of its own. */
    void (*metrics)(void *state, struct metrics *out);

    /* Further operations, ended by op NULL; NULL: none. Handlers get `state` as their argument. */
    const struct ctl_op *ops;

    /* A connection to the control socket has ended. Called in the main thread. NULL: nobody cares. */
    void (*gone)(void *state, uint32_t connection);

    void (*fini)(void *state);
};

/* Run it; returns the exit code. */
int daemon_main(int argc, char **argv, const struct daemon_module *module);

/* Read the configuration again, as at the start (the same command line, the file as it is now), and check it.
 * daemon->conf stays as it is; what can change while running, reload() takes from `*conf`, which is the
 * caller's whatever is returned (conf_free). -EINVAL and `err` as at the start. Main thread only. */
NODISCARD int daemon_read_conf(struct daemon *daemon, struct conf **conf, struct err *err);

/* End the loop, with this exit code. */
void daemon_finish(struct daemon *daemon, int exit_code);

/* Have step() called soon. From any thread. */
void daemon_wake(struct daemon *daemon);

/* Publish an event (events.h); `fields` is taken. Main thread only. */
void daemon_publish(struct daemon *daemon, const char *type, json_t *take_fields);

#endif
