#!/usr/bin/env bats
# The failover demo in its short form: it is true, ends by itself, leaves nothing behind, and can fail.

load lib

# demo POLICY: its run, in a directory of its own.
demo() {
    mkdir "$T/tmp"
    run env DEMO_SECONDS=1 TMPDIR="$T/tmp" "$REPO/scripts/demo-failover" "$1"
    echo "$output"
    [ "$status" -eq 0 ]
    [[ $output == *"THE CLUSTER OF B DIES"*"failover of B; n"*"answers 429"*"THE CLUSTER OF B COMES BACK"*"failover is over"*"One database died"* ]]
    [ -z "$(ls -A "$T/tmp")" ]
    if pgrep -f "$T/tmp"; then return 1; fi
}

# sum DB: "sent arrived dropped left lost twice", as the last table has them.
sum() { sed -nE "s/^$1 +[0-9].*/&/p" <<<"$output" | tr -d , | awk '{print $2, $3, $4, $5, $6, $7}'; }

@test "one dead database: what does not fit is dropped, each row is in ADX or in the ledger, and the other database lacks none" {
    demo drop
    read -r sent arrived dropped left lost twice <<<"$(sum A)"
    [ "$sent" -gt 0 ]
    [ "$arrived" -eq "$sent" ]
    [ "$dropped $left $lost $twice" = "0 0 0 0" ]
    read -r sent arrived dropped left lost twice <<<"$(sum B)"
    [ "$dropped" -gt 0 ]
    [ $((arrived + dropped)) -eq "$sent" ]
    [ "$left $lost $twice" = "0 0 0" ]
}

@test "the same with an archive: not one row is lost" {
    demo archive
    for db in A B; do
        read -r sent arrived dropped left lost twice <<<"$(sum $db)"
        [ "$sent" -gt 0 ]
        [ "$arrived" -eq "$sent" ]
        [ "$dropped $left $lost $twice" = "0 0 0 0" ]
    done
    [[ $output == *"requeue --from-archive"* ]]
}

@test "its judge can fail: rows that are missing, twice, or that nobody sent" {
    PYTHONDONTWRITEBYTECODE=1 PYTHONPATH="$REPO/tests/tools" python3 - <<'END'
from types import SimpleNamespace as Made
from trio import Trio

def account(*arrivals):
    feeder = Made(taken={"B": {1: 10, 2: 10, 3: 20}}, unknown={"B": {9}})
    return Trio.account(Made(feeders=[feeder], clusters={"B": Made(arrivals=lambda: arrivals)}), "B")

good = account((1, 10, 50), (2, 10, 50), (3, 20, 50), (9, 5, 50))
assert good == {"sent": 3, "arrived": 3, "missing": 0, "twice": 0, "strange": 0}, good
assert account((1, 10, 50), (3, 20, 50))["missing"] == 1
assert account((1, 10, 50), (1, 10, 60))["twice"] == 1
assert account((4, 10, 50))["strange"] == 1
assert account((1, 11, 50))["strange"] == 1
END
    run "$REPO/scripts/demo-failover" keep
    [ "$status" -eq 100 ]
}
