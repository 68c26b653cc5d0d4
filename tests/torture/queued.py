"""Queued ingestion through all of it: walwriter, the spool, uploader, Azurite as storage, and the ADX stand-in that reads it into tables.

Rows come in all the time, while each harm has its turn: uploader is killed (kill -9) at any moment and dies at each named crash point of its
queued path; data management, engine, blobs and queues refuse, throttle, answer late, lose answers and cut connections; storage stops and
comes back, hangs, lends signatures that have ended; ADX is killed, stops reading, fails on messages. At the end all is healed, and each row that
was acknowledged must be in ADX's tables or in the spool's quarantine.

With --dedup strict: once. Without it (the README's table): a row may be twice only where its uploader was killed while its batch was under way, or
where the log says that the message about its blob, or the request that streamed it, got no answer; such rows are counted apart."""
import json
import os
import random
import re
import signal
import tempfile
import threading
import time
from itertools import zip_longest

import storm
from cloud import ACCOUNTS, DB, Cloud, why_not  # pylint: disable=unused-import # why_not: for torture
from oracle import Expected, Judge
from rig import Failure, must, wait_until, walwriter_args

STRICT = ("--dedup", "strict")
CONFIRM_AFTER = 8  # seconds: longer than anything here holds up what ADX says of a message
DOOMED = "T2"      # with --confirm show ADX can never ingest what is in this table
MODES = {
    "strict": ("--ingest", "queued", *STRICT),
    "show": ("--ingest", "queued", *STRICT, "--confirm", "show"),
    "queued": ("--ingest", "queued"),
    "auto-strict": ("--ingest", "auto", *STRICT),
    "peek": ("--ingest", "queued", *STRICT, "--confirm", "peek"),
    "auto": ("--ingest", "auto"),
    "queued-show": ("--ingest", "queued", "--confirm", "show"),
}
QUICK_MODES = ("strict", "queued", "auto-strict", "auto")  # those that do not wait for ADX's word
QUEUED_POINTS = ("queued:after-put", "queued:after-uploaded", "queued:after-post")
POINTS = ("claim:after-take", "claim:before-plan", "claim:after-plan", "adx:after-schema", "batch:before-done", "claim:after-done",
          "batch:after-count", "claim:after-unlink", "claim:after-plan-unlink", "claim:before-rmdir")
REFUSAL_POINTS = ("refuse:after-mark", "refuse:after-move")

STATUSES = (400, 401, 403, 404, 429, 500, 503, 504)
KUSTO = [{"status": status} for status in STATUSES] + [{"mode": mode} for mode in ("drop-before", "drop-after", "status-after", "cut", "truncate",
                                                                                    "exceptions")]
STORAGE = [{"status": status} for status in (400, 403, 404, 409, 412, 413, 429, 500, 503)] + [{"mode": mode} for mode in (
    "drop-before", "drop-after", "status-after", "cut")]
SLOW = ({"mode": "delay", "delay_ms": 300}, {"mode": "delay", "delay_ms": 3000})
# Endpoints that each mode asks, as adxsim's rules name them.
BLOB, QUEUE = {"match": "blob", "method": "PUT"}, {"match": "queue", "method": "POST"}


def is_point(name):
    return re.fullmatch("[a-z]+:[a-z-]+", name) is not None


def name_of(rule):
    return " ".join(str(rule[key]) for key in ("match", "method", "csl_prefix", "mode", "status", "delay_ms", "account") if key in rule)


