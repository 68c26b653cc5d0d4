"""Fault 2, second half: the whole pipeline under load while any of its programs is killed at any time (kill -9) and started again.

Each start of a walwriter is a writer of its own: after a kill its rows in the spool must be a prefix of what it was fed, at least those
that it had said to have sealed, and those that were seen in its file before. Rows may be twice in ADX only where the uploader was
killed while their batch was in flight."""
import glob
import json
import os
import random
import shutil
import signal
import subprocess
import tempfile
import threading
import time

from oracle import SCHEMA, Expected, Judge, read, segment_text
from rig import Daemon, Failure, Result, argv_of, backtrace, check_end, environment, must, sealed_rows, wait_until

WRITERS, LIMIT = 4, "24M"
SYNCS = ("never", "seal", "interval", "always")


class Feeder(threading.Thread):
    """One place for walwriters: starts one, feeds it, has it killed or ended, starts the next."""

    PATIENCE = 20  # seconds until one that is to end has ended

    def __init__(self, storm, number, spool=None, db="D"):
        super().__init__(daemon=True)
        self.storm, self.number, self.spool, self.db = storm, number, spool or storm.spool, db
        self.random = random.Random(f"{storm.seed}-{number}")
        self.child = None
        self.error = None

    def run(self):
        epoch = 0
        try:
            while not self.storm.is_over.is_set():
                self.one(epoch)
                epoch += 1
        except Exception as error:  # pylint: disable=broad-exception-caught
            self.error = error

    def table(self, writer):
        del writer
        return f"T{self.number % 3}"

    def one(self, epoch):
        storm, writer = self.storm, f"w{self.number}e{epoch}"
        log = os.path.join(storm.top, f"{writer}.log")
        sync = SYNCS[(self.number + epoch) % len(SYNCS)]
        argv = argv_of("walwriter", "--spool", self.spool, "--db", self.db, "--table", self.table(writer), "--schema", SCHEMA,
                       "--sync", sync, "--block-bytes", self.random.choice(("4K", "16K", "64K")), "--segment-bytes",
                       self.random.choice(("16K", "64K", "1M")), "--segment-age", "1s", "--flush-interval",
                       self.random.choice(("10ms", "100ms", "1s")), "--json")
        with open(log, "wb") as err:
            self.child = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=err, env=environment())
        fed, seen, expected = 0, 0, Expected(0)
        storm.expected[writer] = expected
        until = time.monotonic() + self.random.uniform(0.1, 2)
        try:
            while time.monotonic() < until and not storm.is_over.is_set() and self.child.poll() is None:
                count = self.random.choice((1, 50, 400))
                expected.fed = fed + count
                self.child.stdin.write(storm.rig.rows.text(writer, fed, fed + count))
                self.child.stdin.flush()
                fed += count
                time.sleep(self.random.choice((0, 0.005, 0.02)))
                if self.random.random() < 0.02:
                    seen = max(seen, self.look(writer))
        except (BrokenPipeError, ValueError):
            pass
        how = self.random.choice(("kill", "term", "end"))
        if storm.is_over.is_set() and how == "kill":
            how = "end"
        if self.child.poll() is None and how == "kill":
            self.child.kill()
            storm.count("walwriter")
        elif self.child.poll() is None and how == "term":
            self.child.send_signal(signal.SIGTERM)
        self.child.stdin = close(self.child.stdin)
        try:
            out, _ = self.child.communicate(timeout=self.PATIENCE)
        except subprocess.TimeoutExpired:
            where = backtrace(self.child.pid)
            self.child.kill()
            self.child.communicate()
            raise Failure(f"walwriter {writer} does not end: " + read(log).decode(errors="replace")[-2000:] + where) from None
        result = Result(self.child.returncode, out, read(log))
        if how == "term" and result.code == -signal.SIGTERM:  # before it was up and listened to signals: so it has taken nothing
            expected.acked, expected.exact = seen, True
            return
        check_end("walwriter", result)
        said = result.summary()
        if result.code == -9:
            expected.acked = max(seen, sealed_rows(result.err))
        elif result.code == 0 or said:
            expected.acked, expected.exact = said["rows"], True
        if result.code not in (0, -9, 75):
            raise Failure(f"walwriter {writer} exits {result.code}: {result.tail()}")
        storm.written += expected.acked

    def look(self, writer):
        """Rows of it that are in a file of active/: from here on kill -9 must not lose them."""
        judge = Judge(self.storm.rig.rows)
        for path in glob.glob(os.path.join(self.spool, f"active/{self.db}/T*.gz")):
            try:
                text, _ = segment_text(read(path), judge.problems, path)
            except FileNotFoundError:
                continue
            judge.take(text, path)
        if judge.problems:
            raise Failure(f"seen while running: {judge.problems[:3]}")
        return max(judge.found.get(writer, {}), default=-1) + 1


