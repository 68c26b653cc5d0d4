#include "tests/adxsim/worker.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>

#include "tests/adxsim/batch.h"
#include "tests/adxsim/blob.h"
#include "tests/adxsim/clock.h"
#include "tests/adxsim/failure.h"
#include "tests/adxsim/fault.h"
#include "tests/adxsim/ident.h"
#include "tests/adxsim/inbox.h"
#include "tests/adxsim/queued.h"
#include "tests/adxsim/report.h"
#include "tests/adxsim/storage.h"

enum {
    URL_MAX = 8192,
    POLL_MIN_MS = 20,
    POLL_MAX_MS = 200,
    RETRY_S = 1,
    GONE_MIN_MS = 200, /* between two tries of a queue that cannot be read: doubling from here */
    GONE_MAX_MS = 2000
};

struct input {
    const struct account *account;
    struct buf url;
    int gone_ms;           /* how long it is left alone after it could not be read; 0: it could */
    int64_t not_before_ms; /* monotonic */
};

struct worker {
    const struct sim *sim;
    struct client *client;
    struct input inputs[ACCOUNTS_MAX];
    size_t ninputs;
    struct batches batches;
    pthread_t thread;
};

static void delete_message(struct worker *worker, const struct item *item)
{
    int rc = queue_delete(worker->client, worker->inputs[item->input].url.data, &item->posted);

    if (rc < 0)
        fprintf(stderr, "warning message-not-deleted id=%s cause=\"%s\"\n", item->posted.id, strerror(-rc));
}

static bool is_stopping(const struct worker *worker)
{
    struct pollfd stop = {.fd = worker->sim->stop_fd, .events = POLLIN};

    return poll(&stop, 1, 0) > 0;
}

static void release_message(struct worker *worker, const struct item *item, long hidden_s)
{
    int rc = queue_release(worker->client, worker->inputs[item->input].url.data, &item->posted, hidden_s);

    if (rc < 0)
        fprintf(stderr, "warning message-not-released id=%s cause=\"%s\"\n", item->posted.id, strerror(-rc));
}

static void remember_failure(const struct sim *sim, const struct message *m, const char *operation,
                             const struct sim_error *error)
{
    json_t *properties = json_object_get(m->json, "AdditionalProperties");
    char *text = properties ? json_dumps(properties, JSON_COMPACT) : NULL;
    char *path = mem_strndup(m->blob_path, (size_t)message_path_length(m));
    const struct failure failure = {.operation_id = operation,
                                    .database = m->database,
                                    .table = m->table,
                                    .source_path = path,
                                    .properties = text ? text : "",
                                    .kind = "queued",
                                    .error = error};

    store_lock(sim->store);
    failure_remember(sim->store, &failure);
    store_unlock(sim->store);
    free(path);
    free(text);
}

/* For good: tell who asked, and forget the message. */
static void fail(struct worker *worker, const struct item *item, const struct sim_error *error,
                 struct inbox_result *result)
{
    const struct message *m = &item->message;
    char operation[IDENT_GUID_SIZE];

    ident_guid(operation);
    if (m->id && m->blob_path && m->database && m->table) {
        const struct report report = {m, operation, OUTCOME_FAILED, error};
        remember_failure(worker->sim, m, operation, error);
        report_send(worker->sim->storage, worker->client, &report);
    }
    result->state = "failed";
    result->code = error->code;
    result->details = error->message;
    inbox_ended(worker->sim->store, item->posted.id, result);
    delete_message(worker, item);
}

static void succeed(struct worker *worker, const struct item *item, const struct queued_outcome *outcome,
                    struct inbox_result *result)
{
    char operation[IDENT_GUID_SIZE];
    const struct report report = {&item->message, operation,
                                  outcome->skipped ? OUTCOME_SKIPPED : OUTCOME_SUCCEEDED, NULL};