class Storm(storm.Storm):
    def __init__(self, rig, seed, mode):  # pylint: disable=super-init-not-called
        self.rig, self.seed, self.mode = rig, seed, mode
        self.random = random.Random(f"queued-{mode}-{seed}")
        self.top = tempfile.mkdtemp(prefix="queued.", dir=rig.top)
        self.spool = os.path.join(self.top, "spool")
        os.mkdir(self.spool)
        self.is_over, self.lock = threading.Event(), threading.Lock()
        self.expected, self.kills, self.written, self.repeatable = {}, {}, 0, set()
        self.daemons, self.starts, self.points, self.is_blind = {}, 0, set(), {}
        self.flags = MODES[mode]
        self.batch_age, self.batch_bytes = "100ms", "64K"  # many batches
        self.is_strict, self.confirms = "strict" in self.flags, "--confirm" in self.flags
        self.batch_ms = self.random.choice((50, 300, 1000))
        # Where nobody asks what became of a message, ADX goes on trying until it is well again.
        self.cloud = Cloud(self.top, tuple(self.always()), batch_ms=self.batch_ms, hidden_seconds=1, retries=2 if self.confirms else 1000)
        self.adx = self.cloud.adx

    def uploader_arguments(self):
        return ("--database", f"{DB}={self.adx.engine}", "--data-management", f"{DB}={self.adx.dm}", *self.flags, "--scan-interval", "50ms",
                "--batch-age", self.batch_age, "--batch-bytes", self.batch_bytes, "--batch-segments", "20", "--retry-min", "50ms", "--retry-max", "300ms",
                "--request-timeout", "2s", "--breaker-failures", "3", "--breaker-time", "100ms", "--probe-interval", "100ms",
                "--probe-timeout", "1s", "--recovery-hold", "100ms", "--idle-probe", "300ms",
                *(("--confirm-after", f"{CONFIRM_AFTER}s") if self.confirms else ()))

    # --- harms ---

    def kill_uploader(self, fault=None):
        uploader = self.daemons["uploader"]
        if not uploader.is_running():
            raise Failure(f"uploader ended by itself with {uploader.child.returncode}:\n{uploader.tail()}")
        uploader.stop(signal.SIGKILL)
        self.count("uploader")
        self.in_flight()
        self.start("uploader", fault)

    def die_at(self, point):
        """It dies there, and is started again. What else is wrong meanwhile ends by itself."""
        if point == "confirm:after-again":
            self.adx.fault({"match": "queued", "table": "T1", "status": 400, "code": "BadRequest_TableNotExist", "permanent": True, "count": 2})
        times = self.random.choice((1, 1, 2, 3)) if point in POINTS else 1
        self.kill_uploader({"SPILLWAY_CRASH_AT": f"{point}#{times}"})
        uploader = self.daemons["uploader"]
        wait_until(f"uploader comes to {point}", lambda: not uploader.is_running(), 90)
        if uploader.child.returncode != -signal.SIGKILL:
            raise Failure(f"uploader ended at {point} with {uploader.child.returncode}:\n{uploader.tail()}")
        self.points.add(point)
        self.count("at a point")
        self.in_flight()
        self.start("uploader")

    def die_between_blocks(self):
        """A batch is large, and of small blocks: its blob goes in several."""
        writer, count = f"thin{self.starts}", 90000
        self.expected[writer] = Expected(count)
        self.batch_age, self.batch_bytes = "2s", "64M"
        self.kill_uploader()
        must("walwriter", *walwriter_args(self.spool, "Large", "--block-bytes", "4K"), stdin=self.rig.rows.text(writer, 0, count))
        self.expected[writer] = Expected(count, count, True)
        try:
            self.die_at("queued:after-block")
        finally:
            self.batch_age, self.batch_bytes = "100ms", "64K"

    def hurt(self, rule):
        """A request or some meet it: of the uploader that runs, or of one that is started for it, which asks everybody, and has no opinion of
        accounts yet."""
        number = self.adx.fault({**rule, "count": rule.get("count") or self.random.choice((1, 1, 2, 5))})
        if rule["match"] in ("dm", "mgmt") or "account" in rule or self.random.random() < 0.3:
            self.kill_uploader()

        def is_hit():
            uploader = self.daemons["uploader"]
            if not uploader.is_running():
                raise Failure(f"uploader ended by itself with {uploader.child.returncode}:\n{uploader.tail()}")
            return self.adx.met(number) > 0

        wait_until(f"a request meets {name_of(rule)}", is_hit, 90)
        if self.random.random() < 0.3:
            self.kill_uploader()
        if len(self.adx.given) > 20 or self.random.random() < 0.2:
            self.adx.heal()

    def stop_storage(self):
        self.cloud.azurite.stop()
        self.pause()
        self.cloud.azurite.start()

    def hang(self, program):
        program.send(signal.SIGSTOP)
        try:
            time.sleep(self.random.uniform(0.3, 3))
        finally:
            program.send(signal.SIGCONT)

    def kill_adx(self):
        self.adx.kill()
        self.pause()
        self.adx.start()

    def pause(self):
        time.sleep(self.random.uniform(0, 1.5))

    def set_for_a_while(self, **settings):
        old = {name: self.adx.ask("settings")[name.replace("_", "-")] for name in settings}
        self.adx.set(**settings)
        self.kill_uploader()
        self.pause()
        self.adx.set(**old)
        self.kill_uploader()  # what it was lent, it keeps for an hour, or until it finds it of no use

    def always(self):
        """What ADX refuses all the time: rows that it can never ingest, and streaming into one table, so that it is queued."""
        if self.flags[-1] == "show":
            yield {"match": "queued", "table": DOOMED, "status": 400, "code": "Stream_WrongNumberOfFields", "permanent": True}
        if self.mode == "auto":
            yield {"match": "ingest", "table": "T1", "status": 400, "code": "BadRequest_StreamingIngestionPolicyNotEnabled"}

    def rules(self):
        """Each fault of each endpoint that is asked in this mode."""
        yield from ({"match": "dm", **how} for how in (*KUSTO, *SLOW))
        yield from ({"match": "mgmt", **how} for how in (*KUSTO, *SLOW))
        yield from ({**BLOB, **how} for how in (*STORAGE, *SLOW))
        yield from ({**QUEUE, **how} for how in (*STORAGE, *SLOW))
        yield from ({**one, "account": account, "mode": "drop-before", "count": 10} for one in (BLOB, QUEUE) for account in ACCOUNTS)
        if self.mode == "auto":
            yield from ({"match": "ingest", **how} for how in (*KUSTO, *SLOW))
        if self.flags[-1] == "show":
            yield from ({"match": "mgmt", "csl_prefix": ".show ingestion failures", **how} for how in (*KUSTO, *SLOW))
        if self.flags[-1] == "peek":
            yield from ({"match": "queue", "method": "GET", **how} for how in (*STORAGE, *SLOW))
        yield {"match": "queued", "mode": "delay", "delay_ms": 300}
        yield {"match": "queued", "mode": "drop-before"}
        yield {"match": "queued", "status": 503, "permanent": False}
        if self.is_strict:
            yield {"match": "queued", "mode": "drop-after"}
        if self.confirms:
            yield {"match": "queued", "table": "T1", "status": 400, "code": "BadRequest_TableNotExist", "permanent": True}
            yield {"match": "queued", "table": "T0", "status": 500, "permanent": False, "count": 4}
            yield {"match": "blob", "method": "GET", "status": 404}

    def harms(self):
        """(name, what is done)"""
        points = POINTS + (QUEUED_POINTS if self.mode != "auto" else ())
        if self.confirms:
            points += ("queued:after-posted", "confirm:after-again")
        if self.flags[-1] == "show":
            points += REFUSAL_POINTS
        for point in points:
            yield point, lambda point=point: self.die_at(point)
        if self.mode != "auto":
            yield "queued:after-block", self.die_between_blocks
        for rule in self.rules():
            yield name_of(rule), lambda rule=rule: self.hurt(rule)
        for number in range(6):
            yield f"kill -9 {number}", self.kill_uploader
        yield "storage stops", self.stop_storage
        yield "storage hangs", lambda: self.hang(self.cloud.azurite)
        yield "adx hangs", lambda: self.hang(self.adx)
        yield "adx does not read", lambda: self.set_for_a_while(paused=1)
        yield "signatures have ended", lambda: self.set_for_a_while(sas_seconds=-60)
        if self.is_strict:  # what it was at, it does again
            yield "kill -9 of adx", self.kill_adx
        if self.confirms:
            yield "identities have ended", lambda: self.set_for_a_while(identity_seconds=0)

    def deck(self):
        """What had its turn least often first, and in a random order among these; a crash point, something else, a crash point, ..."""
        harms = list(self.harms())
        self.random.shuffle(harms)
        harms.sort(key=lambda harm: self.rig.harmed[harm[0]])
        turns = {True: [], False: []}
        for harm in harms:
            turns[is_point(harm[0])].append(harm)
        pairs = zip_longest(turns[True], turns[False])
        return [harm for pair in pairs for harm in pair if harm]

    def blow(self, seconds):
        for program in ("diskguard", "peerd", "uploader"):
            self.start(program)
        deck = []

        def harm():
            if not deck:
                self.adx.heal()
                deck.extend(self.deck())
            name, act = deck.pop(0)
            began = time.monotonic()
            try:
                act()
                if os.environ.get("TORTURE_VERBOSE"):
                    print(f"    {name}: {time.monotonic() - began:.1f} s", flush=True)
            except Failure as error:
                raise Failure(f"{name}: {error}") from None
            self.rig.harmed[name] += 1
            time.sleep(self.random.uniform(0, 0.2))

        storm.feed(self, [storm.Feeder(self, i) for i in range(storm.WRITERS)], seconds, harm, self.adx.heal)

    # --- the end ---

    def drain(self):
        wait_until(f"the spool drains: {self.queued()[:3]}", lambda: not self.queued(), 180)
        super().drain()
        wait_until("ADX has dealt with all messages", lambda: self.adx.waiting() == 0, 120)

    def judge(self):
        judge = Judge(self.rig.rows)
        judge.take_spool(self.spool)
        self.adx.give(judge)
        judge.judge(self.expected, (lambda writer, seq: False) if self.is_strict else self.in_doubt())
        return judge

    def in_doubt(self):
        """May this row be there more than once? All of the times but one the uploader never came to know of."""
        log = self.daemons["uploader"].text().decode()
        batches = set(re.findall(r"message-not-posted .*\bbatch=(\w+)", log))
        requests = set(re.findall(r"(?:batch-failed|stream-fallback) .*\brequest=\"?(SPW\.[^\s\"]+)", log))
        # Of many lines in a row the log has but a count: then any of the kind may be one of those.
        self.is_blind = {kind: re.search(rf"(?:{lines}) .*\bsuppressed=", log) is not None
                         for kind, lines in (("queued", "message-not-posted"), ("streaming", "batch-failed|stream-fallback"))}
        blobs = {one["source_id"]: one["message"]["BlobPath"].partition("?")[0] for one in self.adx.messages()}
        known = {}

        def is_doubtful(one):
            if self.is_blind[one["kind"]]:
                return True
            if one["kind"] == "queued":
                return any(f"__{batch}-" in blobs[one["request_id"]] for batch in batches)
            return one["request_id"] in requests

        for table in self.adx.tables():
            for one, rows in self.adx.ingestions(table):
                if not is_doubtful(one):
                    for fields in rows:
                        key = fields[1], int(fields[2])
                        known[key] = known.get(key, 0) + 1
        return lambda writer, seq: (writer, seq) in self.repeatable or known.get((writer, seq), 0) <= 1

    def faults(self):
        return super().faults() + sum(self.adx.hits.values())

    def remark(self):
        states = {}
        for one in self.adx.messages():
            states[one["state"]] = states.get(one["state"], 0) + 1
        blind = " (log incomplete)" if any(self.is_blind.values()) else ""
        return f"{blind}; messages {json.dumps(states)}; met faults {json.dumps(dict(self.adx.hits))}; died at {len(self.points)} named points"

    def end(self):
        self.cloud.stop()
        super().end()


def one(rig, seed, mode, seconds):
    """A storm of its own. True when all is well."""
    print(f"queued storm, {' '.join(MODES[mode])}, {seconds:.0f} s, seed {seed}", flush=True)
    case, key = f"queued/{mode}/{seed}/{seconds}", ("queued storm", mode)
    try:
        whole = Storm(rig, seed, mode)
    except Failure as error:  # the cloud does not start
        rig.fail(key, case, str(error))
        return False
    return storm.run(rig, whole, seconds, case, key)


def had_their_turn(rig):
    return f"{len(rig.harmed)} kinds of harm had their turn, {sum(map(is_point, rig.harmed))} of them crash points"


def again(rig, parts):
    mode, seed, seconds = parts
    one(rig, int(seed), mode, float(seconds))
