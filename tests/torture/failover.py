"""One dead database: three instances with peers, two databases that die and come back, while any program is killed at any time (kill -9).

Every start of a walwriter writes a table of its own, so that the drop ledgers (state/drops.jsonl), which know tables and rows, can be held
against its rows by their ids: sent = in ADX + in spools + in archives + in drop ledgers, exactly. Of a walwriter that was killed, what was
sent is a prefix of what it was fed, with all that was seen in its file; of any other, what it said. A row may be twice in ADX only where a
batch was in flight when its uploader, or its database, was killed; never in directories, where a batch that is sent again replaces itself."""
import collections
import glob
import json
import os
import random
import signal
import sys
import tempfile
import threading
import time

from oracle import Judge, read, segment_text
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
        self.dead, self.mortal, self.deaths = set(), set(), 0
        self.dropped = self.archived = 0
        self.target_of = Directories(self.top) if target == "dir" else Clusters(self.top)

    def spool_of(self, name):
        return os.path.join(self.top, name, "spool")

    def start(self, program):
        """A program of an instance: "peerd-n0"."""
        what, name = program.split("-")
        arguments = {
            "diskguard": ("--max-disk-usage", LIMIT, "--failover-share", self.share, "--min-free", "0", "--scan-interval", "100ms"),
            "peerd": ("--scan-interval", "50ms", "--name", name, "--listen", f"127.0.0.1:{self.ports[name]}", "--transfer-linger", "50ms",
                      "--retry-min", "20ms", "--retry-max", "300ms", "--peer-poll", "100ms", "--peer-hold", "1s", "--peer-unhealthy", "300ms",
                      "--segment-age", "300ms", "--transfer-stall", "5s", "--drop-policy", self.policy, "--archive-dir", self.archive,
                      *(flag for other, port in self.ports.items() for flag in ("--peer", f"{other}=http://127.0.0.1:{port}"))),
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
        if is_for_all:
            self.mortal.add(db)

    def blow(self, seconds):
        if seconds < 10:  # too little time to fill more, and for more than one death
            self.share, self.for_all = "300K", 1
        for program in PROGRAMS:
            for name in NAMES:
                self.start(f"{program}-{name}")
        feeders = [Feeder(self, 2 * i + j, self.spool_of(name), db) for i, name in enumerate(NAMES) for j, db in enumerate(DATABASES)]
        # Often one and the same, sometimes both; a failover needs a while to be seen by all.
        favourite, next_turn = self.random.choice(DATABASES), time.monotonic() + self.random.uniform(0.5, 1)

        def harm():
            nonlocal next_turn
            time.sleep(self.random.uniform(0.05, 0.8))
            if time.monotonic() > next_turn:
                db = favourite if self.random.random() < 0.8 else self.random.choice(DATABASES)
                self.turn(db)
                next_turn = time.monotonic() + (self.random.uniform(2, 6) if db in self.dead else self.random.uniform(0.3, 3))
            self.kill_one()

        def calm():
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

    def given_up(self):
        """What the ledgers say: {(db, table, fate): rows}."""
        sums = collections.Counter()
        for name in NAMES:
            try:
                lines = read(os.path.join(self.spool_of(name), "state", "drops.jsonl")).splitlines()
            except FileNotFoundError:
                continue
            for line in lines:
                one = json.loads(line)
                if "table" not in one:
                    raise Failure(f"{name}: drops.jsonl was rotated; this judge needs each line: {line!r:.200}")
                sums[one["db"], one["table"], one["fate"]] += one["rows"]
        return sums

    def judge(self):
        judge, archived = self.rig.judge(), self.rig.judge()
        for name in NAMES:
            judge.take_spool(self.spool_of(name), ordered=False)
        self.target_of.give(judge)
        for folder, _, files in os.walk(self.archive):
            for file in files:
                path = os.path.join(folder, file)
                text, damaged = segment_text(read(path), judge.problems, path)
                judge.damaged += damaged
                judge.take(text, "archive", ordered=False)
                archived.take(text, "archive", ordered=False)
        self.weigh(judge, archived, self.given_up())
        return judge

    def weigh(self, judge, archived, given_up):
        """sent = found + dropped, writer by writer, which are tables; and the archive has what the ledgers say that it has."""
        self.dropped = sum(rows for (_, _, fate), rows in given_up.items() if fate == "dropped")
        self.archived = sum(rows for (_, _, fate), rows in given_up.items() if fate == "archived")
        for writer in judge.found.keys() - self.expected.keys():
            judge.problems.append(f"rows of {writer}, which was never fed")
        for db, writer, fate in given_up:
            if writer not in self.expected or db not in self.mortal:
                judge.problems.append(f"a ledger has rows {fate} of {db}/{writer}: " + ("some instance always reached the database" if writer in self.expected else "no such table"))
        for writer, want in self.expected.items():
            db = DATABASES[int(writer[1:].split("e")[0]) % 2]
            times, dropped = judge.found.get(writer, {}), given_up[db, writer, "dropped"]
            in_archive = sum(archived.found.get(writer, {}).values())
            if in_archive != given_up[db, writer, "archived"]:
                judge.problems.append(f"{writer}: {in_archive} rows in the archive, {given_up[db, writer, 'archived']} in the ledgers")
            have = len(times) + dropped
            least = max(want.acked, max(times, default=-1) + 1)
            if have < least:
                judge.lost += least - have
                judge.problems.append(f"{db}/{writer}: {least - have} rows lost ({len(times)} found + {dropped} dropped, {want.acked} acknowledged, "
                                      f"last found {max(times, default=-1)})")
            if have > (want.acked if want.exact else want.fed):
                judge.problems.append(f"{db}/{writer}: {len(times)} found + {dropped} dropped, but {want.fed} fed and {want.acked} acknowledged: some of the "
                                      "dropped are there")
            double = [seq for seq, n in times.items() if n > 1]
            judge.duplicated += len(double)
            wrong = [seq for seq in double if self.target == "dir" or (writer, seq) not in self.repeatable]
            if wrong:
                judge.problems.append(f"{db}/{writer}: {len(wrong)} rows more than once, first {min(wrong)} in {judge.where[(writer, min(wrong))]}")

    def remark(self):
        return f"; {self.policy}, failover-share {self.share}: databases died {self.deaths} times ({self.for_all:.0%} for all), {self.dropped} rows dropped, {self.archived} archived"

    def end(self):
        self.target_of.stop()
        super().end()


def one(rig, seed, target, seconds):
    """A storm of its own. True when all is well."""
    print(f"failover, to {target}, {seconds} s, seed {seed}", flush=True)
    return storm.run(rig, Storm(rig, seed, target), seconds, f"failover/{target}/{seed}/{seconds}", ("failover storm", f"three, to {target}"))


def again(rig, parts):
    target, seed, seconds = parts
    one(rig, int(seed), target, float(seconds))
