#include "uploader/batch/plan.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>

#include "common/segment/flake.h"
#include "common/segment/head.h"
#include "common/segment/join.h"

void plan_init(struct plan *plan)
{
    *plan = (struct plan){0};
}

void plan_fini(struct plan *plan)
{
    for (size_t i = 0; i < plan->count; i++) {
        free(plan->files[i].name);
        free(plan->files[i].members);
    }
    free(plan->files);
    free(plan->schema);
    plan_init(plan);
}

static int append_file(struct plan *plan, const char *name, const struct plan_file *figures)
{
    if (plan->count >= PLAN_FILES_MAX)
        return -ENOSPC;
    struct plan_file *files = realloc(plan->files, (plan->count + 1) * sizeof *files);
    if (!files)
        return -ENOMEM;
    plan->files = files;
    files[plan->count] = *figures;
    files[plan->count].name = strdup(name);
    if (!files[plan->count].name)
        return -ENOMEM;
    plan->count++;
    return 0;
}

int plan_add(struct plan *plan, const char *name, const struct plan_file *figures)
{
    int rc = append_file(plan, name, figures);
    if (rc) {
        free(figures->members);
        return rc;
    }
    plan->bytes += figures->bytes;
    plan->raw_bytes += figures->raw_bytes;
    plan->rows += figures->rows;
    plan->blocks += figures->blocks;
    return 0;
}

int plan_set_schema(struct plan *plan, const char *schema)
{
    char *copy = strdup(schema);
    if (!copy)
        return -ENOMEM;
    free(plan->schema);
    plan->schema = copy;
    return 0;
}

bool plan_is_thin(const struct plan *plan)
{
    return plan->blocks >= 2 && plan->raw_bytes / plan->blocks < JOIN_THIN_MEAN_BYTES;
}

/* --- writing ---------------------------------------------------------------------------------------- */

static json_t *write_id(uint64_t id)
{
    char text[FLAKE_TEXT_BYTES + 1];
    flake_print(id, text);
    return json_string(text);
}

static json_t *write_files(const struct plan *plan)
{
    json_t *list = json_array();

    for (size_t i = 0; i < plan->count; i++) {
        const struct plan_file *file = &plan->files[i];
        json_array_append_new(list,
                              json_pack("{s:s, s:I, s:I, s:I, s:I}", "name", file->name, "bytes",
                                        (json_int_t)file->bytes, "raw_bytes", (json_int_t)file->raw_bytes,
                                        "rows", (json_int_t)file->rows, "blocks", (json_int_t)file->blocks));
    }
    return list;
}

static int put_json(json_t *take_root, struct buf *out)
{
    char *text = take_root ? json_dumps(take_root, JSON_INDENT(1)) : NULL;
    json_decref(take_root);
    if (!text)
        return -ENOMEM;
    int rc = buf_puts(out, text);
    free(text);
    return rc ? rc : buf_puts(out, "\n");
}

int plan_write(const struct plan *plan, struct buf *out)
{
    return put_json(json_pack("{s:i, s:o, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:o}", "v", PLAN_VERSION, "id",
                              write_id(plan->id), "db", plan->db, "table", plan->table, "format",
                              segment_format_name(plan->format), "schema", plan->schema ? plan->schema : "",
                              "bytes", (json_int_t)plan->bytes, "raw_bytes", (json_int_t)plan->raw_bytes,
                              "rows", (json_int_t)plan->rows, "files", write_files(plan)),
                    out);
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

static bool get_id(const json_t *object, const char *key, uint64_t *id)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text && flake_parse(text, strlen(text), id);
}

static bool get_name(const json_t *root, const char *key, char name[static NAME_FILE_MAX_BYTES + 1])
{
    const char *text = json_string_value(json_object_get(root, key));
    if (!text || strlen(text) > NAME_FILE_MAX_BYTES || name_check(text, strlen(text)) != NAME_OK)
        return false;
    snprintf(name, NAME_FILE_MAX_BYTES + 1, "%s", text);
    return true;
}

