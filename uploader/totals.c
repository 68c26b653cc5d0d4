#include "uploader/totals.h"

int totals_new(struct tally **totals, const struct spool *spool, struct err *err)
{
    return tally_new(totals, spool, "uploader.json", err);
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