    ident_guid(operation);
    result->state = outcome->skipped ? "skipped" : "succeeded";
    inbox_ended(worker->sim->store, item->posted.id, result);
    report_send(worker->sim->storage, worker->client, &report);
    if (!item->message.retain_blob && blob_delete(worker->client, item->message.blob_path) < 0)
        fprintf(stderr, "warning blob-not-deleted source=%s\n", item->message.id);
    delete_message(worker, item);
}

/* What may pass is tried again later, so many times. */
static void retry(struct worker *worker, const struct item *item, struct sim_error *error,
                  struct inbox_result *result)
{
    char cause[sizeof error->message];

    if (item->posted.dequeue_count >= settings_get(worker->sim->settings, SETTING_RETRIES)) {
        (void)snprintf(cause, sizeof cause, "%s", error->message);
        error_set(error, ERROR_RETRIES, "Given up after %d attempts: %.900s", item->posted.dequeue_count,
                  cause);
        fail(worker, item, error, result);
        return;
    }
    result->state = "retried";
    result->code = error->code;
    result->details = error->message;
    inbox_ended(worker->sim->store, item->posted.id, result);
    release_message(worker, item, RETRY_S);
}

/* A fault on order, for "queued". True: the item is done with. */
static bool fault_before_ingestion(struct worker *worker, const struct item *item, const struct fault *fault,
                                   struct sim_error *error, struct inbox_result *result)
{
    struct pollfd stop = {.fd = worker->sim->stop_fd, .events = POLLIN};

    if (!fault->id)
        return false;
    if (fault->delay_ms)
        (void)poll(&stop, 1, fault->delay_ms);
    if (fault->mode == FAULT_DROP_BEFORE) {
        release_message(worker, item, 0);
        return true;
    }
    if (fault->mode != FAULT_STATUS)
        return false;
    fault_error(fault, error);
    if (error->permanent)
        fail(worker, item, error, result);
    else
        retry(worker, item, error, result);
    return true;
}

static void process(struct worker *worker, const struct item *item, int64_t batch_id)
{
    const struct message *m = &item->message;
    const struct fault_subject subject = {.endpoint = "queued", .database = m->database, .table = m->table};
    struct inbox_result result = {"", "", "", batch_id, -1, 0};
    struct queued_outcome outcome;
    struct sim_error error;
    struct fault fault;

    fault_take(worker->sim->faults, &subject, &fault);
    if (fault_before_ingestion(worker, item, &fault, &error, &result))
        return;
    int rc = queued_ingest(worker->sim, worker->client, m, &outcome, &error);
    result.raw_size = outcome.raw_size;
    result.rows = outcome.rows;
    bool was_broken_off = rc != 0 && !error.permanent && is_stopping(worker);
    if (was_broken_off || (fault.id && fault.mode == FAULT_DROP_AFTER))
        release_message(worker, item, 0); /* as if we had died just now */
    else if (rc == 0)
        succeed(worker, item, &outcome, &result);
    else if (error.permanent)
        fail(worker, item, &error, &result);
    else
        retry(worker, item, &error, &result);
}

static void process_sealed(struct worker *worker)
{
    struct batch *batch;

    while (!is_stopping(worker) && (batch = batches_take_sealed(&worker->batches, clock_now_ms())) != NULL) {
        const struct message *first = &batch->items[0].message;
        int64_t id = inbox_batch(worker->sim->store, first->database, first->table, batch->sealed_by,
                                 (int64_t)batch->nitems, batch->bytes);
        for (size_t i = 0; i < batch->nitems; i++)
            if (is_stopping(worker))
                release_message(worker, &batch->items[i], 0);
            else
                process(worker, &batch->items[i], id);
        batch_free(batch);
    }
}

/* Takes what posted owns. */
static void receive(struct worker *worker, size_t input, struct queue_message *posted)
{
    struct item item = {.input = input, .posted = *posted};
    struct inbox_result result = {"", "", "", 0, -1, 0};
    struct sim_error error;
    int rc = message_parse(posted->text, &item.message, &error);

    inbox_received(worker->sim->store, worker->inputs[input].account->name, posted, &item.message);
    if (rc == 0) {
        switch (batches_place(&worker->batches, &item, worker->sim->settings, clock_now_ms())) {
        case PLACED:
        case PLACED_AGAIN:
            return;
        case PLACED_DUPLICATE:
            error_set(&error, ERROR_BLOB_ALREADY_RECEIVED, "The blob is in the open batch already");
            break;
        }
    }
    fail(worker, &item, &error, &result);
    item_fini(&item);
}

