#include "uploader/token/token_command.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <sys/pidfd.h>
#include <sys/wait.h>

#include "common/base/clock.h"

extern char **environ;

enum { TICK_MS = 100, WORDS_OF_ERROR_BYTES = 200, LONG_WORD = 32 };

/* --- taking it apart -------------------------------------------------------------------------------- */

static bool needs_shell(char c)
{
    return strchr("|&;<>()$`*?[~#\n", c) != NULL;
}

/* One word from *at, in place: what remains of it is moved to `to`. Returns the end of the word there, or
 * NULL. */
static char *take_word(char **at, char *to, int *rc)
{
    char quote = '\0';
    char *from = *at;
    for (; *from && (quote || !isspace((unsigned char)*from)); from++) {
        if (quote ? *from == quote : *from == '\'' || *from == '"') {
            quote = quote ? '\0' : *from;
        } else if (*from == '\\' && quote != '\'' && from[1]) {
            *to++ = *++from;
        } else if (quote != '\'' && (quote ? *from == '$' || *from == '`' : needs_shell(*from))) {
            *rc = -ENOEXEC;
            return NULL;
        } else {
            *to++ = *from;
        }
    }
    *rc = quote ? -EINVAL : 0;
    *at = *from ? from + 1 : from;
    return quote ? NULL : to;
}

int command_split(const char *text, struct buf *copy, char *words[static COMMAND_WORDS_MAX + 1])
{
    size_t count = 0;
    int rc = 0;
    buf_clear(copy);
    rc = buf_puts(copy, text);
    char *at = copy->data;
    while (rc == 0) {
        while (isspace((unsigned char)*at))
            at++;
        if (!*at)
            break;
        if (count == COMMAND_WORDS_MAX)
            return -EINVAL;
        words[count] = at;
        char *end = take_word(&at, words[count++], &rc);
        if (end)
            *end = '\0';
    }
    if (rc == 0 && count == 0)
        rc = -EINVAL;
    if (rc == 0 && strchr(words[0], '='))
        rc = -ENOEXEC;
    words[count] = NULL;
    return rc;
}

/* --- running it ------------------------------------------------------------------------------------- */

struct child {
    pid_t pid;
    int out, errors; /* -1: at its end */
};

static int spawn(char *const *words, int out, int errors, pid_t *pid)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&files, out, 1);
    posix_spawn_file_actions_adddup2(&files, errors, 2);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setflags(&attributes,
                             POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    int rc = posix_spawnp(pid, words[0], &files, &attributes, words, environ);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
    return -rc;
}

