#!/usr/bin/env bats
# The receiving side of peerd (failover.md §3): every answer, bad input, limits, and that a transfer which is sent again is stored
# once, whatever died in between.
# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # eval and bash -c; bats runs each test in a subshell, sets $output, $status

load lib
load receive

@test "202: small ones share a segment, a large one has its own; rows as they were sent" {
    seq 1 100 | segment a; seq 101 200 | segment b; seq 1 3000000 | segment big
    receiver --no-guard
    [ "$(post "$(to n0-1)" "$T/a.gz")" = 202 ]
    [ "$(answer '"\(.v) \(.code) \(.rows) \(.sync)"')" = "1 stored 100 interval" ]
    [ "$(post "$(to n0-2)" "$T/b.gz" -H 'Transfer-Encoding: chunked')" = 202 ]
    [ "$(post "$(to n0-3)" "$T/big.gz")" = 202 ]
    [ "$(stat -c %s "$T/big.gz")" -gt 2000000 ]
    [ "$(post "$(to n0-4)" "$T/big.gz" -H 'Transfer-Encoding: chunked')" = 202 ]
    cat "$T/a.gz" "$T/b.gz" >"$T/ab.gz"
    [ "$(post "$(to n0-5)" "$T/ab.gz" -H 'Expect: 100-continue')" = 202 ]
    land
    [ "$(count upload) $(count active) $(find "$SPOOL" -name '*.land' | wc -l)" = "3 0 0" ]
    rows upload | sort -n | cmp - <({ seq 1 200; seq 1 200; seq 1 3000000; seq 1 3000000; } | sort -n)
    spillway --spool "$SPOOL" verify --deep
    # Ours, received, by one hop; the age of the rows is in the heads of what was sent.
    segments upload | head -n 1 | xargs -d '\n' head -c 400 | grep -a -o '"received":true,"hops":1' | head -n 1 | grep -q .
}

@test "tables, schemas and formats have segments of their own" {
    seq 1 10 | segment a A; seq 1 20 | SCHEMA=n:long segment b A; seq 1 30 | segment c C 'My Db'
    printf '{"n":%d}\n' {1..40} | FORMAT=json segment d A
    receiver --no-guard
    [ "$(post "$(to 1 A)" "$T/a.gz")" = 202 ]
    [ "$(post "$(to 2 A D "$(cat "$T/b.schema")")" "$T/b.gz")" = 202 ]
    [ "$(post "$(to 3 C My%20Db)" "$T/c.gz")" = 202 ]
    [ "$(FORMAT=json post "$(FORMAT=json to 4 A)" "$T/d.gz")" = 202 ]
    [ "$(post "$(to 5 A)" "$T/a.gz" -H 'Spillway-Hops: 3')" = 202 ]
    land
    [ "$(count upload)" -eq 5 ]
    [ "$(rows upload | wc -l)" -eq 110 ]
}

@test "200: an id that is here is not stored again, also after restarts and when it is large" {
    seq 1 100 | segment a; seq 1 3000000 | segment big
    receiver --no-guard
    [ "$(post "$(to n0-1)" "$T/a.gz")" = 202 ]
    [ "$(post "$(to n0-1)" "$T/a.gz")" = 200 ]
    [ "$(answer .code)" = known ]
    [ "$(post "$(to n0-2)" "$T/big.gz")" = 202 ]
    digest=$(sed -n 's/^[^ ]* n0-2 //p' "$SPOOL/state/received")
    [ -n "$digest" ] || { wait_until 20 grep -q n0-2 "$SPOOL/state/received"; digest=$(sed -n 's/^[^ ]* n0-2 //p' "$SPOOL/state/received"); }
    # With its digest the body is not even asked for.
    [ "$(post "$(to n0-2)" "$T/big.gz" -H 'Expect: 100-continue' -H "Spillway-Digest: $digest" -w '%{size_upload} %{http_code}')" = "0 200" ]
    stop rcv KILL || :
    receiver --no-guard
    [ "$(post "$(to n0-1)" "$T/a.gz") $(post "$(to n0-2)" "$T/big.gz")" = "200 200" ]
    land
    receiver --no-guard
    [ "$(post "$(to n0-1)" "$T/a.gz") $(post "$(to n0-2)" "$T/big.gz" -H 'Transfer-Encoding: chunked')" = "200 200" ]
    land
    [ "$(rows upload | wc -l)" -eq 3000100 ]
}