def close(stream):
    try:
        stream.close()
    except BrokenPipeError:
        pass


def feed(storm, feeders, seconds, harm, calm=lambda: None):
    """Rows go in, and harm is done again and again, for so long; then all is calm and what is being fed is waited for."""
    def check():
        for feeder in feeders:
            if feeder.error:
                raise feeder.error

    for feeder in feeders:
        feeder.start()
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        harm()
        check()
    calm()
    storm.is_over.set()
    for feeder in feeders:
        feeder.join(feeder.PATIENCE + 60)
        if feeder.is_alive():
            raise Failure("a feeder does not end")
    check()


def check_budget(spool, diskguard):
    """Invariant 3: nothing leaks: no lease is out, and diskguard counts what is there."""
    account = {}

    def is_whole():
        programs = json.loads(must("spillway", "--spool", spool, "status", "--json").out)["programs"]
        guard = programs["diskguard"]
        there = sum(os.lstat(os.path.join(folder, name)).st_blocks * 512 for folder, folders, names in os.walk(spool)
                    for name in names + folders) + os.stat(spool).st_blocks * 512
        account.update(leased=guard.get("outstanding_bytes"), counted=guard.get("used_bytes"), there=there, holders=guard.get("holders"))
        return guard.get("outstanding_bytes") == 0 and abs(guard["used_bytes"] - there) <= 65536

    try:
        wait_until("no lease is left and the account is right when all is drained", is_whole, 10)
    except Failure as error:
        raise Failure(f"{error}: {account}\n" + diskguard.tail()) from None


