/* How hard blocks are compressed (--compression), decided block by block.
 *
 * auto: small while there is little to do, fast when there is much. A quarter of all time that passes is
 * saved up, what the one who deflates is busy for is spent, and blocks are small as long as something is
 * left. So a slow input costs a quarter of a core at most, and gets smaller by a tenth or more; a fast one is
 * not held up; and where others want the processor, blocks take longer and are fast sooner.
 *
 *     began = mono_now();
 *     codec_set_effort(codec, effort_choose(&effort, began));
 *     ... deflate ...
 *     effort_spend(&effort, mono_now().ns - began.ns);
 *
 * Threads that deflate together share one, under a lock of theirs. */
#ifndef SPILLWAY_SEGMENT_EFFORT_H
#define SPILLWAY_SEGMENT_EFFORT_H

#include "common/base/clock.h"
#include "common/segment/codec.h"

enum compression {
    COMPRESSION_AUTO,
    COMPRESSION_FAST,
    COMPRESSION_SMALL
}; /* the words of the key, in order */

struct effort {
    enum compression wanted;
    struct mono at;    /* up to when time was saved up */
    int64_t credit_ns; /* what may be spent */
};

void effort_init(struct effort *effort, enum compression wanted, struct mono now);

/* For the block that is begun now. */
enum codec_effort effort_choose(struct effort *effort, struct mono now);

/* So long was spent on blocks, and on whatever else keeps the next one waiting. */
void effort_spend(struct effort *effort, int64_t ns);

#endif
