#!/usr/bin/env bats
# Queued ingestion under faults, a short pass (make torture: all of it): Azurite, the ADX stand-in, and uploader killed and refused.
# Step by step: uploader_queued.bats.
bats_require_minimum_version 1.5.0

@test "torture: queued ingestion while uploader is killed and endpoints fail, and not a row is lost" {
    cd "$BATS_TEST_DIRNAME/../.."
    run env BUILD="${BUILD:-build}" tests/torture/torture --short --only queued
    echo "$output"
    [ "$status" -eq 0 ]
    [[ $output != *"left out"* ]]
}

@test "torture: queued, without a key a row may be twice only where an answer did not come, or uploader was killed" {
    cd "$BATS_TEST_DIRNAME/../.."
    PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=tests/torture python3 - <<'END'
from types import SimpleNamespace as Made
from queued import Storm

def in_doubt(ingestions, log=b"", repeatable=()):
    """Of row 7 of w; each ingestion is (kind, request)."""
    adx = Made(tables=lambda: ["T"], messages=lambda: [{"source_id": f"id{i}", "message": {"BlobPath": f"http://h/c/D__T__b{i}-0.csv.gz?sig"}} for i in (1, 2)],
               ingestions=lambda table: [({"kind": kind, "request_id": request}, [["1", "w", "7", ""]]) for kind, request in ingestions])
    uploader = Made(text=lambda: log)
    return Storm.in_doubt(Made(adx=adx, daemons={"uploader": uploader}, repeatable=set(repeatable), is_blind={}))("w", 7)

queued, stream = ("queued", "id1"), ("streaming", "SPW.stream;1")
assert not in_doubt([queued, queued])
assert in_doubt([queued, queued], b"warn message-not-posted program=uploader db=D batch=b1 at=x\n")
assert not in_doubt([queued, queued], b"warn message-not-posted program=uploader db=D batch=b2 at=x\n")
assert in_doubt([queued, queued], repeatable=[("w", 7)])
assert not in_doubt([stream, queued])
assert in_doubt([stream, queued], b'warn batch-failed db=D batch=b1 request="SPW.stream;1" activity=x\n')
assert not in_doubt([stream, stream, queued, queued], b'warn batch-failed db=D batch=b1 request="SPW.stream;1" activity=x\n')
assert in_doubt([stream, stream], b'warn stream-fallback db=D batch=b1 request="SPW.stream;2" suppressed=4\n')
END
}
