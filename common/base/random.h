/* Bits that differ from process to process: for waits that are not to come in step, and for names that people
 * tell requests apart by. Never for secrets. */
#ifndef SPILLWAY_RANDOM_H
#define SPILLWAY_RANDOM_H

#include <stdint.h>

/* The kernel's; the clock's, while the kernel has none to give. Does not wait. Thread-safe. */
uint64_t random_bits(void);

#endif
