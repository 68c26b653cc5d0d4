#include "walwriter/settings.h"

#include <errno.h>
#include <sys/utsname.h>

static void set_instance(struct settings *settings, const struct conf *conf)
{
    struct utsname host;
    const char *name = conf_text(conf, CONF_NAME);
    if (!name)
        name = uname(&host) == 0 ? host.nodename : "localhost";
    snprintf(settings->instance, sizeof settings->instance, "%s", name);
}

int settings_init(struct settings *settings, const struct conf *conf, struct err *err)
{
    *settings = (struct settings){
        .spool_path = conf_text(conf, CONF_SPOOL),
        .input_name = conf_text(conf, CONF_INPUT_NAME),
        .block_bytes = (size_t)conf_number(conf, CONF_BLOCK_BYTES),
        .compression = (enum compression)conf_number(conf, CONF_COMPRESSION),
        .row_max_bytes = (size_t)conf_number(conf, CONF_MAX_ROW_BYTES),
        .segment_bytes = (uint64_t)conf_number(conf, CONF_SEGMENT_BYTES),
        .segment_age_ms = conf_number(conf, CONF_SEGMENT_AGE),
        .flush_interval_ms = conf_number(conf, CONF_FLUSH_INTERVAL),
        .sync = (enum sync_mode)conf_number(conf, CONF_SYNC),
        .is_strict = conf_flag(conf, CONF_STRICT),
        .is_guarded = !conf_flag(conf, CONF_NO_GUARD),
        .fails_when_full = conf_number(conf, CONF_ON_FULL) == 1,
        .wants_json = conf_flag(conf, CONF_JSON),
    };
    set_instance(settings, conf);
    return origin_init(&settings->origin, conf_text(conf, CONF_DB), conf_text(conf, CONF_TABLE),
                       conf_text(conf, CONF_SCHEMA), (enum segment_format)conf_number(conf, CONF_FORMAT),
                       settings->instance, err);
}

void settings_fini(struct settings *settings)
{
    origin_fini(&settings->origin);
}
