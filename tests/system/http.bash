# For tests of walwriter --http: load lib first.
# shellcheck shell=bash disable=SC2154 # T and SPOOL are lib's

# receive [FLAG...]: start the daemon at a port of the kernel's; URL is where it listens.
receive() {
    start rcv walwriter --spool "$SPOOL" --http 127.0.0.1:0 --log-timestamps no "$@"
    find_url
}
find_url() {
    wait_until 10 grep -q 'info started' "$T/rcv.log"
    URL=http://$(sed -n 's/.*listening.* http=\([0-9.:]*\) .*/\1/p' "$T/rcv.log" | tail -n 1)
    export URL
}
again() { # the same after a crash
    : >"$T/rcv.log"
    receive "$@"
}

# post PATH [CURL-FLAG...] < body: prints the status; the answer is in $T/answer, its headers in $T/headers.
post() {
    local path=$1
    shift
    curl -s -o "$T/answer" -D "$T/headers" -w '%{http_code}' --data-binary @- "$@" "$URL/ingest/$path"
}
answer() { jq -r "$1" "$T/answer"; }
ctl() { "$REPO/${BUILD:-build}/tests/ctl.zlib" "$@"; }
