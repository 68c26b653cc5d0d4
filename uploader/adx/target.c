#include "uploader/adx/target.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>

#include "common/base/url.h"

static int bad(struct err *err, const char *text, const char *why)
{
    return err_set(err, -EINVAL,
                   "--database %s: %s; give DB=https://CLUSTER, DB=http://HOST:PORT or DB=dir:/PATH", text,
                   why);
}

static int parse_dir(const char *text, const char *path, struct target *target, struct err *err)
{
    target->kind = TARGET_DIR;
    if (*path != '/')
        return bad(err, text, "the path after dir: must start with a slash");
    if (snprintf(target->place, sizeof target->place, "%s", path) >= (int)sizeof target->place)
        return bad(err, text, "the path is too long");
    return 0;
}

static int parse_url(const char *text, const char *address, struct target *target, struct err *err)
{
    struct url_base base;
    const char *why = url_base_parse(address, target->place, sizeof target->place, &base);
    target->kind = TARGET_ADX;
    target->is_loopback = base.is_loopback;
    target->may_get_token = base.may_get_token;
    return why ? bad(err, text, why) : 0;
}

int target_parse(const char *text, struct target *target, struct err *err)
{
    const char *equals = strchr(text, '=');

    *target = (struct target){0};
    if (!equals || equals == text)
        return bad(err, text, "there is no database before a '='");
    if ((size_t)(equals - text) >= sizeof target->db)
        return bad(err, text, "the database's name is too long");
    memcpy(target->db, text, (size_t)(equals - text));
    enum name_status status = name_encode(target->db, target->folder, sizeof target->folder);
    if (status != NAME_OK)
        return err_set(err, -EINVAL, "--database %s: '%s' is not the name of an ADX database (%s)", text,
                       target->db, name_status_text(status));
    const char *place = equals + 1;
    if (strncmp(place, "dir:", 4) == 0)
        return parse_dir(text, place + 4, target, err);
    if (!strstr(place, "://"))
        return bad(err, text, "this is not an address");
    return parse_url(text, place, target, err);
}

/* --- engine and data management (adx.md §0) --------------------------------------------------------- */

static const char prefix[] = "ingest-";

/* The host in an address, or NULL where it has no sibling. */
static char *find_host(struct target *target)
{
    struct in6_addr address;
    char *host = strstr(target->place, "://"), name[TARGET_PLACE_BYTES];
    if (!host)
        return NULL;
    host += 3;
    snprintf(name, sizeof name, "%.*s", (int)strcspn(host, ":/"), host);
    bool is_alone = host[0] == '[' || inet_pton(AF_INET, name, &address) == 1 ||
                    strcasestr(name, "localhost") || strcasecmp(name, "onebox.dev.kusto.windows.net") == 0;
    return is_alone ? NULL : host;
}

int target_data_management(const struct target *engine, struct target *dm)
{
    *dm = *engine;
    char *host = find_host(dm);
    size_t len = strlen(dm->place), skip = sizeof prefix - 1;
    if (!host || strncasecmp(host, prefix, skip) == 0)
        return 0;
    if (len + skip >= sizeof dm->place)
        return -ENAMETOOLONG;
    memmove(host + skip, host, strlen(host) + 1);
    memcpy(host, prefix, skip);
    return 0;
}

void target_to_engine(struct target *target)
{
    char *host = find_host(target);
    size_t skip = sizeof prefix - 1;
    if (host && strncasecmp(host, prefix, skip) == 0)
        memmove(host, host + skip, strlen(host + skip) + 1);
}
