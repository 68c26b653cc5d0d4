#include "diskguard/forecast.h"

static double smoothed(double rate, int64_t grown, int64_t elapsed_ms)
{
    double now = (double)grown * 1000.0 / (double)elapsed_ms;
    double weight = (double)elapsed_ms / (double)(elapsed_ms + RATE_MS);
    return rate + ((now - rate) * weight);
}

void forecast_sample(struct forecast *forecast, struct databases *databases, struct amount used,
                     int64_t now_ms)
{
    int64_t elapsed_ms = now_ms - forecast->sampled_ms;
    bool has_before = forecast->sampled_ms != 0;
    if (has_before && elapsed_ms < SAMPLE_MS)
        return;
    for (size_t i = 0; i < databases->count; i++) {
        struct database *database = &databases->list[i];
        int64_t used_by_it = database_seen(database) + ledger_settled(&database->bytes_due);
        if (has_before)
            database->rate =
                (int64_t)smoothed((double)database->rate, used_by_it - database->sampled_used, elapsed_ms);
        database->sampled_used = used_by_it;
    }
    if (has_before) {
        forecast->bytes_rate =
            smoothed(forecast->bytes_rate, used.bytes - forecast->sampled.bytes, elapsed_ms);
        forecast->files_rate =
            smoothed(forecast->files_rate, used.files - forecast->sampled.files, elapsed_ms);
    }
    forecast->sampled = used;
    forecast->sampled_ms = now_ms;
}

static int64_t full_in_ms(double rate, int64_t room, double noise)
{
    if (room <= 0)
        return 0;
    if (rate < noise)
        return -1;
    double ms = (double)room * 1000.0 / rate;
    return ms > 1e15 ? -1 : (int64_t)ms;
}

int64_t forecast_full_in_ms(double rate, int64_t room)
{
    return full_in_ms(rate, room, 64);
}

int64_t forecast_files_full_in_ms(double rate, int64_t room)
{
    return full_in_ms(rate, room, 0.01);
}

int64_t forecast_earlier(int64_t a_ms, int64_t b_ms)
{
    if (a_ms < 0 || b_ms < 0)
        return a_ms < 0 ? b_ms : a_ms;
    return a_ms < b_ms ? a_ms : b_ms;
}
