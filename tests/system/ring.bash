# Rings of real peerds on loopback, for ring.bats and others:
#
#     ring_setup 3                 names n0 n1 n2, a spool and a port for each; writes their configurations
#     ring_start n0 [FLAG ...]     start one; ring_start_all starts all
#     owner n0 D T                 who owns that table, in n0's eyes
#
# Polls are 100 ms apart and the hold time is 2.5 s, so that tests take seconds; nothing here depends on being fast.
# shellcheck shell=bash

RING_POLL=100ms
RING_HOLD=2500ms

# free_ports N: ports of 127.0.0.1 that nobody has now, outside the range from which the kernel gives them out.
free_ports() {
    python3 - "$1" <<'PY'
import random, socket, sys
low = int(open("/proc/sys/net/ipv4/ip_local_port_range").read().split()[0])
held = []
while len(held) < int(sys.argv[1]):
    s = socket.socket()
    try:
        s.bind(("127.0.0.1", random.randrange(10000, min(low, 32768))))
    except OSError:
        continue
    held.append(s)
print(*[s.getsockname()[1] for s in held])
PY
}

# ring_setup N: names n0 ... in RING, their ports in PORT.
ring_setup() {
    local i ports
    CTL=$REPO/${BUILD:-build}/tests/ctl.zlib
    declare -gA PORT=()
    RING=()
    read -ra ports < <(free_ports "$1")
    for ((i = 0; i < $1; i++)); do
        RING+=("n$i")
        PORT[n$i]=${ports[i]}
        mkdir -p "$T/n$i"
    done
    for name in "${RING[@]}"; do ring_configure "$name" "${RING[@]}"; done
}

# ring_configure NAME MEMBER...: write NAME's configuration: the ring is these members (itself among them or not).
ring_configure() {
    local name=$1 member
    shift
    {
        echo "name = $name"
        echo "listen = 127.0.0.1:${PORT[$name]}"
        echo "peer-poll = $RING_POLL"
        echo "peer-hold = $RING_HOLD"
        for member in "$@"; do echo "peer = $member=http://127.0.0.1:${PORT[$member]}"; done
    } >"$T/$name.conf"
}

ring_start() {
    local name=$1
    shift
    start "$name" peerd --spool "$T/$name" --config "$T/$name.conf" "$@"
}

ring_start_all() {
    local name
    for name in "${RING[@]}"; do ring_start "$name"; done
    for name in "${RING[@]}"; do wait_until 20 sees "$name" "${RING[@]}"; done
}

# in_ring NAME COMMAND...: spillway there. Its peerd runs, but may be about to listen anew: it is asked again then.
in_ring() {
    local answer name=$1
    shift
    try_in_ring() { answer=$(spillway --spool "$T/$name" "$@"); }
    wait_until 5 try_in_ring "$@" && printf '%s\n' "$answer"
}

# present NAME: the members that NAME sees as present, in order, on one line.
present() { in_ring "$1" peers --json | jq -r '[.peers[] | select(.present) | .name] | sort | join(" ")'; }

# sees NAME MEMBER...: does NAME see exactly these as present?
sees() { [ "$(present "$1")" = "$(printf '%s\n' "${@:2}" | sort | paste -sd' ')" ]; }

is_settled() { [ "$(in_ring "$1" peers --json | jq .settled)" = true ]; }

# peer_field NAME MEMBER FIELD: what NAME says of MEMBER.
peer_field() { in_ring "$1" peers --json | jq -r --arg m "$2" ".peers[] | select(.name == \$m) | .$3"; }

owner() { in_ring "$1" owner "${@:2}" --json | jq -r .owner; }

# owners NAME COUNT: who owns each of the tables T1 ... T<COUNT> of D, in NAME's eyes, one a line.
owners() {
    local i asked=()
    for ((i = 1; i <= $2; i++)); do asked+=("{\"v\":1,\"op\":\"owner\",\"db\":\"D\",\"table\":\"T$i\"}"); done
    ask_all "$1" "${asked[@]}" | jq -r '"\(.table) \(.owner)"'
}

# ask_all NAME MESSAGE...: put each to NAME's peerd, over one connection; the answers, one a line. A program may listen
# anew at any time, which ends connections: it is asked again then.
ask_all() {
    local name=$1
    shift
    try_all() { [ "$("$CTL" "$T/$name/run/peerd.ctl" --hold "$@" </dev/null 2>/dev/null | tee "$T/answers" | wc -l)" -eq $# ]; }
    wait_until 20 try_all "$@" && cat "$T/answers"
}

reload() { kill -HUP "$(pid_of "$1")"; }

# A CA, a certificate of it, and one that it did not sign; all for 127.0.0.1.
make_certificates() {
    local name
    for name in ca foreign; do
        openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=$name" -keyout "$T/$name.key" -out "$T/$name.pem" 2>/dev/null
    done
    for name in good other; do
        openssl req -newkey rsa:2048 -nodes -subj "/CN=$name" -keyout "$T/$name.key" -out "$T/$name.csr" 2>/dev/null
        signer=ca
        [ "$name" = good ] || signer=foreign
        openssl x509 -req -in "$T/$name.csr" -CA "$T/$signer.pem" -CAkey "$T/$signer.key" -CAcreateserial -days 2 \
            -extfile <(echo "subjectAltName=IP:127.0.0.1") -out "$T/$name.pem" 2>/dev/null
    done
}
