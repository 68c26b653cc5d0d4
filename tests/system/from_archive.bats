#!/usr/bin/env bats
# spillway requeue --from-archive: each segment comes back once, whatever it dies of, and nothing leaves the archive before it is back.

load lib

setup() {
    spillway_setup
    mkdir "$T/archive"
}

# put TABLE FIRST LAST: a segment of these rows, in the archive.
put() {
    seq "$2" "$3" | walwriter --spool "$SPOOL" --db D --table "$1" --schema n:long --no-guard 2>/dev/null
    mkdir -p "$T/archive/D"
    mv "$SPOOL"/sealed/D/* "$T/archive/D/"
}

back() { spillway --spool "$SPOOL" requeue --from-archive "$T/archive" "$@"; }
archived() { find "$T/archive" -name '*.gz' | wc -l; }
in_state() { find "$SPOOL/state" -name 'restore-*' | wc -l; }

start_guard() {
    start diskguard diskguard --spool "$SPOOL" --max-disk-usage "$1" --min-free 0
    wait_until 10 spillway --spool "$SPOOL" status --json
    ready() { spillway --spool "$SPOOL" status --json | jq -e .programs.diskguard.ready; }
    wait_until 10 ready
}

@test "all of it, or what words select; a second run finds nothing" {
    put A 1 10
    put B 11 20
    start_guard 64M
    run back D/A
    [ "$status" -eq 0 ]
    [[ $output == *"1 segments requeued, 10 rows; 0 refused"* ]]
    [ "$(rows sealed D | sort -n | tr '\n' ' ')" = "$(seq -s ' ' 1 10) " ]
    back --json | jq -e '.requeued == 1 and .rows == 10'
    back --json | jq -e '.requeued == 0'
    [ "$(rows sealed D | sort -n | uniq | wc -l)" -eq 20 ]
    [ "$(archived)" -eq 0 ]
    [ "$(in_state)" -eq 0 ]
}

@test "killed at each step and run again, every row is there once" {
    start_guard 64M
    for point in restore:after-copy restore:after-copy#2 restore:after-write restore:after-record restore:after-record#2 restore:after-rename \
        restore:after-rename#2 restore:after-unlink restore:after-unlink#2; do
        rm -rf "$SPOOL/sealed/D" "$T/archive/D"
        put A 1 10
        put B 11 20
        put C 21 30
        code=0
        SPILLWAY_CRASH_AT=$point back || code=$?
        [ "$code" -eq 137 ] || { echo "$point was not reached: $code" >&2; false; }
        run back
        [ "$status" -eq 0 ]
        [ "$(rows sealed D | sort -n | tr '\n' ' ')" = "$(seq -s ' ' 1 30) " ] || { echo "$point" >&2; false; }
        [ "$(archived)" -eq 0 ]
        [ "$(in_state)" -eq 0 ]
    done
}

@test "what is damaged, foreign or has no room stays in the archive, and is told" {
    put A 1 10
    put B 11 20
    start_guard 64M
    printf x | dd of="$(ls "$T"/archive/D/A,*)" bs=1 seek=150 conv=notrunc status=none
    cp /etc/hostname "$T/archive/D/notes.gz"
    run back
    [ "$status" -eq 1 ]
    [[ $output == *"A,"*"not requeued"* ]]
    [[ $output == *"notes.gz: not requeued: its name"* ]]
    [ "$(rows sealed D | wc -l)" -eq 10 ]
    [ "$(archived)" -eq 2 ]
    rm -rf "$T/archive/D" "$SPOOL/sealed/D"
    put C 21 30
    stop diskguard
    run back # nobody grants room
    [ "$status" -eq 75 ]
    [ "$(archived)" -eq 1 ]
    run spillway --spool "$SPOOL" requeue --from-archive "$T/nothing"
    [ "$status" -eq 100 ]
}

@test "a name that is taken in sealed/, and one with a number before it, lose nothing" {
    put A 1 10
    start_guard 64M
    file=$(basename "$T"/archive/D/A,*)
    cp "$T/archive/D/$file" "$T/archive/D/1,$file"
    run back
    [ "$status" -eq 0 ]
    [ "$(rows sealed D | sort -n | uniq -c | awk '{print $1}' | sort -u)" = 2 ] # two files, both taken: they are not known to be one
    [ "$(count sealed)" -eq 2 ]
    [ "$(segments sealed | sed 's/.*,\(.\{16\}\)[.].*/\1/' | while read -r id; do echo $((16#$id >> 23)); done | uniq | wc -l)" -eq 1 ] # as old as before
}
