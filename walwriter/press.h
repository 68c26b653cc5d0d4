/* Threads (two; one where there is one core) that deflate blocks while their owner reads and splits the next
 * rows and writes the last: the codec is most of the work of taking rows in. Blocks come out in the order in
 * which they went in.
 *
 *     press_new(&press, block_bytes, raw_max_bytes, compression)
 *     for (;;) {
 *         fill press_buffer(press)
 *         if (press_is_full(press))
 *             press_wait(press, false)
 *         while ((done = press_take(press)))
 *             use done; press_drop(press)            in the order in which they were given
 *         press_give(press, &block)                  the buffer is the threads'; press_buffer() is another
 *     }
 *
 * All calls are the owner's, from one thread. What the threads share: how many blocks were given, begun and
 * done, under one lock. A block that was given lives in memory only: it is nobody's until it was taken and
 * appended to a file. */
#ifndef SPILLWAY_PRESS_H
#define SPILLWAY_PRESS_H

#include "common/segment/effort.h"
#include "common/segment/member.h"

struct press;

/* A block that is done. */
struct pressed {
    int rc; /* 0, or what member_encode_data() said: there is no member then */
    const uint8_t *member;
    size_t member_bytes;
    size_t raw_bytes;
    uint32_t rows;
};

/* Start the threads; they have all signals blocked. Blocks have block_bytes as a rule and never more than
 * raw_max_bytes. 0 or negative errno. */
NODISCARD int press_new(struct press **press, size_t block_bytes, size_t raw_max_bytes,
                        enum compression compression);

/* Waits for the blocks that are being deflated; what was not taken is dropped. NULL is allowed. */
void press_free(struct press *press);

/* raw_max_bytes for the owner to fill. */
char *press_buffer(struct press *press);

/* Was every block that was given dropped again? */
bool press_is_idle(const struct press *press);

/* Is there no further buffer? Then a block has to be taken and dropped before one can be given. */
bool press_is_full(const struct press *press);

/* Deflate block->raw, which lies in press_buffer(). The bytes behind it stay readable until the next call of
 * press_give(). Not when it is full. */
void press_give(struct press *press, const struct member_block *block);

/* Wait until some (half of those that were given and not dropped: so the threads need not stop for the owner,
 * nor wake it for each) or all blocks are done. */
void press_wait(struct press *press, bool for_all);

/* The oldest block that was given and not dropped, or NULL when it is not done. It stays until press_drop().
 */
const struct pressed *press_take(struct press *press);
void press_drop(struct press *press);

#endif
