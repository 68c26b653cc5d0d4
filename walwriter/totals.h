/* What the receiver has done since it started: counters that any thread adds to and reads. */
#ifndef SPILLWAY_TOTALS_H
#define SPILLWAY_TOTALS_H

#include "common/base/total.h"

struct totals {
    _Atomic uint64_t rows, bytes, bad_rows;         /* that were acknowledged */
    _Atomic uint64_t answers[6];                    /* by the first digit of the status */
    _Atomic uint64_t requests_ingest, refused_full; /* 429 */
    _Atomic uint64_t rounds, syncs, blocks;
    _Atomic uint64_t segments_sealed, segments_refused, segments_failed;
    _Atomic uint64_t files_parked, files_reopened, files_lost;
    _Atomic uint64_t clients_cut;
    _Atomic uint64_t open_files, segments_open, waiting; /* gauges */
    _Atomic uint64_t in_flight;                          /* gauge: requests between head and answer */
};

#endif
