# For tests of the uploader. Needs lib.bash (load lib first). A file may have an up() of its own, behind it.
# shellcheck shell=bash disable=SC2034 # who loads it uses it

# write TABLE [WALWRITER-OPTION]... < rows: one more run of walwriter into sealed/, as DB and SCHEMA say (SCHEMA='': without one).
SCHEMA='n:long,s:string'
write() {
    local table=$1
    shift
    walwriter --spool "$SPOOL" --db "${DB:-D}" --table "$table" ${SCHEMA:+--schema "$SCHEMA"} --no-guard --log-level error "$@"
}

# numbers FIRST LAST: rows for that schema. noise COUNT: such that do not compress well.
numbers() { seq "$1" "$2" | sed 's/.*/&,row &/'; }
noise() { awk -v n="$1" 'BEGIN { srand(7); for (i = 1; i <= n; i++) printf "%d,%.12f %.12f\n", i, rand(), rand() }'; }

# damage [SEGMENT]: some bytes in the middle of the only one that is sealed.
damage() {
    local file=${1:-$(segments sealed)}
    printf 'XXXX' | dd of="$file" bs=1 seek=$(($(stat -c %s "$file") / 2)) conv=notrunc status=none
}

# up [OPTION]...: one run over sealed/ with quick retries
up() { uploader --spool "$SPOOL" --queue sealed --no-guard --once --retry-min 10ms --retry-max 50ms "$@"; }

# start_up [OPTION]...: the same as a daemon
start_up() {
    start uploader uploader --spool "$SPOOL" --queue sealed --no-guard --batch-age 20ms --scan-interval 20ms --retry-min 10ms --retry-max 50ms \
        --breaker-failures 2 --breaker-time 0 --probe-interval 50ms --recovery-hold 50ms "$@"
}

out_rows() { find "$T/out/D/$1" -name '*.gz' 2>/dev/null | sort | xargs -r zcat; }

# nothing_left: the queue and batch/ hold no file (an empty folder may stay)
nothing_left() { [ -z "$(find "$SPOOL/sealed" "$SPOOL/upload" "$SPOOL/batch" -type f 2>/dev/null)" ]; }

# crash_at POINT [OPTION]...: up until it dies there (it must), then up again to the end
crash_at() {
    local point=$1
    shift
    SPILLWAY_CRASH_AT=$point run up "$@"
    [ "$status" = 137 ] || { echo "did not die at $point: $status $output" >&2; return 1; }
    run -0 up "$@"
    nothing_left
}

# no_secrets [REGEX [FILE]...]: what matches (anything planted) is neither in $output, nor in the spool, nor in these files (all logs).
# shellcheck disable=SC2154 # bats sets output
no_secrets() {
    local regex=${1:-planted} found
    [ $# -gt 0 ] || set -- "" "$T"/*.log
    found=$(grep -E "$regex" <<<"$output"; grep -rlaE "$regex" "$SPOOL" "${@:2}") || :
    [ -z "$found" ] || { echo "secrets: $found" >&2; return 1; }
}

ask() { python3 - "$SPOOL" "$1" <<'PYTHON'
import json, os, socket, struct, sys
# nng's req/rep over IPC by hand: handshake, then 1, 64-bit length, request id, body
s = socket.socket(socket.AF_UNIX); s.settimeout(5)
s.connect(sys.argv[1] + "/run/uploader.ctl")
s.sendall(b"\0SP\0\0\x30\0\0")
s.recv(8)
body = struct.pack(">I", 0x80000001) + json.dumps({"v": 1, **json.loads(sys.argv[2])}).encode()
s.sendall(b"\1" + struct.pack(">Q", len(body)) + body)
def take(n):
    data = b""
    while len(data) < n:
        part = s.recv(n - len(data))
        if not part: sys.exit("closed")
        data += part
    return data
n = struct.unpack(">Q", take(9)[1:])[0]
print(take(n)[4:].decode())
PYTHON
}

# status_of FIELD [DB], status_is FIELD VALUE [DB]
status_of() { ask '{"op":"status"}' | jq -r ".databases.${2:-D}.$1"; }
status_is() { [ "$(status_of "$1" "${3:-D}")" = "$2" ]; }
