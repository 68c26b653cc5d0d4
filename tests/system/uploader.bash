# For tests of the uploader. Needs lib.bash (load lib first).
# shellcheck shell=bash disable=SC2034 # who loads it uses it

SCHEMA='n:long,s:string'

# write TABLE [WALWRITER-OPTION]... < rows: one more run of walwriter into sealed/
write() {
    local table=$1
    shift
    walwriter --spool "$SPOOL" --db "${DB:-D}" --table "$table" --no-guard --log-level error "$@"
}

numbers() { seq "$1" "$2" | sed 's/.*/&,row &/'; }

# up [OPTION]...: one run over sealed/ with quick retries
up() { uploader --spool "$SPOOL" --queue sealed --no-guard --once --retry-min 10ms --retry-max 50ms "$@"; }

# start_up [OPTION]...: the same as a daemon
start_up() {
    start uploader uploader --spool "$SPOOL" --queue sealed --no-guard --batch-age 20ms --scan-interval 20ms --retry-min 10ms --retry-max 50ms \
        --breaker-failures 2 --breaker-time 0 --probe-interval 50ms --recovery-hold 50ms "$@"
}

out_rows() { find "$T/out/D/$1" -name '*.gz' 2>/dev/null | sort | xargs -r zcat; }

# nothing_left: the queue and batch/ hold no file (an empty folder may stay)
nothing_left() { [ -z "$(find "$SPOOL/sealed" "$SPOOL/upload" "$SPOOL/batch" -type f)" ]; }

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