/* A file of a plan is a segment of its table and format: nothing else can be named, no path either. */
static bool is_file_of(const struct plan *plan, const char *name)
{
    struct segment_name parts;
    return segment_name_parse(name, &parts) == NAME_OK && strcmp(parts.table, plan->table) == 0 &&
           parts.format == plan->format;
}

static const char *read_files(const json_t *list, struct plan *plan)
{
    size_t i;
    const json_t *item;

    if (!json_is_array(list) || json_array_size(list) == 0 || json_array_size(list) > PLAN_FILES_MAX)
        return "files";
    json_array_foreach (list, i, item) {
        const char *name = json_string_value(json_object_get(item, "name"));
        struct plan_file file = {0};
        if (!name || !is_file_of(plan, name) || !get_number(item, "bytes", &file.bytes) ||
            !get_number(item, "raw_bytes", &file.raw_bytes) || !get_number(item, "rows", &file.rows) ||
            !get_number(item, "blocks", &file.blocks))
            return "files";
        if (plan_add(plan, name, &file) != 0)
            return "memory";
    }
    return NULL;
}

static const char *read_plan(const json_t *root, struct plan *plan)
{
    const char *format = json_string_value(json_object_get(root, "format"));
    const char *schema = json_string_value(json_object_get(root, "schema"));

    if (!get_id(root, "id", &plan->id))
        return "id";
    if (!get_name(root, "db", plan->db))
        return "db";
    if (!get_name(root, "table", plan->table))
        return "table";
    if (!format || !segment_format_parse(format, strlen(format), &plan->format))
        return "format";
    if (!schema || strlen(schema) > SEGMENT_SCHEMA_MAX || plan_set_schema(plan, schema) != 0)
        return "schema";
    return read_files(json_object_get(root, "files"), plan);
}

static json_t *load(const char *text, size_t len, const char *what, struct err *err, int *rc)
{
    json_error_t why;
    json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
    const json_t *version = json_object_get(root, "v");

    *rc = 0;
    if (!json_is_integer(version))
        *rc = err_set(err, -EINVAL, "%s is not readable: %s", what,
                      root ? "there is no version in it" : why.text);
    else if (json_integer_value(version) != PLAN_VERSION)
        *rc = err_set(err, -EPROTO, "%s has version %lld, this uploader knows %d: use the one that wrote it",
                      what, (long long)json_integer_value(version), PLAN_VERSION);
    return root;
}

int plan_read(const char *text, size_t len, struct plan *plan, struct err *err)
{
    int rc;
    json_t *root = load(text, len, "plan.json", err, &rc);

    plan_init(plan);
    if (rc == 0) {
        const char *bad = read_plan(root, plan);
        if (bad)
            rc = err_set(err, -EINVAL, "plan.json is damaged: \"%s\" is missing or wrong", bad);
    }
    json_decref(root);
    if (rc)
        plan_fini(plan);
    return rc;
}

/* --- progress --------------------------------------------------------------------------------------- */

static const char *const states[] = {"sending", "refused", "uploaded", "posted"};

static json_t *write_cursor(const struct cursor *cursor)
{
    return json_pack("{s:i, s:I, s:I}", "file", (int)cursor->file, "offset", (json_int_t)cursor->offset,
                     "raw", (json_int_t)cursor->raw);
}

static bool read_cursor(const json_t *object, struct cursor *cursor)
{
    uint64_t file;
    if (!get_number(object, "file", &file) || file > PLAN_FILES_MAX ||
        !get_number(object, "offset", &cursor->offset) || !get_number(object, "raw", &cursor->raw))
        return false;
    cursor->file = (uint32_t)file;
    return true;
}

