#!/usr/bin/env bats
# The receiver daemon: rows by HTTP. What was answered 200 is there exactly once, whatever dies; what was refused is not there.
# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # eval and bash -c; bats runs each test in a subshell, sets $output, $status

load lib
load http

# Everything that there is of the rows, wherever it is.
all_rows() { { rows active; rows sealed; } 2>/dev/null; }

@test "200 for CSV and JSON: counts, and the rows are there at once" {
    receive --no-guard
    [ "$(printf '1,a\n\n2,"b\nc"\n3,d' | post 'D/T?format=csv&schema=n:long,s:string')" = 200 ]
    [ "$(answer .rows) $(answer .bytes) $(answer .sync)" = "3 16 interval" ]
    [ "$(rows active)" = "$(printf '1,a\n2,"b\nc"\n3,d')" ]
    [[ $(segments active) == */D/T,*,????????????????.csv.gz && $(segments active) != *,-,* ]]
    [ "$(printf '{"a":1}\n{"b":"\\u00e9"}' | post 'My%20Db/My%20Table?format=json')" = 200 ]
    [ "$(answer .rows)" = 2 ]
    stop rcv
    [ "$(rows sealed 'My%20Db')" = "$(printf '{"a":1}\n{"b":"\\u00e9"}')" ]
    [ "$(count active)" -eq 0 ]
    segments sealed | xargs -d '\n' gzip -t
}

