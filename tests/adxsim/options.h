/* The command line. */
#ifndef ADXSIM_OPTIONS_H
#define ADXSIM_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/compiler.h"
#include "tests/adxsim/host.h"
#include "tests/adxsim/settings.h"
#include "tests/adxsim/storage.h"

enum { EXIT_USAGE = 100, EXIT_TROUBLE = 111, DATABASES_MAX = 64 };

struct options {
    const char *listen[HOSTS]; /* HOST:PORT; NULL: that host is not played */
    const char *data;
    const char *databases[DATABASES_MAX];
    size_t ndatabases;
    const char *token_file;
    const char *auth_file;
    const char *port_file;
    const char *ready_file;
    const char *tls_cert;
    const char *tls_key;
    bool emulator;
    bool no_streaming;
    bool storage_proxy;
    struct storage storage;
    struct settings settings;
};

/* Ends the program for --help, --version and wrong usage. */
void options_parse(int argc, char **argv, struct options *options);
NORETURN PRINTF(1, 2) void options_wrong(const char *format, ...);
/* Something outside went wrong: exit 111. */
NORETURN PRINTF(1, 2) void die(const char *format, ...);

#endif