int progress_write(const struct progress *progress, struct buf *out)
{
    json_t *root =
        json_pack("{s:i, s:s, s:o, s:I, s:I, s:I}", "v", PLAN_VERSION, "state", states[progress->state], "at",
                  write_cursor(&progress->at), "parts", (json_int_t)progress->parts, "rows",
                  (json_int_t)progress->rows, "refused_rows", (json_int_t)progress->refused_rows);
    if (root && progress->state == PROGRESS_REFUSED) {
        json_object_set_new(root, "end", write_cursor(&progress->end));
        json_object_set_new(root, "whole", json_boolean(progress->is_whole));
        json_object_set_new(root, "quarantine_id", write_id(progress->quarantine_id));
        json_object_set_new(root, "why", json_string(progress->why));
    }
    if (root && progress->left_file > 0) {
        json_object_set_new(root, "left_rows", json_integer((json_int_t)progress->left_rows));
        json_object_set_new(root, "left_file", json_integer((json_int_t)progress->left_file));
    }
    if (root && progress->sends > 0)
        json_object_set_new(root, "sends", json_integer((json_int_t)progress->sends));
    if (root && (progress->state == PROGRESS_UPLOADED || progress->state == PROGRESS_POSTED)) {
        json_object_set_new(root, "end", write_cursor(&progress->end));
        json_object_set_new(root, "blob", json_string(progress->blob));
        json_object_set_new(root, "blob_rows", json_integer((json_int_t)progress->blob_rows));
        json_object_set_new(root, "blob_raw_bytes", json_integer((json_int_t)progress->blob_raw_bytes));
        json_object_set_new(root, "step_ms", json_integer(progress->step_ms));
    }
    return put_json(root, out);
}

static const char *read_refusal(const json_t *root, struct progress *progress)
{
    const char *why = json_string_value(json_object_get(root, "why"));

    if (!read_cursor(json_object_get(root, "end"), &progress->end))
        return "end";
    if (!get_id(root, "quarantine_id", &progress->quarantine_id))
        return "quarantine_id";
    if (!why || snprintf(progress->why, sizeof progress->why, "%s", why) >= (int)sizeof progress->why)
        return "why";
    progress->is_whole = json_is_true(json_object_get(root, "whole"));
    return NULL;
}

static const char *read_blob(const json_t *root, struct progress *progress)
{
    const char *blob = json_string_value(json_object_get(root, "blob"));
    uint64_t step_ms;

    if (!read_cursor(json_object_get(root, "end"), &progress->end))
        return "end";
    if (!blob || snprintf(progress->blob, sizeof progress->blob, "%s", blob) >= (int)sizeof progress->blob ||
        (progress->state == PROGRESS_UPLOADED && !*blob))
        return "blob";
    if (!get_number(root, "blob_rows", &progress->blob_rows) ||
        !get_number(root, "blob_raw_bytes", &progress->blob_raw_bytes))
        return "blob_rows";
    if (!get_number(root, "step_ms", &step_ms))
        return "step_ms";
    progress->step_ms = (int64_t)step_ms;
    return NULL;
}

static const char *read_progress(const json_t *root, struct progress *progress)
{
    const char *state = json_string_value(json_object_get(root, "state"));
    size_t i = 0;

    while (state && i < ARRAY_LEN(states) && strcmp(states[i], state) != 0)
        i++;
    if (!state || i == ARRAY_LEN(states))
        return "state";
    progress->state = (enum progress_state)i;
    if (!read_cursor(json_object_get(root, "at"), &progress->at))
        return "at";
    if (!get_number(root, "parts", &progress->parts) || !get_number(root, "rows", &progress->rows) ||
        !get_number(root, "refused_rows", &progress->refused_rows))
        return "parts";
    if (json_object_get(root, "sends") && !get_number(root, "sends", &progress->sends))
        return "sends";
    uint64_t left_file = 0;
    if (json_object_get(root, "left_file") &&
        (!get_number(root, "left_file", &left_file) || left_file > PLAN_FILES_MAX ||
         !get_number(root, "left_rows", &progress->left_rows)))
        return "left_rows";
    progress->left_file = (uint32_t)left_file;
    if (progress->state == PROGRESS_REFUSED)
        return read_refusal(root, progress);
    return progress->state == PROGRESS_SENDING ? NULL : read_blob(root, progress);
}

int progress_read(const char *text, size_t len, struct progress *progress, struct err *err)
{
    int rc;
    json_t *root = load(text, len, "progress.json", err, &rc);

    *progress = (struct progress){0};
    if (rc == 0) {
        const char *bad = read_progress(root, progress);
        if (bad)
            rc = err_set(err, -EINVAL, "progress.json is damaged: \"%s\" is missing or wrong", bad);
    }
    json_decref(root);
    return rc;
}