@test "200 comes before every refusal: who sends again for a lost answer hears that it is here, whatever has changed since" {
    seq 1 100 | segment a; seq 1 3000000 | segment big
    receiver --no-guard
    [ "$(post "$(to n0-1)" "$T/a.gz") $(post "$(to n0-2)" "$T/big.gz")" = "202 202" ]
    stop rcv
    a=$(sed -n 's/^[^ ]* n0-1 //p' "$SPOOL/state/received") big=$(sed -n 's/^[^ ]* n0-2 //p' "$SPOOL/state/received")
    known() {
        [ "$(post "$(to n0-1)" "$T/a.gz" -H "Spillway-Digest: $a")" = 200 ]
        [ "$(post "$(to n0-2)" "$T/big.gz" -H "Spillway-Digest: $big" -H 'Expect: 100-continue' -w '%{size_upload} %{http_code}')" = "0 200" ]
        [ "$(post "$(to n0-1)" "$T/a.gz")" = 200 ] # without a digest its bytes are compared
    }
    receiver # no diskguard: no room for anything (429)
    [ "$(post "$(to n0-3)" "$T/a.gz")" = 429 ]
    known
    stop rcv
    receiver --no-guard --max-transfer-bytes 1K # too large now (413)
    [ "$(post "$(to n0-3)" "$T/big.gz" -H 'Expect: 100-continue')" = 413 ]
    known
    [ "$(post "$(to n0-2)" "$T/big.gz")" = 200 ]
    [ "$(post "$(to n0-2)" "$T/big.gz" -H 'Transfer-Encoding: chunked')" = 200 ]
    stop rcv
    receiver --no-guard --db other # no longer known here (400)
    [ "$(post "$(to n0-3)" "$T/a.gz")" = 400 ]
    [ "$(post "$(to n0-1)" "$T/a.gz" -H "Spillway-Digest: $a")" = 200 ]
    mkfifo "$T/go" # and while it is about to leave (503)
    start held bash -c 'exec curl -s -o /dev/null -X POST -H "Expect:" -H "Transfer-Encoding: chunked" -T - "$0" <"$1"' "$URL$(to n0-4 T other)" "$T/go"
    exec 9>"$T/go"
    head -c 100 "$T/a.gz" >&9
    wait_until 10 eval '[ "$(post "$(to n0-4 T other)" "$T/a.gz")" = 503 ]'
    kill -TERM "$(pid_of rcv)"
    wait_until 10 eval '[ "$(post "$(to n0-5 T other)" "$T/a.gz")" = 503 ] && [ "$(answer .code)" = draining ]'
    [ "$(post "$(to n0-1)" "$T/a.gz" -H "Spillway-Digest: $a")" = 200 ]
    exec 9>&-
    wait_for held || :
    wait_for rcv || :
    [ "$(rows upload | wc -l)" -eq 3000100 ]
}

