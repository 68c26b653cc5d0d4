#!/usr/bin/env bats
# Two real peers: certificates that are replaced under them, databases in trouble, and what a segment keeps on its way.

load lib
load ring

# write NAME TABLE FIRST LAST: rows into that instance.
write() { seq "$3" "$4" | walwriter --spool "$T/$1" --db D --table "$2" --no-guard 2>/dev/null; }
# rows_of NAME QUEUE; is_routed NAME: nothing there waits to be routed or sent.
rows_of() { SPOOL=$T/$1 rows "$2"; }
is_routed() { [ -z "$(find "$T/$1/sealed" "$T/$1/transfer" -name '*.gz')" ]; }

configure_pair() { # LINE...: in both configurations
    ring_setup 2
    for name in n0 n1; do printf '%s\n' "no-guard = yes" "scan-interval = 50ms" "transfer-linger = 0" "segment-age = 100ms" "$@" >>"$T/$name.conf"; done
}

@test "certificates and CA replaced, SIGHUP: who polls and who sends uses the new ones" {
    configure_pair
    make_certificates
    for name in n0 n1; do
        sed -i 's,http://,https://,' "$T/$name.conf"
        printf '%s\n' "tls-ca = $T/$name.ca" "tls-cert = $T/$name.pem" "tls-key = $T/$name.key" >>"$T/$name.conf"
        cp "$T/ca.pem" "$T/$name.ca"
        cp "$T/good.pem" "$T/$name.pem"
        cp "$T/good.key" "$T/$name.key"
    done
    # One with a certificate that nobody vouches for: neither sees the other.
    cp "$T/other.pem" "$T/n0.pem"
    cp "$T/other.key" "$T/n0.key"
    ring_start n0
    ring_start n1
    t=$(python3 "$REPO/tests/tools/owner.py" --of n1 1 D n0 n1)
    refused() { [ "$(peer_field n0 n1 trouble)" != new ] && [[ $(peer_field n1 n0 words) == *ertificate* ]]; }
    wait_until 20 refused
    wait_until 20 is_settled n0
    write n0 "$t" 1 10
    own() { [ "$(rows_of n0 upload | wc -l)" -eq 10 ]; }
    wait_until 20 own
    # A good one: it is asked with it, and shows it when it asks and sends.
    cp "$T/good.pem" "$T/n0.pem"
    cp "$T/good.key" "$T/n0.key"
    reload n0
    wait_until 20 sees n0 n0 n1
    wait_until 20 sees n1 n0 n1
    write n0 "$t" 11 30
    arrived() { [ "$(rows_of n1 upload | wc -l)" -eq "$1" ]; }
    wait_until 20 arrived 20
    # All move to another CA, one after the other: while both are trusted, then the new one alone.
    for name in n0 n1; do cat "$T/ca.pem" "$T/foreign.pem" >"$T/$name.ca"; reload "$name"; done
    for name in n0 n1; do cp "$T/other.pem" "$T/$name.pem"; cp "$T/other.key" "$T/$name.key"; reload "$name"; done
    for name in n0 n1; do cp "$T/foreign.pem" "$T/$name.ca"; reload "$name"; done
    served() { openssl s_client -connect "127.0.0.1:${PORT[n1]}" </dev/null 2>/dev/null | openssl x509 -noout -issuer | grep -q foreign; }
    wait_until 20 served
    write n0 "$t" 31 60
    wait_until 20 arrived 50
    wait_until 20 sees n0 n0 n1
    is_routed n0
}

@test "one database in trouble never makes an instance unready, nor takes it out of the ring" {
    ring_setup 2
    read -r dead < <(free_ports 1)
    start guard diskguard --spool "$T/n0" --max-disk-usage 1G --min-free 0
    ring_start_all
    ready() { [ "$(curl -s -o "$T/answer" -w '%{http_code}' "http://127.0.0.1:${PORT[n0]}/readyz")" = "$1" ]; }
    wait_until 20 ready 200
    start up uploader --spool "$T/n0" --database "D=http://127.0.0.1:$dead" --database "E=dir:$T" \
        --breaker-failures 1 --breaker-time 0 --idle-probe 50ms --probe-interval 100ms
    down() { [ "$(peer_field n1 n0 databases.D.health)" = down ]; }
    wait_until 30 down
    ready 200
    jq -e '.ready and .reasons == []' "$T/answer"
    [ "$(curl -s -o /dev/null -w '%{http_code}' "http://127.0.0.1:${PORT[n0]}/healthz")" = 200 ]
    sees n1 n0 n1
    # Where the whole instance is in trouble, it is not ready, and says why; it is healthy all the same.
    stop guard
    wait_until 20 ready 503
    jq -e '.reasons[0].code == "no-diskguard" and (.reasons[0].why | length > 0)' "$T/answer"
    [ "$(curl -s -o /dev/null -w '%{http_code}' "http://127.0.0.1:${PORT[n0]}/healthz")" = 200 ]
}

@test "age survives the hop: the ids of what was sent are in what arrived, and it is not sent again" {
    configure_pair "max-transfer-age = 1h"
    t=$(python3 "$REPO/tests/tools/owner.py" --of n1 1 D n0 n1)
    ring_start_all
    for i in 1 2 3; do write n0 "$t" "$i" "$i"; done
    arrived() { [ "$(rows_of n1 upload | wc -l)" -eq 3 ]; }
    wait_until 20 arrived
    # What left n0 is known by the heads in what n1 has: three ids of n0, each with its time, beside n1's own.
    SPOOL=$T/n1 segments upload | xargs -d '\n' cat | grep -ao '"id":"[0-9a-f]\{16\}","instance":"[^"]*"' | sort -u >"$T/ids"
    [ "$(grep -vc '"instance":"n1"' "$T/ids")" -eq 3 ]
    sed -n 's/.*"id":"\([0-9a-f]*\)".*/\1/p' "$T/ids" | python3 -c '
import sys, time
for line in sys.stdin:
    age = time.time() - ((int(line, 16) >> 23) / 1000 + 1388534400)
    assert 0 <= age < 3600, age'
    # And what arrived is as old as the oldest of them.
    SPOOL=$T/n1 segments upload | python3 -c '
import sys
time = lambda text: int(text, 16) >> 23
heads = [time(line.split("\"")[3]) for line in open(sys.argv[1]) if "\"n1\"" not in line]
assert min(heads) == min(time(line.rsplit(",", 1)[1][:16]) for line in sys.stdin), heads' "$T/ids"
    # Older than max-transfer-age, or received: it stays where it is.
    [ "$(in_ring n1 status --json | jq '.programs.peerd.transfers.totals.D.segments_sent // 0')" -eq 0 ]
}