class Storm:
    def __init__(self, rig, seed, target):
        self.rig, self.seed, self.target = rig, seed, target
        self.random = random.Random(seed)
        self.top = tempfile.mkdtemp(prefix="storm.", dir=rig.top)
        self.spool, self.out = os.path.join(self.top, "spool"), os.path.join(self.top, "out")
        os.mkdir(self.spool)
        os.mkdir(self.out)
        self.is_over = threading.Event()
        self.expected, self.kills, self.written = {}, {}, 0
        self.repeatable = set()
        self.lock = threading.Lock()
        self.sim = rig.sim() if target == "adx" else None
        if self.sim:
            self.sim.reset()
        self.daemons = {}
        self.starts = 0

    def count(self, program):
        with self.lock:
            self.kills[program] = self.kills.get(program, 0) + 1

    def uploader_arguments(self):
        return ("--database", "D=" + (self.sim.url if self.sim else f"dir:{self.out}"), "--scan-interval", "50ms", "--batch-age", "300ms",
                "--batch-bytes", "256K", "--retry-min", "10ms", "--retry-max", "200ms")

    def start(self, program, fault=None):
        arguments = self.uploader_arguments() if program == "uploader" else {
            "diskguard": ("--max-disk-usage", LIMIT, "--min-free", "0", "--scan-interval", "100ms"),
            "peerd": ("--scan-interval", "50ms", "--name", "t"),
        }[program]
        self.daemons[program] = Daemon(os.path.join(self.top, f"{program}.log"), program, "--spool", self.spool, *arguments, fault=fault)
        self.starts += 1

    def in_flight(self):
        """Rows of the batches that an uploader which was killed may have sent without having recorded it."""
        judge = Judge(self.rig.rows)
        for path in glob.glob(os.path.join(self.spool, "batch/D/*/*.gz")):
            if os.path.exists(os.path.join(os.path.dirname(path), "plan.json")):
                judge.take(segment_text(read(path), judge.problems, path)[0], path)
        self.repeatable.update((writer, seq) for writer, times in judge.found.items() for seq in times)

    def kill_one(self):
        program = self.random.choice(("diskguard", "peerd", "uploader", "uploader"))
        daemon = self.daemons[program]
        if not daemon.is_running():
            raise Failure(f"{program} ended by itself with {daemon.child.returncode}:\n{daemon.tail()}")
        daemon.stop(signal.SIGKILL)
        self.count(program)
        if program == "uploader":
            self.in_flight()
        if self.random.random() < 0.3:
            time.sleep(self.random.uniform(0, 0.5))
        self.start(program)

    def blow(self, seconds):
        for program in ("diskguard", "peerd", "uploader"):
            self.start(program)

        def harm():
            time.sleep(self.random.uniform(0.02, 0.6))
            self.kill_one()

        feed(self, [Feeder(self, i) for i in range(WRITERS)], seconds, harm)

    def queued(self):
        return [p for q in ("active", "sealed", "upload", "batch") for p in glob.glob(os.path.join(self.spool, q, "**", "*.gz"), recursive=True)]

    def drain(self):
        """Everything comes home by itself: peerd adopts, uploader uploads."""
        wait_until(f"the spool drains: {self.queued()[:3]}", lambda: not self.queued(), 60)
        check_budget(self.spool, self.daemons["diskguard"])
        for program in ("uploader", "peerd", "diskguard"):
            code = self.daemons[program].stop()
            if code != 0:
                raise Failure(f"{program} exits {code} after SIGTERM\n" + self.daemons[program].tail())

    def judge(self):
        judge = Judge(self.rig.rows)
        judge.take_spool(self.spool)
        if self.sim:
            self.sim.give(judge)
        else:
            judge.take_dir(self.out)
        judge.judge(self.expected, lambda writer, seq: bool(self.sim) and (writer, seq) in self.repeatable)
        return judge

    def faults(self):
        return sum(self.kills.values())

    def remark(self):
        return ""

    def end(self):
        self.is_over.set()
        for daemon in self.daemons.values():
            if daemon.is_running():
                daemon.child.kill()
                daemon.child.wait()
        shutil.rmtree(self.top, ignore_errors=True)


def one(rig, seed, target, seconds):
    """A storm of its own. True when all is well."""
    print(f"storm to {target}, {seconds} s, seed {seed}", flush=True)
    return run(rig, Storm(rig, seed, target), seconds, f"storm/{target}/{seed}/{seconds}", ("kill -9 storm", f"all, to {target}"))


def run(rig, storm, seconds, case, key):
    try:
        try:
            storm.blow(seconds)
            storm.drain()
            judge = storm.judge()
        finally:
            storm.is_over.set()
        rig.note(key, faults=storm.faults(), runs=storm.starts + len(storm.expected), judge=judge)
        rig.leaks(judge.litter, case)
        print(f"  killed {storm.kills}; {judge.checked} rows of {len(storm.expected)} walwriters, {judge.duplicated} twice{storm.remark()}", flush=True)
        if judge.problems:
            raise Failure("\n".join(judge.problems[:10]))
        return True
    except Failure as error:
        rig.note(key, faults=storm.faults(), runs=storm.starts)
        rig.fail(key, case, str(error))
        if os.environ.get("KEEP"):
            shutil.copytree(storm.top, os.environ["KEEP"], dirs_exist_ok=True, symlinks=True, ignore=lambda d, n: [x for x in n if x == "run"])
        return False
    finally:
        storm.end()


def again(rig, parts):
    target, seed, seconds = parts
    one(rig, int(seed), target, float(seconds))
