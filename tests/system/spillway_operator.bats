#!/usr/bin/env bats
# requeue, rm, export and the filters: what an operator does by hand while everything runs.

load lib

sw() { spillway --spool "$SPOOL" "$@"; }

write() { # DB TABLE FIRST LAST
    seq "$3" "$4" | walwriter --spool "$SPOOL" --db "$1" --table "$2" --schema n:long --no-guard 2>/dev/null
}

# aside DB REASON: all sealed segments of a database to quarantine, as uploader would have put them there.
aside() {
    local file
    mkdir -p "$SPOOL/quarantine/$1"
    for file in $(segments sealed "$1"); do
        printf '{"reason":"%s","by":"uploader"}' "$2" >"$SPOOL/quarantine/$1/${file##*/}.why"
        mv "$file" "$SPOOL/quarantine/$1/"
    done
}

whys() { find "$SPOOL/quarantine" -name '*.why*' | wc -l; }
removed_rows() { jq -s 'map(.rows) | add // 0' <"$SPOOL/state/removed.jsonl"; }

damage() { # FILE: one byte in the middle of its last member
    python3 - "$1" <<'END'
import sys
data = bytearray(open(sys.argv[1], "rb").read())
data[-20] ^= 0xFF
open(sys.argv[1], "wb").write(data)
END
}

