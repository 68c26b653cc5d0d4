#include "tests/adxsim/auth.h"

#include <fcntl.h>

#include "tests/adxsim/buf.h"

/* One of the lines of the token file? */
static bool is_known_token(const char *file, const char *token)
{
    char text[65536];
    bool known = false;
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? -1 : read(fd, text, sizeof text - 1);

    if (fd >= 0)
        close(fd);
    if (len < 0) {
        fprintf(stderr, "error token-file path=%s cause=\"cannot be read\"\n", file);
        return false;
    }
    text[len] = '\0';
    for (const char *line = text; *line && *token;) {
        size_t n = strcspn(line, "\r\n");
        known |= n == strlen(token) && memcmp(line, token, n) == 0;
        line += n;
        line += strspn(line, "\r\n");
    }
    return known;
}

enum auth_result auth_check(const struct sim *sim, const char *authorization)
{
    static const char scheme[] = "Bearer ";

    if (!sim->token_file)
        return AUTH_GRANTED;
    if (!authorization || strncmp(authorization, scheme, strlen(scheme)) != 0)
        return AUTH_NO_TOKEN;
    return is_known_token(sim->token_file, authorization + strlen(scheme)) ? AUTH_GRANTED : AUTH_NO_TOKEN;
}
