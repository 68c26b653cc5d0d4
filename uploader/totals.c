#include "uploader/totals.h"

struct tally *totals_new(const struct spool *spool)
{
    return tally_new(spool, "uploader.json");
}

void totals_add(struct tally *totals, const char *db, const char *batch, const struct totals_delta *delta)
{
    const struct tally_item items[] = {
        {"batches", delta->batches},
        {"rows_uploaded", delta->rows_uploaded},
        {"raw_bytes", delta->raw_bytes},
        {"bytes", delta->bytes},
        {"rows_quarantined", delta->rows_quarantined},
        {"quarantined", delta->quarantined},
        {"failures", delta->failures},
        {NULL, 0},
    };
    tally_add(totals, db, batch, items);
}

json_t *totals_of(struct tally *totals, const char *db)
{
    json_t *all = tally_databases(totals);
    json_t *one = json_incref(json_object_get(all, db));
    json_decref(all);
    return one ? one : json_object();
}
