/* How one proves who one is: what configuration and environment say of it. */
#include <errno.h>
#include <strings.h>

#include "uploader/adx/trust.h"
#include "uploader/token/token_command.h"
#include "uploader/token/token_source.h"

static const char *text_or_variable(const struct conf *conf, enum conf_id id, const char *variable)
{
    const char *text = conf_text(conf, id);
    if (!text)
        text = getenv(variable);
    return text && *text ? text : NULL;
}

static bool has_principal(const struct token_options *o)
{
    return o->client_id && o->tenant_id;
}

static bool has_secret(const struct token_options *o)
{
    const char *variable = getenv("AZURE_CLIENT_SECRET");
    return has_principal(o) && (o->secret_file || (variable && *variable));
}

/* What it lacks; NULL: nothing. */
static const char *missing_of(const struct token_options *o)
{
    switch (o->auth) {
    case AUTH_FILE:
        return o->file ? NULL : "adx-token-file";
    case AUTH_COMMAND:
        return o->command ? NULL : "token-command";
    case AUTH_SECRET:
        if (has_principal(o))
            return has_secret(o) ? NULL : "client-secret-file, or the variable AZURE_CLIENT_SECRET";
        break;
    case AUTH_WORKLOAD:
        if (has_principal(o))
            return o->federated_file ? NULL
                                     : "federated-token-file, or the variable AZURE_FEDERATED_TOKEN_FILE";
        break;
    case AUTH_AUTO:
    case AUTH_NONE:
    case AUTH_MANAGED:
        return NULL;
    }
    return "client-id and tenant-id, or the variables AZURE_CLIENT_ID and AZURE_TENANT_ID";
}

static int check(const struct token_options *o, struct err *err)
{
    char host[TRUST_HOST_BYTES];
    const char *missing = missing_of(o);
    if (missing)
        return err_set(err, -EINVAL, "--auth %s needs %s", token_auth_word(o->auth), missing);
    if (o->authority && (!trust_host_of(o->authority, host) ||
                         (strncasecmp(o->authority, "https://", 8) != 0 && !trust_is_loopback(host))))
        return err_set(err, -EINVAL, "authority %s: give https://HOST: a secret is not sent in the clear",
                       o->authority);
    if (o->tenant_id &&
        strspn(o->tenant_id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-") !=
            strlen(o->tenant_id))
        return err_set(err, -EINVAL, "tenant-id %s: give its id or its domain", o->tenant_id);
    if (!o->command)
        return 0;
    char *words[COMMAND_WORDS_MAX + 1];
    struct buf copy;
    buf_init(&copy, (size_t)1 << 20);
    int rc = command_split(o->command, &copy, words);
    buf_fini(&copy);
    return rc == 0 || rc == -ENOEXEC
               ? 0
               : err_set(err, -EINVAL, "token-command: this is not a command (a quote that is not closed?)");
}

int token_options_read(struct token_options *options, const struct conf *conf, struct err *err)
{
    *options = (struct token_options){
        .auth = (enum token_auth)conf_number(conf, CONF_AUTH),
        .file = conf_text(conf, CONF_ADX_TOKEN_FILE),
        .command = conf_text(conf, CONF_TOKEN_COMMAND),
        .client_id = text_or_variable(conf, CONF_CLIENT_ID, "AZURE_CLIENT_ID"),
        .tenant_id = text_or_variable(conf, CONF_TENANT_ID, "AZURE_TENANT_ID"),
        .secret_file = conf_text(conf, CONF_CLIENT_SECRET_FILE),
        .federated_file = text_or_variable(conf, CONF_FEDERATED_TOKEN_FILE, "AZURE_FEDERATED_TOKEN_FILE"),
        .authority = text_or_variable(conf, CONF_AUTHORITY, "AZURE_AUTHORITY_HOST"),
        .resource_id = conf_text(conf, CONF_IDENTITY_RESOURCE_ID),
        .machine = getenv("AZURE_POD_IDENTITY_AUTHORITY_HOST"),
        .app_endpoint = getenv("IDENTITY_ENDPOINT"),
        .app_header = getenv("IDENTITY_HEADER"),
    };
    if (!options->machine || !*options->machine)
        options->machine = "http://169.254.169.254";
    return check(options, err);
}

enum token_auth token_auth_of(const struct token_options *o, const char *place)
{
    char host[TRUST_HOST_BYTES];
    if (o->auth != AUTH_AUTO)
        return o->auth;
    if (o->file)
        return AUTH_FILE;
    if (o->command)
        return AUTH_COMMAND;
    if (strncasecmp(place, "https://", 8) != 0)
        return AUTH_NONE;
    if (has_secret(o))
        return AUTH_SECRET;
    if (has_principal(o) && o->federated_file)
        return AUTH_WORKLOAD;
    if (o->app_endpoint && o->app_header)
        return AUTH_MANAGED;
    return trust_host_of(place, host) && trust_is_loopback(host) ? AUTH_NONE : AUTH_MANAGED;
}
