#!/usr/bin/env bash
# P9: walwriter --http --sync always with 64 clients, acknowledgements a second, beside a serial write + fdatasync loop on the same file
# system. Two limits are told in the same run: --sync never, which is all but the disk, and a bare libmicrohttpd server that reads the same
# requests from the same clients and answers each with nothing done. A round of the committer is one sync, and what it costs in processor
# time to receive and answer its requests: on two cores, which the clients share, that time is the limit where the disk syncs fast, so
# processor time is told too. JSON lines. BENCH=quick: short. Medians of RUNS.
set -euo pipefail
cd "$(dirname "$0")/../.."
BUILD=${BUILD:-build}
SECONDS_EACH=5 RUNS=${RUNS:-5}
[ "${BENCH:-}" = quick ] && SECONDS_EACH=2 RUNS=1
make -s BUILD="$BUILD" "$BUILD/bench/bench_http" "$BUILD/bench/bench_sink" "$BUILD/bin/walwriter"
T=$(mktemp -d "${TMPDIR:-/var/tmp}/spillway-p9.XXXXXX")
pid=
trap '[ -z "$pid" ] || kill "$pid" 2>/dev/null; wait; rm -rf "$T"' EXIT

# load TABLES, of the server that runs as $pid, which ends then: acknowledgements a second, and microseconds of processor time for each.
load() {
    "$BUILD/bench/bench_http" load "unix:$T/sock" 64 "$SECONDS_EACH" "$1" 1 >"$T/out"
    [ "$(jq '.ok == .requests' "$T/out")" = true ]
    jq -r --argjson ticks "$(awk '{print $14 + $15}' "/proc/$pid/stat")" --argjson hz "$(getconf CLK_TCK)" \
        '"\(.ok / .seconds | floor) \($ticks / $hz / .ok * 1e7 | round / 10)"' "$T/out"
    kill "$pid"
    wait "$pid"
    pid=
}
# run MODE TABLES: walwriter.
run() {
    local spool=$T/spool deadline=$((SECONDS + 120))
    rm -rf "$spool"
    mkdir "$spool"
    "$BUILD/bin/walwriter" --spool "$spool" --http "unix:$T/sock" --no-guard --log-level error --sync "$1" &
    pid=$!
    until [ -S "$T/sock" ] && [ -S "$spool/run/walwriter.ctl" ]; do [ $SECONDS -lt $deadline ] || exit 111; done
    load "$2"
}
# The server that does nothing.
run_bare() {
    local deadline=$((SECONDS + 120))
    rm -f "$T/sock"
    "$BUILD/bench/bench_sink" "unix:$T/sock" &
    pid=$!
    until [ -S "$T/sock" ]; do [ $SECONDS -lt $deadline ] || exit 111; done
    load 1
    rm -f "$T/sock"
}
median() { awk -v field="${1:-1}" '{print $field}' | sort -n | awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}'; }
ratios() { paste "$T/$1" "$T/serial" | awk '{print $1 / $3}' | sort -n | sed -n '1p;$p' | jq -sc 'map(. * 10 | round / 10) | "\(.[0]) to \(.[-1])"' -r; }
line() { # NAME VALUE UNIT TARGET [SPREAD]
    jq -cn --arg name "$1" --argjson value "$2" --arg unit "$3" --arg target "$4" --arg spread "${5:-}" '{row: "P9", $name, $value, $unit, $target, $spread}'
}

for ((i = 0; i < RUNS; i++)); do
    "$BUILD/bench/bench_http" serial "$T" "$SECONDS_EACH" 100 | jq '.ops / .seconds | floor' >>"$T/serial"
    run always 1 >>"$T/one"
    run always 100 >>"$T/many"
    run never 1 >>"$T/never"
    run_bare >>"$T/bare"
done
serial=$(median <"$T/serial") one=$(median <"$T/one") many=$(median <"$T/many") never=$(median <"$T/never") bare=$(median <"$T/bare")
line "serial write + fdatasync" "$serial" 1/s ""
line "64 clients, one table" "$one" acks/s ""
line "64 clients, one table / serial" "$(jq -n "$one / $serial * 10 | round / 10")" ratio ">= 20" "$(ratios one)"
line "64 clients, 100 tables / serial" "$(jq -n "$many / $serial * 10 | round / 10")" ratio "" "$(ratios many)"
line "64 clients, --sync never / serial: all but the disk" "$(jq -n "$never / $serial * 10 | round / 10")" ratio "" "$(ratios never)"
line "64 clients, a server that does nothing / serial" "$(jq -n "$bare / $serial * 10 | round / 10")" ratio "" "$(ratios bare)"
line "64 clients, one table / the same with --sync never" "$(jq -n "$one / $never * 100 | round / 100")" ratio ""
line "64 clients, one table / a server that does nothing" "$(jq -n "$one / $bare * 100 | round / 100")" ratio ""
line "walwriter's processor time an acknowledgement, one table" "$(median 2 <"$T/one")" us ""
line "walwriter's processor time an acknowledgement, 100 tables" "$(median 2 <"$T/many")" us ""
line "walwriter's processor time an acknowledgement, --sync never" "$(median 2 <"$T/never")" us ""
line "the same of a server that does nothing" "$(median 2 <"$T/bare")" us ""
