#!/usr/bin/env bats
# Rings found in DNS: real peerds and a real DNS server (dnsmasq), all on loopback.

load lib
load ring

setup() {
    spillway_setup
    command -v dnsmasq >/dev/null || skip "dnsmasq is not installed: scripts/deps"
    read -r DNS < <(free_ports 1)
}

# dns_start FLAG...: a server for the zone "test" that knows only what the flags say.
dns_start() {
    start dns dnsmasq --no-daemon --conf-file=/dev/null --no-resolv --no-hosts --port="$DNS" --listen-address=127.0.0.1 \
        --bind-interfaces --pid-file= --user="$(id -un)" --local=/test/ --no-dhcp-interface=lo "$@"
    wait_until 10 dns_answers
}

# The server has its port.
dns_answers() { (exec 3<>"/dev/tcp/127.0.0.1/$DNS") 2>/dev/null; }

# srv NAME...: flags that make these instances targets of the service, at their ports.
srv() {
    local name
    for name in "$@"; do
        # shellcheck disable=SC2153 # ring.bash has PORT
        echo "--srv-host=_spillway._tcp.ring.test,$name.ring.test,${PORT[$name]}"
        echo "--host-record=$name.ring.test,127.0.0.1"
    done
}

# by_dns [LINE...]: the ring's configurations: nobody is listed, all are found; further lines of them.
by_dns() {
    local name
    for name in "${RING[@]}"; do
        ring_configure "$name"
        {
            echo "peers-dns = ring.test"
            echo "dns-server = 127.0.0.1:$DNS"
            printf '%s\n' "$@"
        } >>"$T/$name.conf"
    done
}

dns_field() { in_ring "$1" peers --json | jq -r ".dns.$2"; }

@test "SRV records: all find each other, and know themselves" {
    ring_setup 3
    by_dns
    mapfile -t records < <(srv n0 n1 n2)
    dns_start "${records[@]}"
    ring_start_all
    for name in "${RING[@]}"; do
        [ "$(in_ring "$name" peers --json | jq '.peers | length')" -eq 3 ]
        [ "$(dns_field "$name" members)" -eq 3 ]
        is_settled "$name"
        owners "$name" 50 >"$T/owners.$name"
    done
    diff "$T/owners.n0" "$T/owners.n1"
    diff "$T/owners.n0" "$T/owners.n2"
    # By its target's name, at the address that DNS gave.
    [ "$(peer_field n0 n1 url)" = "http://n1.ring.test:${PORT[n1]}" ]
    [ "$(peer_field n0 n1 connect_to)" = "::127.0.0.1:${PORT[n1]}" ]
    [ "$(owner n0 D T1)" = "$(head -n 1 "$T/owners.n0" | cut -d' ' -f2)" ]
    run spillway --spool "$T/absent" owner D T1
    [ "$status" -ne 0 ]
    stop n0
    run spillway --spool "$T/n0" --config "$T/n0.conf" owner D T1
    [ "$status" -eq 75 ]
    [[ $output == *"only it knows the members that --peers-dns finds"* ]]
}

@test "addresses: the port is that of --listen" {
    ring_setup 3
    read -r port < <(free_ports 1)
    by_dns
    for i in 0 1 2; do
        sed -i "s/^listen = .*/listen = 127.0.0.$((i + 2)):$port/" "$T/n$i.conf"
        echo "127.0.0.$((i + 2)) ring.test" >>"$T/hosts"
    done
    dns_start --addn-hosts="$T/hosts"
    ring_start_all
    [ "$(peer_field n0 n1 connect_to)" = "::127.0.0.3:$port" ]
    [ "$(in_ring n0 peers --json | jq '.peers | length')" -eq 3 ]
}

@test "an answer is kept for as long as it says, and no longer; then the new one counts as a whole" {
    ring_setup 3
    by_dns "peers-dns-interval = 1h"
    mapfile -t records < <(srv n0 n1)
    dns_start --local-ttl=1 "${records[@]}"
    ring_start n0
    ring_start n1
    ring_start n2
    wait_until 20 sees n0 n0 n1
    owners n0 50 >"$T/two"
    stop dns
    mapfile -t records < <(srv n0 n2)
    dns_start --local-ttl=3000 "${records[@]}"
    wait_until 30 sees n0 n0 n2
    [ "$(dns_field n0 members)" -eq 2 ]
    grep -q 'peer-away.*peer=n1.*not in the list' "$T/n0.log"
    # This one may be kept for 50 minutes: only a reload looks sooner.
    lookups=$(dns_field n0 lookups)
    stop dns
    mapfile -t records < <(srv n0 n1 n2)
    dns_start --local-ttl=3000 "${records[@]}"
    reload n0
    wait_until 20 sees n0 n0 n1 n2
    [ "$(dns_field n0 lookups)" -eq $((lookups + 1)) ]
}

@test "while DNS is away, refuses or knows nobody, the ring stays as it was" {
    ring_setup 3
    by_dns "peers-dns-interval = 200ms"
    mapfile -t records < <(srv n0 n1 n2)
    dns_start --local-ttl=1 "${records[@]}"
    ring_start_all
    owners n0 50 >"$T/before"
    failures_grow() { # since now
        local before
        before=$(dns_field n0 failures)
        more() { [ "$(dns_field n0 failures)" -gt $((before + 1)) ]; }
        wait_until 30 more
    }
    stop dns # nobody answers
    failures_grow
    sees n0 n0 n1 n2
    dns_start --local-ttl=1 # it knows nobody of that name
    failures_grow
    sees n0 n0 n1 n2
    [[ $(dns_field n0 words) == *"neither an SRV record nor an address"* ]]
    run in_ring n0 peers
    [[ $output == *"the list is that of before"* ]]
    owners n0 50 | diff "$T/before" -
    grep -q 'warn cannot-find-peers.*members_kept=3' "$T/n0.log"
    [ "$(in_ring n0 metrics | awk '/^spillway_peers_dns_failures_total/ {print $2}')" -gt 0 ]
    # A member that really goes is away all the same.
    stop n2
    wait_until 20 sees n0 n0 n1
    # DNS is back, without it.
    stop dns
    mapfile -t records < <(srv n0 n1)
    dns_start --local-ttl=1 "${records[@]}"
    two() { [ "$(in_ring n0 peers --json | jq '.peers | length')" -eq 2 ]; }
    wait_until 30 two
    [ "$(in_ring n0 peers --json | jq '.dns.words == ""')" = true ]
}

@test "without DNS at the start an instance is alone, not stuck" {
    ring_setup 2
    by_dns
    ring_start n0
    wait_until 30 is_settled n0
    sees n0 n0
    [ "$(owner n0 D T1)" = n0 ]
    mapfile -t records < <(srv n0 n1)
    dns_start "${records[@]}"
    ring_start n1
    wait_until 60 sees n0 n0 n1
}

@test "listed and found at once: each counts once" {
    ring_setup 3
    by_dns
    echo "peer = n1=http://127.0.0.1:${PORT[n1]}" >>"$T/n0.conf"
    mapfile -t records < <(srv n0 n1 n2)
    dns_start "${records[@]}"
    ring_start_all
    [ "$(present n0)" = "n0 n1 n2" ]
    double() { [ "$(in_ring n0 peers --json | jq '[.peers[] | select(.name == "n1" and .trouble == "double")] | length')" -eq 1 ]; }
    wait_until 10 double
    grep -q 'peer-is-there-twice.*peer=n1.*the same instance' "$T/n0.log"
}
