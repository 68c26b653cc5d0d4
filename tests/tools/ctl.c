/* Ask a control socket: ctl SOCKET MESSAGE prints the answer; exit 0 if it is an "ok" one, 1 if a refusal, 2
 * if none comes. The message is sent as it is, well-formed or not. MESSAGE "-": standard input, whatever its
 * size. ctl SOCKET MESSAGE N: ask N times and print how many answers a second came instead. ctl SOCKET --hold
 * MESSAGE...: ask for each in turn, over one connection, and keep that open until standard input ends. */
#include <nng/nng.h>
#include <nng/protocol/reqrep0/req.h>

#include "common/base/clock.h"

enum { TIMEOUT_MS = 5000, INPUT_MAX = 16 << 20 };

static nng_socket open_socket(const char *path)
{
    nng_socket socket;
    char url[256];
    snprintf(url, sizeof url, "ipc://%s", path);
    if (nng_req0_open(&socket) != 0)
        exit(2);
    nng_socket_set_size(socket, NNG_OPT_RECVMAXSZ, INPUT_MAX);
    nng_socket_set_ms(socket, NNG_OPT_SENDTIMEO, TIMEOUT_MS);
    nng_socket_set_ms(socket, NNG_OPT_RECVTIMEO, TIMEOUT_MS);
    nng_socket_set_ms(socket, NNG_OPT_REQ_RESENDTIME, NNG_DURATION_INFINITE);
    int rc = nng_dial(socket, url, NULL, 0);
    if (rc) {
        fprintf(stderr, "ctl: %s: %s\n", path, nng_strerror(rc));
        exit(2);
    }
    return socket;
}

/* Returns the answer: a NUL-terminated string to be freed; exits when there is none. */
static char *ask(nng_socket socket, const char *text, size_t len)
{
    nng_msg *msg;
    if (nng_msg_alloc(&msg, 0) != 0 || nng_msg_append(msg, text, len) != 0)
        exit(2);
    int rc = nng_sendmsg(socket, msg, 0);
    if (rc == 0)
        rc = nng_recvmsg(socket, &msg, 0);
    if (rc) {
        fprintf(stderr, "ctl: %s\n", nng_strerror(rc));
        exit(2);
    }
    char *answer = strndup(nng_msg_body(msg), nng_msg_len(msg));
    nng_msg_free(msg);
    if (!answer)
        exit(2);
    return answer;
}

static int ask_and_print(nng_socket socket, const char *text, size_t len)
{
    char *answer = ask(socket, text, len);
    puts(answer);
    fflush(stdout);
    int code = strstr(answer, "\"ok\":true") || strstr(answer, "\"ok\": true") ? 0 : 1;
    free(answer);
    return code;
}

static void measure(nng_socket socket, const char *text, long times)
{
    struct mono start = mono_now();
    for (long i = 0; i < times; i++)
        free(ask(socket, text, strlen(text)));
    int64_t ms = mono_since_ms(start);
    printf("%lld\n", (long long)times * 1000 / (ms > 0 ? ms : 1));
}

static char *read_input(size_t *len)
{
    char *text = malloc(INPUT_MAX);
    if (!text)
        exit(2);
    *len = fread(text, 1, INPUT_MAX, stdin);
    return text;
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fputs("usage: ctl SOCKET MESSAGE [N] | ctl SOCKET --hold MESSAGE...\n", stderr);
        return 2;
    }
    nng_socket socket = open_socket(argv[1]);
    int code = 0;
    if (strcmp(argv[2], "--hold") == 0) {
        for (int i = 3; i < argc; i++)
            code |= ask_and_print(socket, argv[i], strlen(argv[i]));
        while (getchar() != EOF)
            ;
    } else if (argc > 3) {
        measure(socket, argv[2], strtol(argv[3], NULL, 10));
    } else if (strcmp(argv[2], "-") == 0) {
        size_t len;
        char *text = read_input(&len);
        code = ask_and_print(socket, text, len);
        free(text);
    } else {
        code = ask_and_print(socket, argv[2], strlen(argv[2]));
    }
    nng_close(socket);
    return code;
}
