/* --sync: when rows are made durable against a power cut. In the order of the key's words. */
#ifndef SPILLWAY_SPOOL_SYNC_MODE_H
#define SPILLWAY_SPOOL_SYNC_MODE_H

enum sync_mode { SYNC_NEVER, SYNC_SEAL, SYNC_INTERVAL, SYNC_ALWAYS };

enum { SYNC_INTERVAL_MS = 1000 };

/* "never", "seal", "interval", "always". */
const char *sync_mode_name(enum sync_mode mode);

#endif
