/* Shared access signatures of Azure Storage, version 2022-11-02, as the account's owner makes them (adx.md 9;
 * Azure's "Create a service SAS", "Create an account SAS"). Pure but for the clock. */
#ifndef ADXSIM_SAS_H
#define ADXSIM_SAS_H

#include "tests/adxsim/buf.h"

enum sas_kind {
    SAS_CONTAINER,
    SAS_QUEUE,
    SAS_TABLE,
    SAS_ACCOUNT /* blob, queue and table, all in them; name is not used */
};

struct sas {
    enum sas_kind kind;
    const char *account;
    const struct buf *key;   /* the account's key, its bytes */
    const char *name;        /* of the container, queue or table */
    const char *permissions; /* letters in Azure's order: racwdl, raup, raud */
    long lifetime_s;         /* from now; negative: it has expired already */
};

/* Append the query (without ?), ending with sig=. */
void sas_write(const struct sas *sas, struct buf *out);

#endif
