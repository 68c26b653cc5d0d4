#include "walwriter/receive_settings.h"

#include <errno.h>

static int check_whole(const struct conf *conf, struct err *err)
{
    static const struct {
        enum conf_id id;
        const char *why;
    } strangers[] = {{CONF_TABLE, "the table is in the path of each request"},
                     {CONF_SCHEMA, "the schema is a parameter of each request"}};
    for (size_t i = 0; i < ARRAY_LEN(strangers); i++)
        if (conf_is_set(conf, strangers[i].id))
            return err_set(err, -EINVAL, "--%s does not go with --http: %s", conf_key(strangers[i].id)->name,
                           strangers[i].why);
    return 0;
}

int receive_settings_init(struct receive_settings *settings, const struct conf *conf, struct err *err)
{
    *settings = (struct receive_settings){
        .block_bytes = (size_t)conf_number(conf, CONF_BLOCK_BYTES),
        .compression = (enum compression)conf_number(conf, CONF_COMPRESSION),
        .row_max_bytes = (size_t)conf_number(conf, CONF_MAX_ROW_BYTES),
        .segment_bytes = (uint64_t)conf_number(conf, CONF_SEGMENT_BYTES),
        .body_max_bytes = (uint64_t)conf_number(conf, CONF_MAX_BODY_BYTES),
        .memory_bytes = conf_number(conf, CONF_RECEIVE_MEMORY),
        .segment_age_ms = conf_number(conf, CONF_SEGMENT_AGE),
        .open_max = (size_t)conf_number(conf, CONF_MAX_OPEN_FILES),
        .tables_max = (size_t)conf_number(conf, CONF_MAX_TABLES),
        .sync = (enum sync_mode)conf_number(conf, CONF_SYNC),
        .is_guarded = !conf_flag(conf, CONF_NO_GUARD),
    };
    settings->databases = conf_list(conf, CONF_DB, &settings->database_count);
    int rc = http_settings_init(&settings->http, conf, CONF_HTTP, err);
    return rc ? rc : check_whole(conf, err);
}
