#!/usr/bin/env bash
# P5: one walwriter --http with 10,000 tables, rows spread evenly, beside the same rows in one table; rate, and resident memory.
# Once also with 100 and 1,000 tables, to see the curve (quick: a tenth of all these). JSON lines. BENCH=quick: short. Medians of RUNS. Nothing is removed in between: ext4
# is slow to make a file after many were deleted (it passes over their inodes for a minute), which is not what is measured.
set -euo pipefail
cd "$(dirname "$0")/../.."
BUILD=${BUILD:-build}
SECONDS_EACH=12 RUNS=${RUNS:-5} MANY=10000
[ "${BENCH:-}" = quick ] && SECONDS_EACH=1 RUNS=1 MANY=1000
make -s BUILD="$BUILD" "$BUILD/bench/bench_http" "$BUILD/bin/walwriter"
T=$(mktemp -d "${TMPDIR:-/var/tmp}/spillway-p5.XXXXXX")
pid=
trap '[ -z "$pid" ] || kill "$pid" 2>/dev/null; wait; rm -rf "$T"' EXIT

# run TABLES: prints rows a second, the largest resident size in KiB, and microseconds of walwriter's processor time a request.
run() {
    local spool deadline=$((SECONDS + 120))
    spool=$(mktemp -d "$T/spool.XXXXXX")
    "$BUILD/bin/walwriter" --spool "$spool" --http "unix:$T/sock" --no-guard --log-level error &
    pid=$!
    until [ -S "$T/sock" ] && [ -S "$spool/run/walwriter.ctl" ]; do [ $SECONDS -lt $deadline ] || exit 111; done
    "$BUILD/bench/bench_http" load "unix:$T/sock" 64 "$SECONDS_EACH" "$1" 100 >"$T/out"
    [ "$(jq '.ok == .requests' "$T/out")" = true ]
    jq -r '.rows / .seconds | floor' "$T/out"
    sed -n 's/^VmHWM:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$pid/status"
    jq -r --argjson ticks "$(awk '{print $14 + $15}' "/proc/$pid/stat")" --argjson hz "$(getconf CLK_TCK)" '$ticks / $hz / .ok * 1e6' "$T/out"
    kill "$pid"
    wait "$pid"
    pid=
}
median() { sort -n | awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}'; }
line() { jq -cn --arg name "$1" --argjson value "$2" --arg unit "$3" --arg target "$4" '{row: "P5", $name, $value, $unit, $target}'; }

declare -A rates times
memory=0
for ((i = 0; i < RUNS; i++)); do
    for tables in 1 $((MANY / 100)) $((MANY / 10)) $MANY; do
        [ $i -eq 0 ] || [ "$tables" -eq 1 ] || [ "$tables" -eq $MANY ] || continue
        mapfile -t figures < <(run $tables)
        rates[$tables]+="${figures[0]} "
        times[$tables]+="${figures[2]} "
        [ "$tables" -ne $MANY ] || [ "${figures[1]}" -le "$memory" ] || memory=${figures[1]}
    done
done
one=$(tr ' ' '\n' <<<"${rates[1]}" | grep . | median)
list() { tr ' ' '\n' <<<"$1" | grep .; }
one_time=$(list "${times[1]}" | median)
for tables in 1 $((MANY / 100)) $((MANY / 10)) $MANY; do
    rate=$(tr ' ' '\n' <<<"${rates[$tables]}" | grep . | median)
    line "rate with $tables tables" "$rate" rows/s ""
    [ "$tables" -eq 1 ] || line "rate with $tables tables / with one" "$(jq -n "$rate / $one * 100 | round / 100")" ratio "$([ "$tables" -ne $MANY ] || echo '>= 0.5')"
    [ "$tables" -eq 1 ] || line "the same by walwriter's processor time, $tables tables" \
        "$(jq -n "$one_time / $(list "${times[$tables]}" | median) * 100 | round / 100")" ratio ""
    line "spread with $tables tables" "$(tr ' ' '\n' <<<"${rates[$tables]}" | grep . | sort -n | sed -n '1p;$p' | jq -s '(.[1] - .[0]) / .[0] * 100 | round')" % ""
done
line "resident memory with $MANY tables" $((memory / 1024)) MiB "<= 300"
