#include "common/control/lease_message.h"

#include <errno.h>

#include "common/control/message.h"
#include "common/segment/name.h"

static int take_number(const json_t *message, const char *key, int64_t most, int64_t *value, struct err *err)
{
    const json_t *field = json_object_get(message, key);
    *value = 0;
    if (!field)
        return 0;
    if (!json_is_integer(field))
        return err_set(err, -EINVAL, "\"%s\" is not an integer", key);
    *value = json_integer_value(field);
    if (*value < 0 || *value > most)
        return err_set(err, -EINVAL, "\"%s\" is %lld: 0 to %lld are taken", key, (long long)*value,
                       (long long)most);
    return 0;
}

static int take_db(const json_t *message, char folder[static SPOOL_NAME_BYTES], struct err *err)
{
    const json_t *field = json_object_get(message, "db");
    const char *db = json_string_value(field);
    if (!db)
        return err_set(err, -EINVAL, "\"db\" is missing, or not a string");
    enum name_status status = name_check(db, json_string_length(field));
    if (status == NAME_OK)
        status = name_encode(db, folder, SPOOL_NAME_BYTES);
    return status == NAME_OK
               ? 0
               : err_set(err, -EINVAL, "\"db\" is no name of a database: %s", name_status_text(status));
}

int lease_request_parse(const json_t *message, struct lease_request *request, struct err *err)
{
    int64_t lease, seq;
    const struct {
        const char *key;
        int64_t most, *value;
    } numbers[] = {
        {"holding", LEASE_BYTES_MAX, &request->holding},
        {"need", LEASE_BYTES_MAX, &request->need},
        {"want", LEASE_BYTES_MAX, &request->want},
        {"holding_files", LEASE_FILES_MAX, &request->holding_files},
        {"need_files", LEASE_FILES_MAX, &request->need_files},
        {"want_files", LEASE_FILES_MAX, &request->want_files},
        {"lease", LEASE_BYTES_MAX, &lease},
        {"seq", LEASE_BYTES_MAX, &seq},
    };
    *request = (struct lease_request){0};
    int rc = take_db(message, request->db, err);
    if (rc == 0 && !json_object_get(message, "holding"))
        rc = err_set(err, -EINVAL, "\"holding\" is missing");
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(numbers); i++)
        rc = take_number(message, numbers[i].key, numbers[i].most, numbers[i].value, err);
    if (rc)
        return rc;
    request->lease = (uint64_t)lease;
    request->seq = (uint64_t)seq;
    if (request->want < request->need)
        request->want = request->need;
    if (request->want_files < request->need_files)
        request->want_files = request->need_files;
    return 0;
}

json_t *lease_request_build(const char *op, const char *db, const struct lease_request *request)
{
    return json_pack("{s:i, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "v", MESSAGE_VERSION, "op",
                     op, "db", db, "lease", (json_int_t)request->lease, "seq", (json_int_t)request->seq,
                     "holding", (json_int_t)request->holding, "need", (json_int_t)request->need, "want",
                     (json_int_t)request->want, "holding_files", (json_int_t)request->holding_files,
                     "need_files", (json_int_t)request->need_files, "want_files",
                     (json_int_t)request->want_files);
}
