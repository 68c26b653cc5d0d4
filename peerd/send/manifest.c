#include "peerd/send/manifest.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

void manifest_init(struct manifest *manifest)
{
    *manifest = (struct manifest){0};
}

void manifest_fini(struct manifest *manifest)
{
    for (size_t i = 0; i < manifest->count; i++)
        free(manifest->files[i].name);
    free(manifest->files);
    manifest_init(manifest);
}

int manifest_add(struct manifest *manifest, const char *name, const struct manifest_file *figures)
{
    if (manifest->count >= MANIFEST_FILES_MAX)
        return -ENOSPC;
    struct manifest_file *files = realloc(manifest->files, (manifest->count + 1) * sizeof *files);
    if (!files)
        return -ENOMEM;
    manifest->files = files;
    files[manifest->count] = *figures;
    files[manifest->count].name = strdup(name);
    if (!files[manifest->count].name)
        return -ENOMEM;
    manifest->count++;
    manifest->bytes += figures->bytes;
    manifest->rows += figures->rows;
    manifest->raw_bytes += figures->raw_bytes;
    return 0;
}

/* --- writing ---------------------------------------------------------------------------------------- */

static json_t *write_files(const struct manifest *manifest)
{
    json_t *list = json_array();
    for (size_t i = 0; i < manifest->count; i++) {
        const struct manifest_file *file = &manifest->files[i];
        json_array_append_new(list, json_pack("{s:s, s:I, s:I, s:I}", "name", file->name, "bytes",
                                              (json_int_t)file->bytes, "rows", (json_int_t)file->rows,
                                              "raw_bytes", (json_int_t)file->raw_bytes));
    }
    return list;
}

int manifest_write(const struct manifest *manifest, struct buf *out)
{
    char digest[DIGEST_TEXT_BYTES + 1];
    digest_print(manifest->digest, digest);
    json_t *root = json_pack("{s:i, s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:I, s:s, s:I, s:I, s:I, s:o}", "v",
                             MANIFEST_VERSION, "id", manifest->id, "peer", manifest->peer, "db", manifest->db,
                             "table", manifest->table, "schema", manifest->schema, "format",
                             segment_format_name(manifest->format), "hops", (int)manifest->hops, "frozen_ms",
                             (json_int_t)manifest->frozen_ms, "digest", digest, "bytes",
                             (json_int_t)manifest->bytes, "rows", (json_int_t)manifest->rows, "raw_bytes",
                             (json_int_t)manifest->raw_bytes, "files", write_files(manifest));
    char *text = root ? json_dumps(root, JSON_INDENT(1)) : NULL;
    json_decref(root);
    int rc = text ? buf_puts(out, text) : -ENOMEM;
    free(text);
    return rc ? rc : buf_puts(out, "\n");
}

/* --- reading: every field has its type and its limits checked --------------------------------------- */

static bool get_number(const json_t *object, const char *key, uint64_t *number)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return false;
    *number = (uint64_t)json_integer_value(value);
    return true;
}

static bool get_text(const json_t *object, const char *key, char *out, size_t cap)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text && *text && snprintf(out, cap, "%s", text) < (int)cap;
}

static bool get_name(const json_t *root, const char *key, char name[static NAME_FILE_MAX_BYTES + 1])
{
    return get_text(root, key, name, NAME_FILE_MAX_BYTES + 1) && name_check(name, strlen(name)) == NAME_OK;
}

static bool is_file_of(const struct manifest *manifest, const char *name)
{
    struct segment_name parts;
    char schema[SCHEMA_HASH_TEXT_BYTES] = "-";
    if (!name || segment_name_parse(name, &parts) != NAME_OK)
        return false;
    if (parts.has_schema)
        schema_hash_text(parts.schema_hash, schema);
    return strcmp(parts.table, manifest->table) == 0 && parts.format == manifest->format &&
           strcmp(schema, manifest->schema) == 0;
}

static const char *read_files(const json_t *list, struct manifest *manifest)
{
    size_t i;
    const json_t *item;
    if (!json_is_array(list) || json_array_size(list) == 0 || json_array_size(list) > MANIFEST_FILES_MAX)
        return "files";
    json_array_foreach (list, i, item) {
        const char *name = json_string_value(json_object_get(item, "name"));
        struct manifest_file file = {0};
        if (!is_file_of(manifest, name) || !get_number(item, "bytes", &file.bytes) ||
            !get_number(item, "rows", &file.rows) || !get_number(item, "raw_bytes", &file.raw_bytes))
            return "files";
        if (manifest_add(manifest, name, &file) != 0)
            return "memory";
    }
    return NULL;
}

static const char *read_all(const json_t *root, struct manifest *manifest)
{
    const char *format = json_string_value(json_object_get(root, "format"));
    const char *digest = json_string_value(json_object_get(root, "digest"));
    uint64_t hops, frozen_ms;
    if (!get_text(root, "id", manifest->id, sizeof manifest->id))
        return "id";
    if (!get_text(root, "peer", manifest->peer, sizeof manifest->peer))
        return "peer";
    if (!get_name(root, "db", manifest->db))
        return "db";
    if (!get_name(root, "table", manifest->table))
        return "table";
    if (!get_text(root, "schema", manifest->schema, sizeof manifest->schema))
        return "schema";
    if (!format || !segment_format_parse(format, strlen(format), &manifest->format))
        return "format";
    if (!digest || !digest_parse(digest, &manifest->digest))
        return "digest";
    if (!get_number(root, "hops", &hops) || hops > UINT16_MAX)
        return "hops";
    if (!get_number(root, "frozen_ms", &frozen_ms) || frozen_ms > INT64_MAX)
        return "frozen_ms";
    manifest->hops = (unsigned)hops;
    manifest->frozen_ms = (int64_t)frozen_ms;
    const char *bad = read_files(json_object_get(root, "files"), manifest);
    return !bad && manifest->bytes != manifest->digest.bytes ? "digest" : bad;
}

int manifest_read(const char *text, size_t len, struct manifest *manifest, struct err *err)
{
    json_error_t why;
    json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
    const json_t *version = json_object_get(root, "v");
    int rc = 0;
    manifest_init(manifest);
    if (!json_is_integer(version))
        rc = err_set(err, -EINVAL, "plan.json is not readable: %s",
                     root ? "there is no version in it" : why.text);
    else if (json_integer_value(version) != MANIFEST_VERSION)
        rc = err_set(err, -EPROTO,
                     "plan.json has version %lld, this peerd knows %d: use the one that wrote it",
                     (long long)json_integer_value(version), MANIFEST_VERSION);
    const char *bad = rc == 0 ? read_all(root, manifest) : NULL;
    if (bad)
        rc = err_set(err, -EINVAL, "plan.json is damaged: \"%s\" is missing or wrong", bad);
    json_decref(root);
    if (rc)
        manifest_fini(manifest);
    return rc;
}
