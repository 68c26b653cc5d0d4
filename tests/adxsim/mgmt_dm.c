/* Commands of the data-management host: what clients of queued ingestion ask for before they begin. */
#include <errno.h>

#include "tests/adxsim/mgmt.h"
#include "tests/adxsim/settings.h"
#include "tests/adxsim/storage.h"
#include "tests/adxsim/ticket.h"

enum { URL_MAX = 8192 };

/* .get ingestion resources [with (EnableBlobCors='true', ..)]: the properties change nothing here. */
int mgmt_get_resources(struct mgmt *mgmt)
{
    static const char *const names[] = {"EnableBlobCors", "EnableQueueCors", "EnableTableCors", NULL};
    char *properties[3] = {NULL, NULL, NULL};
    long lifetime_s = (long)settings_get(mgmt->sim->settings, SETTING_SAS_S);
    struct resource resource;
    struct buf url;
    int rc = mgmt_take_properties(mgmt, names, properties);

    for (size_t i = 0; i < ARRAY_LEN(properties); i++)
        free(properties[i]);
    if (rc < 0)
        return rc;
    result_add_columns(mgmt->result, "ResourceTypeName:string,StorageRoot:string");
    for (size_t i = 0; storage_resource(mgmt->sim->storage, i, &resource); i++) {
        buf_init(&url, URL_MAX);
        storage_client_url(&resource, lifetime_s, &url);
        result_take_row(mgmt->result, json_pack("[s,s]", resource.type, url.data));
        buf_fini(&url);
    }
    return 0;
}

int mgmt_get_identity(struct mgmt *mgmt)
{
    char token[TICKET_SIZE];
    int rc = mgmt_expect_end(mgmt);

    if (rc < 0)
        return rc;
    rc = ticket_issue(mgmt->store, TICKET_IDENTITY, "", settings_get(mgmt->sim->settings, SETTING_IDENTITY_S),
                      token);
    result_add_columns(mgmt->result, "AuthorizationContext:string");
    if (rc == 0)
        result_take_row(mgmt->result, json_pack("[s]", token));
    return mgmt_io(mgmt, rc);
}