@test "400 names row, line and reason, and nothing of the request is kept" {
    receive --no-guard
    [ "$(printf '{"a":1}\n\n{"a":2}\n{"a":}\n' | post 'D/T?format=json')" = 400 ]
    [ "$(answer '"\(.row) \(.line) \(.code)"')" = "3 4 bad-row" ]
    [[ $(answer .reason) == *"byte 6"* ]]
    [ "$(printf 'a,1\nb,"x' | post 'D/T?format=csv')" = 400 ]
    [ "$(answer .row)" = 2 ]
    # A large one, whose first megabytes are good and already on disk.
    { seq 1 2000000; echo 'x,"open'; } >"$T/in"
    [ "$(post 'D/T?format=csv' <"$T/in")" = 400 ]
    [ "$(answer .row)" = 2000001 ]
    [ "$(head -c 3000000 /dev/zero | tr '\0' x | post 'D/T?format=csv')" = 400 ]
    [[ $(answer .error) == *max-row-bytes* ]]
    wait_until 5 eval '[ -z "$(find "$SPOOL" -name "*.gz*")" ]'
}

@test "partial=1: good rows are kept, bad ones quarantined with a .why and counted" {
    receive --no-guard --max-row-bytes 1K
    { echo '{"a":1}'; echo nonsense; head -c 5000 /dev/zero | tr '\0' y; echo; echo '{"a":2}'; printf '[1]'; } >"$T/in"
    [ "$(post 'D/T?format=json&partial=1' <"$T/in")" = 200 ]
    [ "$(answer '"\(.rows) \(.bad_rows) \(.first_bad.row) \(.first_bad.line)"')" = "2 3 2 2" ]
    [ "$(post 'D/T?format=json&partial=1' <"$T/in")" = 200 ]
    stop rcv
    [ "$(rows sealed | sort -u)" = "$(printf '{"a":1}\n{"a":2}')" ]
    [ "$(rows sealed | wc -l)" -eq 4 ]
    [ "$(rows quarantine | wc -l)" -eq 6 ]
    [ "$(jq -c '[.count, .rows[0:3][].line]' "$(segments quarantine).why")" = '[6,2,3,5]' ]
}

@test "partial=1 with a large body: the same, in files of its own" {
    receive --no-guard
    { seq 1 500000; head -c 1500000 /dev/zero | tr '\0' y; echo; seq 1 500000; printf 'a,"open'; } >"$T/in"
    [ "$(post 'D/T?format=csv&partial=1' <"$T/in")" = 200 ]
    [ "$(answer '"\(.rows) \(.bad_rows) \(.first_bad.row)"')" = "1000000 2 500001" ]
    rows sealed | cmp - <(seq 1 500000; seq 1 500000)
    [ "$(rows quarantine | head -n 1 | wc -c)" -eq 1500001 ]
    [ "$(rows quarantine | tail -n 1)" = 'a,"open' ]
    [ "$(jq -c '[.rows[].line]' "$(segments quarantine).why")" = '[500001,1000002]' ]
}

@test "chunked, gzip in several members, both together, a body of gzip that is none" {
    receive --no-guard
    seq 1 1000000 >"$T/in"
    [ "$(post 'D/A?format=csv' -H 'Transfer-Encoding: chunked' <"$T/in")" = 200 ]
    [ "$(answer .rows)" = 1000000 ]
    { head -n 400000 "$T/in" | gzip; tail -n +400001 "$T/in" | gzip; } >"$T/in.gz"
    [ "$(post 'D/B?format=csv' -H 'Content-Encoding: gzip' <"$T/in.gz")" = 200 ]
    [ "$(answer .rows)" = 1000000 ]
    [ "$(post 'D/C?format=csv' -H 'Content-Encoding: gzip' -H 'Transfer-Encoding: chunked' <"$T/in.gz")" = 200 ]
    for table in A B C; do segments sealed | grep "/$table," | xargs zcat | cmp - "$T/in"; done
    [ "$(printf 'a\nb' | gzip | post 'D/S?format=csv' -H 'Content-Encoding: gzip')" = 200 ]
    [ "$(answer .rows)" = 2 ]
    [ "$(head -c 1000 "$T/in.gz" | post 'D/X?format=csv' -H 'Content-Encoding: gzip')" = 400 ]
    [ "$(answer .code)" = bad-gzip ]
    [ "$(post 'D/X?format=csv' -H 'Content-Encoding: gzip' <"$T/in")" = 400 ]
    [ "$({ gzip <<<x; echo garbage; } | post 'D/X?format=csv' -H 'Content-Encoding: gzip')" = 400 ]
    [ "$(find "$SPOOL" -name 'X,*' | wc -l)" -eq 0 ]
}

@test "404, 405, 415, and 400 for names, parameters and schemas" {
    receive --no-guard
    check() { # STATUS PATH-AND-QUERY [CURL-FLAG...]
        local want=$1 path=$2
        shift 2
        [ "$(curl -s -o "$T/answer" -w '%{http_code}' "$@" "$URL$path")" = "$want" ]
        [ -n "$(answer .error)" ] && [ -n "$(answer .code)" ]
    }
    check 404 / ; check 404 /ingest ; check 404 /nope -d x
    check 405 '/ingest/D/T?format=csv' ; check 405 '/ingest/D/T?format=csv' -X PUT -d x
    check 415 '/ingest/D/T?format=csv' -d x -H 'Content-Encoding: br'
    check 400 '/ingest/D?format=csv' -d x ; check 400 '/ingest/D/T/x?format=csv' -d x
    check 400 /ingest/D/T -d x ; check 400 '/ingest/D/T?format=xml' -d x
    check 400 '/ingest/D/T?format=csv&schma=a:long' -d x ; check 400 '/ingest/D/T?format=csv&format=json' -d x
    check 400 '/ingest/D/T?format=csv&schema=a:lnog' -d x ; check 400 '/ingest/D/T?format=csv&partial=2' -d x
    check 400 '/ingest/a%2Fb/T?format=csv' -d x ; check 400 '/ingest/D/T%00?format=csv' -d x ; check 400 '/ingest/D/%zz?format=csv' -d x
    check 400 "/ingest/D/$(printf 't%.0s' {1..240})?format=csv" -d x
    [ -z "$(find "$SPOOL" -name '*.gz*')" ]
}

@test "413: over max-body-bytes, before it is read where the length is known, inflated, chunked" {
    receive --no-guard --max-body-bytes 1M
    seq 1 1000000 >"$T/in"
    [ "$(post 'D/T?format=csv' <"$T/in")" = 413 ]
    [ "$(answer .code)" = too-large ]
    # Before the body: curl waited for "100 Continue" and got the refusal.
    [ "$(post 'D/T?format=csv' -H 'Expect: 100-continue' -w '%{size_upload} %{http_code}' <"$T/in")" = "0 413" ]
    [ "$(gzip <"$T/in" | head -c 900000 | post 'D/T?format=csv' -H 'Content-Encoding: gzip')" = 413 ]
    [ "$(post 'D/T?format=csv' -H 'Transfer-Encoding: chunked' <"$T/in")" = 413 ]
    wait_until 5 eval '[ -z "$(find "$SPOOL" -name "*.gz*")" ]'
}

@test "token: 401 without, 403 with another, 200 with it, health for everyone, reload" {
    (umask 077; echo s3cret-token >"$T/token")
    receive --no-guard --token-file "$T/token"
    [ "$(echo 1 | post 'D/T?format=csv')" = 401 ]
    grep -qi 'www-authenticate: bearer' "$T/headers"
    [ "$(echo 1 | post 'D/T?format=csv' -H 'Authorization: Bearer s3cret-tokem')" = 403 ]
    [ "$(echo 1 | post 'D/T?format=csv' -H 'Authorization: Bearer s3cret-token')" = 200 ]
    [ "$(curl -s -o /dev/null -w '%{http_code}' "$URL/metrics")" = 401 ]
    [ "$(curl -s -o /dev/null -w '%{http_code}' "$URL/readyz")" = 200 ]
    echo another >"$T/token"
    kill -HUP "$(pid_of rcv)"
    wait_until 5 eval '[ "$(echo 1 | post "D/T?format=csv" -H "Authorization: Bearer another")" = 200 ]'
    run -1 grep -qE 's3cret|another' "$T/rcv.log"
}

@test "--db restricts; an address that is not ours alone without a token is told loudly" {
    start rcv walwriter --spool "$SPOOL" --http 0.0.0.0:0 --no-guard --log-timestamps no --db 'A, B'
    wait_until 10 grep -q 'info started' "$T/rcv.log"
    grep -q 'warn open-door' "$T/rcv.log"
    URL=http://127.0.0.1:$(sed -n 's/.*listening.* http=0.0.0.0:\([0-9]*\) .*/\1/p' "$T/rcv.log")
    [ "$(echo 1 | post 'A/T?format=csv') $(echo 1 | post 'B/T?format=csv') $(echo 1 | post 'C/T?format=csv')" = "200 200 403" ]
}

@test "TLS: a client certificate does instead of the token" {
    cd "$T"
    openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -subj /CN=ca -days 2 2>/dev/null
    for who in server client; do
        openssl req -newkey rsa:2048 -nodes -keyout $who.key -out $who.csr -subj /CN=127.0.0.1 2>/dev/null
        openssl x509 -req -in $who.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out $who.pem -days 2 \
            -extfile <(echo subjectAltName=IP:127.0.0.1) 2>/dev/null
    done
    receive --no-guard --tls-cert server.pem --tls-key server.key --tls-ca ca.pem
    URL=https${URL#http}
    [ "$(echo 1 | post 'D/T?format=csv' --cacert ca.pem)" = 401 ]
    [ "$(echo 1 | post 'D/T?format=csv' --cacert ca.pem --cert client.pem --key client.key)" = 200 ]
    seq 1 500000 >in
    [ "$(post 'D/U?format=csv' --cacert ca.pem --cert client.pem --key client.key <in)" = 200 ]
    rows sealed | cmp - in
}

@test "TLS: 1.2 and 1.3, nothing older; plain HTTP at its port is no request; reload exchanges certificate, key and CA" {
    cd "$T"
    make_ca() { # NAME: an authority, and a certificate of its for a server and for a client
        openssl req -x509 -newkey rsa:2048 -nodes -keyout "$1-ca.key" -out "$1-ca.pem" -subj "/CN=$1-ca" -days 2 2>/dev/null
        for who in server client; do
            openssl req -newkey rsa:2048 -nodes -keyout "$1-$who.key" -out x.csr -subj "/CN=$1-$who" 2>/dev/null
            openssl x509 -req -in x.csr -CA "$1-ca.pem" -CAkey "$1-ca.key" -CAcreateserial -out "$1-$who.pem" -days 2 \
                -extfile <(echo subjectAltName=IP:127.0.0.1) 2>/dev/null
        done
    }
    use() { cp "$1-server.pem" cert.pem; cp "$1-server.key" key.pem; cp "$1-ca.pem" ca.pem; }
    try() { # CA CLIENT: the status
        echo 1 | post 'D/T?format=csv' --cacert "$1-ca.pem" --cert "$2-client.pem" --key "$2-client.key"
    }
    make_ca old; make_ca new; use old
    receive --no-guard --tls-cert cert.pem --tls-key key.pem --tls-ca ca.pem
    local port=${URL##*:}
    URL=https${URL#http}
    [ "$(try old old)" = 200 ]
    [ "$(try old new)" = 401 ]
    [ "$(try new old)" = 000 ]
    run curl -s "http://127.0.0.1:$port/healthz"
    [ "$status" -ne 0 ]
    hello() { openssl s_client -connect "127.0.0.1:$port" "$@" </dev/null 2>&1; }
    hello -tls1_2 | grep -q 'Protocol *: TLSv1.2'
    hello -tls1_3 | grep -q 'New, TLSv1.3'
    run -1 grep -q 'Cipher is [^(]' <(hello -tls1_1 -cipher 'ALL:@SECLEVEL=0')
    # A connection that was there before goes on, but its certificate is no longer good.
    mkfifo go
    cat >kept.py <<'PY'
import http.client, ssl, sys
context = ssl.create_default_context(cafile="old-ca.pem")
context.load_cert_chain("old-client.pem", "old-client.key")
connection = http.client.HTTPSConnection("127.0.0.1", int(sys.argv[1]), context=context)
def ask():
    connection.request("GET", "/metrics")
    answer = connection.getresponse()
    answer.read()
    print("status", answer.status, flush=True)
ask()
open(sys.argv[2]).read()
ask()
PY
    start kept python3 kept.py "$port" go
    wait_until 10 grep -q 'status 200' kept.log
    use new
    kill -HUP "$(pid_of rcv)"
    wait_until 10 eval '[ "$(try new new)" = 200 ]'
    [ "$(try old old)" = 000 ]
    echo >go
    wait_until 10 grep -q 'status 401' kept.log
    # What cannot be read changes nothing.
    cp old-server.key key.pem
    kill -HUP "$(pid_of rcv)"
    wait_until 10 grep -q 'error not-reloaded.*tls-key' rcv.log
    [ "$(try new new)" = 200 ]
    for _ in {1..20}; do kill -HUP "$(pid_of rcv)"; use old; kill -HUP "$(pid_of rcv)"; use new; done
    wait_until 10 eval 'kill -HUP "$(pid_of rcv)"; [ "$(try new new)" = 200 ]'
    stop rcv
}

@test "over a Unix socket; a dead one in the way is replaced, a living one is not" {
    start rcv walwriter --spool "$SPOOL" --http "unix:$T/in.sock" --no-guard --log-timestamps no
    wait_until 10 grep -q 'info started' "$T/rcv.log"
    URL=http://x
    [ "$(seq 1 10 | post 'D/T?format=csv' --unix-socket "$T/in.sock")" = 200 ]
    mkdir "$T/other"
    run walwriter --spool "$T/other" --http "unix:$T/in.sock" --no-guard
    [ "$status" -eq 111 ]
    stop rcv KILL || :
    [ -S "$T/in.sock" ]
    start rcv walwriter --spool "$SPOOL" --http "unix:$T/in.sock" --no-guard --log-timestamps no
    wait_until 10 eval '[ "$(seq 1 10 | post "D/T?format=csv" --unix-socket "$T/in.sock")" = 200 ]'
    stop rcv
    [ ! -e "$T/in.sock" ]
    [ "$(rows sealed | wc -l)" -eq 20 ]
}

@test "wrong usage: 100 and one line" {
    for flags in '--http nowhere' '--http unix:' '--http 127.0.0.1:0 --table T' '--http 127.0.0.1:0 --tls-cert x' '--http 127.0.0.1:0 --token-file none'; do
        # shellcheck disable=SC2086 # words of flags
        run --separate-stderr timeout 10 walwriter --spool "$SPOOL" --no-guard --log-timestamps no $flags
        [ "$status" -eq 100 ]
        [ "$(grep -c . <<<"$stderr")" -le 2 ]
    done
}

# --- slow and idle ------------------------------------------------------------------------------------

@test "slow senders are cut off, in the head and in the body; others do not notice" {
    receive --no-guard --client-timeout 700ms
    python3 - "${URL#http://}" <<'END'
import socket, sys, time
host, port = sys.argv[1].split(":")
def drip(text, rest):
    s = socket.create_connection((host, int(port)))
    s.sendall(text)
    start = time.monotonic()
    try:
        while time.monotonic() - start < 8:
            s.sendall(rest)
            s.settimeout(0.1)
            try:
                if s.recv(1000) == b"":
                    return time.monotonic() - start
            except TimeoutError:
                pass
    except OSError:
        return time.monotonic() - start
    sys.exit("not cut off")
assert drip(b"POST /ingest/D/T?format=csv HTTP/1.1\r\n", b"X-A: b\r\n") < 5
assert drip(b"POST /ingest/D/T?format=csv HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n", b"1\n") < 5
END
    [ "$(echo 1 | post 'D/T?format=csv')" = 200 ]
    wait_until 5 grep -q clients-cut "$T/rcv.log"
    wait_until 5 eval '[ "$(rows active; rows sealed)" = 1 ]'
}

@test "requests sent all at once over one connection are answered in turn; who leaves while its rows are written holds up nobody" {
    receive --no-guard --sync always
    python3 - "${URL#http://}" <<'END'
import re, socket, struct, sys
host, port = sys.argv[1].split(":")
def connect(): return socket.create_connection((host, int(port)), 20)
def post(table, body): return b"POST /ingest/D/%s?format=csv HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (table, len(body), body)
s, got = connect(), b""
s.sendall(b"".join(post(b"P", b"row\n" * n) for n in range(1, 51)))
while got.count(b'"sync"') < 50:
    more = s.recv(65536)
    assert more, got
    got += more
assert [int(n) for n in re.findall(rb'"rows":(\d+)', got)] == list(range(1, 51)), got
for i in range(400): # one half is reset, one ends as usual
    s = connect()
    if i % 2: s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.sendall(post(b"Gone%d" % (i % 5), b"gone-%d\n" % i * 20))
    s.close()
END
    [ "$(echo 1 | post 'D/T?format=csv')" = 200 ]
    wait_until 20 eval '[ "$(curl -s "$URL/metrics" | sed -n "s/^spillway_walwriter_requests_in_flight //p")" = 0 ]'
    wait_until 20 eval '[ "$(curl -s "$URL/metrics" | sed -n "s/^spillway_walwriter_connections //p")" = 1 ]'
    stop rcv
    [ "$(rows sealed | grep -c row)" -eq 1275 ]
    [ "$(rows sealed | grep gone | sort | uniq -c | awk '$1 != 20' | wc -l)" -eq 0 ]
}

@test "2000 idle connections: little memory, no processor time, and service goes on" {
    receive --no-guard
    ! grep -q __asan_init "$(command -v walwriter)" || skip "a sanitizer's memory is not what is measured"
    python3 - "${URL#http://}" "$(pid_of rcv)" <<'END'
import resource, socket, sys
host, port = sys.argv[1].split(":")
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
def rss():
    return [int(l.split()[1]) for l in open(f"/proc/{sys.argv[2]}/status") if l.startswith("VmRSS")][0]
def ticks():
    f = open(f"/proc/{sys.argv[2]}/stat").read().rsplit(") ", 1)[1].split()
    return int(f[11]) + int(f[12])
before = rss()
idle = []
for i in range(2000):
    s = socket.create_connection((host, int(port)))
    s.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    assert s.recv(1000).startswith(b"HTTP/1.1 200")
    idle.append(s)
used = rss() - before
assert used < 60000, used
import select
start = ticks()
select.select([], [], [], 2) # idle time is what is measured
assert ticks() - start <= 10, ticks() - start
for s in idle[::100]:
    s.sendall(b"POST /ingest/D/T?format=csv HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n1\n")
    assert s.recv(1000).startswith(b"HTTP/1.1 200")
END
    [ "$(echo 1 | post 'D/T?format=csv')" = 200 ]
}

# --- room ---------------------------------------------------------------------------------------------

@test "no diskguard: 429 with Retry-After and a reason, /readyz says so; it comes: 200" {
    receive
    [ "$(echo 1 | post 'D/T?format=csv')" = 429 ]
    grep -qi '^retry-after: [0-9]' "$T/headers"
    [ "$(answer .code)" = full ]
    wait_until 5 eval '[ "$(curl -s -o "$T/ready" -w "%{http_code}" "$URL/readyz")" = 503 ]'
    grep -q diskguard "$T/ready"
    # A large body is not even read.
    seq 1 1000000 >"$T/in"
    [ "$(post 'D/T?format=csv' -H 'Expect: 100-continue' -w '%{size_upload} %{http_code}' <"$T/in")" = "0 429" ]
    [ "$(post 'E/T?format=csv' -H 'Expect: 100-continue' -w '%{size_upload} %{http_code}' <"$T/in")" = "0 429" ]
    start guard diskguard --spool "$SPOOL" --max-disk-usage 1G
    wait_until 20 eval '[ "$(echo 1 | post "D/T?format=csv")" = 200 ]'
    wait_until 5 eval '[ "$(curl -s -o /dev/null -w "%{http_code}" "$URL/readyz")" = 200 ]'
    [ "$(post 'D/T?format=csv' <"$T/in")" = 200 ]
}

@test "a full budget: 429, nothing of it kept, the limit holds; room again: 200" {
    start guard diskguard --spool "$SPOOL" --max-disk-usage 3M --min-free 0
    wait_until 5 test -S "$SPOOL/run/diskguard.ctl"
    receive
    head -c 600000 /dev/urandom | base64 >"$T/in"
    good=0
    for _ in $(seq 20); do
        [ "$(post 'D/T?format=csv' <"$T/in")" = 200 ] && good=$((good + 1))
        [ "$(du -s -B1 "$SPOOL" | cut -f1)" -le 3145728 ]
    done
    [ "$good" -ge 1 ]
    [ "$good" -lt 20 ]
    wait_until 5 eval '[ "$(post "D/T?format=csv" <"$T/in")" = 429 ]'
    wait_until 5 eval '[ "$(curl -s -o "$T/ready" -w "%{http_code}" "$URL/readyz")" = 503 ]'
    # What was taken was sealed, so that it can leave.
    wait_until 5 eval '[ "$(rows sealed | wc -l)" -eq $((good * $(wc -l <"$T/in"))) ]'
    segments sealed | xargs -d '\n' rm
    wait_until 10 eval '[ "$(post "D/T?format=csv" <"$T/in")" = 200 ]'
    wait_until 5 eval '[ "$(curl -s -o "$T/ready" -w "%{http_code}" "$URL/readyz")" = 200 ]'
}

@test "receive-memory: bodies beyond it are refused, and it all comes back" {
    receive --no-guard --receive-memory 4M
    python3 - "${URL#http://}" <<'END'
import socket, sys
host, port = sys.argv[1].split(":")
held, refused = [], 0
for i in range(12):
    s = socket.create_connection((host, int(port)))
    s.sendall(b"POST /ingest/D/T?format=csv HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\nExpect: 100-continue\r\n\r\n")
    got = s.recv(1000)
    if got.startswith(b"HTTP/1.1 100"):
        held.append(s)
    else:
        assert got.startswith(b"HTTP/1.1 429"), got
        refused += 1
assert len(held) == 4 and refused == 8, (len(held), refused)
END
    wait_until 5 eval 'curl -s "$URL/metrics" | grep -q "^spillway_walwriter_receive_memory_bytes 0"'
    wait_until 5 eval 'curl -s "$URL/metrics" | grep -q "^spillway_walwriter_requests_in_flight 0"'
}

# --- many tables --------------------------------------------------------------------------------------

# Rows "<table>,<n>" to N tables, K requests each, over one connection; fails unless each was answered 200.
many() { # TABLES REQUESTS
    python3 - "${URL#http://}" "$1" "$2" <<'END'
import http.client, sys
c = http.client.HTTPConnection(sys.argv[1])
tables, requests = int(sys.argv[2]), int(sys.argv[3])
for n in range(requests):
    for t in range(tables):
        c.request("POST", f"/ingest/D/T{t}?format=csv", f"{t},{n}\n")
        r = c.getresponse()
        r.read()
        assert r.status == 200, r.status
END
}
expected() { for ((n = 0; n < $2; n++)); do for ((t = 0; t < $1; t++)); do echo "$t,$n"; done; done | sort; }

@test "many tables, few open files: parked, opened again, all rows there; three hundred sealed at once" {
    for mode in never interval always; do
        empty_spool; : >"$T/rcv.log"
        receive --no-guard --max-open-files 20 --segment-age 1h --sync $mode
        many 300 4
        [ "$(find "/proc/$(pid_of rcv)/fd" -lname '*/active/*' | wc -l)" -le 20 ]
        curl -s "$URL/metrics" >"$T/metrics"
        [ "$(sed -n 's/^spillway_walwriter_files_reopened_total //p' "$T/metrics")" -ge 500 ]
        [ "$(count active)" -eq 300 ]
        stop rcv
        [ "$(count active) $(count sealed)" = "0 300" ]
        rows sealed | sort | cmp - <(expected 300 4)
    done
}

@test "parked files: kill -9, restart: all rows there; others leave them alone while the daemon lives" {
    receive --no-guard --max-open-files 20 --segment-age 1h
    many 200 2
    # stdin walwriters adopt; the parked ones are not theirs
    walwriter --spool "$SPOOL" --db D --table Other --no-guard </dev/null
    [ "$(count active)" -eq 200 ]
    stop rcv KILL || :
    again --no-guard --max-open-files 20 --segment-age 1h
    [ "$(count active) $(count sealed)" = "0 200" ]
    many 200 1
    stop rcv KILL || :
    # Without a daemon anyone adopts.
    walwriter --spool "$SPOOL" --db D --table Other --no-guard </dev/null
    [ "$(count active) $(count sealed)" = "0 400" ]
    rows sealed | sort | cmp - <({ expected 200 2; expected 200 1; } | sort)
}

@test "a parked file that somebody adopted by mistake: nothing is lost" {
    receive --no-guard --max-open-files 16 --segment-age 1h
    many 50 1
    # As an adopter that does not know of the daemon would: seal what is not locked.
    for f in "$SPOOL"/active/D/*.gz; do
        mkdir -p "$SPOOL/sealed/D"
        flock -n "$f" mv "$f" "$SPOOL/sealed/D/" || :
    done
    [ "$(count sealed)" -ge 30 ]
    many 50 1
    stop rcv
    rows sealed | sort | cmp - <({ expected 50 1; expected 50 1; } | sort)
}

@test "max-tables: one more is refused, until some are sealed" {
    receive --no-guard --max-tables 10 --segment-age 1s
    many 10 1
    [ "$(echo x | post 'D/One?format=csv')" = 429 ]
    [[ $(answer .error) == *max-tables* ]]
    wait_until 10 eval '[ "$(echo x | post "D/One?format=csv")" = 200 ]'
}

@test "segments are sealed by age and size; {op:seal} seals all; events tell" {
    receive --no-guard --segment-age 300ms
    echo 1 | post 'D/T?format=csv'
    wait_until 5 eval '[ "$(rows sealed)" = 1 ]'
    stop rcv
    again --no-guard --segment-age 1h --segment-bytes 64K
    head -c 600000 /dev/urandom | base64 >"$T/in"
    for _ in 1 2 3; do split -C 20000 --filter="curl -sf --data-binary @- '$URL/ingest/D/S?format=csv' >/dev/null" "$T/in"; done
    [ "$(count sealed)" -ge 10 ]
    start events spillway --spool "$SPOOL" events
    sealed=$(count sealed)
    wait_until 10 seal_is_told
    [ "$(count sealed)" -gt "$sealed" ]
    [ "$(rows sealed | grep -vc '^x$')" -eq $((3 * $(wc -l <"$T/in") + 1)) ]
    [ "$(ctl "$SPOOL/run/walwriter.ctl" '{"v":1,"op":"status"}' | jq -r .ready)" = true ]
}
# A subscriber may come late: one more segment until it has heard of one.
seal_is_told() {
    ctl "$SPOOL/run/walwriter.ctl" '{"v":1,"op":"seal"}' >/dev/null
    grep -q segment-sealed "$T/events.log" && return
    echo x | post 'D/E?format=csv' >/dev/null
    false
}

# --- what dies ----------------------------------------------------------------------------------------

# A client that sends numbered rows, each once, and writes down which were answered 200: $T/acked, and which were not
# refused either (no answer): $T/unknown. It goes on until the server is gone or its time is up.
storm() { # NAME SECONDS SEED
    start "$1" python3 -c '
import http.client, random, sys, time
host, seconds, seed, acked, unknown = sys.argv[1], float(sys.argv[2]), int(sys.argv[3]), open(sys.argv[4], "a"), open(sys.argv[5], "a")
rng = random.Random(seed)
c = http.client.HTTPConnection(host, timeout=10)
end, n = time.monotonic() + seconds, 0
while time.monotonic() < end:
    count = rng.choice([1, 3, 50, 2000, 90000 if rng.random() < 0.1 else 10])
    rows = "".join(f"{seed}-{n + i},{rng.random()}\n" for i in range(count))
    n += count
    ids = [l.split(",")[0] for l in rows.split()]
    try:
        c.request("POST", f"/ingest/D/T{rng.randrange(40)}?format=csv", rows)
        r = c.getresponse(); r.read()
    except Exception:
        unknown.write("".join(i + "\n" for i in ids)); break
    if r.status == 200:
        acked.write("".join(i + "\n" for i in ids)); acked.flush()
' "${URL#http://}" "$2" "$3" "$T/acked.$1" "$T/unknown.$1"
}

# Each acknowledged row exactly once, unknown ones at most once and, of each request, all or none; nothing else.
judge() {
    cat "$T"/acked.* | sort >"$T/acked"
    cat "$T"/unknown.* 2>/dev/null | sort >"$T/unknown"
    all_rows | cut -d, -f1 | sort >"$T/found"
    uniq -d "$T/found" | cmp - /dev/null
    comm -23 "$T/acked" "$T/found" | cmp - /dev/null
    comm -13 <(sort -m "$T/acked" "$T/unknown") "$T/found" | cmp - /dev/null
    for f in "$T"/unknown.*; do
        [ -s "$f" ] || continue
        kept=$(comm -12 <(sort "$f") "$T/found" | wc -l)
        [ "$kept" -eq 0 ] || [ "$kept" -eq "$(wc -l <"$f")" ]
    done
}

@test "kill -9 storms: what was acknowledged is there exactly once, the rest all or nothing" {
    seed=${SEED:-$RANDOM}
    echo "SEED=$seed"
    for round in 1 2 3 4 5; do
        again --no-guard --max-open-files 16 --segment-age 300ms --segment-bytes 256K --sync "$(shuf -n 1 -e never interval always --random-source=<(yes $((seed + round))))"
        for i in 1 2 3; do storm "c$round.$i" 5 "$seed$round$i"; done
        wait_until 10 eval '[ "$(cat "$T"/acked.c'$round'.* 2>/dev/null | wc -l)" -gt '$((500 + (seed + round * 977) % 20000))' ]'
        stop rcv KILL || :
        for i in 1 2 3; do wait_for "c$round.$i"; done
    done
    again --no-guard
    [ -z "$(find "$SPOOL/active" "$SPOOL/quarantine" -type f)" ]
    judge
    segments sealed | xargs -d '\n' gzip -t
}

@test "crash points of the receiver: rows of a request are all there or none, acknowledged ones all" {
    seq 1 50 >"$T/small"
    seq 1 1000000 >"$T/large"
    for point in create:after-open create:after-head append:after-write commit:after-append commit:before-answer seal:after-sync seal:after-rename; do
        for body in small large; do
            empty_spool; : >"$T/rcv.log"
            SPILLWAY_CRASH_AT=$point receive --no-guard --sync always --segment-age 500ms
            code=$(post 'D/T?format=csv' <"$T/$body") || :
            wait_until 10 has_ended rcv || [ "$point $body" = "commit:after-append large" ]
            stop rcv || :
            again --no-guard --sync always
            [ -z "$(find "$SPOOL/active" -type f)" ]
            rows sealed >"$T/out"
            if [ -s "$T/out" ]; then cmp "$T/out" "$T/$body"; else [ "$code" != 200 ]; fi
            case "$point $body" in
            create:*) [ ! -s "$T/out" ] ;;
            # the request's own files: rubbish until they are sealed
            "append:after-write large" | "seal:after-sync large") [ ! -s "$T/out" ] ;;
            "commit:before-answer large") [ ! -s "$T/out" ] ;; # that was the answer to the question for room
            *) [ -s "$T/out" ] ;;
            esac
            stop rcv
        done
    done
}

@test "crash points of refused rows of the receiver: never rows, once in quarantine" {
    printf '{"a":1}\nnonsense\n' >"$T/in"
    for point in append:after-write#1 append:after-write#2 refuse:after-why refuse:after-rename; do
        empty_spool; : >"$T/rcv.log"
        SPILLWAY_CRASH_AT=$point receive --no-guard --segment-age 300ms
        post 'D/T?format=json&partial=1' <"$T/in" || :
        wait_until 10 has_ended rcv
        stop rcv || :
        again --no-guard
        [ -z "$(find "$SPOOL/active" -type f)" ]
        [[ $(rows sealed) != *nonsense* ]]
        [ "$(rows quarantine)" = nonsense ]
        stop rcv
    done
}

# --- leaving ------------------------------------------------------------------------------------------

@test "SIGTERM: requests under way are answered, new ones get 503, all is sealed, exit 0" {
    receive --no-guard --segment-age 1h
    seq 1 1000 | post 'D/T?format=csv'
    python3 - "${URL#http://}" "$(pid_of rcv)" <<'END'
import os, signal, socket, sys, time
host, port = sys.argv[1].split(":")
def connect(): return socket.create_connection((host, int(port)))
body = b"under-way\n" * 20000
s = connect()
s.sendall(b"POST /ingest/D/U?format=csv HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(body))
assert s.recv(1000).startswith(b"HTTP/1.1 100") # now it is under way
s.sendall(body[:1000])
os.kill(int(sys.argv[2]), signal.SIGTERM)
deadline = time.monotonic() + 5
while True: # an answer given while it drains ends its connection
    idle = connect()
    idle.sendall(b"POST /ingest/D/T?format=csv HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n1\n")
    got = idle.recv(1000)
    if got.startswith(b"HTTP/1.1 503"): break
    assert got.startswith(b"HTTP/1.1 200") and time.monotonic() < deadline, got
assert b"draining" in got
s.sendall(body[1000:])
got = s.recv(1000)
assert got.startswith(b"HTTP/1.1 200") and b'"rows":20000' in got, got
END
    code=0; wait_for rcv || code=$?
    [ "$code" -eq 0 ]
    [ "$(count active)" -eq 0 ]
    [ "$(rows sealed | grep -c under-way)" -eq 20000 ]
}

@test "a second SIGTERM: it leaves at once; what was acknowledged is adopted" {
    receive --no-guard --segment-age 1h
    seq 1 1000 | post 'D/T?format=csv'
    exec 7<>"/dev/tcp/${URL##*/}" 2>/dev/null || exec 7<>"/dev/tcp/127.0.0.1/${URL##*:}"
    printf 'POST /ingest/D/U?format=csv HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc' >&7
    wait_until 5 eval 'curl -s "$URL/metrics" | grep -q "^spillway_walwriter_requests_in_flight 1"'
    kill -TERM "$(pid_of rcv)"
    wait_until 5 grep -q draining "$T/rcv.log"
    is_running rcv
    kill -TERM "$(pid_of rcv)"
    code=0; wait_for rcv 3 || code=$?
    exec 7<&-
    [ "$code" -eq 0 ]
    again --no-guard
    rows sealed | cmp - <(seq 1 1000)
}

@test "what a killed stdin walwriter leaves is adopted by the daemon while it runs" {
    receive --no-guard --segment-age 1h
    SPILLWAY_CRASH_AT=append:after-write#3 walwriter --spool "$SPOOL" --db D --table S --no-guard --block-bytes 4K < <(seq 1 5000) 2>/dev/null || :
    [ "$(count active)" -eq 1 ]
    wait_until 20 eval '[ "$(count sealed)" -eq 1 ]'
    [ "$(rows sealed | wc -l)" -gt 500 ]
}
