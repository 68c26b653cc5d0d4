/* The lives of leases: connections and processes that end, and what state/leases remembers of them. Main
 * thread. */
#ifndef SPILLWAY_DISKGUARD_HOLDERS_H
#define SPILLWAY_DISKGUARD_HOLDERS_H

#include "diskguard/guard.h"

/* Write a holder's slot in state/leases: before the answer that promises it anything. */
void holders_save(struct guard *guard, size_t number);

/* It is dead, or gave all back: what it held counts as written until scans know better. */
void holders_end(struct guard *guard, struct holder *holder);

/* End those whose process died without a word. Returns whether some are left that have no connection. */
bool holders_look_after_orphans(struct guard *guard);

/* At start: what living processes held before. -ENOMEM. */
NODISCARD int holders_restore(struct guard *guard);

#endif
