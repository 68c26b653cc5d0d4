#include "common/cli/progress.h"

#include "common/base/units.h"

enum { REDRAW_MS = 200 };

void progress_begin(struct progress *progress, const char *what, int64_t total_bytes)
{
    *progress = (struct progress){
        .what = what,
        .total = total_bytes,
        .started = mono_now(),
        .next = mono_after(REDRAW_MS),
        .is_shown = isatty(STDERR_FILENO),
    };
}

void progress_add(struct progress *progress, int64_t bytes)
{
    progress->done += bytes;
    if (!progress->is_shown || !mono_is_past(progress->next))
        return;
    progress->next = mono_after(REDRAW_MS);
    char done[UNITS_TEXT_BYTES], total[UNITS_TEXT_BYTES], left[UNITS_TEXT_BYTES];
    double share = progress->total > 0 ? (double)progress->done / (double)progress->total : 1;
    double left_ms = share > 0 ? (double)mono_since_ms(progress->started) * (1 - share) / share : 0;
    fprintf(stderr, "\r\033[K%s: %3.0f %% of %s, %s done, %s left", progress->what, 100 * share,
            units_format_size(progress->total, total), units_format_size(progress->done, done),
            units_format_time(left_ms > 0 ? (int64_t)left_ms : 0, left));
}

void progress_end(struct progress *progress)
{
    if (progress->is_shown)
        fputs("\r\033[K", stderr);
}
