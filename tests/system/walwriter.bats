#!/usr/bin/env bats
# walwriter on standard input: what goes in comes out of zcat, whatever dies on the way.
# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # eval and bash -c; bats runs each test in a subshell, sets $output, $status

load lib

# wal [FLAG...] < rows
wal() { walwriter --spool "$SPOOL" --db Metrics --table Cpu --no-guard --log-timestamps no "$@"; }

# What a crash of the machine's making leaves: a segment with these rows in active/, nobody's.
orphan() { # BLOCKS ROWS_A_BLOCK
    SPILLWAY_CRASH_AT="append:after-write#$1" wal --block-bytes 4K < <(seq -f "%08.0f,orphan,0123456789" 1 "$2") 2>/dev/null || :
    [ "$(count active)" -eq 1 ]
}

@test "prints back what was put in, to the byte, and says so" {
    seq 1 200000 | sed 's/.*/&,"a ""quoted"", \n field",x/' >"$T/in"
    run --separate-stderr wal --json --schema 'A:long, B:string,C:string' <"$T/in"
    [ "$status" -eq 0 ]
    [ "$(json rows)" -eq 200000 ]
    [ "$(json bytes)" -eq "$(stat -c %s "$T/in")" ]
    [ "$(json segments)" -eq "$(count sealed)" ]
    [ "$(json blocks)" -gt 10 ]
    rows sealed | cmp - "$T/in"
    segments sealed | xargs gzip -t
    [ "$(count active)" -eq 0 ]
    [[ $(segments sealed) == */Metrics/Cpu,*,????????????????.csv.gz ]]
    [[ $(segments sealed) != *,-,* ]]
}

@test "empty input and blank lines make no segment" {
    run --separate-stderr wal --json </dev/null
    [ "$status" -eq 0 ]
    [ "$(json rows)" -eq 0 ]
    run --separate-stderr wal --json < <(printf '\n\r\n\n')
    [ "$status" -eq 0 ]
    [ "$(json segments)" -eq 0 ]
    [ -z "$(find "$SPOOL" -name '*.gz*')" ]
}

@test "blank lines are dropped, a last row gets its newline, no output without --json" {
    run --separate-stderr wal < <(printf '\na,1\n\n\r\nb,2\r\nc,3')
    [ "$status" -eq 0 ]
    [ -z "$output" ]
    [ "$(rows sealed | od -c)" = "$(printf 'a,1\nb,2\r\nc,3\n' | od -c)" ]
}

@test "blocks are at most block-bytes, but for one row that is larger" {
    { seq 1 3000; head -c 9000 /dev/zero | tr '\0' x; echo; seq 1 3000; } >"$T/in"
    run --separate-stderr wal --json --block-bytes 4K <"$T/in"
    [ "$status" -eq 0 ]
    rows sealed | cmp - "$T/in"
    # 2 x 13893 bytes of numbers in full blocks of at most 4 KiB, and the large row alone
    [ "$(json blocks)" -ge 9 ]
    [ "$(json blocks)" -le 11 ]
}

@test "segments are sealed before they grow over segment-bytes" {
    head -c 400000 /dev/urandom | base64 >"$T/in"
    run --separate-stderr wal --json --block-bytes 8K --segment-bytes 64K <"$T/in"
    [ "$status" -eq 0 ]
    [ "$(json segments)" -ge 6 ]
    rows sealed | cmp - "$T/in"
    [ -z "$(find "$SPOOL/sealed" -name '*.gz' -size +65536c)" ]
}

@test "a slow stream: rows reach the disk after flush-interval, a segment is sealed at segment-age" {
    mkfifo "$T/pipe"
    start wal wal_from_pipe --flush-interval 50ms --segment-age 400ms
    exec 9>"$T/pipe"
    echo one >&9
    wait_until 5 eval '[ "$(rows active; rows sealed)" = one ]'
    wait_until 5 eval '[ "$(rows sealed)" = one ]'
    echo -n tw >&9
    echo o >&9
    wait_until 5 eval '[ "$(rows sealed)" = "one
two" ]'
    exec 9>&-
    wait_for wal
    [ "$(count sealed)" -eq 2 ]
}
wal_from_pipe() { wal "$@" <"$T/pipe"; }

