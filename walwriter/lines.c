#include "walwriter/lines.h"

#include <stdint.h>

/* 32 counters of a byte each, emptied before they overflow. */
enum { LANES = 32, ROUNDS = 255 };
typedef uint8_t lanes __attribute__((vector_size(LANES)));

__attribute__((target_clones("avx2", "default"))) size_t lines_count(const char *data, size_t bytes)
{
    lanes newline;
    memset(&newline, '\n', sizeof newline);
    size_t count = 0, at = 0;
    while (bytes - at >= LANES) {
        lanes sum = {0};
        for (unsigned round = 0; round < ROUNDS && bytes - at >= LANES; round++, at += LANES) {
            lanes group;
            memcpy(&group, data + at, LANES);
            sum -= (lanes)(group == newline); /* true is -1 */
        }
        for (unsigned i = 0; i < LANES; i++)
            count += sum[i];
    }
    for (; at < bytes; at++)
        count += data[at] == '\n';
    return count;
}
