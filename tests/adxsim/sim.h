/* The whole stand-in, as its request handlers see it. Nothing in it changes after the start, except behind
 * the locks of store, faults, journal and settings. */
#ifndef ADXSIM_SIM_H
#define ADXSIM_SIM_H

#include <stdbool.h>

struct auth;
struct faults;
struct journal;
struct settings;
struct storage;
struct store;

struct sim {
    bool emulator;          /* be Kustainer: cluster name KustoPersonal, no streaming */
    bool streaming_default; /* is streaming on in tables without a policy of their own? */
    const char
        *token_file; /* lines of accepted bearer tokens, read anew at each request; NULL: not asked for */
    const struct auth *auth; /* who may have tokens; NULL: no such authentication */
    const char *login_url;   /* where they get them */
    struct store *store;
    struct faults *faults;
    struct journal *journal;
    struct settings *settings;
    const struct storage *storage; /* NULL: no data-management host */
    int stop_fd;                   /* readable once the program ends: waits give up */
};

#define SIM_DEFAULT_DATABASE "NetDefaultDB"

#endif
