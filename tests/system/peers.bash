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
