"""One dead database: three instances with peers, two databases that die and come back, while any program is killed at any time (kill -9), and
the network between any two instances cuts, stalls, answers late, loses answers or is away for longer than the hold time: so members flap, and
for a while each may see another ring.

Every start of a walwriter writes a table of its own, so that the drop ledgers (state/drops.jsonl), which know tables and rows, can be held
against its rows by their ids: sent = in ADX + in spools + in archives + in drop ledgers, exactly. Of a walwriter that was killed, what was
sent is a prefix of what it was fed, with all that was seen in its file; of any other, what it said. A row may be twice in ADX only where a
batch was in flight when its uploader, or its database, was killed; never in directories, where a batch that is sent again replaces itself."""
import glob
import os
import random
import signal
import sys
import tempfile
import threading
import time

import ledger
from oracle import Judge, read, segment_text
from proxies import Proxy
from rig import REPO, Daemon, Failure, wait_until
import storm

sys.path.insert(0, os.path.join(REPO, "tests", "tools"))
from trio import DATABASES, NAMES, Cluster, free_port  # pylint: disable=wrong-import-position

LIMIT, QUEUES = "24M", ("active", "sealed", "upload", "batch", "transfer", "incoming")
PROGRAMS = ("diskguard", "peerd", "uploader")
POLICIES = ("drop", "archive", "keep")


class Feeder(storm.Feeder):
    """While a database is away, its walwriters wait for room at the instance that buffers for it, until it is back."""

    PATIENCE = 240

    def table(self, writer):
        return writer


class Directories:
    """Databases that are directories. Each instance reaches them by a link of its own; where a file is in its place, it does not."""

    def __init__(self, top):
        self.top, self.links = os.path.join(top, "out"), os.path.join(top, "links")
        for db in DATABASES:
            os.makedirs(os.path.join(self.top, db))
            for name in NAMES:
                os.makedirs(os.path.join(self.links, name), exist_ok=True)
                self.heal(db, name)

    def link(self, db, name):
        return os.path.join(self.links, name, db)

    def url(self, db, name):
        return "dir:" + self.link(db, name)

    def replace(self, db, name, make):
        make(self.link(db, name) + ".new")
        os.rename(self.link(db, name) + ".new", self.link(db, name))

    def kill(self, db, name):
        self.replace(db, name, lambda path: os.close(os.open(path, os.O_CREAT | os.O_WRONLY)))

    def heal(self, db, name):
        self.replace(db, name, lambda path: os.symlink(os.path.join(self.top, db), path))

    def give(self, judge):
        judge.take_dir(self.top, ordered=False)

    def stop(self):
        pass


class Clusters:
    """Databases in ADX stand-ins, one each, which are killed, for all instances alike: `name` is not looked at."""

    def __init__(self, top):
        self.clusters = {db: Cluster(top, db) for db in DATABASES}

    def url(self, db, name):
        del name
        return self.clusters[db].url

    def kill(self, db, name):
        del name
        self.clusters[db].stop(signal.SIGKILL)

    def heal(self, db, name):
        del name
        if not self.clusters[db].is_up():
            self.clusters[db].start()

    def give(self, judge):
        for db, cluster in self.clusters.items():
            for table in cluster.tables():
                judge.take(cluster.get(f"csv?db={db}&table={table}"), f"adx:{db}.{table}", ordered=False)

    def stop(self):
        for cluster in self.clusters.values():
            cluster.stop(signal.SIGKILL)


