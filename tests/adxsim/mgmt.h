/* Management commands: text to result, over the store. */
#ifndef ADXSIM_MGMT_H
#define ADXSIM_MGMT_H

#include "tests/adxsim/csl.h"
#include "tests/adxsim/error.h"
#include "tests/adxsim/host.h"
#include "tests/adxsim/result.h"
#include "tests/adxsim/sim.h"
#include "tests/adxsim/store.h"

/* One command being run. Handlers find the lexer right after the words that named them. */
struct mgmt {
    const struct sim *sim;
    struct store *store;
    enum host host;
    const char *database;
    const char *request_id;
    struct csl *csl;
    struct result *result;
    struct sim_error *error;
};

/* Run a command of the engine or of data management, with the store's lock held by this function. database
 * may be NULL (the default one is meant). 0, or -EPROTO with *error set. result must be fresh. */
NODISCARD int mgmt_run(const struct sim *sim, enum host host, const char *database, const char *csl,
                       size_t len, const char *request_id, struct result *result, struct sim_error *error);
/* A query: a table's name and pipes. Same contract. */
NODISCARD int query_run(const struct sim *sim, const char *database, const char *csl, size_t len,
                        struct result *result, struct sim_error *error);

/* For handlers. Each gives 0 or -EPROTO with mgmt->error set. */
NODISCARD int mgmt_syntax(struct mgmt *mgmt, const char *wanted);
NODISCARD int mgmt_expect_word(struct mgmt *mgmt, const char *word);
NODISCARD int mgmt_expect_punct(struct mgmt *mgmt, char c);
NODISCARD int mgmt_expect_end(struct mgmt *mgmt); /* before a command with effects: nothing may follow */
NODISCARD int mgmt_take_name(struct mgmt *mgmt, char **name);
NODISCARD int mgmt_take_table(struct mgmt *mgmt, struct table *table); /* a table's name, and the table */
NODISCARD int mgmt_io(struct mgmt *mgmt, int rc);                      /* -EIO becomes an internal error */
/* with (a='x', b=y), or nothing. Values by name (NULL-terminated list of known names); each freed by the
 * caller. */
NODISCARD int mgmt_take_properties(struct mgmt *mgmt, const char *const *names, char **values);

/* That there is no such database, in the shape that is set. */
int mgmt_no_database(const struct sim *sim, const char *name, struct sim_error *error);

int mgmt_show_version(struct mgmt *mgmt);
int mgmt_show_cluster(struct mgmt *mgmt);
int mgmt_show_databases(struct mgmt *mgmt);
int mgmt_show_tables(struct mgmt *mgmt);
int mgmt_show_table(struct mgmt *mgmt);
int mgmt_show_database(struct mgmt *mgmt);
int mgmt_show_failures(struct mgmt *mgmt);
int mgmt_create_table(struct mgmt *mgmt);
int mgmt_create_merge_table(struct mgmt *mgmt);
int mgmt_create_mapping(struct mgmt *mgmt);
int mgmt_create_or_alter(struct mgmt *mgmt);
int mgmt_show_mappings(struct mgmt *mgmt, const struct table *table, const char *database);
int mgmt_drop_table(struct mgmt *mgmt);
int mgmt_alter_table(struct mgmt *mgmt);
int mgmt_clear_table(struct mgmt *mgmt);
int mgmt_ingest_inline(struct mgmt *mgmt);
/* The data-management host's (mgmt_dm.c), run without the store's lock. */
int mgmt_get_resources(struct mgmt *mgmt);
int mgmt_get_identity(struct mgmt *mgmt);

#endif
