#!/usr/bin/env bats
# The ring in trouble: members that are not what they should be, wrong configurations, tokens, certificates.

load lib
load ring

# trouble_is WORD TEXT: n0 says so of n1.
trouble_is() { [ "$(peer_field n0 n1 trouble)" = "$1" ] && [[ $(peer_field n0 n1 words) == *"$2"* ]]; }

@test "one with another name than configured is not present; mended it comes back" {
    ring_setup 2
    sed -i 's/^name = .*/name = other/' "$T/n1.conf"
    ring_start n0
    ring_start n1
    misnamed() { [ "$(peer_field n0 n1 trouble)" = misnamed ]; }
    wait_until 20 misnamed
    sees n0 n0
    is_settled n0
    [[ $(peer_field n0 n1 words) == *"answers as other"* ]]
    grep -q 'error peer-has-another-name.*peer=n1' "$T/n0.log"
    stop n1
    sed -i 's/^name = .*/name = n1/' "$T/n1.conf"
    ring_start n1
    wait_until 20 sees n0 n0 n1
}

@test "a list that names ourselves, under our name and under another" {
    ring_setup 2
    echo "peer = n7=http://127.0.0.1:${PORT[n0]}" >>"$T/n0.conf"
    ring_start_all
    [ "$(grep -c 'peer-is-ourselves' "$T/n0.log")" -eq 1 ]
    other() { [[ $(peer_field n0 n7 words) == *"our own name"* ]]; }
    wait_until 10 other
    sees n0 n0 n1
    [ "$(in_ring n0 peers --json | jq '.peers | map(select(.self)) | length')" -eq 1 ]
}

@test "wrong configuration is told in one line, exit 100" {
    peerd_fails() {
        run peerd --spool "$SPOOL" --log-timestamps no "$@" --check
        [ "$status" -eq 100 ]
        [ "${#lines[@]}" -eq 1 ]
    }
    peerd_fails --peer n1=http://127.0.0.1:1
    [[ $output == *"--listen HOST:PORT is needed"* ]]
    peerd_fails --listen 127.0.0.1:0 --peer n1
    [[ $output == *"NAME=http"* ]]
    peerd_fails --listen 127.0.0.1:0 --peer n1=ftp://x
    peerd_fails --listen 127.0.0.1:0 --peer 'n 1=http://x'
    peerd_fails --listen 127.0.0.1:0 --peer n1=http://a --peer n1=http://b
    [[ $output == *"one address for each name"* ]]
    peerd_fails --listen 127.0.0.1:0 --name 'a name' --peer n1=http://a
    peerd_fails --listen nowhere --peer n1=http://a
    peerd_fails --listen 127.0.0.1:0 --tls-cert x
    peerd_fails --listen 127.0.0.1:0 --peers-dns ring.test --dns-server nowhere
    peerd_fails --listen 127.0.0.1:0 --peers-dns ring.test --peer-hold 1
    # And a reload that is wrong changes nothing.
    ring_setup 2
    ring_start_all
    echo "peer = nonsense" >>"$T/n0.conf"
    reload n0
    refused() { grep -q 'error cannot-reload.*nonsense' "$T/n0.log"; }
    wait_until 10 refused
    sees n0 n0 n1
}

@test "peers that answer nonsense, refuse, redirect or never end are away, and it says why" {
    ring_setup 2
    ring_start n0
    while read -r way trouble words; do
        start fake python3 "$REPO/tests/tools/fake_peer.py" "${PORT[n1]}" "$way"
        wait_until 20 trouble_is "$trouble" "$words"
        sees n0 n0
        stop fake || true
    done <<END
nonsense foreign is not JSON
version foreign version 2
status=401 foreign token or certificate
status=404 foreign HTTP 404
status=503 silent HTTP 503
redirect=http://127.0.0.1:${PORT[n0]} foreign HTTP 302
silent silent
endless silent
END
    # And one that behaves is welcome, and believed.
    start fake python3 "$REPO/tests/tools/fake_peer.py" "${PORT[n1]}" name=n1
    wait_until 20 sees n0 n0 n1
    [ "$(in_ring n0 peers --json | jq -r '.peers[] | select(.name == "n1") | .databases.D.health')" = down ]
    run in_ring n0 peers
    [[ $output == *"D down"* ]]
}

@test "a token that is wrong, then mended by a reload" {
    ring_setup 2
    echo sesame-that-is-right >"$T/right"
    echo sesame-that-is-wrong >"$T/wrong"
    cp "$T/right" "$T/token0"
    cp "$T/wrong" "$T/token1"
    for i in 0 1; do echo "token-file = $T/token$i" >>"$T/n$i.conf"; done
    ring_start n0
    ring_start n1
    wait_until 20 trouble_is foreign "token-file"
    cp "$T/right" "$T/token1"
    reload n1
    wait_until 20 sees n0 n0 n1
    wait_until 20 sees n1 n0 n1
    in_ring n0 status --json >"$T/status"
    [ "$(cat "$T"/*.log "$T/status" | grep -c sesame || true)" -eq 0 ] # never said anywhere
}

@test "mutual TLS: who has a certificate of ours is in the ring, another one is not" {
    ring_setup 3
    make_certificates
    for name in n0 n1; do
        sed -i 's,http://,https://,' "$T/$name.conf"
        printf '%s\n' "tls-ca = $T/ca.pem" "tls-cert = $T/good.pem" "tls-key = $T/good.key" >>"$T/$name.conf"
    done
    sed -i 's,http://,https://,' "$T/n2.conf"
    printf '%s\n' "tls-ca = $T/ca.pem" "tls-cert = $T/other.pem" "tls-key = $T/other.key" >>"$T/n2.conf"
    for name in n0 n1 n2; do ring_start "$name"; done
    wait_until 20 sees n0 n0 n1
    wait_until 20 sees n1 n0 n1
    refused() { [[ $(peer_field n0 n2 words) == *ertificate* ]]; }
    wait_until 20 refused
    sees n0 n0 n1
    refused() { [ "$(peer_field n2 n0 trouble)" != new ]; }
    wait_until 20 refused
    sees n2 n2
}
