#!/usr/bin/env bats
# A short pass of the torture suite (make torture: all of it): a sample of each fault, judged by the oracle. Queued ingestion: torture_queued.bats.
bats_require_minimum_version 1.5.0

@test "torture: a sample of every fault, and not a row is lost" {
    cd "$BATS_TEST_DIRNAME/../.."
    [ -e "${BUILD:-build}/tests/shim.so" ] || skip "not built: make tests"
    run env BUILD="${BUILD:-build}" tests/torture/torture --short --without queued
    echo "$output"
    [ "$status" -eq 0 ]
}

@test "torture: the judge of failover can fail: rows lost, twice, dropped and there, or in no ledger" {
    cd "$BATS_TEST_DIRNAME/../.."
    PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=tests/torture python3 - <<'END'
from collections import Counter, defaultdict
from types import SimpleNamespace as Made
from failover import Storm
from oracle import Expected, Judge

def problems(found, expected, dropped=0, archived=0, in_archive=(), target="dir"):
    judge, archive, given_up = Judge(None), Judge(None), Counter({("B", "w1e0", "dropped"): dropped, ("B", "w1e0", "archived"): archived})
    judge.found, judge.where = {"w1e0": Counter(found)}, defaultdict(list)
    archive.found = {"w1e0": Counter(in_archive)}
    Storm.weigh(Made(expected={"w1e0": expected}, mortal={"B"}, target=target, repeatable=set()), judge, archive, +given_up)
    return judge.problems

said = lambda rows: Expected(rows, rows, exact=True)
killed = Expected(fed=5, acked=2)
assert not problems([0, 1, 2], said(3))
assert not problems([0, 2], said(3), dropped=1)
assert not problems([0, 1, 2], said(3), archived=1, in_archive=[2])
assert not problems([0, 1, 2], killed) and not problems([0], killed, dropped=4)
assert problems([0, 2], said(3))                    # lost
assert problems([0, 2], killed)                     # lost: a later one is there
assert problems([0], killed)                        # lost: it was acknowledged
assert problems([0, 1, 2, 2], said(3))              # twice
assert problems([0, 1, 2, 2], said(3), target="adx")
assert problems([0, 1, 2], said(3), dropped=1)      # dropped, and there
assert problems([0, 1, 2], said(3), archived=1)     # archived, and not in the archive
assert problems([0, 1, 2], said(3), in_archive=[2]) # in the archive, and in no ledger
END
}