@test "filters: queue, age, file, place; a wrong one is exit 100" {
    write D T 1 3
    write D U 1 3
    peerd --spool "$SPOOL" --once 2>/dev/null
    write D T 4 5
    [ "$(sw ls --json --in sealed | jq -s length)" -eq 1 ]
    [ "$(sw ls --json --in sealed --in upload | jq -s length)" -eq 3 ]
    [ "$(sw ls --json --in upload D/T | jq -s length)" -eq 1 ]
    run -0 sw ls --json --older 1h
    [ -z "$output" ]
    [ "$(sw ls --json --newer 1h | jq -s length)" -eq 3 ]
    [ "$(sw ls --json --older 0 --newer 1d | jq -s length)" -eq 3 ]
    file=$(segments sealed)
    [ "$(sw ls --json "${file##*/}" | jq -r .queue)" = sealed ]
    [ "$(sw cat "sealed/D/${file##*/}")" = "$(seq 4 5)" ]
    [ "$(sw cat "$file" --in sealed)" = "$(seq 4 5)" ]
    [ "$(sw cat D/T --in upload)" = "$(seq 1 3)" ]
    [ "$(sw verify --json --in sealed | tail -n 1 | jq .segments)" -eq 1 ]
    run sw ls --in nowhere
    [ "$status" -eq 100 ]
    [[ $output == *"'nowhere' is no queue"* ]]
    run sw ls --older yesterday
    [ "$status" -eq 100 ]
}

@test "ls --json: a name that is not UTF-8 is still one line of JSON" {
    write D T 1 1
    mkdir -p "$SPOOL/quarantine/D"
    : >"$SPOOL/quarantine/D/"$'\xff"\\\x01'.gz
    [ "$(sw ls --json | jq -s 'map(.queue) | sort | join(" ")')" = '"quarantine sealed"' ]
    run sw rm --all
    [ "$status" -eq 1 ]
    [[ $output == *"not UTF-8"* ]]
}

@test "requeue: whole segments go back to sealed/ and reach their database; the .why goes" {
    write D T 1 5
    write D T 6 9
    write E T 1 2
    aside D refused
    aside E refused
    run sw requeue
    [ "$status" -eq 100 ]
    run sw requeue D/T --json
    [ "$status" -eq 0 ]
    [ "$(json requeued)" -eq 2 ]
    [ "$(json rows)" -eq 9 ]
    [ "$(count sealed D)" -eq 2 ]
    [ "$(count quarantine D)" -eq 0 ]
    [ "$(whys)" -eq 1 ]
    uploader --spool "$SPOOL" --database "D=dir:$T/out" --queue sealed --once --batch-age 0 2>/dev/null
    [ "$(cat "$T"/out/D/T/*.gz | zcat | sort -n)" = "$(seq 9)" ]
    run sw requeue --all
    [ "$status" -eq 0 ]
    [[ $output == *"1 segments requeued, 2 rows; 0 refused"* ]]
    run sw requeue E/T
    [ "$status" -eq 1 ] # nothing is there any more
}

@test "requeue refuses what is damaged, what went on already, and what is no segment: each stays, with its reason" {
    write D T 1 5
    aside D refused
    file=$(segments quarantine D)
    damage "$file"
    run sw requeue D
    [ "$status" -eq 1 ]
    [[ $output == *"not requeued: "*"damaged bytes at byte"*"spillway cat"* ]]
    printf '{"reason":"damaged","salvaged":"its valid rows are elsewhere"}' >"$file.why"
    run sw requeue D --force
    [ "$status" -eq 1 ]
    [[ $output == *"would come twice"* ]]
    printf 'x' >"$SPOOL/quarantine/D/strange.gz"
    run sw requeue "$SPOOL/quarantine/D/strange.gz" --json
    [ "$status" -eq 1 ]
    [[ $output == *"not that of a segment"* ]]
    # Another database's folder.
    write D U 1 2
    mkdir -p "$SPOOL/quarantine/X"
    mv "$(segments sealed D)" "$SPOOL/quarantine/X/"
    run sw requeue X
    [ "$status" -eq 1 ]
    [[ $output == *"its head names D/U"* ]]
    [ "$(count sealed)" -eq 0 ]
    [ "$(count quarantine)" -eq 3 ]
    [ -e "$file.why" ]
}

@test "requeue: rows that walwriter refused want --force, on the command line itself" {
    printf '1\n2\n"3' | walwriter --spool "$SPOOL" --db D --table T --no-guard 2>/dev/null || [ $? -eq 1 ]
    [ "$(count quarantine D)" -eq 1 ]
    rm -r "$SPOOL/sealed/D"
    run sw requeue --all
    [ "$status" -eq 1 ]
    [[ $output == *"walwriter refused these rows"* ]]
    run env SPILLWAY_FORCE=yes spillway --spool "$SPOOL" requeue --all
    [ "$status" -eq 1 ]
    run sw requeue --all --force
    [ "$status" -eq 0 ]
    [ "$(count sealed D)" -eq 1 ]
}

@test "requeue: a name that is taken gets a fresh id, and '1,NAME' its own name back" {
    write D T 1 5
    first=$(segments sealed)
    cp "$first" "$T/copy"
    aside D refused
    name=${first##*/}
    cp "$T/copy" "$SPOOL/quarantine/D/1,$name"
    sw requeue "$name" >/dev/null
    [ -e "$SPOOL/sealed/D/$name" ]
    peerd --spool "$SPOOL" --once 2>/dev/null
    run sw requeue "1,$name"
    [ "$status" -eq 0 ]
    [ "$(count sealed D)" -eq 1 ]
    [ ! -e "$SPOOL/sealed/D/$name" ]
    fresh=$(segments sealed D | sed 's/.*,\(.\{16\}\)[.].*/\1/')
    old=${name##*,}
    [ $((16#$fresh >> 23)) -eq $((16#${old%%.*} >> 23)) ] # as old as before
    sw verify --deep
    rm "$SPOOL/upload/D/$name"
    mv "$(segments sealed D)" "$SPOOL/quarantine/D/2,$name"
    sw requeue D
    [ -e "$SPOOL/sealed/D/$name" ]
}

@test "rm: only from quarantine, unless --in QUEUE --yes; every removal is recorded" {
    write D T 1 5
    write D T 6 9
    aside D refused
    write D T 10 12
    run sw rm
    [ "$status" -eq 100 ]
    run sw rm D/T
    [ "$status" -eq 0 ]
    [[ $output == *"2 segments removed, 9 rows"*"0 refused"* ]]
    [ "$(count sealed)" -eq 1 ]
    [ "$(find "$SPOOL/quarantine" -type f | wc -l)" -eq 0 ]
    [ "$(removed_rows)" -eq 9 ]
    jq -e 'select(.db == "D" and .table == "T" and .from == "quarantine" and .reason == "refused" and .bytes > 0)' \
        <"$SPOOL/state/removed.jsonl" >/dev/null
    run sw rm D/T --in sealed
    [ "$status" -eq 100 ]
    [[ $output == *"--yes"* ]]
    run env SPILLWAY_YES=yes spillway --spool "$SPOOL" rm D/T --in sealed
    [ "$status" -eq 100 ]
    run sw rm D/T --in sealed --yes --json
    [ "$status" -eq 0 ]
    [ "$(json rows)" -eq 3 ]
    [ "$(removed_rows)" -eq 12 ]
    [ "$(find "$SPOOL"/{sealed,quarantine} -type f | wc -l)" -eq 0 ]
    [ "$(jq -s 'map(.from) | join(" ")' <"$SPOOL/state/removed.jsonl")" = '"quarantine quarantine sealed"' ]
    sw rm D/T --newer 1h | grep -q '^0 segments removed'
}

@test "rm leaves what others have in hand: a batch, a file being written" {
    write D T 1 5
    mkdir -p "$SPOOL/batch/D/0123456789abcdef"
    mv "$(segments sealed)" "$SPOOL/batch/D/0123456789abcdef/"
    mkfifo "$T/in"
    # shellcheck disable=SC2016
    start walwriter bash -c 'exec walwriter --spool "$SPOOL" --db D --table T --schema n:long --no-guard --flush-interval 10ms --segment-age 1h <"$T/in"'
    exec 7>"$T/in"
    seq 5 >&7
    written() { [ "$(sw cat D --in active | wc -l)" -eq 5 ]; }
    wait_until 5 written
    run sw rm --all --in batch --in active --yes
    [ "$status" -eq 1 ]
    [[ $output == *"it is being uploaded"* ]]
    [[ $output == *"it is being written"* ]]
    exec 7>&-
    wait_for walwriter
    [ "$(sw cat D | wc -l)" -eq 10 ]
}

@test "rm counts the rows it can read of a damaged file, and says when they went on elsewhere" {
    write D T 1 5
    aside D x
    file=$(segments quarantine)
    printf '{"reason":"damaged","salvaged":"elsewhere"}' >"$file.why"
    head -c 100 /dev/zero >>"$file"
    sw rm --all
    [ "$(jq -c '[.rows, .salvaged]' <"$SPOOL/state/removed.jsonl")" = '[5,true]' ]
}

@test "export: ordinary gzip files, whole or joined; nothing is overwritten, the spool stays as it is" {
    write D T 1 5
    write 'my db' U 1 4
    peerd --spool "$SPOOL" --once 2>/dev/null
    write D T 6 9
    mkdir "$T/out" "$T/joined"
    before=$(cd "$SPOOL" && find . -name '*.gz' -exec sha256sum {} + | sort)
    run sw export --all --to "$T/out" --json
    [ "$status" -eq 0 ]
    [ "$(json exported)" -eq 3 ]
    [ "$(zcat "$T"/out/D/T/*.gz)" = "$(seq 9)" ]
    [ "$(zcat "$T"/out/my%20db/U/*.gz)" = "$(seq 4)" ]
    cmp "$(segments sealed D)" "$T/out/D/T/$(basename "$(segments sealed D)")"
    run sw export D --to "$T/out"
    [ "$status" -eq 0 ]
    [[ $output == *"2 there already"* ]]
    echo other >"$(find "$T/out/D/T" -name '*.gz' | head -n 1)"
    run sw export D --to "$T/out"
    [ "$status" -eq 1 ]
    [[ $output == *"not overwritten"* ]]
    sw export D/T --to "$T/joined" --joined
    [ "$(zcat "$T"/joined/D/T/*.gz)" = "$(seq 9)" ]
    python3 - "$T"/joined/D/T/*.gz <<'END'
import sys, zlib
for path in sys.argv[1:]:
    one = zlib.decompressobj(31)
    one.decompress(open(path, "rb").read())
    assert one.eof and not one.unused_data, path
END
    [ "$before" = "$(cd "$SPOOL" && find . -name '*.gz' -exec sha256sum {} + | sort)" ]
    [ -z "$(find "$T/out" "$T/joined" -name '.*')" ]
}

@test "export: no target, one that is absent, one in the spool: exit 100; damage is left out, and said" {
    write D T 1 5
    run sw export D
    [ "$status" -eq 100 ]
    run sw export D --to "$T/absent"
    [ "$status" -eq 100 ]
    run sw export D --to "$SPOOL/sealed"
    [ "$status" -eq 100 ]
    [[ $output == *"in the spool itself"* ]]
    mkdir "$T/out"
    run sw export --to "$T/out"
    [ "$status" -eq 100 ]
    head -c 77 /dev/zero >>"$(segments sealed)"
    run sw export D --to "$T/out"
    [ "$status" -eq 1 ]
    [[ $output == *"77 damaged bytes are left out"* ]]
    [ "$(zcat "$T"/out/D/T/*.gz)" = "$(seq 5)" ]
}

@test "kill -9 anywhere in requeue: each row is in one queue, no reason is lost or left over" {
    for point in requeue:after-intent requeue:after-rename requeue:after-sync requeue:after-why; do
        write D T 1 5
        write D T 6 9
        aside D refused
        run env SPILLWAY_CRASH_AT=$point spillway --spool "$SPOOL" requeue D
        [ "$status" -eq 137 ]
        [ "$(sw cat D | sort -n)" = "$(seq 9)" ]
        for file in $(segments quarantine); do [ -e "$file.why" ]; done
        sw requeue --all >/dev/null
        [ "$(rows sealed | sort -n)" = "$(seq 9)" ]
        [ "$(find "$SPOOL/quarantine" -type f | wc -l)" -eq 0 ]
        [ ! -e "$SPOOL/state/requeue.json" ]
        rm -r "$SPOOL/sealed/D"
    done
}

@test "kill -9 anywhere in rm: each row is in the spool or in the record, once" {
    for point in rm:after-quarantine rm:after-write rm:after-record rm:after-unlink; do
        rm -f "$SPOOL/state/removed.jsonl"
        write D T 1 5
        write D T 6 9
        run env SPILLWAY_CRASH_AT=$point spillway --spool "$SPOOL" rm D --in sealed --yes
        [ "$status" -eq 137 ]
        sw requeue --all >/dev/null || : # finishes what was recorded first
        left=$(sw cat D | wc -l)
        gone=0
        [ ! -e "$SPOOL/state/removed.jsonl" ] || gone=$(removed_rows)
        echo "$point: $left left, $gone gone"
        [ $((left + gone)) -eq 9 ]
        [ "$(whys)" -eq 0 ]
        rm -rf "$SPOOL"/{sealed,quarantine}/D
    done
}

@test "a torn last line of the record is taken off" {
    write D T 1 5
    aside D x
    printf '{"v":1,"db":"D","fi' >"$SPOOL/state/removed.jsonl"
    sw rm D
    [ "$(removed_rows)" -eq 5 ]
    [ "$(wc -l <"$SPOOL/state/removed.jsonl")" -eq 1 ]
}

@test "one change by hand at a time: exit 75 for the other" {
    write D T 1 5
    aside D x
    start holder python3 -c 'import fcntl, os, signal
f = open(os.environ["SPOOL"] + "/run/operator.lock", "w")
fcntl.flock(f, fcntl.LOCK_EX)
open(os.environ["T"] + "/held", "w")
signal.pause()'
    wait_until 5 test -e "$T/held"
    run sw rm --all
    [ "$status" -eq 75 ]
    [[ $output == *"another rm or requeue is at work"* ]]
    stop holder || :
    sw rm --all | grep -q '^1 segments removed'
}

@test "requeue, rm and kill -9 while peerd and uploader run: no row is lost, none comes twice" {
    for i in $(seq 60); do write D T $((i * 10)) $((i * 10 + 9)); done
    aside D refused
    start peerd peerd --spool "$SPOOL" --scan-interval 20ms
    start uploader uploader --spool "$SPOOL" --database "D=dir:$T/out" --batch-age 50ms --scan-interval 20ms
    for i in 5 17 40; do
        run env SPILLWAY_CRASH_AT=requeue:after-rename#$i spillway --spool "$SPOOL" requeue D
    done
    sw rm D --in upload --in sealed --yes || [ $? -eq 1 ]
    sw requeue --all || [ $? -eq 1 ]
    drained() { left=$(spillway --spool "$SPOOL" ls --json) && [ -z "$left" ]; }
    wait_until 20 drained
    stop uploader
    stop peerd
    gone=0
    [ ! -e "$SPOOL/state/removed.jsonl" ] || gone=$(removed_rows)
    uploaded=$(find "$T/out" -name '*.gz' -exec zcat {} + | sort -n | uniq | wc -l)
    echo "uploaded $uploaded, removed $gone"
    [ "$(find "$T/out" -name '*.gz' -exec zcat {} + | wc -l)" -eq "$uploaded" ]
    [ $((uploaded + gone)) -eq 600 ]
    [ "$(whys)" -eq 0 ]
}
