#include "tests/adxsim/fault.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>

#include "tests/adxsim/error.h"
#include "tests/adxsim/reply.h"

enum { RULES_MAX = 64 };

struct faults {
    pthread_mutex_t lock;
    struct fault rules[RULES_MAX];
    size_t nrules;
    int last_id;
};

static const char *const mode_names[FAULT_MODES] = {
    [FAULT_STATUS] = "status",
    [FAULT_STATUS_AFTER] = "status-after",
    [FAULT_DROP_BEFORE] = "drop-before",
    [FAULT_DROP_AFTER] = "drop-after",
    [FAULT_DELAY] = "delay",
    [FAULT_TRUNCATE] = "truncate",
    [FAULT_CUT] = "cut",
    [FAULT_EXCEPTIONS] = "exceptions",
    [FAULT_GZIP] = "gzip",
};

struct faults *faults_new(void)
{
    struct faults *faults = mem_alloc(sizeof *faults);

    pthread_mutex_init(&faults->lock, NULL);
    return faults;
}

void faults_free(struct faults *faults)
{
    pthread_mutex_destroy(&faults->lock);
    free(faults);
}

static bool take_text(const json_t *rule, const char *key, char *out, size_t size)
{
    const json_t *value = json_object_get(rule, key);

    if (!value)
        return true;
    if (!json_is_string(value) || json_string_length(value) >= size)
        return false;
    (void)snprintf(out, size, "%s", json_string_value(value));
    return true;
}

static bool take_number(const json_t *rule, const char *key, long long max, long long *out)
{
    const json_t *value = json_object_get(rule, key);

    if (!value)
        return true;
    *out = json_integer_value(value);
    return json_is_integer(value) && *out >= 0 && *out <= max;
}

static bool parse_mode(const char *name, enum fault_mode *mode)
{
    for (unsigned i = 0; i < FAULT_MODES; i++) {
        if (strcmp(name, mode_names[i]) == 0) {
            *mode = (enum fault_mode)i;
            return true;
        }
    }
    return false;
}

static const char *unknown_key(const json_t *rule)
{
    static const char *const known[] = {"match",       "csl_prefix", "db",      "table",   "status",
                                        "retry_after", "permanent",  "code",    "message", "mode",
                                        "delay_ms",    "count",      "account", "method",  "after"};
    const char *key;
    json_t *value;

    json_object_foreach ((json_t *)(uintptr_t)rule, key, value) {
        size_t i = 0;
        while (i < ARRAY_LEN(known) && strcmp(known[i], key) != 0)
            i++;
        if (i == ARRAY_LEN(known))
            return key;
    }
    return NULL;
}

static const char *parse_rule(const json_t *rule, struct fault *fault)
{
    static const char *const matches[] = {"all",   "metadata", "mgmt",   "dm",   "query", "ingest",
                                          "token", "imds",     "queued", "blob", "queue", "table"};
    const json_t *permanent = json_object_get(rule, "permanent");
    long long status = 503, retry_after = -1, delay_ms = 0, count = 1;
    char mode[32] = "status";
    bool known = false;

    (void)snprintf(fault->match, sizeof fault->match, "all");
    if (!json_is_object(rule) || unknown_key(rule))
        return "not an object, or a key that is not known";
    if (!take_text(rule, "match", fault->match, sizeof fault->match) ||
        !take_text(rule, "csl_prefix", fault->csl_prefix, sizeof fault->csl_prefix) ||
        !take_text(rule, "db", fault->database, sizeof fault->database) ||
        !take_text(rule, "table", fault->table, sizeof fault->table) ||
        !take_text(rule, "account", fault->account, sizeof fault->account) ||
        !take_text(rule, "method", fault->method, sizeof fault->method) ||
        !take_text(rule, "code", fault->code, sizeof fault->code) ||
        !take_text(rule, "message", fault->message, sizeof fault->message) ||
        !take_text(rule, "mode", mode, sizeof mode))
        return "a text is not a string, or too long";
    if (!take_number(rule, "status", 599, &status) || status < 200 ||
        !take_number(rule, "retry_after", 86400, &retry_after) ||
        !take_number(rule, "delay_ms", 3600000, &delay_ms) ||
        !take_number(rule, "count", 1LL << 40, &count) ||
        !take_number(rule, "after", 1LL << 40, &fault->after))
        return "a number is not one, or out of range";
    for (size_t i = 0; i < ARRAY_LEN(matches); i++)
        known |= strcmp(matches[i], fault->match) == 0;
    if (!known)
        return "match must be all, metadata, mgmt, dm, query, ingest, token, imds, queued, blob, queue or table";
    if (!parse_mode(mode, &fault->mode))
        return "mode must be status, status-after, drop-before, drop-after, delay, truncate, cut, exceptions "
               "or gzip";
    fault->permanent = json_is_boolean(permanent) ? json_is_true(permanent) : -1;
    fault->status = (int)status;
    fault->retry_after_s = (int)retry_after;
    fault->delay_ms = (int)delay_ms;
    fault->count = count;
    return NULL;
}

int faults_add(struct faults *faults, const json_t *rule, int *id, const char **reason)
{
    struct fault fault = {0};

    *reason = parse_rule(rule, &fault);
    if (*reason)
        return -EINVAL;
    pthread_mutex_lock(&faults->lock);
    if (faults->nrules < RULES_MAX) {
        *id = fault.id = ++faults->last_id;
        faults->rules[faults->nrules++] = fault;
    } else {
        *reason = "too many rules";
    }
    pthread_mutex_unlock(&faults->lock);
    return *reason ? -EINVAL : 0;
}

