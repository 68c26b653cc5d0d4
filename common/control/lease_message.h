/* What a writer and diskguard say to each other about the disk budget. Pure; thread-safe.
 *
 *     {"v":1,"op":"lease","db":D,"lease":I,"seq":S,"holding":H,"need":N,"want":W,
 *      "holding_files":HF,"need_files":NF,"want_files":WF}
 *         The process that speaks holds H unused bytes for database D at this moment. It cannot go on with
 * fewer than N in all, and would like W. What diskguard thought it held, less H, is on disk by now. The same
 * of segment files that it may still make (absent: 0).
 *     {"v":1,"ok":true,"granted":G,"granted_files":GF}
 *         It may write G bytes more: N <= H+G, and H+G <= max(N, W). Granted 0 where H is enough already. All
 * that was needed, of both, or a refusal.
 *     {"v":1,"ok":false,"code":"full","error":TEXT,"reason":R,"retry_ms":T}
 *         Not now; what it held stays held. Ask again in T. R is bytes, segments, free-space, inodes,
 * failover or unwritable.
 *     {"v":1,"op":"settle","db":D,"lease":I,"seq":S,"holding":H,"holding_files":HF}
 *         The same, wanting nothing: never refused. H = HF = 0 is the end of the lease.
 *
 * Each message carries the whole state, so one that is lost, or whose answer is lost, leaves no drift: the
 * next one puts it right, and until then diskguard counts too much rather than too little.
 *
 * Who speaks is what the kernel says of the connection (process id, and its start time), never a field.
 * `lease` tells the leases of one process apart (0 when there is but one). `seq` grows with each message of a
 * lease; one that is not larger than the last is answered with code "stale" and changes nothing (absent or 0:
 * not checked). D is the database's name as people write it. Bytes are allocated bytes (st_blocks * 512),
 * integers from 0 to LEASE_BYTES_MAX; files from 0 to LEASE_FILES_MAX.
 *
 * Other refusals: "malformed", "version", "stale", "crowded" (more leases than are kept), "forbidden" (the
 * process cannot be seen from here). */
#ifndef SPILLWAY_LEASE_MESSAGE_H
#define SPILLWAY_LEASE_MESSAGE_H

#include <jansson.h>

#include "common/spool/spool.h"

#define LEASE_BYTES_MAX (INT64_C(1) << 50)
#define LEASE_FILES_MAX (INT64_C(1) << 30)

struct lease_request {
    char db[SPOOL_NAME_BYTES]; /* the database's folder: encoded */
    uint64_t lease, seq;
    int64_t holding, need, want;                   /* bytes; want >= need */
    int64_t holding_files, need_files, want_files; /* likewise */
};

/* Understand a "lease" or "settle" (numbers but "holding" are 0 when absent). -EINVAL with what is wrong. */
NODISCARD int lease_request_parse(const json_t *message, struct lease_request *request, struct err *err);

/* Put one together; `op` is "lease" or "settle", `db` as people write it, request->db is not looked at. The
 * caller's; NULL when memory is out. */
json_t *lease_request_build(const char *op, const char *db, const struct lease_request *request);

#endif
