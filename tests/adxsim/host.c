#include "tests/adxsim/host.h"

const char *host_name(enum host host)
{
    static const char *const names[HOSTS] = {[HOST_ENGINE] = "engine",
                                             [HOST_DM] = "dm",
                                             [HOST_AAD] = "aad",
                                             [HOST_IMDS] = "imds",
                                             [HOST_STORAGE] = "storage"};

    return names[host];
}