class Storm(storm.Storm):
    def __init__(self, rig, seed, target):  # pylint: disable=super-init-not-called
        self.rig, self.seed, self.target, self.sim = rig, seed, target, None
        self.random = random.Random(f"failover-{seed}")
        self.top = tempfile.mkdtemp(prefix="failover.", dir=rig.top)
        self.archive = os.path.join(self.top, "archive")
        self.ports = {name: free_port() for name in NAMES}
        for name in NAMES:
            os.makedirs(self.spool_of(name))
        os.mkdir(self.archive)
        self.is_over, self.lock = threading.Event(), threading.Lock()
        self.expected, self.kills, self.written, self.repeatable = {}, {}, 0, set()
        self.daemons, self.starts = {}, 0
        self.policy = POLICIES[seed % len(POLICIES)]
        self.for_all = 1 if target == "adx" else self.random.choice((0, 0.7, 0.7, 1))  # how often one that dies does so for all instances
        self.share = self.random.choice(("300K", "1M", "4M"))
        self.is_spoilt = self.random.random() < 0.7  # the network
        self.dead, self.mortal, self.deaths = set(), set(), 0
        self.dropped = self.archived = 0
        self.proxies = {}  # (who asks, who is asked)
        self.target_of = Directories(self.top) if target == "dir" else Clusters(self.top)

    def spool_of(self, name):
        return os.path.join(self.top, name, "spool")

    def way(self, name, other):
        """How one instance reaches another."""
        proxy = self.proxies.get((name, other))
        return proxy.url if proxy else f"http://127.0.0.1:{self.ports[other]}"

    def start(self, program):
        """A program of an instance: "peerd-n0"."""
        what, name = program.split("-")
        arguments = {
            "diskguard": ("--max-disk-usage", LIMIT, "--failover-share", self.share, "--min-free", "0", "--scan-interval", "100ms"),
            "peerd": ("--scan-interval", "50ms", "--name", name, "--listen", f"127.0.0.1:{self.ports[name]}", "--transfer-linger", "50ms",
                      "--retry-min", "20ms", "--retry-max", "300ms", "--peer-poll", "100ms", "--peer-hold", "1s", "--peer-unhealthy", "300ms",
                      "--segment-age", "300ms", "--transfer-stall", "5s", "--drop-policy", self.policy, "--archive-dir", self.archive,
                      *(flag for other in NAMES for flag in ("--peer", f"{other}={self.way(name, other)}"))),
            "uploader": ("--name", name, "--scan-interval", "50ms", "--batch-age", "200ms", "--batch-bytes", "256K", "--retry-min", "10ms",
                         "--retry-max", "200ms", "--breaker-failures", "2", "--breaker-time", "100ms", "--probe-interval", "200ms",
                         "--idle-probe", "300ms", "--recovery-hold", "300ms",
                         *(flag for db in DATABASES for flag in ("--database", f"{db}={self.target_of.url(db, name)}"))),
        }[what]
        self.daemons[program] = Daemon(os.path.join(self.top, f"{program}.log"), what, "--spool", self.spool_of(name), *arguments)
        self.starts += 1

    # --- faults ----------------------------------------------------------------------------------

    def in_flight(self):
        judge = Judge(self.rig.rows)
        for name in NAMES:
            for path in glob.glob(os.path.join(self.spool_of(name), "batch/*/*/*.gz")):
                try:
                    if os.path.exists(os.path.join(os.path.dirname(path), "plan.json")):
                        judge.take(segment_text(read(path), judge.problems, path)[0], path, ordered=False)
                except FileNotFoundError:
                    continue
        self.repeatable.update((writer, seq) for writer, times in judge.found.items() for seq in times)

    def kill_one(self):
        program = self.random.choice(sorted(self.daemons))
        daemon = self.daemons[program]
        if not daemon.is_running():
            raise Failure(f"{program} ended by itself with {daemon.child.returncode}:\n{daemon.tail()}")
        daemon.stop(signal.SIGKILL)
        self.count(program.split("-", maxsplit=1)[0])
        self.in_flight()
        if self.random.random() < 0.3:
            time.sleep(self.random.uniform(0, 2.5))  # longer than --peer-hold, at times: its peers find it away
        self.start(program)

    def spoil(self):
        """Each way for itself: so who sees whom differs from one member to the other."""
        for proxy in self.proxies.values():
            proxy.set(self.random.choice(("pass", "pass", "chaos", "chaos", "chaos", "refuse", "stall")))

    def calm(self):
        for proxy in self.proxies.values():
            proxy.set("pass")

    def turn(self, db):
        """It dies, or comes back: for all, or sometimes for some of the instances alone, one after the other."""
        if db in self.dead:
            for name in self.random.sample(NAMES, len(NAMES)):
                self.target_of.heal(db, name)
            self.dead.remove(db)
            return
        is_for_all = self.random.random() < self.for_all
        for name in NAMES if is_for_all else self.random.sample(NAMES, self.random.choice((1, 2))):
            self.target_of.kill(db, name)
            self.in_flight()
            if self.random.random() < 0.2:
                time.sleep(self.random.uniform(0, 1))
        self.dead.add(db)
        self.deaths += 1
        if is_for_all or self.proxies:  # who reaches it may be out of the others' reach
            self.mortal.add(db)

    def blow(self, seconds):
        if seconds < 10:  # too little time to fill more, and for more than one death
            self.share, self.for_all, self.is_spoilt = "300K", 1, False
        for number, (name, other) in enumerate((n, o) for n in NAMES for o in NAMES if n != o and self.is_spoilt):
            self.proxies[name, other] = Proxy(os.path.join(self.top, f"way-{name}-{other}"), self.ports[other], self.seed * 10 + number)
        for program in PROGRAMS:
            for name in NAMES:
                self.start(f"{program}-{name}")
        feeders = [Feeder(self, 2 * i + j, self.spool_of(name), db) for i, name in enumerate(NAMES) for j, db in enumerate(DATABASES)]
        # Often one and the same, sometimes both; a failover needs a while to be seen by all.
        favourite, next_turn = self.random.choice(DATABASES), time.monotonic() + self.random.uniform(0.5, 1)
        next_spoil = time.monotonic() + 3

        def harm():
            nonlocal next_turn, next_spoil
            time.sleep(self.random.uniform(0.05, 0.8))
            if time.monotonic() > next_turn:
                db = favourite if self.random.random() < 0.8 else self.random.choice(DATABASES)
                self.turn(db)
                next_turn = time.monotonic() + (self.random.uniform(2, 6) if db in self.dead else self.random.uniform(0.3, 3))
            if time.monotonic() > next_spoil:
                self.spoil()
                next_spoil = time.monotonic() + self.random.uniform(0.3, 3)
            self.kill_one()

        def calm():
            self.calm()
            for db in sorted(self.dead):
                self.turn(db)

        storm.feed(self, feeders, seconds, harm, calm)

    # --- the end ---------------------------------------------------------------------------------

    def queued(self):
        """Segments in any queue of any instance. What moves while it is looked at may be missed: so, twice."""
        return [path for _ in range(2) for name in NAMES for queue in QUEUES
                for path in glob.glob(os.path.join(self.spool_of(name), queue, "**", "*.*"), recursive=True)]

    def drain(self):
        """Everything comes home by itself."""
        is_queued = []

        def is_drained():
            is_queued[:] = self.queued()
            return not is_queued and not self.queued() and not self.queued()
        try:
            wait_until("the spools drain", is_drained, 240)
        except Failure as failure:
            raise Failure(f"{failure}: " + " ".join(os.path.relpath(path, self.top) for path in sorted(set(is_queued))[:6])) from None
        for program in sorted(self.daemons):
            code = self.daemons[program].stop()
            if code != 0:
                raise Failure(f"{program} exits {code} after SIGTERM\n" + self.daemons[program].tail())
        for name in NAMES:  # the product's own account of it
            audit = storm.must("spillway", "--spool", self.spool_of(name), "audit", codes=(0, 1))
            if audit.code:
                raise Failure(f"spillway audit at {name}:\n{audit.out.decode()}{audit.tail()}")

    def judge(self):
        spools = [self.spool_of(name) for name in NAMES]
        judge, archived = self.rig.judge(), self.rig.judge()
        for spool in spools:
            judge.take_spool(spool, ordered=False)
        self.target_of.give(judge)
        ledger.take_archive(self.archive, judge, archived)
        self.weigh(judge, archived, ledger.given_up(spools))
        return judge

    def weigh(self, judge, archived, given_up):
        """Writer by writer, which are tables."""
        self.dropped = sum(rows for (_, _, fate), rows in given_up.items() if fate == "dropped")
        self.archived = sum(rows for (_, _, fate), rows in given_up.items() if fate == "archived")
        for db, writer, fate in given_up:
            if writer not in self.expected or db not in self.mortal:
                judge.problems.append(f"a ledger has rows {fate} of {db}/{writer}: " + ("some instance always reached the database" if writer in self.expected else "no such table"))
        ledger.weigh(judge, archived, given_up, self.expected, lambda writer: (DATABASES[int(writer[1:].split("e")[0]) % 2], writer),
                     lambda writer, seq: self.target != "dir" and (writer, seq) in self.repeatable)

    def remark(self):
        spoilt = sum(proxy.faults() for proxy in self.proxies.values())
        return f"; {self.policy}, failover-share {self.share}, {spoilt} connections spoilt: databases died {self.deaths} times ({self.for_all:.0%} for all), {self.dropped} rows dropped, {self.archived} archived"

    def end(self):
        self.target_of.stop()
        for proxy in self.proxies.values():
            proxy.stop()
        super().end()


def one(rig, seed, target, seconds):
    """A storm of its own. True when all is well."""
    print(f"failover, to {target}, {seconds} s, seed {seed}", flush=True)
    return storm.run(rig, Storm(rig, seed, target), seconds, f"failover/{target}/{seed}/{seconds}", ("failover storm", f"three, to {target}"))


def again(rig, parts):
    target, seed, seconds = parts
    one(rig, int(seed), target, float(seconds))
