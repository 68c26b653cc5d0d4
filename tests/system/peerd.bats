#!/usr/bin/env bats
# peerd in its solo form: sealed/ to upload/, and what writers left behind.

load lib

write() { # TABLE ROWS
    seq "$2" | walwriter --spool "$SPOOL" --db D --table "$1" --schema n:long --no-guard 2>/dev/null
}

@test "--once routes all there is and exits 0" {
    write A 3
    write B 4
    run peerd --spool "$SPOOL" --once
    [ "$status" -eq 0 ]
    [ "$(count sealed)" -eq 0 ]
    [ "$(rows upload D | sort -n | uniq -c | awk '{print $1}' | tr -d '\n')" = 2221 ]
}

@test "a running peerd routes what is sealed, at the writer's hint and without it" {
    start peerd peerd --spool "$SPOOL" --scan-interval 1h
    wait_until 5 test -S "$SPOOL/run/peerd.ctl"
    hinted() { write A 3 && [ "$(count upload)" -gt 0 ]; } # a hint may be lost, the next one comes
    wait_until 10 hinted
    stop peerd
    write B 3
    start peerd peerd --spool "$SPOOL" --scan-interval 20ms
    routed() { [ "$(segments upload | grep -c /B,)" -eq 1 ] && [ "$(count sealed)" -eq 0 ]; }
    wait_until 10 routed
    mv "$SPOOL"/upload/D/B,* "$SPOOL/sealed/D/" # nobody hints at this
    wait_until 10 routed
    stop peerd
}

@test "killed at any time and started again, it loses nothing" {
    for i in $(seq 20); do write "T$i" 5; done
    for _ in $(seq 5); do
        start peerd peerd --spool "$SPOOL" --scan-interval 10ms
        stop peerd KILL || true
    done
    run peerd --spool "$SPOOL" --once
    [ "$status" -eq 0 ]
    [ "$(rows upload D | wc -l)" -eq 100 ]
}

@test "a segment whose name is taken in upload/ is set aside, not lost, and holds up nobody" {
    write A 3
    write B 3
    mkdir -p "$SPOOL/upload/D"
    file=$(basename "$SPOOL"/sealed/D/A,*)
    echo other >"$SPOOL/upload/D/$file"
    run peerd --spool "$SPOOL" --once
    [ "$status" -eq 0 ]
    [ "$(cat "$SPOOL/upload/D/$file")" = other ]
    [ "$(zcat "$SPOOL/quarantine/D/$file" | wc -l)" -eq 3 ]
    jq -e '.reason | test("of this name")' "$SPOOL/quarantine/D/$file.why"
    [ "$(segments upload D | grep -c /B,)" -eq 1 ]
}

@test "what cannot be routed now stays, and --once says 75" {
    write A 3
    rmdir "$SPOOL/upload"
    ln -s /nonexistent "$SPOOL/upload"
    run peerd --spool "$SPOOL" --once
    [ "$status" -ne 0 ]
    rm "$SPOOL/upload"
    [ "$(count sealed)" -eq 1 ]
    mkdir "$SPOOL/upload"
    echo file >"$SPOOL/upload/D" # where the database's folder should be
    run peerd --spool "$SPOOL" --once
    [ "$status" -eq 75 ]
    [[ $output == *cannot-route* ]]
    rm "$SPOOL/upload/D"
    run peerd --spool "$SPOOL" --once
    [ "$status" -eq 0 ]
}

@test "what a writer that died left in active/ is sealed and routed" {
    mkfifo "$T/in"
    start walwriter bash -c 'exec walwriter --spool "$SPOOL" --db D --table A --schema n:long --no-guard --flush-interval 10ms --segment-age 1h <"$T/in"'
    exec 7>"$T/in"
    seq 10 >&7
    written() { [ "$(spillway --spool "$SPOOL" cat D/A 2>/dev/null | wc -l)" -eq 10 ]; }
    wait_until 5 written
    start peerd peerd --spool "$SPOOL"
    wait_until 5 test -S "$SPOOL/run/peerd.ctl"
    [ "$(count active)" -eq 1 ] # it is locked: nobody's to adopt
    stop walwriter KILL || true
    exec 7>&-
    adopted() { [ "$(rows upload D | wc -l)" -eq 10 ]; }
    wait_until 10 adopted
    [ "$(spillway --spool "$SPOOL" status --json | jq .programs.peerd.adopted_segments)" -eq 1 ]
}

@test "wrong use is told in one line, exit 100" {
    run peerd
    [ "$status" -eq 100 ]
    [ "$output" = "peerd: --spool DIR is needed: see peerd --help" ]
    run peerd --spool "$T/absent" --log-timestamps no
    [ "$status" -eq 100 ]
    [[ $output == *"does not exist: mkdir -p"* ]]
    start one peerd --spool "$SPOOL"
    wait_until 5 test -S "$SPOOL/run/peerd.ctl"
    run peerd --spool "$SPOOL"
    [ "$status" -eq 100 ]
    [[ $output == *"another peerd works on it (pid $(pid_of one))"* ]]
}
