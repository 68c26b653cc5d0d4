#include "common/spool/origin.h"

#include <errno.h>

#include "common/base/clock.h"
#include "common/segment/schema.h"

static int check_name(const char *what, const char *name, char *folder, struct err *err)
{
    char encoded[SPOOL_NAME_BYTES];
    enum name_status status = name_encode(name, encoded, sizeof encoded);
    if (status != NAME_OK)
        return err_set(err, -EINVAL, "%s '%.200s': %s: ADX would not take it", what, name,
                       name_status_text(status));
    if (folder)
        snprintf(folder, SPOOL_NAME_BYTES, "%s", encoded);
    return 0;
}

static int take_schema(struct segment_origin *origin, const char *text, struct err *err)
{
    char why[SCHEMA_ERROR_BYTES];
    size_t bytes;
    if (!text || !*text) {
        origin->schema = strdup("");
        return origin->schema ? 0 : err_set(err, -ENOMEM, "out of memory");
    }
    struct schema schema;
    int rc = schema_parse(text, &schema, why);
    if (rc)
        return err_set(err, rc == -ENOMEM ? rc : -EINVAL, "schema: %s", why);
    origin->has_schema = true;
    origin->schema_hash = schema_hash(&schema);
    origin->schema = malloc(SCHEMA_TEXT_MAX + 1);
    rc = origin->schema ? schema_print(&schema, origin->schema, SCHEMA_TEXT_MAX + 1, &bytes) : -ENOMEM;
    schema_fini(&schema);
    if (rc)
        return err_errno(err, rc, "schema");
    char *shrunk = realloc(origin->schema, bytes + 1);
    if (shrunk)
        origin->schema = shrunk;
    return 0;
}

static enum name_status build_name(const struct segment_origin *origin, uint64_t id,
                                   char file[static SPOOL_NAME_BYTES])
{
    struct segment_name name = {.has_schema = origin->has_schema,
                                .schema_hash = origin->schema_hash,
                                .id = id,
                                .format = origin->format};
    if (snprintf(name.table, sizeof name.table, "%s", origin->table) >= (int)sizeof name.table)
        return NAME_FILE_TOO_LONG;
    return segment_name_build(&name, file);
}

static int check_file_name(const struct segment_origin *origin, struct err *err)
{
    char file[SPOOL_NAME_BYTES];
    enum name_status status = build_name(origin, UINT64_MAX, file);
    if (status == NAME_OK && strlen(file) > ORIGIN_FILE_MAX)
        status = NAME_FILE_TOO_LONG;
    if (status == NAME_FILE_TOO_LONG)
        return err_set(err, -EINVAL,
                       "table '%.200s': too long: the file name of its segments would be over %d bytes "
                       "(a byte outside A-Za-z0-9_- counts three times)",
                       origin->table, ORIGIN_FILE_MAX);
    return status == NAME_OK
               ? 0
               : err_set(err, -EINVAL, "table '%.200s': %s", origin->table, name_status_text(status));
}

int origin_init(struct segment_origin *origin, const char *db, const char *table, const char *schema,
                enum segment_format format, const char *instance, struct err *err)
{
    *origin = (struct segment_origin){.db = db, .table = table, .instance = instance, .format = format};
    int rc = check_name("database", db, origin->db_folder, err);
    if (rc == 0 && strlen(instance) > SEGMENT_INSTANCE_MAX)
        rc = err_set(err, -EINVAL, "instance's name: longer than %d bytes: give a shorter --name",
                     SEGMENT_INSTANCE_MAX);
    if (rc == 0)
        rc = take_schema(origin, schema, err);
    if (rc == 0)
        rc = check_file_name(origin, err);
    /* Whatever else a head may not hold is told now and not at the first row. */
    uint8_t *head = rc == 0 ? malloc(ORIGIN_HEAD_MAX) : NULL;
    size_t head_bytes;
    if (rc == 0)
        rc = !head ? -ENOMEM : origin_encode_head(origin, UINT64_MAX, head, &head_bytes);
    if (rc && !err->code)
        err_errno(err, rc, "the segment's head cannot be written");
    free(head);
    if (rc)
        origin_fini(origin);
    return rc;
}

void origin_fini(struct segment_origin *origin)
{
    free(origin->schema);
    origin->schema = NULL;
}

void origin_file_name(const struct segment_origin *origin, uint64_t id, char file[static SPOOL_NAME_BYTES])
{
    if (build_name(origin, id, file) != NAME_OK)
        abort(); /* origin_init() built one of the same length */
}

int origin_write_head(const struct segment_origin *origin, uint64_t id, char *out, size_t *out_bytes)
{
    const struct segment_head head = {.db = origin->db,
                                      .table = origin->table,
                                      .format = origin->format,
                                      .schema = origin->schema,
                                      .id = id,
                                      .instance = origin->instance};
    if (segment_head_write(&head, out, MEMBER_HEAD_JSON_MAX, out_bytes) != SEGMENT_HEAD_OK)
        return -EINVAL;
    if (!origin->extra)
        return 0;
    size_t room = MEMBER_HEAD_JSON_MAX - *out_bytes;
    int more = snprintf(out + *out_bytes - 1, room, ",%s}", origin->extra);
    if (more < 0 || (size_t)more >= room)
        return -EINVAL;
    *out_bytes += (size_t)more - 1;
    return 0;
}

int origin_encode_head(const struct segment_origin *origin, uint64_t id, uint8_t *out, size_t *out_bytes)
{
    char *json = malloc(MEMBER_HEAD_JSON_MAX);
    size_t json_bytes;
    if (!json)
        return -ENOMEM;
    int rc = origin_write_head(origin, id, json, &json_bytes);
    if (rc == 0)
        rc = member_encode_head(json, json_bytes, (uint32_t)(wall_now_ms() / 1000), out, ORIGIN_HEAD_MAX,
                                out_bytes);
    free(json);
    return rc;
}
