#!/usr/bin/env python3
"""P8: with one database dead, what becomes of the other: its rows a second into ADX, and the p99 of a row's way there, beside the same with
both alive. Three real instances under supervisord, two ADX stand-ins; rows come in at every instance at a fixed rate, as they do from
agents, of both databases all the time. In one run, in turn: both alive, B dead, both alive, ... Every row carries its id and the time when
it was sent; when it arrived is what the stand-in recorded. None of A may be lost, and none of B that is not in a ledger of drops.

B's cluster dies in one of several ways, round after round, each with lines of its own:

    gone   whoever connects is cut off at once, as where its process is dead
    hangs  it accepts, and never answers
    5xx    it answers 503 at once

The time from B's death until all instances have found it out, and from its return until what was buffered is gone, is told apart: these are
the moments in which the most moves. P8_DEATHS="gone hangs" runs some of them. BENCH=quick: one short pair. JSON
lines."""
import json
import os
import sys
import tempfile
import time
from statistics import median

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(__file__))), "tools"))
# pylint: disable=wrong-import-position
from trio import DATABASES, Trio, Trouble, percentile, wait_until

QUICK = os.environ.get("BENCH", "full") == "quick"
ROUNDS = int(os.environ.get("BENCH_RUNS", "1" if QUICK else "5"))
DEATHS = os.environ.get("P8_DEATHS", "gone" if QUICK else "gone hangs 5xx").split()
EACH = 3 if QUICK else 8  # seconds measured in each half of a round
RATES = {"A": 300, "B": 300} if QUICK else {"A": 1000, "B": 1000}  # rows a second into each instance
PADS = {"A": 100, "B": 100}
TABLES = 12  # of each database: many small uploads, so that a window of the clock cuts few rows off
PATIENCE = 300
SETTINGS = {
    "max-disk-usage": "1G", "min-free": "0", "breaker-failures": "3", "breaker-time": "1s", "probe-interval": "1s", "idle-probe": "1s",
    "recovery-hold": "1s", "peer-poll": "500ms", "peer-hold": "30s", "segment-age": "500ms", "flush-interval": "200ms", "batch-age": "500ms",
    "request-timeout": "5s", "probe-timeout": "1s", "transfer-linger": "200ms", "retry-min": "100ms", "retry-max": "1s", "peer-unhealthy": "2s", "scan-interval": "200ms",
}


def now():
    return int(time.time() * 1e6)


def measured(seconds):
    """A window of the clock, in microseconds."""
    begun = now()
    time.sleep(seconds)
    return begun, now()


def line(name, values, unit, target=""):
    print(json.dumps({"row": "P8", "name": name, "value": round(median(values), 4), "unit": unit, "target": target,
                      "spread": f"{min(values):.4g} to {max(values):.4g}"}), flush=True)


def arrived(trio):
    """Waits until what was sent up to now is in ADX: rounds are alike, whatever came before."""
    sent = {db: trio.sent(db) for db in DATABASES}
    wait_until("all that was sent is in ADX", lambda: all(trio.clusters[db].rows() >= sent[db] for db in DATABASES), PATIENCE)


def run(trio, death):
    """The windows: [(both alive, B dead, B found dead to B buffered nowhere)]."""
    rounds = []
    trio.feed(RATES, PADS, TABLES)
    wait_until("tables are made", lambda: all(trio.clusters[db].rows() > 0 for db in DATABASES), PATIENCE)
    for _ in range(ROUNDS):
        alive = measured(EACH)
        trio.clusters["B"].cut(death)
        fell = now()
        wait_until("all instances find B dead", lambda: trio.all_say("B", True), PATIENCE)
        fallen = now()
        dead = measured(EACH)
        trio.clusters["B"].mend()
        rose = now()
        wait_until("all instances find B alive", lambda: trio.all_say("B", False), PATIENCE)
        most = 3 * 2 * RATES["B"]  # what is on its way at any time
        wait_until("what was buffered is in ADX", lambda: sum(one.held("B") for one in trio.instances) < 2 * most, PATIENCE)
        rounds.append((alive, dead, (fell, fallen), (rose, now())))
        arrived(trio)
    trio.end_feed()
    wait_until("all arrives", lambda: trio.is_drained() and all(trio.clusters[db].rows() >= trio.sent(db) for db in DATABASES), PATIENCE)
    return rounds


def judge(trio, death):
    """What became of the rows, by their ids. There is room for all of them: nothing may be refused, dropped or lost, of B neither."""
    sums = {db: {**trio.account(db), "refused": trio.refused_at_door(db)} for db in DATABASES}
    line(f"B {death}: of A rows lost, twice or refused, of all that were sent", [sum(sums["A"][k] for k in ("missing", "twice", "strange", "refused"))], "rows", "<= 0")
    for db, sum_of in sums.items():
        if any(sum_of[k] for k in ("missing", "twice", "strange", "refused")) or not sum_of["sent"]:
            raise Trouble(f"{db}: {sum_of}, dropped {trio.ledger(db, 'dropped')}")


def figures(trio, rounds, death):
    arrivals = trio.clusters["A"].arrivals()

    def speed(window):
        """Rows that arrived, a second."""
        return sum(window[0] <= there < window[1] for _, _, there in arrivals) / ((window[1] - window[0]) / 1e6)

    def delay(window):
        """p99, in seconds, of rows sent then."""
        return percentile([(there - sent) / 1e6 for _, sent, there in arrivals if window[0] <= sent < window[1]], 0.99)

    alive, dead, falling, rising = zip(*rounds)
    line(f"B {death}: A: rows into ADX, both databases alive", [speed(w) for w in alive], "1/s")
    line(f"B {death}: A: rows into ADX, B away", [speed(w) for w in dead], "1/s")
    line(f"B {death}: A: rows into ADX, B away beside both alive", [speed(d) / speed(a) for a, d in zip(alive, dead)], "x", ">= 0.9")
    line(f"B {death}: A: p99 from row to ADX, both databases alive", [delay(w) for w in alive], "s")
    line(f"B {death}: A: p99 from row to ADX, B away", [delay(w) for w in dead], "s")
    line(f"B {death}: A: p99 from row to ADX, B away beside both alive", [delay(d) / delay(a) for a, d in zip(alive, dead)], "x", "<= 1.1")
    line(f"B {death}: A: the same while instances find out that B is away", [delay(f) / delay(a) for a, f in zip(alive, falling)], "x")
    line(f"B {death}: A: the same while B comes back and what was buffered goes", [delay(r) / delay(a) for a, r in zip(alive, rising)], "x")
    line(f"B {death}: from its death until all are in failover", [(f[1] - f[0]) / 1e6 for f in falling], "s")
    line(f"B {death}: from its return until what was buffered is in ADX", [(r[1] - r[0]) / 1e6 for r in rising], "s")


def one(death):
    with tempfile.TemporaryDirectory(prefix="spillway-p8.") as top:
        trio = Trio(top, SETTINGS.items())
        try:
            rounds = run(trio, death)
            figures(trio, rounds, death)
            judge(trio, death)
        except Trouble as trouble:
            print(f"p8: {death}: {trouble}\n{trio.tails()}", file=sys.stderr)
            return 1
        finally:
            trio.stop()
    return 0


def main():
    return max(one(death) for death in DEATHS)


sys.exit(main())
