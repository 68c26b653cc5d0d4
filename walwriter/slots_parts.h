/* What slots.c, slots_sync.c and slots_seal.c share; private to them. */
#ifndef SPILLWAY_SLOTS_PARTS_H
#define SPILLWAY_SLOTS_PARTS_H

#include "walwriter/slots.h"

/* The end of a slot, whose file is sealed, or left where it is. Who has a pointer to it may look whether it
 * has failed until slots_bury(). */
void slots_end(struct slots *slots, struct slot *slot);

/* No more rows for this segment: it waits to be sealed. */
void slots_close(struct slots *slots, struct slot *slot);

/* When it waits to be sealed, and is durable as far as that is wanted: it is ready. */
void slots_settle(struct slots *slots, struct slot *slot);

/* The file is open: the most recently used. */
void slots_note_opened(struct slots *slots, struct slot *slot);

/* Open a parked file. 0; -ESTALE: an adopter has it, with all its rows; another error: later. */
NODISCARD int slots_reopen(struct slots *slots, struct slot *slot);

/* Rows were appended. */
void slots_mark_dirty(struct slots *slots, struct slot *slot);

/* Sync some at once, now. Returns how many failed: those stay in `dirty`, if they are there. */
size_t slots_sync_some(struct slots *slots, struct slot **some, size_t count);

/* Sync by interval, and before sealing, by the syncer. */
struct mono slots_sync_due(const struct slots *slots);
void slots_tick_sync(struct slots *slots);

extern const struct mono slots_never;
struct mono slots_later(struct mono start, int64_t ms);

#endif