@test "SIGTERM: whole rows are sealed, an incomplete one is left and told" {
    mkfifo "$T/pipe"
    start wal wal_from_pipe_as_program --json --flush-interval 1h --segment-age 1h
    exec 9>"$T/pipe"
    printf 'one\ntwo\nthr' >&9
    wait_until 5 is_drained
    stop wal
    exec 9>&-
    [ "$(rows sealed)" = "one
two" ]
    grep -q 'stopping.* bytes_left=3' "$T/wal.log"
    grep -q '"rows":2,' "$T/wal.log"
}
wal_from_pipe_as_program() {
    exec walwriter --spool "$SPOOL" --db Metrics --table Cpu --no-guard "$@" <"$T/pipe"
}
# The program sleeps in poll() with everything read.
is_drained() { grep -q 'poll' "/proc/$(pid_of wal)/wchan" && python3 -c '
import array,fcntl,os,sys,termios
n = array.array("i", [0]); fd = os.open(sys.argv[1], os.O_RDONLY | os.O_NONBLOCK)
fcntl.ioctl(fd, termios.FIONREAD, n); sys.exit(n[0] != 0)' "$T/pipe"; }

@test "every --sync mode writes the same" {
    seq 1 50000 >"$T/in"
    for mode in never seal interval always; do
        empty_spool
        wal --sync "$mode" --block-bytes 4K --segment-bytes 32K <"$T/in"
        rows sealed | cmp - "$T/in"
    done
}

# --- what dies and is adopted --------------------------------------------------------------------

@test "kill -9 midway: the next start adopts every complete row" {
    mkfifo "$T/pipe"
    start wal wal_from_pipe_as_program --block-bytes 4K --flush-interval 20ms --segment-age 1h
    exec 9>"$T/pipe"
    seq 1 20000 >&9
    wait_until 10 eval '[ "$(rows active | wc -l)" -eq 20000 ]'
    stop wal KILL || :
    exec 9>&-
    run --separate-stderr wal --json </dev/null
    [ "$status" -eq 0 ]
    [ "$(json adopted)" -eq 1 ]
    [ "$(json adopted_rows)" -eq 20000 ]
    rows sealed | cmp - <(seq 1 20000)
    [ "$(count active)" -eq 0 ]
}

@test "adopts a torn tail, zeros at the end, and an empty file" {
    orphan 3 2000
    rows active >"$T/before"
    f=$(segments active)
    tail -c 300 "$f" >"$T/half" # half a member follows
    cat "$T/half" >>"$f"
    head -c 5000 /dev/zero >>"$f"
    : >"$SPOOL/active/Metrics/Cpu,-,0000000000000001.csv.gz"
    wal </dev/null
    rows sealed | cmp - "$T/before"
    segments sealed | xargs gzip -t
    [ -z "$(find "$SPOOL/active" "$SPOOL/quarantine" -type f)" ]
}

@test "damage in the middle: valid rows go on, the original to quarantine with a .why" {
    orphan 6 2000
    f=$(segments active)
    rows active >"$T/before"
    size=$(stat -c %s "$f")
    head -c 64 /dev/zero | dd of="$f" bs=1 seek=$((size / 2)) conv=notrunc status=none
    cp "$f" "$T/damaged"
    wal </dev/null
    segments sealed | xargs gzip -t
    rows sealed >"$T/after"
    [ "$(wc -l <"$T/after")" -ge $(($(wc -l <"$T/before") / 2)) ]
    [ "$(comm -13 "$T/before" "$T/after" | wc -l)" -eq 0 ]
    [ "$(comm -23 "$T/before" "$T/after" | wc -l)" -gt 0 ]
    cmp "$(segments quarantine)" "$T/damaged"
    [ "$(basename "$(segments quarantine)")" = "$(basename "$(segments sealed)")" ]
    [ "$(jq -r .reason "$(segments quarantine).why")" = damaged ]
    [ -z "$(find "$SPOOL/active" -type f)" ]
}

@test "a head that is lost is made anew from the file's name" {
    orphan 4 2000
    f=$(segments active)
    rows active >"$T/before"
    printf 'xxxxxxxx' | dd of="$f" bs=1 conv=notrunc status=none
    wal </dev/null
    rows sealed | cmp - "$T/before"
    segments sealed | xargs head -c 400 | grep -qa '"table":"Cpu"'
}

# With the n-th open failing, and all that follow: whole files stay, in active/ or sealed; nothing is deleted, nothing set aside.
cannot_open() { # ERRNO STICKY COMMAND...
    local errno=$1 sticky=$2 n=0
    shift 2
    while :; do
        n=$((n + 1))
        rm -rf "$SPOOL" "$T/struck"
        cp -a "$T/template" "$SPOOL"
        env LD_PRELOAD="$REPO/${BUILD:-build}/tests/shim.so" TORT_ROOT="$SPOOL" TORT_KIND=open,read TORT_N="$n" TORT_ACTION="$errno" \
            ${sticky:+TORT_STICKY=1} TORT_REPORT="$T/struck" ASAN_OPTIONS="${ASAN_OPTIONS:-}:verify_asan_link_order=0" "$@" </dev/null >"$T/log" 2>&1 || :
        [ -z "$(find "$SPOOL/quarantine" -type f)" ] || { cat "$T/log"; false; }
        { rows active; rows sealed; rows upload; } 2>/dev/null | sort | cmp - "$T/before" || { echo "$errno $n $*"; cat "$T/log"; false; }
        [ -e "$T/struck" ] || break
    done
    [ "$n" -gt 5 ]
}

@test "EMFILE, EACCES, EIO: what cannot be opened or read at start is left where it is, neither deleted nor quarantined" {
    [ -e "$REPO/${BUILD:-build}/tests/shim.so" ] || skip "not built: make tests"
    seq -f '%.0f,sealed' 1 500 | wal --table Sealed 2>/dev/null
    orphan 3 2000
    cp "$(segments active)" "$T/one"
    seq -f '%.0f,whole' 1 100 | SPILLWAY_CRASH_AT=append:after-write wal --table Whole 2>/dev/null || :
    cp "$T/one" "$SPOOL/active/Metrics/Cpu,-,0000000000000001.csv.gz"
    tail -c 50 "$T/one" >>"$SPOOL/active/Metrics/Cpu,-,0000000000000001.csv.gz" # a torn tail
    [ "$(count active) $(count sealed)" = "2 2" ]
    { rows active 2>/dev/null || :; rows sealed; } | sort >"$T/before"
    rm -rf "$SPOOL/run"
    cp -a "$SPOOL" "$T/template"
    cannot_open EMFILE 1 walwriter --spool "$SPOOL" --db D --table T --no-guard
    cannot_open EACCES '' walwriter --spool "$SPOOL" --db D --table T --no-guard
    cannot_open EIO '' walwriter --spool "$SPOOL" --db D --table T --no-guard
    cannot_open EIO 1 peerd --spool "$SPOOL" --no-guard --once --name t
}

@test "a locked file is left to its writer" {
    orphan 2 2000
    exec 8<"$(segments active)"
    flock -n 8
    wal </dev/null
    [ "$(count active)" -eq 1 ]
    exec 8<&-
    wal </dev/null
    [ "$(count active)" -eq 0 ]
}

# Each step at which sealing or adoption can die: afterwards every row is there exactly once.
@test "crash points of sealing" {
    seq -f '%08.0f,x' 1 3000 >"$T/in"
    for point in create:after-open create:after-head append:after-write seal:after-sync seal:after-rename; do
        empty_spool
        run env SPILLWAY_CRASH_AT=$point bash -c 'walwriter --spool "$SPOOL" --db Metrics --table Cpu --no-guard <"$T/in"'
        [ "$status" -eq 137 ]
        wal </dev/null
        [ -z "$(find "$SPOOL/active" -type f)" ]
        case $point in
        create:*) [ -z "$(rows sealed)" ] ;;
        *) rows sealed | cmp - "$T/in" ;;
        esac
    done
}

