/* Rows to measure with, always the same ones: gen_rows metrics|logs|random BYTES > file. About BYTES bytes,
 * whole rows.
 *
 * metrics  what a scraper writes: 2,000 series in turn, each with its labels, a series id and a value that
 * wanders logs     request logs of some services: levels, paths, latencies, ids, now and then a stack trace
 * over many lines random   metrics with nothing to repeat in numbers: each row a random series, id and value
 */
#include <err.h>
#include <inttypes.h>
#include <stdint.h>

#include "common/base/compiler.h"

enum { SERIES = 2000, HOSTS = 60, BUFFER_BYTES = 1 << 20, ROW_MAX = 2048 };

static uint64_t state = 88172645463325252u;

static uint64_t next_random(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static unsigned below(unsigned n)
{
    return (unsigned)(next_random() >> 33) % n;
}

static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

/* A row of one of the series at a time, in milliseconds since midnight. */
static int put_metric(char *out, size_t cap, unsigned series, uint64_t id, unsigned ms, double value)
{
    static const char *const names[] = {"cpu_usage_seconds_total", "memory_working_set_bytes",
                                        "network_receive_bytes_total", "fs_reads_total"};
    uint64_t pod = mix(series / 4 + 1);
    return snprintf(
        out, cap,
        "2026-11-22T%02u:%02u:%02u.%03uZ,%" PRIu64
        ",\"{\"\"host\"\":\"\"aks-nodepool-%05u-vmss%06u\"\",\"\"pod\"\":\"\"app-%010" PRIx64 "-%05x\"\","
        "\"\"name\"\":\"\"%s\"\"}\",%.6f\n",
        ms / 3600000 % 24, ms / 60000 % 60, ms / 1000 % 60, ms % 1000, id, series / 4 % HOSTS / 20,
        series / 4 % 20, pod >> 24, (unsigned)(pod & 0xfffff), names[series % 4], value);
}

static int metrics_row(char *out, size_t cap)
{
    static double values[SERIES];
    static unsigned count;
    unsigned series = count % SERIES, tick = count / SERIES;
    count++;
    values[series] += (double)below(100000) / 1000.0;
    return put_metric(out, cap, series, mix(series) >> 1, tick * 15000 + series / 4 % 977, values[series]);
}

static int random_row(char *out, size_t cap)
{
    static unsigned count;
    return put_metric(out, cap, below(SERIES), next_random() >> 1, count++ * 5,
                      (double)below(1000000000) / 1000.0);
}

static int trace_of(char *out, size_t cap)
{
    int len = 0;
    for (unsigned i = 0, n = 5 + below(10); i < n; i++)
        len += snprintf(out + len, cap - (size_t)len, "\n  at com.example.%s.Handler.step%u(Handler.java:%u)",
                        i % 2 ? "http" : "store", below(20), below(900));
    return len;
}

static int logs_row(char *out, size_t cap)
{
    static const char *const levels[] = {"info", "info", "info", "info", "debug", "warn", "error"};
    static const char *const services[] = {"gateway", "checkout", "catalog", "auth", "billing"};
    static const char *const verbs[] = {"GET", "GET", "GET", "POST", "PUT", "DELETE"};
    static unsigned count;
    unsigned ms = count++ * 3 + below(3), level = below(7);
    int len =
        snprintf(out, cap,
                 "2026-11-22T%02u:%02u:%02u.%03uZ,%s,%s,\"%s /api/v1/%s/%u?page=%u -> %u in %u.%03u ms, "
                 "trace=%016" PRIx64 ", user=%u",
                 ms / 3600000 % 24, ms / 60000 % 60, ms / 1000 % 60, ms % 1000, levels[level],
                 services[below(5)], verbs[below(6)], below(2) ? "items" : "orders", below(50000), below(9),
                 level == 6 ? 500 : 200, below(300), below(1000), next_random(), below(20000));
    if (level == 6)
        len += trace_of(out + len, cap - (size_t)len);
    return len + snprintf(out + len, cap - (size_t)len, "\"\n");
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*row)(char *, size_t);
    } kinds[] = {{"metrics", metrics_row}, {"logs", logs_row}, {"random", random_row}};
    static char buffer[BUFFER_BYTES + ROW_MAX];
    int (*row)(char *, size_t) = NULL;
    for (size_t i = 0; argc == 3 && i < ARRAY_LEN(kinds); i++)
        if (strcmp(argv[1], kinds[i].name) == 0)
            row = kinds[i].row;
    if (!row)
        errx(100, "usage: gen_rows metrics|logs|random BYTES");
    uint64_t left = strtoull(argv[2], NULL, 10);
    while (left > 0) {
        size_t used = 0;
        while (used < BUFFER_BYTES && used < left)
            used += (size_t)row(buffer + used, ROW_MAX);
        if (fwrite(buffer, 1, used, stdout) != used)
            err(111, "standard output");
        left -= used < left ? used : left;
    }
    return fflush(stdout) == 0 ? 0 : 111;
}
