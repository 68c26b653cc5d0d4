# For tests with peers, real or scripted. Load after lib.
# shellcheck shell=bash

# peer NAME [FLAG...]: start a scripted peer (tests/tools/peer.py) in $T/NAME; $PEER_URL is where it listens, $PEER its folder.
peer() {
    local name=$1
    shift
    PEER=$T/$name
    mkdir -p "$PEER"
    rm -f "$PEER/port"
    start "$name" python3 "$REPO/tests/tools/peer.py" "$name" "$PEER" "$@"
    wait_until 10 test -s "$PEER/port"
    PEER_URL=http://127.0.0.1:$(cat "$PEER/port")
}

# script LINE...: what the peer does with the next requests.
script() { printf '%s\n' "$@" >>"$PEER/script"; }

# requests: what came to the peer, one JSON object a line.
requests() { cat "$PEER/requests.jsonl" 2>/dev/null; }

# proxy NAME PORT: a proxy in front of a port; $PROXY_URL.
proxy() {
    rm -f "$T/$1/port"
    start "$1" python3 "$REPO/tests/tools/proxy.py" "$T/$1" "$2"
    wait_until 10 test -s "$T/$1/port"
    PROXY_URL=http://127.0.0.1:$(cat "$T/$1/port")
}

# stored: the rows that the peer has taken.
stored() { find "$PEER/stored" -name '*.gz' -print0 | xargs -0r zcat; }

# free_port: one that nobody uses at the moment.
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# --- several instances NAMES, each with its spool $T/NAME and its uploads in $T/out-NAME; $T/written says what went in ---

# write NAME TABLE FIRST LAST: rows "NAME,TABLE,n" in that instance.
write() {
    seq "$3" "$4" | sed "s/^/$1,$2,/" | walwriter --spool "$T/$1" --db D --table "$2" --schema who:string,t:string,n:long --no-guard \
        --segment-bytes 16K --block-bytes 4K 2>/dev/null
    printf '%s %s %s %s\n' "$@" >>"$T/written"
}

expected() { while read -r who table first last; do seq "$first" "$last" | sed "s/^/$who,$table,/"; done <"$T/written" | sort; }
uploaded() { find "$T"/out-* -name '*.gz' -print0 | xargs -0r zcat | sort; }

in_spools() {
    local n
    for n in "${NAMES[@]}"; do find "$T/$n"/{active,sealed,upload,batch,transfer,incoming} -name '*.gz*' 2>/dev/null; done | grep -c .
}
is_at_rest() { [ "$(in_spools)" -eq 0 ] && [ "$(uploaded | wc -l)" -ge "$(expected | wc -l)" ]; }

# each_row_once: what was uploaded is what was written; says what is missing and what is there twice.
each_row_once() {
    expected >"$T/expected"
    uploaded >"$T/uploaded"
    if ! cmp -s "$T/expected" "$T/uploaded"; then
        echo "missing: $(comm -23 "$T/expected" <(uniq "$T/uploaded") | wc -l); twice: $(uniq -d "$T/uploaded" | wc -l)"
        find "$T"/*/quarantine -name '*.why' -exec cat {} +
        return 1
    fi
}