static void close_one(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static int start(char *const *words, struct child *child)
{
    int out[2], errors[2];
    if (pipe2(out, O_CLOEXEC) != 0)
        return -errno;
    if (pipe2(errors, O_CLOEXEC) != 0) {
        int rc = -errno;
        close(out[0]);
        close(out[1]);
        return rc;
    }
    int rc = spawn(words, out[1], errors[1], &child->pid);
    close(out[1]);
    close(errors[1]);
    child->out = out[0];
    child->errors = errors[0];
    if (rc) {
        close_one(&child->out);
        close_one(&child->errors);
    }
    return rc;
}

/* What does not fit is read and thrown away when `may_lose`; else -ENOSPC. */
static int take_bytes(int *fd, struct buf *to, bool may_lose)
{
    char bytes[4096];
    ssize_t n = read(*fd, bytes, sizeof bytes);
    if (n < 0)
        return errno == EINTR || errno == EAGAIN ? 0 : -errno;
    if (n == 0) {
        close_one(fd);
        return 0;
    }
    int rc = buf_put(to, bytes, (size_t)n);
    return rc == -ENOSPC && may_lose ? 0 : rc;
}

/* Until both pipes are at their end. */
static int drain(struct child *child, struct mono deadline, const atomic_bool *is_aborted, struct buf *output,
                 struct buf *words)
{
    int rc = 0;
    while (rc == 0 && (child->out >= 0 || child->errors >= 0)) {
        struct pollfd fds[] = {{.fd = child->out, .events = POLLIN}, {.fd = child->errors, .events = POLLIN}};
        if (mono_is_past(deadline))
            return -ETIMEDOUT;
        if (is_aborted && atomic_load(is_aborted))
            return -ECANCELED;
        if (poll(fds, 2, TICK_MS) < 0 && errno != EINTR)
            return -errno;
        if (child->out >= 0 && fds[0].revents)
            rc = take_bytes(&child->out, output, false);
        if (rc == 0 && child->errors >= 0 && fds[1].revents)
            rc = take_bytes(&child->errors, words, true);
    }
    return rc;
}

/* It may have closed both and live on. */
static int wait_for_end(pid_t pid, struct mono deadline, const atomic_bool *is_aborted)
{
    int fd = pidfd_open(pid, 0), rc = fd < 0 ? -errno : 0;
    for (bool has_ended = false; rc == 0 && !has_ended;) {
        struct pollfd end = {.fd = fd, .events = POLLIN};
        has_ended = poll(&end, 1, TICK_MS) > 0;
        if (!has_ended && mono_is_past(deadline))
            rc = -ETIMEDOUT;
        else if (!has_ended && is_aborted && atomic_load(is_aborted))
            rc = -ECANCELED;
    }
    if (fd >= 0)
        close(fd);
    return rc;
}

/* The first line of stderr, without words that are long enough to be a secret. */
static void show_words(const struct buf *words, char out[static WORDS_OF_ERROR_BYTES])
{
    size_t len = 0, end = words->len ? strcspn(words->data, "\r\n") : 0;
    for (size_t i = 0; i < end;) {
        size_t word = strcspn(words->data + i, " \t\r\n");
        if (word == 0) {
            i++;
            continue;
        }
        int n = snprintf(out + len, WORDS_OF_ERROR_BYTES - len, "%s%.*s", len > 0 ? " " : "",
                         word > LONG_WORD ? 3 : (int)word, word > LONG_WORD ? "***" : words->data + i);
        len += (size_t)n;
        if (len >= WORDS_OF_ERROR_BYTES)
            break;
        i += word;
    }
    if (len == 0)
        snprintf(out, WORDS_OF_ERROR_BYTES, "%s", "no words on stderr");
}

static int judge(int rc, int status, const struct buf *words, int64_t timeout_ms, struct err *err)
{
    char said[WORDS_OF_ERROR_BYTES] = "";
    show_words(words, said);
    if (rc == -ETIMEDOUT)
        return err_set(err, rc, "it did not end within %lld s", (long long)(timeout_ms / 1000));
    if (rc == -ENOSPC)
        return err_set(err, rc, "it prints too much to be a token");
    if (rc)
        return err_errno(err, rc, "it cannot be run");
    if (WIFSIGNALED(status))
        return err_set(err, -EIO, "it was killed by signal %d", WTERMSIG(status));
    if (WEXITSTATUS(status) != 0)
        return err_set(err, -EIO, "it ended with %d: %s", WEXITSTATUS(status), said);
    return 0;
}

int command_run(const char *text, int64_t timeout_ms, const atomic_bool *is_aborted, struct buf *output,
                struct err *err)
{
    char *words[COMMAND_WORDS_MAX + 1], shell[] = "/bin/sh", option[] = "-c";
    struct child child = {.out = -1, .errors = -1};
    struct buf copy, said;
    int status = 0;
    buf_init(&copy, (size_t)1 << 20);
    buf_init(&said, 4096);
    int rc = command_split(text, &copy, words);
    if (rc == -ENOEXEC) {
        buf_clear(&copy);
        rc = buf_puts(&copy, text);
        words[0] = shell, words[1] = option, words[2] = copy.data, words[3] = NULL;
    }
    if (rc == 0)
        rc = start(words, &child);
    if (rc == 0) {
        struct mono deadline = mono_after(timeout_ms);
        rc = drain(&child, deadline, is_aborted, output, &said);
        if (rc == 0)
            rc = wait_for_end(child.pid, deadline, is_aborted);
        if (rc)
            kill(-child.pid, SIGKILL);
        while (waitpid(child.pid, &status, 0) < 0 && errno == EINTR)
            ;
    }
    close_one(&child.out);
    close_one(&child.errors);
    rc = judge(rc, status, &said, timeout_ms, err);
    buf_fini(&copy);
    buf_fini(&said);
    return rc;
}
