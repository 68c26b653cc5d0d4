#include "common/segment/effort.h"

/* FIRST_NS is a block or two, so that a short input is small as well; MOST_NS what a pause is worth in a
 * burst after it, and, below zero, how soon a burst is forgotten. */
enum { SHARE = 4, FIRST_NS = 5000000, MOST_NS = 50000000 };

static void add(struct effort *effort, int64_t ns)
{
    int64_t credit = effort->credit_ns + ns;
    effort->credit_ns = credit > MOST_NS ? MOST_NS : credit < -MOST_NS ? -MOST_NS : credit;
}

void effort_init(struct effort *effort, enum compression wanted, struct mono now)
{
    *effort = (struct effort){.wanted = wanted, .at = now, .credit_ns = FIRST_NS};
}

enum codec_effort effort_choose(struct effort *effort, struct mono now)
{
    add(effort, (now.ns - effort->at.ns) / SHARE);
    effort->at = now;
    if (effort->wanted != COMPRESSION_AUTO)
        return effort->wanted == COMPRESSION_SMALL ? CODEC_SMALL : CODEC_FAST;
    return effort->credit_ns > 0 ? CODEC_SMALL : CODEC_FAST;
}

void effort_spend(struct effort *effort, int64_t ns)
{
    add(effort, -ns);
}
