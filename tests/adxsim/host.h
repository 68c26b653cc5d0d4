/* The hosts that one stand-in plays, each on a port of its own: so a request to the wrong one is noticed. */
#ifndef ADXSIM_HOST_H
#define ADXSIM_HOST_H

enum host {
    HOST_ENGINE,  /* https://CLUSTER */
    HOST_DM,      /* https://ingest-CLUSTER */
    HOST_AAD,     /* login.microsoftonline.com */
    HOST_IMDS,    /* 169.254.169.254, and App Service's endpoint */
    HOST_STORAGE, /* before one service of a storage account */
    HOSTS
};

const char *host_name(enum host host); /* engine, dm, aad, imds, storage */

#endif
