#include "peerd/failover/drops_totals.h"

#include <errno.h>

#include "common/base/journal.h"

const char drops_file[] = "drops.jsonl";

static const char *const fates[] = {[DROP_DROPPED] = "dropped", [DROP_ARCHIVED] = "archived"};
static const char *const reasons[] = {
    [DROP_FULL] = "sacrificial-full",
    [DROP_UNREACHABLE] = "sacrificial-unreachable",
    [DROP_PRESSURE] = "own-pressure",
};

const char *drop_fate_word(enum drop_fate fate)
{
    return fates[fate];
}

const char *drop_reason_word(enum drop_reason reason)
{
    return reasons[reason];
}

void drops_totals_fini(struct drops_totals *totals)
{
    for (size_t i = 0; i < totals->count; i++)
        free(totals->list[i].db);
    free(totals->list);
    *totals = (struct drops_totals){0};
}

static struct drops_total *find(struct drops_totals *totals, const char *db)
{
    size_t at = 0;
    while (at < totals->count && strcmp(totals->list[at].db, db) < 0)
        at++;
    if (at < totals->count && strcmp(totals->list[at].db, db) == 0)
        return &totals->list[at];
    struct drops_total *list = reallocarray(totals->list, totals->count + 1, sizeof *list);
    if (!list)
        return NULL;
    totals->list = list;
    char *copy = strdup(db);
    if (!copy)
        return NULL;
    memmove(&list[at + 1], &list[at], (totals->count - at) * sizeof *list);
    list[at] = (struct drops_total){.db = copy};
    totals->count++;
    return &list[at];
}

int drops_totals_add(struct drops_totals *totals, const char *db, enum drop_fate fate,
                     enum drop_reason reason, const struct drops_sum *sum)
{
    struct drops_total *total = find(totals, db);
    if (!total)
        return totals->rc = -ENOMEM;
    struct drops_sum *to = &total->sums[fate][reason];
    to->segments += sum->segments;
    to->rows += sum->rows;
    to->raw_bytes += sum->raw_bytes;
    to->bytes += sum->bytes;
    return 0;
}

static int word_index(const json_t *line, const char *key, const char *const *words, size_t count)
{
    const char *word = json_string_value(json_object_get(line, key));
    for (size_t i = 0; word && i < count; i++)
        if (strcmp(words[i], word) == 0)
            return (int)i;
    return -1;
}

static uint64_t number(const json_t *line, const char *key)
{
    json_int_t value = json_integer_value(json_object_get(line, key));
    return value > 0 ? (uint64_t)value : 0;
}

void drops_totals_line(void *arg, const json_t *line)
{
    struct drops_totals *totals = arg;
    const char *db = json_string_value(json_object_get(line, "db"));
    int fate = word_index(line, "fate", fates, ARRAY_LEN(fates));
    int reason = word_index(line, "reason", reasons, ARRAY_LEN(reasons));
    bool is_carried = json_is_true(json_object_get(line, "carried"));
    const struct drops_sum sum = {.segments = is_carried ? number(line, "segments") : 1,
                                  .rows = number(line, "rows"),
                                  .raw_bytes = number(line, "raw_bytes"),
                                  .bytes = number(line, "bytes")};
    if (number(line, "seq") > totals->last_seq)
        totals->last_seq = number(line, "seq");
    if (db && fate >= 0 && reason >= 0)
        (void)drops_totals_add(totals, db, (enum drop_fate)fate, (enum drop_reason)reason, &sum);
}

void drops_totals_show(const struct drops_totals *totals, drops_each *each, void *arg)
{
    for (size_t i = 0; i < totals->count; i++)
        for (int fate = 0; fate < DROP_FATES; fate++)
            for (int reason = 0; reason < DROP_REASONS; reason++)
                if (totals->list[i].sums[fate][reason].segments > 0)
                    each(arg, totals->list[i].db, (enum drop_fate)fate, (enum drop_reason)reason,
                         &totals->list[i].sums[fate][reason]);
}

struct carrying {
    struct buf *out;
    uint64_t seq;
    int rc;
};

static void carry(void *arg, const char *db, enum drop_fate fate, enum drop_reason reason,
                  const struct drops_sum *sum)
{
    struct carrying *carrying = arg;
    json_t *line =
        json_pack("{s:i, s:I, s:b, s:s, s:s, s:s, s:I, s:I, s:I, s:I}", "v", 1, "seq",
                  (json_int_t)carrying->seq, "carried", 1, "fate", fates[fate], "reason", reasons[reason],
                  "db", db, "segments", (json_int_t)sum->segments, "rows", (json_int_t)sum->rows, "raw_bytes",
                  (json_int_t)sum->raw_bytes, "bytes", (json_int_t)sum->bytes);
    char *text = line ? json_dumps(line, JSON_COMPACT) : NULL;
    if (carrying->rc == 0)
        carrying->rc = text ? buf_puts(carrying->out, text) : -ENOMEM;
    if (carrying->rc == 0)
        carrying->rc = buf_puts(carrying->out, "\n");
    free(text);
    json_decref(line);
}

int drops_totals_carry(const struct drops_totals *totals, struct buf *out)
{
    struct carrying carrying = {.out = out, .seq = totals->last_seq};
    drops_totals_show(totals, carry, &carrying);
    return totals->rc ? totals->rc : carrying.rc;
}

int drops_read_totals(const struct spool *spool, drops_each *each, void *arg)
{
    struct drops_totals totals = {0};
    int rc = spool->state >= 0 ? journal_read(spool->state, drops_file, drops_totals_line, &totals) : -ENOENT;
    if (rc == 0)
        rc = totals.rc;
    if (rc == 0)
        drops_totals_show(&totals, each, arg);
    drops_totals_fini(&totals);
    return rc;
}
