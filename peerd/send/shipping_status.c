/* What people see of it. */
#include "peerd/send/shipping_parts.h"

static json_t *link_status(const struct link *link)
{
    json_t *one =
        json_pack("{s:s, s:i, s:I, s:I, s:b, s:I}", "name", link->name, "in_flight", (int)link->in_flight,
                  "transfers", (json_int_t)link->transfers, "bytes", (json_int_t)link->bytes, "trouble",
                  link_is_in_trouble(link), "trouble_ms", (json_int_t)mono_left_ms(link->trouble_until));
    if (one && link->failed_ms > 0) {
        char at[WALL_TEXT_BYTES];
        wall_format(link->failed_ms, at);
        json_object_set_new(
            one, "last_failure",
            json_pack("{s:s, s:s, s:s}", "time", at, "answer", fate_word(link->fate), "cause", link->cause));
    }
    return one;
}

void shipping_status(struct shipping *shipping, json_t *out)
{
    json_int_t waiting = 0, in_doubt = 0;
    json_t *links = json_array();
    for (const struct parcel *p = shipping->waiting; p; p = p->next) {
        waiting++;
        in_doubt += p->delivery.is_in_doubt;
    }
    for (size_t i = 0; i < shipping->links.count; i++)
        json_array_append_new(links, link_status(&shipping->links.list[i]));
    json_object_set_new(out, "transfers",
                        json_pack("{s:i, s:I, s:I, s:I, s:o, s:o}", "in_flight", (int)shipping->in_flight,
                                  "waiting", waiting, "in_doubt", in_doubt, "foreign",
                                  (json_int_t)shipping->foreign, "peers", links, "totals",
                                  tally_databases(shipping->context.tally)));
}

static void totals(struct shipping *shipping, struct metrics *out, const char *metric, const char *help,
                   const char *name)
{
    const char *db;
    json_t *one, *all = tally_databases(shipping->context.tally);
    metrics_family(out, metric, METRICS_COUNTER, help);
    json_object_foreach (all, db, one)
        metrics_sample(out, metric, "db", db, json_integer_value(json_object_get(one, name)));
    json_decref(all);
}

void shipping_metrics(struct shipping *shipping, struct metrics *out)
{
    int64_t waiting = 0;
    for (const struct parcel *p = shipping->waiting; p; p = p->next)
        waiting++;
    totals(shipping, out, "spillway_sent_rows_total", "Rows that peers have taken.", "rows_sent");
    totals(shipping, out, "spillway_sent_bytes_total", "Their bytes, compressed.", "bytes_sent");
    totals(shipping, out, "spillway_sent_segments_total", "Their segments.", "segments_sent");
    totals(shipping, out, "spillway_refused_rows_total", "Rows that a peer refused for good: in quarantine.",
           "rows_refused");
    totals(shipping, out, "spillway_possibly_twice_rows_total",
           "Rows uploaded from here although a peer may have them.", "rows_possibly_twice");
    metrics_family(out, "spillway_transfer_answers_total", METRICS_COUNTER,
                   "What peers answered to transfers.");
    for (int fate = 0; fate < FATE_COUNT; fate++)
        metrics_sample(out, "spillway_transfer_answers_total", "answer", fate_word((enum fate)fate),
                       (int64_t)shipping->by_fate[fate]);
    metrics_single(out, "spillway_transfers_in_flight", METRICS_GAUGE, "Transfers under way.",
                   shipping->in_flight);
    metrics_single(out, "spillway_transfers_waiting", METRICS_GAUGE, "Transfers that are tried again.",
                   waiting);
    metrics_family(out, "spillway_peer_trouble", METRICS_GAUGE, "1: not sent to for now.");
    for (size_t i = 0; i < shipping->links.count; i++)
        metrics_sample(out, "spillway_peer_trouble", "peer", shipping->links.list[i].name,
                       link_is_in_trouble(&shipping->links.list[i]));
}
