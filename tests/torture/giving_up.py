"""Scenes of failover: peerd gives up, by each policy, what the instance that buffers for a database has no room for; takes back from upload/
what must go there; and what was archived comes back. A database D is in failover at a scripted peer, b, by an operator's word.

Judged by the ledger: rows sent = rows found + rows dropped, and what is in the archive is what was said to be."""
import glob
import json
import os
import time

import ledger
from rig import Daemon, Failure, fault, must, run, wait_until
from scenes import SCENES, PeerdSend, Scene

FULL = {"status": 429, "headers": {"Retry-After": "1", "Spillway-Failover": "D"}, "code": "failover", "why": "no room for it here"}
ROTATE_BYTES = 8 << 20  # of the ledger


def in_failover(spool):
    now = int(time.time() * 1000)
    word = {"mode": "on", "at": "b", "by": "a", "set": now, "until": now + 3600 * 1000}
    os.makedirs(os.path.join(spool, "state"), exist_ok=True)
    with open(os.path.join(spool, "state/failover.json"), "w", encoding="ascii") as out:
        json.dump({"v": 1, "overrides": {"D": word}, "databases": {}}, out)


class GivesUp(PeerdSend):
    """With policy drop."""

    name, policy = "peerd-drop", "drop"
    is_full = True

    def __init__(self, rig, top):
        super().__init__(rig, top)
        self.archive = os.path.join(top, "archive")
        os.mkdir(self.archive)
        in_failover(self.spool)

    def args(self, port):
        return (*super().args(port), "--drop-policy", self.policy, "--archive-dir", self.archive)

    def run(self, shim, script=()):
        return super().run(shim, [FULL] * 200 if self.is_full else ())

    def finish(self):
        """What was being sent when peerd died may be there: only the peer's word settles that, once it has room."""
        self.run({})
        self.is_full = False
        super().finish()

    def judge(self):
        judge, archived = self.rig.judge(), self.rig.judge()
        self.gather(judge)
        ledger.take_archive(self.archive, judge, archived)
        sums = ledger.given_up([self.spool])
        ledger.weigh(judge, archived, sums, self.expected, lambda writer: ("D", "T" + writer[len("ring"):]), self.may_repeat)
        if not sum(rows for (_, _, fate), rows in sums.items() if fate == self.fate):
            judge.problems.append(f"nothing was {self.fate}")
        return judge

    fate = "dropped"


class Archives(GivesUp):
    """With policy archive, and an archive to which the first segment cannot be linked: it is copied."""

    name, policy, fate = "peerd-archive", "archive", "archived"

    def start(self, shim):
        return super().start({**fault("rename", 1, "EIO", [self.archive]), **shim})


class Rotates(GivesUp):
    """The ledger is so long that it is cut in two."""

    name = "peerd-drop-long"

    def __init__(self, rig, top):
        super().__init__(rig, top)
        line = {"v": 1, "seq": 0, "time": "2026-01-01T00:00:00.000Z", "fate": "dropped", "reason": "sacrificial-full", "db": "Other", "table": "Old",
                "file": "Old,-,0000000000000001.csv.gz", "rows": 1, "raw_bytes": 1, "bytes": 1, "damaged_bytes": 0, "peer": "b", "queue": "sealed",
                "folder": "Other", "group": "", "inode": 1, "mtime_ns": 1, "more": "x" * 2000}
        with open(os.path.join(self.spool, "state/drops.jsonl"), "w", encoding="ascii") as out:
            while out.tell() <= ROTATE_BYTES:
                line["seq"] += 1
                out.write(json.dumps(line) + "\n")
        self.old = line["seq"]

    def judge(self):
        judge = super().judge()
        totals = json.loads(must("spillway", "--spool", self.spool, "failover", "--json", codes=(0, 75)).out.splitlines()[0])
        kept = sum(one["rows"] for db in totals.get("databases", ()) if db["db"] == "Other" for one in db["given_up"])
        if totals.get("databases") and kept not in (0, self.old):
            judge.problems.append(f"{self.old} rows of the ledger's first part, of which {kept} are told")
        return judge


class Reclaims(PeerdSend):
    """All of it is in upload/, from where it must go: the peer takes it."""

    name = "peerd-reclaim"

    def __init__(self, rig, top):
        super().__init__(rig, top)
        os.makedirs(os.path.join(self.spool, "upload/D"), exist_ok=True)
        for path in glob.glob(os.path.join(self.spool, "sealed/D/*")):
            os.rename(path, path.replace("/sealed/", "/upload/"))
        in_failover(self.spool)

    def finish(self):
        super().finish()
        left = glob.glob(os.path.join(self.spool, "upload/D/*"))
        if left:
            raise Failure(f"still in upload/ after a clean run: {left[:4]}")


class Restores(Scene):
    """spillway requeue --from-archive: what was archived comes back, each row once."""

    program, name, state = "spillway", "spillway-restore", "ring"

    def __init__(self, rig, top):
        super().__init__(rig, top)
        self.archive = os.path.join(top, "archive")
        os.mkdir(self.archive)
        os.rename(os.path.join(self.spool, "sealed/D"), os.path.join(self.archive, "D"))

    def guarded(self, work, **more):
        """It asks diskguard for room."""
        guard = Daemon(os.path.join(self.top, "diskguard.log"), "diskguard", "--spool", self.spool, "--max-disk-usage", "1G", "--min-free", "0")
        try:
            wait_until("diskguard is ready", self.is_ready)
            return work("spillway", "--spool", self.spool, "requeue", "--from-archive", self.archive, **more)
        finally:
            guard.stop()

    def is_ready(self):
        status = json.loads(run("spillway", "--spool", self.spool, "status", "--json").out)
        return status["programs"]["diskguard"].get("ready", False)

    def start(self, shim):
        return self.guarded(run, fault=shim)

    def finish(self):
        self.guarded(must, codes=(0, 1))
        left = [path for path in glob.glob(os.path.join(self.archive, "**"), recursive=True) if os.path.isfile(path)]
        if left:
            raise Failure(f"still in the archive: {left[:4]}")


GIVING_UP = (GivesUp, Archives, Rotates, Reclaims, Restores)
SCENES.update((scene.name, scene) for scene in GIVING_UP)