@test "crash points of adoption and salvage" {
    for point in adopt:after-truncate adopt:after-rename salvage:after-copy salvage:after-sync \
        salvage:after-quarantine salvage:after-rename adopt:after-unlink; do
        empty_spool
        orphan 5 2000
        f=$(segments active)
        rows active >"$T/want"
        case $point in
        salvage:*) # the second block is lost
            n=$(python3 "$REPO/tests/system/members.py" "$f" | sed -n 3p)
            printf '\0' | dd of="$f" bs=1 seek=$((n + 20)) conv=notrunc status=none
            python3 "$REPO/tests/system/members.py" --rows "$f" >"$T/want"
            ;;
        adopt:after-unlink) : >"$SPOOL/active/Metrics/Cpu,-,0000000000000001.csv.gz" ;;
        *) head -c 77 "$f" >>"$f.tail"; cat "$f.tail" >>"$f"; rm "$f.tail" ;;
        esac
        run env SPILLWAY_CRASH_AT=$point bash -c 'walwriter --spool "$SPOOL" --db M --table C --no-guard </dev/null'
        [ "$status" -eq 137 ]
        wal </dev/null
        rows sealed | cmp - "$T/want"
        [ -z "$(find "$SPOOL/active" -type f)" ]
    done
}

@test "crash points of refused rows: they never become rows" {
    printf '{"a":1}\nnonsense\n{"a":2}\n' >"$T/in"
    for point in append:after-write#1 append:after-write#2 seal:after-sync#2 refuse:after-why refuse:after-rename; do
        empty_spool
        run env SPILLWAY_CRASH_AT=$point bash -c 'walwriter --spool "$SPOOL" --db M --table C --format json --no-guard <"$T/in"'
        [ "$status" -eq 137 ]
        wal </dev/null
        [ -z "$(find "$SPOOL/active" -type f)" ]
        [[ $(rows sealed) != *nonsense* ]]
        [ "$point" = append:after-write#1 ] || [ "$(rows quarantine)" = nonsense ]
    done
}

# --- bad rows ------------------------------------------------------------------------------------

@test "an open quote at the end: the rows before are taken, the row is in quarantine, exit 1" {
    run --separate-stderr wal --json --input-name day1.csv < <(printf 'a,1\nb,"x\ny"\nc,"open\nd,4\n')
    [ "$status" -eq 1 ]
    [ "$(json rows)" -eq 2 ]
    [ "$(json bad_rows)" -eq 1 ]
    [ "$(rows sealed)" = "$(printf 'a,1\nb,"x\ny"')" ]
    [ "$(rows quarantine)" = "$(printf 'c,"open\nd,4')" ]
    why=$(segments quarantine).why
    [ "$(jq -r .input "$why")" = day1.csv ]
    [ "$(jq -r .count "$why")" -eq 1 ]
    [ "$(jq -r '.rows[0].line' "$why")" -eq 4 ]
}

# Run a function, and leave the largest resident size of what it execs, in KiB, in $T/peak.
with_peak() {
    export -f "${1?}"
    python3 -c '
import resource, subprocess, sys
code = subprocess.call(["bash", "-c", "\"$@\"", "bash"] + sys.argv[2:])
open(sys.argv[1], "w").write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(code)' "$T/peak" "$@"
}
wal_as_program() { exec walwriter --spool "$SPOOL" --db M --table C --no-guard "$@" <"$T/in"; }

@test "a row over max-row-bytes of any size goes to quarantine without growth of memory" {
    { seq 1 1000; head -c 60000000 /dev/zero | tr '\0' y; echo; seq 1 1000; } >"$T/in"
    run --separate-stderr with_peak wal_as_program --json --max-row-bytes 64K
    [ "$status" -eq 1 ]
    [ "$(cat "$T/peak")" -lt 40000 ]
    [ "$(json rows)" -eq 2000 ]
    [ "$(json bad_bytes)" -eq 60000001 ]
    rows sealed | cmp - <(seq 1 1000; seq 1 1000)
    rows quarantine | cmp - <(sed -n 1001p "$T/in")
    [ "$(jq -r '.rows[0].line' "$(segments quarantine).why")" -eq 1001 ]
}

@test "JSON: lines that are not objects in UTF-8 go to quarantine, each with its line and reason" {
    printf '{"a":1}\n[1]\n\n{"a":\n{"b":"\xff"}\n{"c":"\\u00e9\\u0000",  "n":12345678901234567890123}\n17' >"$T/in"
    run --separate-stderr wal --json --format json <"$T/in"
    [ "$status" -eq 1 ]
    [ "$(json rows)" -eq 2 ]
    [ "$(json bad_rows)" -eq 4 ]
    [ "$(rows sealed | wc -l)" -eq 2 ]
    [ "$(rows quarantine | wc -l)" -eq 4 ]
    [ "$(jq -c '[.rows[].line]' "$(segments quarantine).why")" = '[2,4,5,7]' ]
    [[ $(segments sealed) == *.json.gz ]]
}

@test "the .why lists at most 1000 rows and counts all" {
    run --separate-stderr wal --json --format json < <(seq 1 2500)
    [ "$status" -eq 1 ]
    [ "$(json rows)" -eq 0 ]
    [ "$(rows quarantine | wc -l)" -eq 2500 ]
    [ "$(jq -r .count "$(segments quarantine).why")" -eq 2500 ]
    [ "$(jq -r '.rows | length' "$(segments quarantine).why")" -eq 1000 ]
}

@test "--strict: stops at the first bad row, names it, and what was before it is sealed" {
    run --separate-stderr wal --json --strict --format json --input-name x.json < <(printf '{"a":1}\n{"a":2}\nbad\n{"a":3}\n')
    [ "$status" -eq 100 ]
    [[ $stderr == *x.json:3:* ]]
    [ "$(json rows)" -eq 2 ]
    [ "$(rows sealed | wc -l)" -eq 2 ]
    [ "$(count quarantine)" -eq 0 ]
    run --separate-stderr wal --strict < <(printf 'a\nb,"open\n')
    [ "$status" -eq 100 ]
    [[ $stderr == *stdin:2:* ]]
}

# --- usage -----------------------------------------------------------------------------------------

@test "wrong usage: exit 100 and one clear line" {
    run --separate-stderr walwriter --spool "$SPOOL" --db 'a/b' --table T --no-guard </dev/null
    [ "$status" -eq 100 ]
    [ "${#stderr_lines[@]}" -eq 1 ]
    [[ $stderr == *"'a/b'"* ]]
    run --separate-stderr wal --schema 'A:lnog' </dev/null
    [ "$status" -eq 100 ]
    [ "${#stderr_lines[@]}" -eq 1 ]
    [[ $stderr == *A* ]]
    run --separate-stderr walwriter --spool "$SPOOL" --db D --table "$(printf 't%.0s' {1..240})" --no-guard </dev/null
    [ "$status" -eq 100 ]
    run --separate-stderr walwriter --spool "$T/none" --db D --table T --no-guard </dev/null
    [ "$status" -eq 100 ]
    run --separate-stderr walwriter --db D --table T </dev/null
    [ "$status" -eq 100 ]
    run --separate-stderr wal --max-row-bytes 1 </dev/null
    [ "$status" -eq 100 ]
    run --separate-stderr bash -c 'exec walwriter --spool "$SPOOL" --db D --table T --no-guard <&-'
    [ "$status" -eq 100 ]
    run --separate-stderr wal <"$T"
    [ "$status" -eq 100 ]
}

@test "--check and --help touch nothing" {
    run wal --check --schema 'A:long'
    [ "$status" -eq 0 ]
    run wal --check --schema 'A:none'
    [ "$status" -eq 100 ]
    run walwriter --help
    [ "$status" -eq 0 ]
    [[ $output == *--on-full* && $output == *quarantine* ]]
    [ -z "$(ls -A "$SPOOL")" ]
}

# --- room ------------------------------------------------------------------------------------------

guarded() { walwriter --spool "$SPOOL" --db Metrics --table Cpu --log-timestamps no "$@"; }

@test "--on-full fail without diskguard: 75, nothing taken, and said" {
    run --separate-stderr guarded --on-full fail --json < <(seq 1 100)
    [ "$status" -eq 75 ]
    [ "$(json rows)" -eq 0 ]
    [[ $stderr == *no-room* && $stderr == *rows_safe=0* ]]
    [ -z "$(find "$SPOOL" -name '*.gz')" ]
}

@test "--on-full block without diskguard waits and says so; a signal ends it with 75" {
    seq 1 10 >"$T/in"
    start wal guarded_program
    wait_until 5 grep -q waiting-for-room "$T/wal.log"
    code=0
    stop wal || code=$?
    [ "$code" -eq 75 ]
    [ "$(grep -c waiting-for-room "$T/wal.log")" -eq 1 ]
}
guarded_program() { exec walwriter --spool "$SPOOL" --db Metrics --table Cpu "$@" <"$T/in"; }

needs_diskguard() { command -v diskguard >/dev/null || skip "diskguard is not built"; }

@test "--on-full fail with a small budget: 75, what was taken is sealed, and the rows are counted" {
    needs_diskguard
    start guard diskguard --spool "$SPOOL" --max-disk-usage 2M
    wait_until 5 test -S "$SPOOL/run/diskguard.ctl"
    head -c 8000000 /dev/urandom | base64 >"$T/in"
    run --separate-stderr guarded --on-full fail --json --block-bytes 64K <"$T/in"
    [ "$status" -eq 75 ]
    safe=$(json rows)
    [ "$safe" -gt 1000 ]
    [[ $stderr == *rows_safe=$safe* ]]
    rows sealed | cmp - <(head -n "$safe" "$T/in")
    [ "$(du -s -B1 "$SPOOL" | cut -f1)" -le 2097152 ]
}

@test "--on-full block with a small budget: goes on when segments leave" {
    needs_diskguard
    start guard diskguard --spool "$SPOOL" --max-disk-usage 2M
    wait_until 5 test -S "$SPOOL/run/diskguard.ctl"
    head -c 4000000 /dev/urandom | base64 >"$T/in"
    start wal guarded_program --block-bytes 64K
    wait_until 10 grep -q waiting-for-room "$T/wal.log"
    mkdir "$T/out"
    wait_until 60 eval 'segments sealed | xargs -r -d "\n" mv -t "$T/out"; has_ended wal'
    wait_for wal
    segments sealed | xargs -r -d '\n' mv -t "$T/out"
    find "$T/out" -name '*.gz' | sort -t, -k3 | xargs zcat | cmp - "$T/in"
    grep -q room-again "$T/wal.log"
}

@test "a full file system: --on-full fail exits 75, and the rows before it are whole" {
    mkdir "$T/small"
    mount -t tmpfs -o size=1M tmpfs "$T/small" 2>/dev/null || skip "no mount here"
    head -c 4000000 /dev/urandom | base64 >"$T/in"
    run --separate-stderr walwriter --spool "$T/small" --db D --table T --no-guard --on-full fail --json --block-bytes 16K <"$T/in"
    SPOOL=$T/small
    safe=$(json rows)
    rows sealed >"$T/out"
    umount "$T/small"
    [ "$status" -eq 75 ]
    [ "$safe" -gt 1000 ]
    cmp "$T/out" <(head -n "$safe" "$T/in")
}
