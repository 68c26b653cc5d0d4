#!/usr/bin/env bats
# The operator's command, with the programs up and down.

load lib

write() { # DB TABLE FIRST LAST
    seq "$3" "$4" | walwriter --spool "$SPOOL" --db "$1" --table "$2" --schema n:long --no-guard 2>/dev/null
}
sw() { spillway --spool "$SPOOL" "$@"; }

@test "no spool, an absent one, no command, an unknown command: one line each, exit 100" {
    run spillway status
    [ "$status" -eq 100 ]
    [[ $output == "spillway: --spool DIR"* ]]
    run spillway --spool "$T/absent" status
    [ "$status" -eq 100 ]
    [[ $output == *"does not exist"* ]]
    run spillway --spool "$T" status
    [ "$status" -eq 100 ]
    [[ $output == *"is not a spool"* ]]
    [ ! -e "$T/spool.json" ] # looking creates nothing
    write D T 1 1
    run sw
    [ "$status" -eq 100 ]
    run sw frobnicate
    [ "$status" -eq 100 ]
    [[ $output == *"unknown command 'frobnicate'"* ]]
    run sw cat
    [ "$status" -eq 100 ]
    run sw cat 'a*b'
    [ "$status" -eq 100 ]
    [[ $output == *"'a*b'"* ]]
}

@test "cat prints a table's rows from every queue, oldest first" {
    write D T 1 3
    write D Other 100 100
    peerd --spool "$SPOOL" --once 2>/dev/null
    write D T 4 6
    mkdir -p "$SPOOL/batch/D/0123456789abcdef" "$SPOOL/quarantine/D"
    write D T 7 8
    mv "$(segments sealed D | tail -n 1)" "$SPOOL/batch/D/0123456789abcdef/"
    write D T 9 9
    mv "$(segments sealed D | tail -n 1)" "$SPOOL/quarantine/D/"
    run sw cat D/T
    [ "$status" -eq 0 ]
    [ "$output" = "$(seq 9)" ]
    [ "$(sw cat D | wc -l)" -eq 10 ]
    run -0 sw cat D/Absent
    [ -z "$output" ]
    file=$(segments upload | head -n 1)
    run -0 spillway cat "$file" --spool "$SPOOL"
    [ "$output" = "$(zcat "$file")" ]
}

@test "cat reads what is still being written, and hides no good block behind a bad one" {
    mkfifo "$T/in"
    start walwriter bash -c 'exec walwriter --spool "$SPOOL" --db D --table T --schema n:long --no-guard --flush-interval 10ms --segment-age 1h <"$T/in"'
    exec 7>"$T/in"
    has() { [ "$(spillway --spool "$SPOOL" cat D/T | wc -l)" -eq "$1" ]; }
    seq 5 >&7
    wait_until 5 has 5
    seq 6 10 >&7
    wait_until 5 has 10
    seq 11 15 >&7
    wait_until 5 has 15
    exec 7>&-
    wait_for walwriter
    file=$(segments sealed)
    # One byte in the middle of the second of three blocks.
    at=$(sw verify "$file" --json --deep | head -n 1 | jq .blocks)
    [ "$at" -eq 3 ]
    python3 - "$file" <<'END'
import struct, sys
data = bytearray(open(sys.argv[1], "rb").read())
at = 0
for _ in range(2):  # the head, the first block
    at += struct.unpack_from("<I", data, at + 16)[0]
data[at + 40] ^= 0xFF
open(sys.argv[1], "wb").write(data)
END
    run --separate-stderr sw cat D/T
    [ "$status" -eq 1 ]
    [ "$output" = "$(seq 5; seq 11 15)" ]
    [[ $stderr == *"damaged bytes at byte"* ]]
}