@test "409: an id with other content: kept aside with a .why, logged, small or large, with a digest or without" {
    seq 1 100 | segment a; seq 101 200 | segment b; seq 1 2000000 | segment big
    receiver --no-guard
    [ "$(post "$(to n0-1)" "$T/a.gz")" = 202 ]
    [ "$(post "$(to n0-1)" "$T/b.gz")" = 409 ]
    [ "$(answer .code)" = conflict ]
    [ "$(post "$(to n0-1)" "$T/big.gz")" = 409 ]
    [ "$(rows quarantine | sort -n | uniq | wc -l)" -eq 2000000 ]
    [ "$(count quarantine)" -eq 2 ]
    for file in "$SPOOL"/quarantine/D/*.why; do [ "$(jq -r .transfer "$file")" = n0-1 ]; done
    grep -q 'warn transfer-aside.*id=n0-1' "$T/rcv.log"
    # A client that waits hears it before the body: nothing came, nothing is kept.
    [ "$(post "$(to n0-1)" "$T/b.gz" -H 'Expect: 100-continue' -H 'Spillway-Digest: 7-0000000000000001' -H 'Transfer-Encoding: chunked' -w '%{size_upload} %{http_code}')" = "0 409" ]
    [ "$(count quarantine)" -eq 2 ]
    [ "$(post "$(to n0-1)" "$T/a.gz")" = 200 ]
    land
    [ "$(rows upload | wc -l)" -eq 100 ]
    spillway --spool "$SPOOL" verify --deep
}

@test "400: names, parameters, headers, unknown database; nothing is kept" {
    seq 1 10 | segment a
    receiver --no-guard --db D --db 'E, F'
    bad() { # CODE TARGET [CURL-FLAG...]
        local code=$1 target=$2
        shift 2
        [ "$(post "$target" "$T/a.gz" "$@")" = 400 ] || { echo "$target: not 400" >&2; return 1; }
        [ "$(answer .code)" = "$code" ] && [ -n "$(answer .why)" ] && [ "$(answer .v)" = 1 ]
    }
    bad bad-name "$(to 1 'a%2Fb')"; bad bad-name "$(to 1 'a/b')"; bad bad-name "$(to 1 '..%2F..%2Fetc')"; bad bad-name "$(to 1 'a%00b')"
    bad bad-name "$(to 1 '%zz')"; bad bad-name "$(to 1 '')"; bad bad-name "$(to 1 T '')"; bad bad-name "$(to 1 T ..%2f)"
    bad bad-name "$(to 1 "$(printf 't%.0s' {1..300})")"; bad bad-name "$(to 1 T "$(printf 'd%.0s' {1..300})")"
    bad bad-name "$(to 'x%2Fy')"; bad bad-name "$(to "$(printf 'i%.0s' {1..201})")"; bad bad-name "$(to '')"
    bad bad-name "$(to 1 T D 'Z!')"; bad bad-name "$(to 1 T D zzzzzzzzzzzzzzzzzz)"; bad bad-name "$(FORMAT=tsv to 1)"
    bad bad-name '/transfer'; bad bad-name '/transfer?db=D&table=T&format=csv'; bad bad-name "$(to 1)&id=2"; bad bad-name '/transfer?filename=D_T_x.wal'
    bad unknown-database "$(to 1 T X)"; bad unknown-database "$(to 1 T X)" -H 'Expect: 100-continue'
    bad wrong-peer "$(to 1)" -H 'Spillway-To: n2'; bad bad-request "$(to 1)" -H 'Spillway-Digest: 1-x'; bad bad-request "$(to 1)" -H 'Spillway-Hops: many'
    bad bad-request "$(to 1)" -H 'Content-Encoding: gzip'; bad bad-request "$(to 1)" -H 'Spillway-From: a b'
    bad bad-request "$(to 1)" -H 'Spillway-Digest: 7-0000000000000001'
    bad digest "$(to 1)" -H "Spillway-Digest: $(stat -c %s "$T/a.gz")-0000000000000001"
    is_clean
    # What is not known is passed over: a later sender may say more. Nothing of the above has burnt the id.
    [ "$(post "$(to 1)&more=x" "$T/a.gz" -H 'Spillway-To: n1' -H 'Spillway-From: n0')" = 202 ]
    seq 1 10 | segment f T F
    [ "$(post "$(to 2 T F)" "$T/f.gz")" = 202 ]
}

@test "400: gzip that is no segment, foreign heads, no rows, damage at every place; then the same id is taken" {
    seq 1 100 | segment a; seq 1 10 | segment other U; seq 1 500000 | segment mid
    receiver --no-guard
    seq 1 100 | gzip >"$T/plain.gz"
    : | segment none 2>/dev/null || :
    damaged() { # FILE OFFSET: a copy with one byte changed
        python3 - "$1" "$2" "$T/damaged.gz" <<'PY'
import sys
data = bytearray(open(sys.argv[1], "rb").read())
data[int(sys.argv[2])] ^= 0x40
open(sys.argv[3], "wb").write(data)
PY
    }
    bad() {
        [ "$(post "$(to n0-1)" "$@")" = 400 ] && [ "$(answer .code)" = bad-segment ]
    }
    printf x >"$T/x"; : >"$T/empty"
    bad "$T/plain.gz"; bad "$T/x"; bad "$T/other.gz"
    bad "$T/plain.gz" -H 'Transfer-Encoding: chunked'
    cat "$T/a.gz" "$T/other.gz" >"$T/both.gz"; bad "$T/both.gz"
    cat "$T/a.gz" "$T/plain.gz" >"$T/both.gz"; bad "$T/both.gz"
    head -c 1000 /dev/zero >"$T/zeros"; cat "$T/a.gz" "$T/zeros" >"$T/both.gz"; bad "$T/both.gz"
    size=$(stat -c %s "$T/a.gz")
    for at in 0 3 12 20 40 100 $((size / 2)) $((size - 12)) $((size - 1)); do damaged "$T/a.gz" "$at"; bad "$T/damaged.gz"; done
    for cut in 1 45 $((size - 1)); do head -c "$cut" "$T/a.gz" >"$T/cut.gz"; bad "$T/cut.gz"; done
    # Only a head: no rows.
    python3 - "$T/a.gz" "$T/head.gz" <<'PY'
import struct, sys
data = open(sys.argv[1], "rb").read()
open(sys.argv[2], "wb").write(data[:struct.unpack_from("<I", data, 16)[0]])
PY
    bad "$T/head.gz"
    tail -c +"$(($(stat -c %s "$T/head.gz") + 1))" "$T/a.gz" >"$T/headless.gz"; bad "$T/headless.gz"
    # The middle of one that already has a file of its own.
    seq 1 3000000 | segment big
    damaged "$T/big.gz" $(($(stat -c %s "$T/big.gz") * 3 / 4)); bad "$T/damaged.gz"
    wait_until 5 is_clean
    [ "$(post "$(to n0-1)" "$T/a.gz")" = 202 ]
    land
    rows upload | cmp - <(seq 1 100)
}

@test "401, 403, health for everyone; token and TLS reload; plain HTTP at the TLS port" {
    cd "$T"
    seq 1 10 | segment a
    openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -subj /CN=ca -days 2 2>/dev/null
    for who in server other client; do
        openssl req -newkey rsa:2048 -nodes -keyout $who.key -out $who.csr -subj "/CN=$who" 2>/dev/null
        openssl x509 -req -in $who.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out $who.pem -days 2 \
            -extfile <(echo subjectAltName=IP:127.0.0.1) 2>/dev/null
    done
    cp server.pem cert.pem; cp server.key key.pem
    (umask 077; echo s3cret-token >token)
    receiver --no-guard --token-file token --tls-cert cert.pem --tls-key key.pem --tls-ca ca.pem
    run curl -s "http://127.0.0.1:$PORT/healthz"
    [ "$status" -ne 0 ]
    URL=https://127.0.0.1:$PORT
    try() { post "$(to "$1")" a.gz --cacert ca.pem "${@:2}"; }
    [ "$(try 1)" = 401 ]
    grep -qi 'www-authenticate: bearer' headers
    [ "$(try 1 -H 'Authorization: Bearer nope')" = 403 ]
    [ "$(try 1 -H 'Expect: 100-continue' -w '%{size_upload} %{http_code}')" = "0 401" ]
    [ "$(try 1 -H 'Authorization: Bearer s3cret-token')" = 202 ]
    [ "$(try 2 --cert client.pem --key client.key)" = 202 ]
    for path in healthz readyz; do [ "$(curl -s --cacert ca.pem -o /dev/null -w '%{http_code}' "$URL/$path")" = 200 ]; done
    for path in metrics peer/state; do [ "$(curl -s --cacert ca.pem -o /dev/null -w '%{http_code}' "$URL/$path")" = 401 ]; done
    [ "$(curl -s --cacert ca.pem --cert client.pem --key client.key "$URL/peer/state" | jq -r .name)" = n1 ]
    served() { openssl s_client -connect "127.0.0.1:$PORT" </dev/null 2>/dev/null | openssl x509 -noout -subject; }
    [[ $(served) == *server ]]
    cp other.pem cert.pem; cp other.key key.pem; echo another >token
    kill -HUP "$(pid_of rcv)"
    wait_until 10 eval '[[ $(served) == *other ]]'
    [ "$(try 3 -H 'Authorization: Bearer another') $(try 4 -H 'Authorization: Bearer s3cret-token')" = "202 403" ]
    run -1 grep -qE 's3cret|another' rcv.log
}

@test "404, 405, 413 before the body and in the middle of a chunked one; huge declared sizes" {
    seq 1 1000000 | segment big
    receiver --no-guard --max-transfer-bytes 100K
    seq 1 10 | segment small
    [ "$(post /nope "$T/small.gz")" = 404 ]
    [ "$(curl -s -o "$T/answer" -w '%{http_code}' "$URL$(to 1)")" = 405 ]
    [ "$(curl -s -o "$T/answer" -w '%{http_code}' -X DELETE "$URL/peer/state")" = 405 ]
    code=$(post "$(to 1)" "$T/big.gz" || :) # who sends without waiting for the word may lose the answer with the connection
    [ "$code" = 413 ] || [ "$code" = 000 ]
    grep -q 'transfer-refused .*status=413 code=too-large' "$T/rcv.log"
    [ "$(post "$(to 1)" "$T/big.gz" -H 'Expect: 100-continue' -w '%{size_upload} %{http_code}')" = "0 413" ]
    [[ $(odd expect "$PORT" "$(to 1)" 18446744073709551615) == *" 413 "* ]]
    [[ $(odd expect "$PORT" "$(to 1)" 99999999999999999999999) == *" 4"[01]* ]]
    read -r code sent < <(odd endless "$PORT" "$(to 1)" "$T/big.gz")
    [ "$code" = 413 ] || [ "$code" = cut ]
    [ "$sent" -lt 200000000 ]
    printf 'GET / HTTP/1.1\r\nHost: x\r\nX: %s\r\n\r\n' "$(head -c 100000 /dev/zero | tr '\0' y)" | odd raw "$PORT" >"$T/raw"
    run -1 grep -q ' 20[0-9] ' "$T/raw" # refused, or cut off
    [ "$(curl -s -o /dev/null -w '%{http_code}' "$URL/healthz")" = 200 ]
    wait_until 5 is_clean
}

@test "a body that stops leaves nothing; slow clients are cut off, others do not notice; limits on connections" {
    seq 1 3000000 | segment big; seq 1 10 | segment a
    receiver --no-guard --client-timeout 500ms --max-connections-per-address 8 --segment-age 1h
    for bytes in 0 10 30000 1500000; do odd stop "$PORT" "$(to n0-1)" "$T/big.gz" "$bytes"; done
    start slow1 python3 "$BATS_TEST_DIRNAME/transfer.py" slow-head "$PORT"
    start slow2 python3 "$BATS_TEST_DIRNAME/transfer.py" slow-body "$PORT" "$(to n0-2)"
    [ "$(post "$(to n0-3)" "$T/a.gz")" = 202 ]
    start slow3 python3 "$BATS_TEST_DIRNAME/transfer.py" trickle "$PORT" "$(to n0-4)" "$T/big.gz" # a good body, for an hour
    wait_for slow1 30; wait_for slow2 30; wait_for slow3 60
    grep -q . "$T/slow1.log"; grep -q . "$T/slow2.log"; grep -q . "$T/slow3.log"
    # Their ids are free again.
    wait_until 10 eval '[ "$(post "$(to n0-1)" "$T/big.gz")" = 202 ]'
    wait_until 10 eval '[ "$(post "$(to n0-2)" "$T/a.gz")" = 202 ]'
    wait_until 10 eval '[ "$(post "$(to n0-4)" "$T/a.gz")" = 202 ]'
    land
    [ "$(rows upload | wc -l)" -eq 3000030 ]
    [ "$(count upload)" -eq 2 ]
}

@test "503: an id under way, and draining; what was taken is in upload/ at the end" {
    seq 1 100 | segment a; seq 101 200 | segment b
    receiver --no-guard
    mkfifo "$T/go"
    start held bash -c 'exec curl -s -o /dev/null -w "%{http_code}" -X POST -H "Expect:" -H "Transfer-Encoding: chunked" -T - "$0" <"$1"' "$URL$(to n0-1)" "$T/go"
    exec 9>"$T/go"
    head -c 100 "$T/a.gz" >&9
    # Its body has memory: so its id is claimed.
    wait_until 10 eval 'ctl "$SPOOL/run/peerd.ctl" "{\"v\":1,\"op\":\"status\"}" | jq -e ".received.in_flight == 1 and .received.memory > 0"'
    [ "$(post "$(to n0-1)" "$T/a.gz")" = 503 ]
    [ "$(answer .code)" = busy ]
    grep -qi '^retry-after: 1' "$T/headers"
    kill -TERM "$(pid_of rcv)"
    # Until it knows that it is to leave it takes what comes; the body that is on its way has some seconds then.
    wait_until 10 eval '[ "$(curl -s -o "$T/ready" -w "%{http_code}" "$URL/readyz")" = 503 ]'
    [ "$(post "$(to n0-2)" "$T/b.gz")" = 503 ]
    tail -c +101 "$T/a.gz" >&9
    exec 9>&-
    wait_for held
    [ "$(answer .code) $(jq -r '.reasons[0].code' "$T/ready")" = "draining draining" ]
    [ "$(cat "$T/held.log")" = 202 ]
    wait_for rcv
    rows upload | cmp - <(seq 1 100)
}

@test "503: starting, until it is known what an earlier process received; nothing is taken twice meanwhile" {
    seq 1 100 | segment a; seq 101 200 | segment b
    receiver --no-guard
    [ "$(post "$(to n0-1)" "$T/a.gz")" = 202 ]
    stop rcv KILL || :
    faulty write 1 1 EIO "$SPOOL/state/received" # the ids of what is there cannot be written down at first
    receiver --no-guard
    no_fault
    for id in n0-1 n0-2; do
        [ "$(post "$(to $id)" "$T/a.gz" -H 'Expect: 100-continue' -w '%{size_upload} %{http_code}')" = "0 503" ]
        [ "$(answer .code)" = starting ]
        grep -qi '^retry-after: 1' "$T/headers"
    done
    [ "$(curl -s -o "$T/answer" -w '%{http_code}' "$URL/readyz") $(answer '.reasons[0].code')" = "503 starting" ]
    [ "$(curl -s -o /dev/null -w '%{http_code}' "$URL/healthz")" = 200 ]
    grep -q 'error cannot-recover.*state/received' "$T/rcv.log"
    wait_until 30 eval '[ "$(post "$(to n0-1)" "$T/a.gz")" = 200 ]'
    [ "$(post "$(to n0-2)" "$T/b.gz")" = 202 ]
    [ "$(curl -s -o /dev/null -w '%{http_code}' "$URL/readyz")" = 200 ]
    land
    rows upload | sort -n | cmp - <(seq 1 200)
}

@test "no diskguard: 429 with Retry-After, not ready; a full budget: before the body; the limit holds; room again: 202" {
    seq 1 3000000 | segment big; seq 1 100 | segment a
    receiver
    [ "$(post "$(to n0-1)" "$T/a.gz")" = 429 ]
    grep -qi '^retry-after: ' "$T/headers"
    run -1 grep -qi '^spillway-failover' "$T/headers"
    [ "$(curl -s -o "$T/answer" -w '%{http_code}' "$URL/readyz") $(answer '.reasons[0].code')" = "503 no-diskguard" ]
    start guard diskguard --spool "$SPOOL" --max-disk-usage 8M --scan-interval 50ms
    wait_until 20 eval '[ "$(post "$(to n0-1)" "$T/a.gz")" = 202 ]'
    wait_until 20 eval '[ "$(curl -s -o /dev/null -w "%{http_code}" "$URL/readyz")" = 200 ]'
    taken=0
    for i in {1..20}; do
        code=$(post "$(to "big-$i")" "$T/big.gz" -H 'Expect: 100-continue' -w '%{size_upload} %{http_code}')
        [[ $code = *202 ]] && taken=$((taken + 1))
        [[ $code = "0 429" ]] && break
    done
    [ "$code" = "0 429" ]
    [ "$taken" -ge 1 ]
    [ "$(du -sB1 "$SPOOL" | cut -f1)" -le $((8 << 20)) ]
    stop rcv
    rm "$SPOOL"/upload/D/*.gz
    receiver
    wait_until 30 eval '[ "$(post "$(to big-x)" "$T/big.gz")" = 202 ]'
}

@test "receive-memory: bodies beyond it are refused, and it all comes back" {
    seq 1 100 | segment a; seq 1 3000000 | segment big
    receiver --no-guard --receive-memory 4M
    for i in 1 2 3 4 5; do
        mkfifo "$T/go$i"
        start "held$i" bash -c 'exec curl -s -o /dev/null -X POST -H "Expect:" -H "Transfer-Encoding: chunked" -T - "$0" <"$1"' "$URL$(to "h-$i")" "$T/go$i"
        eval "exec {fd$i}>\"$T/go$i\""
    done
    for i in 1 2 3 4 5; do fd=fd$i; head -c 900000 "$T/big.gz" >&"${!fd}" || :; done # one that was refused does not read on
    wait_until 20 grep -q 'transfer-refused.*status=429.*receive-memory' "$T/rcv.log"
    for i in 1 2 3 4 5; do eval "exec {fd$i}>&-"; done
    for i in 1 2 3 4 5; do wait_for "held$i" || :; done
    wait_until 10 eval '[ "$(spillway --spool "$SPOOL" metrics | sed -n "s/^spillway_peerd_receive_memory_bytes //p")" = 0 ]'
    [ "$(post "$(to n0-1)" "$T/big.gz")" = 202 ]
}

@test "/metrics gathers all programs; /peer/state; status; an open door is told loudly" {
    seq 1 100 | segment a
    LISTEN=0.0.0.0:0 receiver --no-guard
    grep -q 'warn open-door' "$T/rcv.log"
    [ "$(post "$(to n0-1)" "$T/a.gz" -H 'Spillway-From: n0' -H 'X-Request-Id: req-77')" = 202 ]
    grep -q 'info received.*id=n0-1 from=n0.*request=req-77' "$T/rcv.log"
    curl -s "$URL/metrics" >"$T/metrics"
    grep -qx 'spillway_received_rows_total{db="D"} 100' "$T/metrics"
    grep -qx 'spillway_peerd_answers_total{code="202"} 1' "$T/metrics"
    grep -qx 'spillway_up{program="uploader"} 0' "$T/metrics"
    curl -s "$URL/peer/state" >"$T/answer"
    [ "$(answer '"\(.v) \(.name) \(.incarnation > 0) \(.databases | type)"')" = "1 n1 true object" ]
    ctl "$SPOOL/run/peerd.ctl" '{"v":1,"op":"status"}' >"$T/answer"
    [ "$(answer '"\(.received.databases.D.rows) \(.received.ids) \(.ready)"')" = "100 1 true" ]
}

@test "wrong usage: 100" {
    for flags in '--listen nowhere' '--listen 127.0.0.1:0 --tls-cert x' '--listen 127.0.0.1:0 --token-file none' \
        '--listen 127.0.0.1:0 --tls-cert none --tls-key none'; do
        # shellcheck disable=SC2086
        run -100 peerd --spool "$SPOOL" --name n1 --no-guard $flags
    done
}

@test "crash points: the same transfer again is stored once; one that was answered is not lost" {
    seq 1 100 | segment a; seq 1 3000000 | segment big; seq 101 200 | segment b
    # POINT FILE ROWS [FLAG...]: dies there; the transfer is sent again.
    dies() {
        local point=$1 file=$2 want=$3 code
        shift 3
        empty_spool
        SPILLWAY_CRASH_AT=$point receiver --no-guard --segment-age 100ms "$@"
        code=$(post "$(to n0-1)" "$T/$file.gz" || :)
        wait_until 20 has_ended rcv || { echo "not reached: $point" >&2; return 1; }
        wait_for rcv && return 1
        receiver --no-guard "$@"
        again=$(post "$(to n0-1)" "$T/$file.gz")
        [ "$again" = 202 ] || [ "$again" = 200 ]
        [ "$code" = 000 ] || [ "$again" = 200 ]
        [ "$(post "$(to n0-1)" "$T/$file.gz")" = 200 ]
        land
        [ "$(rows upload | wc -l)" -eq "$want" ] || { echo "$point: $(rows upload | wc -l) rows" >&2; return 1; }
        [ "$(count active)" -eq 0 ]
        [ "$(find "$SPOOL/active" -type f | wc -l)" -eq 0 ]
    }
    for sync in always interval never; do
        for point in create:after-open create:after-head append:after-write receive:after-append receive:before-answer land:after-ledger seal:after-sync seal:after-rename; do
            dies "$point" a 100 --sync "$sync"
        done
    done
    for point in receive:after-piece receive:after-piece#2 receive:after-append receive:before-answer land:after-ledger seal:after-rename; do
        dies "$point" big 3000000
    done
}

@test "crash points of recovery, of the ledger and of what is put aside" {
    seq 1 100 | segment a; seq 101 200 | segment b
    for point in land:after-recover land:after-ledger adopt-landing:after-truncate adopt-landing:after-rename; do
        empty_spool
        receiver --no-guard
        [ "$(post "$(to n0-1)" "$T/a.gz")" = 202 ]
        stop rcv KILL || :
        printf torn >>"$(find "$SPOOL/active" -name '*.land')"
        run env SPILLWAY_CRASH_AT="$point" peerd --spool "$SPOOL" --name n1 --listen 127.0.0.1:0 --no-guard
        [ "$status" -eq 137 ]
        receiver --no-guard
        [ "$(post "$(to n0-1)" "$T/a.gz")" = 200 ]
        land
        rows upload | cmp - <(seq 1 100)
    done
    # Another content under its id.
    for point in aside:after-why aside:after-rename; do
        SPILLWAY_CRASH_AT=$point receiver --no-guard
        [ "$(post "$(to n0-1)" "$T/b.gz" || :)" = 000 ]
        wait_for rcv || :
        receiver --no-guard
        [ "$(post "$(to n0-1)" "$T/b.gz")" = 409 ]
        land
        rows upload | cmp - <(seq 1 100)
        [ "$(rows quarantine | sort -n | uniq)" = "$(seq 101 200)" ]
    done
    # The ledger is cut in two generations while a thousand ids come in: none is forgotten at a death in between.
    for i in {1..600}; do ln "$T/a.gz" "$T/$i.gz"; done
    SPILLWAY_CRASH_AT=ledger:after-rotate receiver --no-guard --received-ids 1000 --segment-age 100ms
    start load python3 "$BATS_TEST_DIRNAME/transfer.py" load "$PORT" "$T" 600 8
    wait_until 30 has_ended rcv
    wait_for rcv || :
    LISTEN=127.0.0.1:$PORT receiver --no-guard --received-ids 1000 --segment-age 100ms
    wait_for load 60
    land
    [ "$(rows upload | wc -l)" -eq 60100 ]
    receiver --no-guard
    for i in 1 300 599; do [ "$(post "$(to "load-$i")" "$T/a.gz")" = 200 ]; done
}

@test "a torn tail without a marker is cut off; a file without any is removed; damage in the middle is salvaged" {
    seq 1 100 | segment a; seq 101 200 | segment b
    receiver --no-guard
    [ "$(post "$(to n0-1)" "$T/a.gz") $(post "$(to n0-2)" "$T/a.gz")" = "202 202" ]
    stop rcv KILL || :
    land=$(find "$SPOOL/active" -name '*.land')
    cat "$T/b.gz" >>"$land" # valid members, but no marker after them
    cp "$T/b.gz" "$SPOOL/active/D/T,-,0000000000000001.csv.gz.land"
    # Without --listen it is adopted, too, and the ids are remembered.
    peerd --spool "$SPOOL" --name n1 --no-guard --once
    rows upload | sort -n | cmp - <({ seq 1 100; seq 1 100; } | sort -n)
    [ -z "$(find "$SPOOL/active" -type f)" ]
    receiver --no-guard
    [ "$(post "$(to n0-1)" "$T/a.gz") $(post "$(to n0-3)" "$T/b.gz") $(post "$(to n0-4)" "$T/a.gz")" = "200 202 202" ]
    stop rcv KILL || :
    land=$(find "$SPOOL/active" -name '*.land')
    python3 - "$land" "$T/head" <<'PY'
import struct, sys
data = bytearray(open(sys.argv[1], "rb").read())
at = 0
for i in range(3): # our head, the head of b, its block
    at, before = at + struct.unpack_from("<I", data, at + 16)[0], at
data[at - 20] ^= 0xff
open(sys.argv[1], "wb").write(data)
PY
    receiver --no-guard
    [ "$(post "$(to n0-3)" "$T/b.gz")" = 200 ]
    wait_until 20 eval '[ "$(count quarantine)" -eq 1 ]'
    land
    [ "$({ rows upload; rows sealed; } | wc -l)" -eq 300 ]
}

@test "what has landed is seen by ls, cat, verify, status, export: up to the last marker, while peerd runs and when it is dead" {
    local land=$T/none
    seen() { # ROWS: they are seen, and nothing else
        spillway --spool "$SPOOL" cat D/T | sort -n | cmp - <(seq 1 "$1")
        [ "$(spillway --spool "$SPOOL" ls --rows --json | jq -s -r 'map("\(.queue) \(.table) \(.rows)") | join("\n")')" = "active T $1" ]
        [ "$(spillway --spool "$SPOOL" verify --deep --json | tail -n 1 | jq -r '"\(.segments) \(.rows) \(.damaged)"')" = "1 $1 0" ]
        [ "$(spillway --spool "$SPOOL" status --json | jq -r '.queues[] | "\(.queue) \(.db) \(.segments) \(.oldest_ms > 0)"')" = "active D 1 true" ]
        [ "$(spillway --spool "$SPOOL" cat "$land" | wc -l)" -eq "$1" ]
        rm -rf "$T/exported"; mkdir "$T/exported"
        spillway --spool "$SPOOL" export D/T --to "$T/exported" >/dev/null
        [ "$(find "$T/exported" -name '*.gz' -exec zcat {} + | wc -l)" -eq "$1" ]
    }
    seq 1 100 | segment a; seq 101 200 | segment b; seq 201 300 | segment c
    receiver --no-guard
    [ "$(post "$(to n0-1)" "$T/a.gz") $(post "$(to n0-2)" "$T/b.gz")" = "202 202" ]
    land=$(find "$SPOOL/active" -name '*.land')
    seen 200
    run -1 spillway --spool "$SPOOL" rm D/T --in active --yes
    seen 200
    stop rcv KILL || :
    seen 200
    cat "$T/c.gz" >>"$land" # valid, but no marker behind it
    seen 200
    head -c 50 "$T/c.gz" >>"$land"
    seen 200
    cp "$T/c.gz" "$T/outside.gz.land" # no marker at all: no rows
    run -0 spillway --spool "$SPOOL" cat "$T/outside.gz.land"
    [ -z "$output" ]
}

@test "a disk that does not confirm: 503, and 200 once the file was read again; stored once" {
    seq 1 100 | segment a; seq 101 200 | segment b
    mkdir -p "$SPOOL"
    # The first sync fails, and the one of the copy: what is there is in doubt until it was read again.
    faulty sync 1 2 EIO "$SPOOL/active"
    receiver --no-guard --sync always
    no_fault
    [ "$(post "$(to n0-1)" "$T/a.gz")" = 503 ]
    grep -q sync "$T/struck"
    wait_until 20 eval '[[ $(post "$(to n0-1)" "$T/a.gz") = 20[02] ]]'
    [ "$(post "$(to n0-1)" "$T/a.gz")" = 200 ]
    [ "$(post "$(to n0-2)" "$T/b.gz")" = 202 ]
    land
    rows upload | sort -n | cmp - <(seq 1 200)
    [ -z "$(find "$SPOOL/active" -type f)" ]
    # One that goes on failing: nothing is promised, the id is busy; with a disk that works it is there once.
    empty_spool
    faulty sync 1 1000000 EIO "$SPOOL/active"
    receiver --no-guard --sync always
    no_fault
    [ "$(post "$(to n0-1)" "$T/a.gz")" = 503 ]
    [ "$(post "$(to n0-1)" "$T/a.gz")" = 503 ]
    [ "$(answer .code)" = busy ]
    stop rcv KILL || :
    receiver --no-guard --sync always
    [[ $(post "$(to n0-1)" "$T/a.gz") = 20[02] ]]
    land
    rows upload | cmp - <(seq 1 100)
}

@test "a ledger that cannot be written: nothing is sealed before its ids are, nothing is forgotten" {
    seq 1 100 | segment a
    mkdir -p "$SPOOL"
    faulty write 1 1000000 EIO "$SPOOL/state/received"
    receiver --no-guard --segment-age 100ms
    no_fault
    [ "$(post "$(to n0-1)" "$T/a.gz")" = 202 ]
    wait_until 20 grep -q 'error not-sealed.*state/received' "$T/rcv.log"
    [ "$(count upload)" -eq 0 ]
    [ "$(post "$(to n0-1)" "$T/a.gz")" = 200 ]
    stop rcv KILL || :
    receiver --no-guard --segment-age 100ms
    [ "$(post "$(to n0-1)" "$T/a.gz")" = 200 ]
    land
    rows upload | cmp - <(seq 1 100)
    # In passing: tried again by itself.
    seq 101 200 | segment b
    faulty write 1 1 ENOSPC "$SPOOL/state/received"
    receiver --no-guard --segment-age 100ms
    no_fault
    [ "$(post "$(to n0-2)" "$T/b.gz")" = 202 ]
    wait_until 20 eval '[ "$(count upload)" -eq 2 ]'
    grep -q write "$T/struck"
    land
    rows upload | sort -n | cmp - <(seq 1 200)
}

@test "max-connections, of all and of an address: one more is not let in, and is when another leaves" {
    mkfifo "$T/go"
    for key in max-connections max-connections-per-address; do
        : >"$T/held.log"
        receiver --no-guard --$key 4
        start held bash -c 'exec python3 "$0" hold "$1" 4 <"$2"' "$BATS_TEST_DIRNAME/transfer.py" "$PORT" "$T/go"
        exec 9>"$T/go"
        wait_until 20 grep -q . "$T/held.log"
        [ "$(cat "$T/held.log")" = held ]
        for i in 1 2 3; do run ! curl -s -m 3 -o /dev/null "$URL/healthz"; done
        exec 9>&-
        wait_for held
        wait_until 20 eval '[ "$(curl -s -m 20 -o /dev/null -w "%{http_code}" "$URL/healthz")" = 200 ]'
        stop rcv
    done
    # Without a limit of its own for an address there is none.
    receiver --no-guard
    [ "$(echo | odd hold "$PORT" 12)" = held ]
}

@test "the longest table names: taken and sealed, refused with 400 where their files could have no name" {
    local longest
    longest=$(printf 'L%.0s' {1..208}) # with the longest hash and .json.gz 247 bytes
    seq 1 100 | segment a "$longest"
    receiver --no-guard
    [ "$(post "$(to n0-1 "$longest")" "$T/a.gz")" = 202 ]
    [ "$(post "$(to n0-2 "${longest}L")" "$T/a.gz")" = 400 ]
    [ "$(post "$(to n0-2 "$longest$longest")" "$T/a.gz")" = 400 ]
    stop rcv KILL || :
    receiver --no-guard
    [ "$(post "$(to n0-1 "$longest")" "$T/a.gz")" = 200 ]
    land
    rows upload | cmp - <(seq 1 100)
}

@test "kill -9 storms: every transfer is stored once, none is lost" {
    mkdir "$T/load"
    for i in {1..300}; do seq "$i" "$i" | segment "l$i" >/dev/null; mv "$T/l$i.gz" "$T/load/$i.gz"; rm -rf "$T/made.l$i"; done
    receiver --no-guard --segment-age 100ms --sync always
    start load python3 "$BATS_TEST_DIRNAME/transfer.py" load "$PORT" "$T/load" 300 8
    for round in {1..15}; do
        has_ended load && break
        want=$((RANDOM % 12 + 1))
        wait_until 20 eval '[ "$(grep -c "info received" "$T/rcv.log")" -ge '"$want"' ] || has_ended load'
        stop rcv KILL || :
        LISTEN=127.0.0.1:$PORT receiver --no-guard --segment-age 100ms --sync always
    done
    wait_for load 100
    cat "$T/load.log"
    land
    { rows upload; rows sealed; } | sort -n | cmp - <(seq 1 300)
    [ "$(count quarantine)" -eq 0 ]
}