void faults_clear(struct faults *faults, int id)
{
    size_t kept = 0;

    pthread_mutex_lock(&faults->lock);
    for (size_t i = 0; i < faults->nrules; i++)
        if (id && faults->rules[i].id != id)
            faults->rules[kept++] = faults->rules[i];
    faults->nrules = kept;
    pthread_mutex_unlock(&faults->lock);
}

json_t *faults_list(struct faults *faults)
{
    json_t *list = json_array();

    pthread_mutex_lock(&faults->lock);
    for (size_t i = 0; i < faults->nrules; i++) {
        const struct fault *rule = &faults->rules[i];
        json_array_append_new(
            list, json_pack("{s:i, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:i, s:I, s:I, s:I}", "id",
                            rule->id, "match", rule->match, "mode", mode_names[rule->mode], "csl_prefix",
                            rule->csl_prefix, "db", rule->database, "table", rule->table, "account",
                            rule->account, "method", rule->method, "status", rule->status, "delay_ms",
                            rule->delay_ms, "after", (json_int_t)rule->after, "count",
                            (json_int_t)rule->count, "hits", (json_int_t)rule->hits));
    }
    pthread_mutex_unlock(&faults->lock);
    return list;
}

static bool fits(const char *wanted, const char *actual)
{
    return !*wanted || (actual && strcmp(wanted, actual) == 0);
}

static bool matches(const struct fault *rule, const struct fault_subject *subject)
{
    if (strcmp(rule->match, "all") != 0 && strcmp(rule->match, subject->endpoint) != 0)
        return false;
    if (*rule->csl_prefix &&
        (!subject->csl || strncmp(subject->csl, rule->csl_prefix, strlen(rule->csl_prefix)) != 0))
        return false;
    return fits(rule->database, subject->database) && fits(rule->table, subject->table) &&
           fits(rule->account, subject->account) && fits(rule->method, subject->method);
}

void fault_take(struct faults *faults, const struct fault_subject *subject, struct fault *fault)
{
    *fault = (struct fault){0};
    pthread_mutex_lock(&faults->lock);
    for (size_t i = 0; i < faults->nrules; i++) {
        struct fault *rule = &faults->rules[i];
        if (!matches(rule, subject))
            continue;
        if (rule->after > 0) {
            rule->after--;
            continue;
        }
        rule->hits++;
        *fault = *rule;
        if (rule->count && --rule->count == 0) {
            memmove(rule, rule + 1, (faults->nrules - i - 1) * sizeof *rule);
            faults->nrules--;
        }
        break;
    }
    pthread_mutex_unlock(&faults->lock);
}

void fault_error(const struct fault *fault, struct sim_error *error)
{
    error_from_status(error, fault->status);
    if (*fault->code)
        error->code = fault->code;
    if (*fault->message)
        (void)snprintf(error->message, sizeof error->message, "%s", fault->message);
    if (fault->permanent >= 0)
        error->permanent = fault->permanent;
}

static void answer_status(const struct fault *fault, const struct request *request, struct reply *reply)
{
    struct sim_error error;

    reply->retry_after_s = fault->retry_after_s;
    if (fault->status == 401 && !*fault->message) {
        reply_empty(reply, 401);
        return;
    }
    fault_error(fault, &error);
    reply_error(reply, request, &error);
}

static void answer_exceptions(const struct fault *fault, struct reply *reply)
{
    json_t *body =
        json_pack("{s:[{s:s, s:[{s:s, s:s, s:s}], s:[{s:[s]}]}], s:[s]}", "Tables", "TableName", "Table_0",
                  "Columns", "ColumnName", "Text", "DataType", "String", "ColumnType", "string", "Rows",
                  "Exceptions", *fault->message ? fault->message : "Query execution has failed (adxsim)",
                  "Exceptions", *fault->message ? fault->message : "Query execution has failed (adxsim)");
    char *text = json_dumps(body, JSON_COMPACT);

    reply_json_text(reply, 200, text);
    free(text);
    json_decref(body);
}

bool fault_before(const struct sim *sim, const struct fault *fault, const struct request *request,
                  struct reply *reply)
{
    struct pollfd stop = {.fd = sim->stop_fd, .events = POLLIN};

    if (!fault->id)
        return false;
    reply->fault_id = fault->id;
    /* This thread serves this connection and no other; the program's end cuts the wait short. */
    if (fault->delay_ms)
        (void)poll(&stop, 1, fault->delay_ms);
    switch (fault->mode) {
    case FAULT_STATUS:
        answer_status(fault, request, reply);
        return true;
    case FAULT_DROP_BEFORE:
        reply->end = REPLY_DROP;
        return true;
    case FAULT_EXCEPTIONS:
        answer_exceptions(fault, reply);
        return true;
    case FAULT_STATUS_AFTER:
    case FAULT_DROP_AFTER:
    case FAULT_DELAY:
    case FAULT_TRUNCATE:
    case FAULT_CUT:
    case FAULT_GZIP:
    case FAULT_MODES:
        break;
    }
    return false;
}

void fault_after(const struct fault *fault, const struct request *request, struct reply *reply)
{
    if (!fault->id)
        return;
    switch (fault->mode) {
    case FAULT_STATUS_AFTER:
        answer_status(fault, request, reply);
        break;
    case FAULT_DROP_AFTER:
        reply->end = REPLY_DROP;
        break;
    case FAULT_TRUNCATE:
        reply->body.len /= 2;
        break;
    case FAULT_CUT:
        reply->end = REPLY_CUT;
        break;
    case FAULT_GZIP:
        reply->gzip = true;
        break;
    case FAULT_STATUS:
    case FAULT_DROP_BEFORE:
    case FAULT_DELAY:
    case FAULT_EXCEPTIONS:
    case FAULT_MODES:
        break;
    }
}