/* Said once; who asks a queue that is gone asks less and less often. */
static void note_gone(struct input *input, int rc)
{
    if (!input->gone_ms)
        fprintf(stderr, "warning queue-not-readable account=%s cause=\"%s\"\n", input->account->name,
                strerror(-rc));
    input->gone_ms = !input->gone_ms                    ? GONE_MIN_MS
                     : input->gone_ms * 2 > GONE_MAX_MS ? GONE_MAX_MS
                                                        : input->gone_ms * 2;
    input->not_before_ms = clock_now_ms() + input->gone_ms;
}

/* How many messages the queue gave. */
static int drain(struct worker *worker, size_t input)
{
    const struct settings *settings = worker->sim->settings;
    long hidden_s = (long)((settings_get(settings, SETTING_BATCH_MS) + 999) / 1000 +
                           settings_get(settings, SETTING_HIDDEN_S));
    struct queue_message messages[QUEUE_TAKE_MAX];
    struct input *from = &worker->inputs[input];

    if (from->gone_ms && clock_now_ms() < from->not_before_ms)
        return 0;
    int n = queue_take(worker->client, from->url.data, hidden_s, messages);
    if (n < 0) {
        note_gone(from, n);
        return 0;
    }
    from->gone_ms = 0;
    for (int i = 0; i < n; i++)
        receive(worker, input, &messages[i]);
    return n;
}

/* Blobs are then gone, too: what is sealed is not tried piece by piece, but waits. */
static bool is_storage_gone(const struct worker *worker)
{
    for (size_t i = 0; i < worker->ninputs; i++)
        if (!worker->inputs[i].gone_ms)
            return false;
    return true;
}

static void *run(void *cls)
{
    struct worker *worker = cls;
    struct pollfd stop = {.fd = worker->sim->stop_fd, .events = POLLIN};
    int wait_ms = POLL_MIN_MS;

    while (poll(&stop, 1, wait_ms) <= 0) {
        if (settings_get(worker->sim->settings, SETTING_PAUSED))
            continue;
        int taken = 0;
        for (size_t i = 0; i < worker->ninputs; i++)
            taken += drain(worker, i);
        if (!is_storage_gone(worker))
            process_sealed(worker);
        wait_ms = taken ? POLL_MIN_MS : wait_ms * 2 > POLL_MAX_MS ? POLL_MAX_MS : wait_ms * 2;
    }
    for (const struct batch *batch = worker->batches.first; batch; batch = batch->next)
        for (size_t i = 0; i < batch->nitems; i++)
            release_message(worker, &batch->items[i], 0);
    return NULL;
}

struct worker *worker_start(const struct sim *sim)
{
    struct worker *worker = mem_alloc(sizeof *worker);
    struct resource resource;

    worker->sim = sim;
    worker->client = client_new(sim->stop_fd);
    for (size_t i = 0; storage_resource(sim->storage, i, &resource); i++) {
        if (strcmp(resource.type, "SecuredReadyForAggregationQueue") != 0)
            continue;
        struct input *input = &worker->inputs[worker->ninputs++];
        input->account = resource.account;
        buf_init(&input->url, URL_MAX);
        storage_owner_url(&resource, &input->url);
    }
    if (pthread_create(&worker->thread, NULL, run, worker) != 0)
        abort();
    return worker;
}

void worker_stop(struct worker *worker)
{
    pthread_join(worker->thread, NULL);
    batches_fini(&worker->batches);
    for (size_t i = 0; i < worker->ninputs; i++)
        buf_fini(&worker->inputs[i].url);
    client_free(worker->client);
    free(worker);
}
