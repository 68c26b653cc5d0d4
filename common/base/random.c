#include "common/base/random.h"

#include <sys/random.h>

#include "common/base/clock.h"

uint64_t random_bits(void)
{
    uint64_t bits = 0;
    if (getrandom(&bits, sizeof bits, GRND_NONBLOCK) != (ssize_t)sizeof bits)
        bits = (uint64_t)mono_now().ns;
    return bits;
}