@test "cat --json: an object a row, with the names and types of the schema" {
    printf '1,"a ""b"", c",,x\r\n-2.5e3,"two\nlines",true,\n07,z,false,y,more\n' |
        walwriter --spool "$SPOOL" --db D --table T --schema 'n:real,s:string,b:bool,t:string' --no-guard 2>/dev/null
    printf '1,2\n' | walwriter --spool "$SPOOL" --db D --table U --no-guard 2>/dev/null
    printf '{"k": [1]}\n' | walwriter --spool "$SPOOL" --db D --table V --format json --no-guard 2>/dev/null
    [ "$(sw cat D/T --json | jq -c .)" = '{"n":1,"s":"a \"b\", c","b":null,"t":"x"}
{"n":-2500,"s":"two\nlines","b":true,"t":""}
{"n":"07","s":"z","b":false,"t":"y","c5":"more"}' ]
    [ "$(sw cat D/U --json)" = '{"c1":"1","c2":"2"}' ]
    [ "$(sw cat D/V --json)" = '{"k": [1]}' ]
}

@test "verify: 0 when all is well, 1 and the place when not; --deep sees what a header cannot" {
    write D T 1 1000
    write E U 1 10
    run sw verify
    [ "$status" -eq 0 ]
    [[ $output == "2 segments, 2 blocks, 1010 rows"*"0 damaged" ]]
    run sw verify --deep --json
    [ "$status" -eq 0 ]
    [ "$(jq -s 'map(select(.ok)) | length' <<<"$output")" -eq 2 ]
    # A wrong row count in a header whose checksums were made right.
    python3 - "$(segments sealed D)" <<'END'
import struct, sys, zlib
data = bytearray(open(sys.argv[1], "rb").read())
at = struct.unpack_from("<I", data, 16)[0]
struct.pack_into("<I", data, at + 24, 999)
struct.pack_into("<I", data, at + 32, zlib.crc32(data[at : at + 32]))
open(sys.argv[1], "wb").write(data)
END
    run sw verify
    [ "$status" -eq 0 ]
    run sw verify --deep
    [ "$status" -eq 1 ]
    [[ $output == *"sealed/D/T,"*"rows"*"1 damaged"* ]]
    run sw verify --deep E
    [ "$status" -eq 0 ]
    # In the wrong folder.
    mkdir -p "$SPOOL/upload/E"
    mv "$(segments sealed D)" "$SPOOL/upload/E/"
    run sw verify E
    [ "$status" -eq 1 ]
    [[ $output == *"names another database"* ]]
}

@test "verify: a torn tail, zeros and rubbish are found; in active/ a tail is a writer's business" {
    write D T 1 10
    file=$(segments sealed)
    head -c 100 /dev/zero >>"$file"
    run sw verify
    [ "$status" -eq 1 ]
    [[ $output == *"100 bytes at byte"* ]]
    mkdir -p "$SPOOL/active/D"
    mv "$file" "$SPOOL/active/D/"
    run sw verify
    [ "$status" -eq 0 ]
    mkdir -p "$SPOOL/upload/D"
    head -c 5000 /dev/urandom >"$SPOOL/upload/D/T,-,0000000000000001.csv.gz"
    run sw verify
    [ "$status" -eq 1 ]
}

@test "ls: segments by age, filtered, as a table and as JSON lines, with rows" {
    write D T 1 3
    write D U 1 5
    write 'my db' T 1 7
    [ "$(sw ls | wc -l)" -eq 4 ]
    [ "$(sw ls --json | jq -s length)" -eq 3 ]
    [ "$(sw ls --json D/U --rows | jq .rows)" -eq 5 ]
    [ "$(sw ls --json 'my db' --rows | jq -r '"\(.db) \(.table) \(.rows) \(.queue)"')" = "my db T 7 sealed" ]
    [ "$(sw ls --json | jq -r .time | sort -c && echo ordered)" = ordered ]
}

@test "status: programs up and down, what waits where" {
    write D T 1 3
    run sw status
    [ "$status" -eq 0 ]
    [[ $output == *"peerd       down"* ]]
    [[ $output == *"sealed"*"D"* ]]
    start peerd peerd --spool "$SPOOL"
    up() { [ "$(spillway --spool "$SPOOL" status --json | jq '.programs.peerd.running and .queues[0].queue == "upload"')" = true ]; }
    wait_until 5 up
    [ "$(sw status --json | jq .programs.peerd.pid)" -eq "$(pid_of peerd)" ]
    [ "$(sw status --json | jq .programs.uploader.running)" = false ]
}

@test "events and metrics come from the programs that run" {
    write D T 1 1
    run sw metrics
    [ "$status" -eq 75 ]
    start peerd peerd --spool "$SPOOL"
    wait_until 10 test -S "$SPOOL/run/peerd.ctl"
    start events spillway --spool "$SPOOL" events
    seen() { write D T 1 1 && grep -q '"type":"segments-routed"' "$T/events.log"; }
    wait_until 20 seen
    jq -e 'select(.v == 1 and .program == "peerd")' <"$T/events.log"
    sw metrics | grep -q '^spillway_up{program="peerd"} 1$'
    sw metrics | grep -q '^spillway_up{program="uploader"} 0$'
    sw metrics | grep -qE '^spillway_routed_segments_total [1-9]'
}

@test "conf: every key with its value and origin; a file is checked" {
    run env SPILLWAY_MAX_DISK_USAGE=3G spillway conf --spool /x
    [ "$status" -eq 0 ]
    [[ $output == *"spool = /x    # flag"* ]]
    [[ $output == *"max-disk-usage = 3G    # environment"* ]]
    [[ $output == *"batch-bytes = 256M    # default"* ]]
    printf 'spool = /x\nsink = y\n' >"$T/conf"
    run spillway conf "$T/conf" --check
    [ "$status" -eq 100 ]
    [[ $output == *"conf:2: unknown key 'sink'"* ]]
    printf '# fine\nspool = /x\n' >"$T/conf"
    run spillway conf "$T/conf" --check
    [ "$status" -eq 0 ]
    [ "$(spillway conf --json | jq -r 'select(.key == "sync").values[0]')" = interval ]
}

@test "a reader that leaves is no error" {
    write D T 1 200000
    run bash -c 'spillway --spool "$SPOOL" cat D/T | head -n 1; exit ${PIPESTATUS[0]}'
    [ "$output" = 1 ]
    [ "$status" -eq 0 ]
}

@test "each program has help and a manual with its own flags" {
    for program in walwriter diskguard peerd uploader spillway; do
        run $program --help
        [ "$status" -eq 0 ]
        [[ $output == "$program: "* && $output == *"Exit codes:"* && $output == *"Examples:"* ]]
        [ "$($program --man | head -c 4)" = ".TH " ]
        [[ $($program --version) == "$program "* ]]
    done
}
