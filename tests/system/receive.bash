# For tests of peerd's receiving side: load lib first.
# shellcheck shell=bash disable=SC2154 # T and SPOOL are lib's

# receiver [FLAG...]: peerd at a port of the kernel's; URL and PORT are where it listens.
receiver() {
    : >>"$T/rcv.log"
    : >"$T/rcv.log"
    start rcv peerd --spool "$SPOOL" --name n1 --listen "${LISTEN:-127.0.0.1:0}" --log-timestamps no "$@"
    wait_until 10 grep -q 'info started' "$T/rcv.log"
    PORT=$(sed -n 's/.*listening.* http=[0-9.]*:\([0-9]*\) .*/\1/p' "$T/rcv.log" | tail -n 1)
    URL=http://127.0.0.1:$PORT
    export URL PORT
}

# segment NAME [TABLE [DB]] < rows: a segment, made by walwriter in a spool of its own, becomes $T/NAME.gz. SCHEMA: with this one. SHIFT: its
# clock is so many milliseconds off.
segment() {
    local made
    mkdir -p "$T/made.$1"
    off_by "${SHIFT:-0}" walwriter --spool "$T/made.$1" --db "${3:-D}" --table "${2:-T}" --no-guard --format "${FORMAT:-csv}" ${SCHEMA:+--schema "$SCHEMA"} 2>/dev/null
    made=$(find "$T/made.$1/sealed" -name '*.gz')
    cp "$made" "$T/$1.gz"
    basename "$made" | cut -d, -f2 >"$T/$1.schema"
}

# to ID [TABLE [DB [SCHEMA]]]: the target of a transfer.
to() { echo "/transfer?db=${3-D}&table=${2-T}&schema=${4--}&format=${FORMAT:-csv}&id=$1"; }

# post TARGET FILE [CURL-FLAG...]: prints the status; the answer is in $T/answer, its headers in $T/headers.
post() {
    local target=$1 file=$2
    shift 2
    [[ $* == *Expect:* ]] || set -- -H 'Expect:' "$@"
    curl -s -o "$T/answer" -D "$T/headers" -w '%{http_code}' -H 'Content-Type: application/gzip' --data-binary "@$file" "$@" "$URL$target"
}
answer() { jq -r "$1" "$T/answer"; }
odd() { python3 "$BATS_TEST_DIRNAME/transfer.py" "$@"; }
ctl() { "$REPO/${BUILD:-build}/tests/ctl.zlib" "$@"; }
land() { stop rcv; } # all that was taken is in upload/ then
is_clean() { [ -z "$(find "$SPOOL/active" "$SPOOL/upload" "$SPOOL/quarantine" "$SPOOL/sealed" -type f)" ]; }

# off_by MILLISECONDS COMMAND...: run it with a clock that is off.
off_by() {
    local ms=$1
    shift
    [ "$ms" != 0 ] || { "$@"; return; }
    set_clock "$ms"
    env "${CLOCK[@]}" "$@"
}

# set_clock MILLISECONDS: CLOCK becomes what env needs for a clock that is off; for start(), which must know the program itself, not a shell.
set_clock() {
    echo "$1" >"$T/shift.$1"
    CLOCK=("CLOCK_SHIFT_FILE=$T/shift.$1" "LD_PRELOAD=$REPO/${BUILD:-build}/tests/clockshim.so"
        "ASAN_OPTIONS=${ASAN_OPTIONS:-}:verify_asan_link_order=0")
}

# faulty KIND N TIMES ERRNO ROOT: what LD_PRELOAD wants, for receiver: its calls on files below ROOT fail.
faulty() {
    export LD_PRELOAD="$REPO/${BUILD:-build}/tests/shim.so" TORT_KIND=$1 TORT_N=$2 TORT_TIMES=$3 TORT_ACTION=$4 TORT_ROOT=$5 TORT_REPORT=$T/struck \
        ASAN_OPTIONS=${ASAN_OPTIONS:-}:verify_asan_link_order=0
}
no_fault() { unset LD_PRELOAD TORT_KIND TORT_N TORT_TIMES TORT_ACTION TORT_ROOT TORT_REPORT; }
