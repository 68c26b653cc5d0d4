"""Scenes: a spool in some state, a program that is run over it under a fault, and a clean run afterwards that must bring all rows
home. Used with the n-th call that fails (nth.py), with named crash points (points.py) and with power cuts (power.py)."""
import glob
import gzip
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time

from oracle import TOO_LONG, Expected, Judge, members, read, segment_text
from rig import (DEADLINE, REPO, Daemon, Failure, Result, argv_of, backtrace, check_end, environment, fault, must, post, run, sealed_rows,
                 wait_until, walwriter_args)

SMALL = ("--block-bytes", "4K", "--segment-bytes", "8K")


def orphan(rig, spool, writer, count, blocks, table="T"):
    """A file in active/ of a walwriter that was killed after so many blocks."""
    other = tempfile.mkdtemp(prefix="orphan.", dir=rig.top)
    result = run("walwriter", *walwriter_args(other, table, "--block-bytes", "4K"), stdin=rig.rows.text(writer, 0, count),
                 fault={"SPILLWAY_CRASH_AT": f"append:after-write#{blocks}"})
    if result.code != -9:
        raise Failure(f"the orphan of {writer} was not made: exit {result.code}\n" + result.tail())
    [path] = glob.glob(os.path.join(other, "active/D/*"))
    os.makedirs(os.path.join(spool, "active/D"), exist_ok=True)
    to = os.path.join(spool, "active/D", os.path.basename(path))
    shutil.move(path, to)
    shutil.rmtree(other)
    return to


def damage(path, which=2):
    """Flip a byte in the middle of a member: its block is lost, those round it are not."""
    data = bytearray(read(path))
    at, end, _, _ = list(members(bytes(data)))[which]
    data[(at + end) // 2] ^= 0x55
    with open(path, "wb") as file:
        file.write(data)


def truncate(path, by):
    os.truncate(path, os.path.getsize(path) - by)


def fill(rig, spool, writer, count, table="T", *more):
    must("walwriter", *walwriter_args(spool, table, *SMALL, *more), stdin=rig.rows.text(writer, 0, count))


# --- templates: (spool in a folder, what was fed to it) -------------------------------------------------


def make_empty(rig, spool):
    return {}


def make_mess(rig, spool):
    """Everything that a bad day leaves in active/, and some sealed segments."""
    fill(rig, spool, "sealed", 200)
    truncate(orphan(rig, spool, "torn", 400, 4), 5)
    orphan(rig, spool, "left", 300, 3)
    damage(orphan(rig, spool, "hurt", 400, 5))
    path = orphan(rig, spool, "copy", 300, 3)
    os.rename(path, os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.new"))
    path = orphan(rig, spool, "both", 300, 3)
    shutil.copy(path, os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.new"))
    truncate(os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.new"), 1000)
    refused(rig, spool, "bad")
    for point in ("create:after-open", "create:after-head"):  # files without rows
        other = tempfile.mkdtemp(prefix="orphan.", dir=rig.top)
        run("walwriter", *walwriter_args(other), stdin=rig.rows.text("none", 0, 1), fault={"SPILLWAY_CRASH_AT": point})
        for path in glob.glob(os.path.join(other, "active/D/*")):
            shutil.move(path, os.path.join(spool, "active/D"))
        shutil.rmtree(other)
    return {"sealed": 200, "torn": 400, "left": 300, "hurt": 400, "copy": 300, "both": 300, "bad": 40}


def refused(rig, spool, writer):
    """Rows that are too long for --max-row-bytes 64, left in a .bad by a killed walwriter."""
    path = orphan(rig, spool, writer, 40, 1)
    os.rename(path, path + ".bad")


def make_upload(rig, spool):
    """Segments of two tables to upload, one damaged."""
    fill(rig, spool, "one", 300)
    fill(rig, spool, "two", 300, "U")
    fill(rig, spool, "hurt", 400)
    damage(sorted(glob.glob(os.path.join(spool, "sealed/D/T,*")))[-2])
    fill(rig, spool, "three", 60)
    return {"one": 300, "two": 300, "hurt": 400, "three": 60}


def make_tight(rig, spool):
    """The same, with the ballast that an uploader has left in state/."""
    fed = make_upload(rig, spool)
    for i in range(6):
        with open(os.path.join(spool, f"state/ballast.uploader.{i}"), "wb") as out:
            out.write(bytes(4096))
    return fed


def make_frozen(rig, spool):
    """The same, with a batch that an uploader which died has frozen, and one that it had only claimed."""
    fed = make_upload(rig, spool)
    out = os.path.join(os.path.dirname(spool), "never")
    run("uploader", *uploader_args(spool, f"dir:{out}"), fault={"SPILLWAY_CRASH_AT": "claim:after-plan"})
    shutil.rmtree(out, ignore_errors=True)
    claimed = os.path.join(spool, "batch/D/2fffffffffffffff")
    os.mkdir(claimed)
    left = sorted(glob.glob(os.path.join(spool, "sealed/D/*.gz")))
    if not left:  # all of it is claimed: take a batch that is not frozen apart
        left = sorted(p for p in glob.glob(os.path.join(spool, "batch/D/*/*.gz"))
                      if not os.path.exists(os.path.join(os.path.dirname(p), "plan.json")))
    if left:
        shutil.move(left[-1], claimed)
    return fed


def make_wide(rig, spool):
    """A batch of more than one part."""
    must("walwriter", *walwriter_args(spool, "T", "--block-bytes", "64K"), stdin=rig.rows.text("wide", 0, 1000))
    return {"wide": 1000}


def make_thin(rig, spool):
    """A batch of small blocks, which are compressed anew: some MiB of that."""
    must("walwriter", *walwriter_args(spool, "T", "--block-bytes", "4K"), stdin=rig.rows.text("thin", 0, 90000))
    return {"thin": 90000}


def make_aside(rig, spool):
    """Segments in quarantine, whole and damaged, and some in sealed/."""
    fill(rig, spool, "aside", 300)
    fill(rig, spool, "hurt", 200)
    damage(sorted(glob.glob(os.path.join(spool, "sealed/D/T,*")))[-1], 1)
    os.makedirs(os.path.join(spool, "quarantine/D"), exist_ok=True)
    for path in glob.glob(os.path.join(spool, "sealed/D/T,*")):
        to = os.path.join(spool, "quarantine/D", os.path.basename(path))
        os.rename(path, to)
        with open(to + ".why", "w", encoding="ascii") as why:
            json.dump({"reason": "test", "file": os.path.basename(path), "time": "2026-01-01T00:00:00.000Z"}, why)
    fill(rig, spool, "stays", 100, "U")
    fill(rig, spool, "goes", 200)
    return {"aside": 300, "hurt": 200, "stays": 100, "goes": 200}


def make_ring(rig, spool):
    """Segments of six tables, of which another member owns some."""
    fed = {f"ring{i}": 120 for i in range(6)}
    for i, (writer, count) in enumerate(fed.items()):
        fill(rig, spool, writer, count, f"T{i}")
    return fed


TEMPLATES = {"ring": make_ring, "tight": make_tight, "aside": make_aside, "wide": make_wide, "thin": make_thin, "empty": make_empty, "mess": make_mess, "upload": make_upload, "frozen": make_frozen}


def template(rig, name):
    """(folder, {writer: Expected}): made once. What the template itself has lost on purpose is `gone`."""
    with rig.lock:
        if name not in rig.templates:
            top = tempfile.mkdtemp(prefix=f"template-{name}.", dir=rig.top)
            spool = os.path.join(top, "spool")
            os.mkdir(spool)
            fed = TEMPLATES[name](rig, spool)
            judge = Judge(rig.rows)
            if fed:
                seen = os.path.join(top, "seen")
                shutil.copytree(spool, seen, ignore=lambda d, names: [n for n in names if n in ("run",)])
                for path in glob.glob(os.path.join(seen, "active/D/.*.new")):  # complete if its original is gone
                    original = os.path.join(os.path.dirname(path), os.path.basename(path)[1:-4])
                    if not os.path.exists(original):
                        os.rename(path, original)
                judge.take_spool(seen)
                shutil.rmtree(seen)
            if judge.problems:
                raise Failure(f"template {name}: {judge.problems}")
            expected = {}
            for writer, count in fed.items():
                have = judge.found.get(writer, {})
                last = max(have, default=-1) + 1
                expected[writer] = Expected(count, last, True, [s for s in range(last) if s not in have])
            rig.templates[name] = (spool, expected)
        return rig.templates[name]


def copy_spool(source, to):
    os.makedirs(to, exist_ok=True)
    for entry in os.scandir(source):
        if entry.name == "run":
            continue
        if entry.is_dir():
            shutil.copytree(entry.path, os.path.join(to, entry.name), dirs_exist_ok=True)
        else:
            shutil.copy2(entry.path, to)


# --- scenes -----------------------------------------------------------------------------------------------


def uploader_args(spool, target, *more):
    return ("--spool", spool, "--queue", "sealed", "--no-guard", "--database", f"D={target}", "--once", "--retry-min", "1ms", "--retry-max", "2ms",
            "--batch-bytes", "8K", "--uploads", "2", *more)


class Scene:
    program = "?"
    name = "?"
    state = "empty"
    codes = {0, 1, 75, 111}
    has_net = False  # do its calls on TCP sockets fail, too?

    def __init__(self, rig, top):
        self.rig, self.top = rig, top
        self.spool = os.path.join(top, "spool")
        self.target = os.path.join(top, "out")
        source, expected = template(rig, self.state)
        copy_spool(source, self.spool)
        self.expected = dict(expected)
        self.roots = [self.spool]

    def start(self, shim):
        """Under the fault. Returns the Result."""
        raise NotImplementedError

    def finish(self):
        """Without it."""
        raise NotImplementedError

    def gather(self, judge):
        judge.take_spool(self.spool)
        if os.path.isdir(self.target):
            judge.take_dir(self.target)

    def may_repeat(self, writer, seq):
        return False

    def check_end(self, result):
        """Is this exit code one that the manual knows?"""
        if result.code != -9 and result.code not in self.codes:
            raise Failure(f"exit code {result.code}, the manual has {sorted(self.codes)}\n" + result.tail())

    def after(self, result):
        """Look at what the faulty run says of itself."""
        self.check_end(result)

    def after_cut(self, result):
        """After after(), when the fault was a power cut."""

    def judge(self):
        judge = self.rig.judge()
        self.gather(judge)
        judge.judge(self.expected, self.may_repeat)
        return judge


class Walwriter(Scene):
    program = "walwriter"
    state = "mess"
    sync, more = "interval", ("--on-full", "fail")
    count, writer = 300, "new"

    def args(self):
        return walwriter_args(self.spool, "T", *SMALL, "--sync", self.sync, *self.more)

    def start(self, shim):
        return run("walwriter", *self.args(), stdin=self.rig.rows.text(self.writer, 0, self.count), fault=shim)

    def after(self, result):
        self.check_end(result)
        said = result.summary()
        if result.code == -9 or said is None:
            self.expected[self.writer] = Expected(self.count, sealed_rows(result.err), False)
            self.rest = None
        else:
            if result.code == 0 and said["rows"] != self.count:
                raise Failure(f"exit 0 with {said['rows']} of {self.count} rows")
            self.expected[self.writer] = Expected(self.count, said["rows"], True)
            self.rest = said["rows"]

    def after_cut(self, result):
        """After a power cut only what was promised to be durable is acknowledged."""
        if result.code == -9:
            self.expected[self.writer] = Expected(self.count, 0 if self.sync == "never" else sealed_rows(result.err))
        if self.sync == "never":  # adopted and sealed without a sync: a prefix of each is all that is promised
            for want in self.expected.values():
                want.exact = False

    def finish(self):
        if self.rest is not None and self.rest < self.count:  # go on from where it said that it stopped
            must("walwriter", *self.args(), stdin=self.rig.rows.text(self.writer, self.rest, self.count))
            self.expected[self.writer] = Expected(self.count, self.count, True)
        else:
            must("walwriter", *self.args())
        left = [n for n in os.listdir(os.path.join(self.spool, "active/D"))] if os.path.isdir(os.path.join(self.spool, "active/D")) else []
        if left:
            raise Failure(f"still in active/ after a clean run: {left[:4]}")


class Receiver(Walwriter):
    """Requests over HTTP: what was answered 200 is there, each row once; the last, unanswered one whole or not at all. Several clients
    at once, each with rows and a table of its own: they share rounds and syncs."""

    name, state, sync = "walwriter-http", "empty", "always"
    a_request, clients, count = 25, 1, 300
    more = ()

    def feed(self, path, child, client):
        writer = f"{self.writer}{client}"
        acked = self.acked[client]
        while acked < self.count and child.poll() is None:
            if post(path, f"T{client}", self.rig.rows.text(writer, acked, acked + self.a_request)) != 200:
                break
            acked += self.a_request
            self.acked[client] = acked

    def start(self, shim):
        path, self.acked = os.path.join(self.rig.top, f"http.{os.path.basename(self.top)}.{id(self)}"), [0] * self.clients
        argv = argv_of("walwriter", "--spool", self.spool, "--http", "unix:" + path, "--no-guard", "--sync", self.sync, *SMALL, *self.more)
        with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(shim)) as child:
            end = time.monotonic() + DEADLINE
            while not os.path.exists(path) and child.poll() is None and time.monotonic() < end:
                time.sleep(0.01)
            feeders = [threading.Thread(target=self.feed, args=(path, child, i)) for i in range(self.clients)]
            for feeder in feeders:
                feeder.start()
            for feeder in feeders:
                feeder.join()
            try:
                child.terminate()
                out, err = child.communicate(timeout=DEADLINE)
            except subprocess.TimeoutExpired:
                where = backtrace(child.pid)
                child.kill()
                raise Failure("walwriter --http hangs:\n" + Result(0, b"", child.communicate()[1]).tail() + "\n" + where) from None
        if os.path.exists(path):
            os.unlink(path)
        result = Result(child.returncode, out, err)
        check_end("walwriter", result)
        return result

    def expect(self, acked):
        self.expected.update({f"{self.writer}{i}": Expected(self.count, acked[i], False) for i in range(self.clients)})

    def after(self, result):
        self.check_end(result)
        self.expect(self.acked)
        self.rest = None

    def after_cut(self, result):
        if self.sync != "always":
            self.expect([sealed_rows(result.err, f"T{i}") if self.sync != "never" else 0 for i in range(self.clients)])


class ReceiverMany(Receiver):
    name, clients, count = "walwriter-http-many", 6, 150


class ReceiverSeal(Receiver):
    """Not durable when answered, only when sealed."""

    name, sync, clients, count = "walwriter-http-seal", "seal", 4, 200
    more = ("--segment-age", "100ms")


class ReceiverParked(Receiver):
    """Open files are few: segments are parked and opened again."""

    name, clients, count = "walwriter-http-parked", 20, 50
    more = ("--max-open-files", "16", "--segment-bytes", "64M")


def walwriter_scene(sync):
    return type(f"Walwriter_{sync}", (Walwriter,), {"name": f"walwriter-{sync}", "sync": sync})


class WalwriterFresh(Walwriter):
    name, state, sync = "walwriter-fresh", "empty", "always"


class WalwriterSlow(Walwriter):
    """Rows that come slowly: flushes, syncs and sealing by age."""

    name, state, sync = "walwriter-slow", "empty", "always"
    more = ("--on-full", "fail", "--flush-interval", "10ms", "--segment-age", "100ms", "--segment-bytes", "64M")

    def start(self, shim):
        with subprocess.Popen(argv_of("walwriter", *self.args()), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              env=environment(shim)) as child:
            try:
                for i in range(6):
                    child.stdin.write(self.rig.rows.text(self.writer, i * 50, i * 50 + 50))
                    child.stdin.flush()
                    time.sleep(0.04)
            except BrokenPipeError:
                pass
            try:
                child.stdin.close()
            except BrokenPipeError:
                pass
            child.stdin = None
            try:
                out, err = child.communicate(timeout=DEADLINE)
            except subprocess.TimeoutExpired:
                child.kill()
                raise Failure("walwriter hangs:\n" + Result(0, b"", child.communicate()[1]).tail()) from None
        result = Result(child.returncode, out, err)
        check_end("walwriter", result)
        return result


class WalwriterSlowBlock(WalwriterSlow):
    """The same, waiting for room."""

    name = "walwriter-block"
    sync = "seal"
    more = ("--on-full", "block", "--flush-interval", "10ms", "--segment-age", "100ms", "--segment-bytes", "64M")


class WalwriterTaken(WalwriterSlow):
    """The same, while an uploader takes each segment as soon as it is in sealed/: from there on it must not change."""

    name, sync = "walwriter-taken", "seal"

    def start(self, shim):
        os.mkdir(self.target)
        taker = Daemon(os.path.join(self.top, "taker.log"), "uploader", "--spool", self.spool, "--queue", "sealed", "--database",
                       f"D=dir:{self.target}", "--scan-interval", "10ms", "--batch-age", "0")
        wait_until("the uploader is up", lambda: not taker.is_running() or os.path.exists(os.path.join(self.spool, "run/uploader.ctl")))
        try:
            return super().start(shim)
        finally:
            taker.stop()


class WalwriterBad(Walwriter):
    """Every tenth row is too long: those go to quarantine."""

    name, state = "walwriter-bad", "empty"
    count = 300

    def args(self):
        return super().args() + ("--max-row-bytes", "120")

    def start(self, shim):
        lines = [self.rig.rows.text(self.writer, i, i + 1) for i in range(self.count)]
        for i in range(0, self.count, 10):
            lines[i] += TOO_LONG.encode() + b"\n"
        return run("walwriter", *self.args(), stdin=b"".join(lines), fault=shim)

    def after(self, result):
        super().after(result)
        said = result.summary()
        self.refused = said["bad_rows"] if result.code in (0, 1) else 0

    def judge(self):
        judge = super().judge()
        if not self.refused <= judge.too_long <= self.count // 10:
            judge.problems.append(f"{self.refused} rows were said to be refused, {judge.too_long} are in quarantine")
        return judge


class Peerd(Scene):
    program, name, state = "peerd", "peerd-once", "mess"

    def start(self, shim):
        return run("peerd", "--spool", self.spool, "--no-guard", "--once", "--name", "t", fault=shim)

    def finish(self):
        # It is guarded, and no diskguard runs: a salvage, which needs room, waits for a walwriter without a guard.
        must("walwriter", *walwriter_args(self.spool))
        must("peerd", "--spool", self.spool, "--no-guard", "--once", "--name", "t")
        left = [p for q in ("active", "sealed") for p in glob.glob(os.path.join(self.spool, q, "D", "*"))]
        if left:
            raise Failure(f"still there after a clean run: {left[:4]}")


class PeerdSend(Scene):
    """A peer takes what is its own, once for each id (tests/tools/peer.py); or says what `script` wants."""

    program, name, state = "peerd", "peerd-send", "ring"
    codes = {0, 75, 100, 111}
    script = ()

    def __init__(self, rig, top):
        super().__init__(rig, top)
        self.peer = os.path.join(top, "peer")
        os.mkdir(self.peer)

    def args(self, port):
        return ("--spool", self.spool, "--no-guard", "--once", "--name", "a", "--listen", "127.0.0.1:0", "--peer",
                f"b=http://127.0.0.1:{port}", "--transfer-linger", "0", "--retry-min", "1ms", "--retry-max", "5ms", "--peer-unhealthy", "1ms",
                "--max-transfer-age", "1h", "--peer-poll", "20ms")

    def run(self, shim, script=()):
        with open(os.path.join(self.peer, "script"), "w", encoding="ascii") as out:
            out.writelines(json.dumps(step) + "\n" for step in script)
        port = os.path.join(self.peer, "port")
        if os.path.exists(port):
            os.unlink(port)
        with subprocess.Popen([sys.executable, os.path.join(REPO, "tests/tools/peer.py"), "b", self.peer], stdin=subprocess.DEVNULL) as peer:
            try:
                wait_until("the peer listens", lambda: os.path.exists(port))
                return run("peerd", *self.args(read(port).decode()), fault=shim)
            finally:
                peer.kill()

    def start(self, shim):
        return self.run(shim, self.script)

    def finish(self):
        for _ in range(5):
            result = self.run({})
            if result.code == 0:
                break
        left = [p for q in ("sealed", "transfer") for p in glob.glob(os.path.join(self.spool, q, "D", "*"))]
        if result.code != 0 or left:
            raise Failure(f"a clean run exits {result.code}, and there is still {left[:4]}\n" + result.tail())

    def gather(self, judge):
        super().gather(judge)
        for path in glob.glob(os.path.join(self.peer, "stored", "*.gz")):
            judge.take(gzip.decompress(read(path)), "peer:" + os.path.basename(path))


class PeerdLost(PeerdSend):
    """Answers are lost, bodies are cut."""

    name = "peerd-lost"
    script = ({"do": "lose"}, {"do": "reset", "after": 50}, {"do": "cut"})


class PeerdRefused(PeerdSend):
    name = "peerd-refused"
    script = ({"status": 400, "code": "unknown-database"},)


class PeerdDiverted(PeerdSend):
    name = "peerd-diverted"
    script = ({"status": 413},)


class PeerdMixed(PeerdSend):
    """Its segments are damaged: they go to upload/, where what is whole of them is saved."""

    name = "peerd-mixed"

    def __init__(self, rig, top):
        super().__init__(rig, top)
        for path in glob.glob(os.path.join(self.spool, "sealed/D/*")):
            truncate(path, 3)
        judge = Judge(rig.rows)
        judge.take_spool(self.spool)
        for writer, want in self.expected.items():
            have = judge.found.get(writer, {})
            self.expected[writer] = Expected(want.fed, want.acked, want.exact, [s for s in range(want.acked) if s not in have])


class Diskguard(Scene):
    """It starts, looks at everything, answers, and ends; or says why it cannot."""

    program, name, state = "diskguard", "diskguard", "mess"
    args = ("--max-disk-usage", "1G", "--min-free", "0", "--scan-interval", "10ms")

    def start(self, shim):
        log = os.path.join(self.top, "diskguard.log")
        guard = Daemon(log, "diskguard", "--spool", self.spool, *self.args, fault=shim)
        try:
            # Under a fault that lasts it may not get to see the spool: then it answers, grants nothing, and says that it is not ready.
            least = 0 if shim else 1
            wait_until("diskguard answers or ends", lambda: not guard.is_running() or self.used() >= least)
            time.sleep(0.03)
        finally:
            code = guard.stop()
        return Result(code, b"", guard.text())

    def used(self):
        answer = run("spillway", "--spool", self.spool, "status", "--json").out
        found = re.search(rb'"used(?:_bytes)?": *(\d+)', answer)
        return int(found[1]) if found else -1

    def finish(self):
        result = self.start({})
        if result.code != 0:
            raise Failure(f"without a fault diskguard exits {result.code}\n" + result.tail())
        must("walwriter", *walwriter_args(self.spool))


class Uploader(Scene):
    program, name, state = "uploader", "uploader-dir", "upload"
    more = ()

    def __init__(self, rig, top):
        super().__init__(rig, top)
        os.mkdir(self.target)
        self.roots = [self.spool, self.target]

    def url(self):
        return f"dir:{self.target}"

    def start(self, shim):
        return run("uploader", *uploader_args(self.spool, self.url(), *self.more), fault=shim)

    def finish(self):
        must("uploader", *uploader_args(self.spool, self.url(), *self.more))
        left = [p for q in ("sealed", "batch") for p in glob.glob(os.path.join(self.spool, q, "D", "**", "*"), recursive=True)]
        if left:
            raise Failure(f"still there after a clean run: {left[:4]}")


class UploaderFrozen(Uploader):
    name, state = "uploader-frozen", "frozen"


class UploaderTight(Uploader):
    """There is no room for a batch: the ballast goes, and then there is. `shim` may add a crash point."""

    name, state = "uploader-tight", "tight"

    def start(self, shim):
        os.mkdir(os.path.join(self.spool, "run"))  # the first folder that is missing is the batch's
        result = super().start({**fault("mkdir", 1, "ENOSPC", self.roots), **shim})
        if result.code != -9 and (result.code != 0 or b"ballast-dropped" not in result.err):
            raise Failure("the ballast was not used\n" + result.tail())
        return result


class UploaderAdx(Uploader):
    """Streaming into adxsim. What was in flight may be there twice after a fault between the answer and its record."""

    name = "uploader-adx"
    repeats, has_net = False, True

    def __init__(self, rig, top):
        super().__init__(rig, top)
        self.sim = rig.sim()
        self.sim.reset()

    def url(self):
        return self.sim.url

    def after(self, result):
        super().after(result)
        # A request whose answer was lost is sent again, and said to be in doubt. Beside that, only a batch that is still there can be.
        self.is_in_doubt = self.has_net and b"may have been taken" in result.err
        self.repeatable = set()
        judge = Judge(self.rig.rows)
        for path in glob.glob(os.path.join(self.spool, "batch/D/*/*.gz")):
            text, _ = segment_text(read(path), [], path)
            judge.take(text, path)
        for writer, times in judge.found.items():
            self.repeatable.update((writer, seq) for seq in times)

    def may_repeat(self, writer, seq):
        return self.is_in_doubt or (writer, seq) in self.repeatable

    def gather(self, judge):
        super().gather(judge)
        self.sim.give(judge)


class UploaderQueuedAdx(UploaderAdx):
    """Queued ingestion under a key: nothing is ever there twice."""

    name = "uploader-queued"
    more = ("--ingest", "queued", "--dedup", "strict")

    def __init__(self, rig, top):
        Uploader.__init__(self, rig, top)  # pylint: disable=non-parent-init-called
        self.sink = rig.sink()
        self.sink.call("/_sink/reset", b"")

    def url(self):
        return self.sink.url

    def may_repeat(self, writer, seq):
        return False

    def gather(self, judge):
        Uploader.gather(self, judge)
        judge.take(self.sink.call("/_sink/rows"), "sink", ordered=False)


class UploaderBlocks(UploaderQueuedAdx):
    """A blob in several blocks."""

    name, state = "uploader-blocks", "thin"
    more = (*UploaderQueuedAdx.more, "--batch-bytes", "1G")


class UploaderConfirmed(UploaderQueuedAdx):
    """ADX fails on the first blob in passing: it is sent again."""

    name = "uploader-confirmed"
    more = (*UploaderQueuedAdx.more, "--confirm", "show", "--confirm-after", "100ms")

    def start(self, shim):
        self.sink.call("/_sink/fail-next", json.dumps(["Timeout", "it took too long", "Transient"]).encode())
        return super().start(shim)


class Requeue(Scene):
    """spillway requeue: from quarantine back into the pipeline."""

    program, name, state = "spillway", "spillway-requeue", "aside"

    def start(self, shim):
        return run("spillway", "--spool", self.spool, "requeue", "D", fault=shim)

    def finish(self):
        must("spillway", "--spool", self.spool, "requeue", "D", codes=(0, 1))


class Remove(Scene):
    """spillway rm: each segment is there, or its removal is recorded."""

    program, name, state = "spillway", "spillway-rm", "aside"

    def __init__(self, rig, top):
        super().__init__(rig, top)
        self.doomed = {n for q in ("quarantine", "sealed") for n in os.listdir(os.path.join(self.spool, q, "D"))
                       if n.startswith("T,") and n.endswith(".gz")}
        self.expected = {"stays": self.expected["stays"]}

    def start(self, shim):
        result = run("spillway", "--spool", self.spool, "rm", "D/T", fault=shim)
        if result.code == 0:
            result = run("spillway", "--spool", self.spool, "rm", "D/T", "--in", "sealed", "--yes", fault=shim)
        return result

    def after(self, result):
        super().after(result)
        there = {n for q in ("quarantine", "sealed") for n in os.listdir(os.path.join(self.spool, q, "D"))}
        missing = [n for n in self.doomed if n not in there and n not in self.recorded()]
        if missing:
            raise Failure(f"gone without a record: {missing[:3]}")

    def recorded(self):
        path = os.path.join(self.spool, "state/removed.jsonl")
        return read(path).decode() if os.path.exists(path) else ""

    def finish(self):
        # 1: there is nothing any more
        must("spillway", "--spool", self.spool, "rm", "D/T", codes=(0, 1))
        must("spillway", "--spool", self.spool, "rm", "D/T", "--in", "sealed", "--yes", codes=(0, 1))
        left = [n for q in ("quarantine", "sealed") for n in os.listdir(os.path.join(self.spool, q, "D")) if n.startswith("T,")]
        if left or any(n not in self.recorded() for n in self.doomed):
            raise Failure(f"not removed, or not recorded: {left}")


class UploaderWide(UploaderAdx):
    """Several parts in a batch."""

    name, state = "uploader-parts", "wide"
    more = ("--ingest", "inline", "--batch-bytes", "64M")


class UploaderRefused(UploaderAdx):
    """ADX refuses everything that is sent in this run for good: it goes to quarantine."""

    name = "uploader-refused"
    rule = {"match": "ingest", "mode": "status", "status": 400, "permanent": True, "count": 0}

    def start(self, shim):
        self.sim.call("/_sim/fault", "POST", json.dumps(self.rule).encode())
        return super().start(shim)

    def finish(self):
        self.sim.call("/_sim/fault", "DELETE")
        super().finish()


class UploaderPartRefused(UploaderRefused):
    """The first part is taken, the second refused: its rows become a segment of their own in quarantine."""

    name, state = "uploader-part-refused", "wide"
    more = UploaderWide.more
    rule = {"match": "mgmt", "csl_prefix": ".ingest inline", "mode": "status", "status": 400, "permanent": True, "count": 1}

    def start(self, shim):
        # The rule must strike the second part: the first is let through by one that only delays it.
        self.sim.call("/_sim/fault", "POST", json.dumps({**self.rule, "mode": "delay", "delay_ms": 1, "status": 200}).encode())
        return super().start(shim)


class WalwriterRewrite(Walwriter):
    """A failed sync: the segment is written anew. `shim` may add a crash point."""

    name, state, sync = "walwriter-rewrite", "empty", "always"
    sync_n = 1

    def start(self, shim):
        return super().start({**fault("sync", self.sync_n, "EIO", self.roots), **shim})


SCENES = {s.name: s for s in [*map(walwriter_scene, ("never", "seal", "interval", "always")), WalwriterFresh, Receiver, ReceiverMany, ReceiverSeal, ReceiverParked,
                              WalwriterSlow,
                              WalwriterSlowBlock, WalwriterTaken, WalwriterBad, Diskguard, Peerd, PeerdSend, PeerdLost,
                              PeerdRefused, PeerdDiverted, PeerdMixed, Requeue, Remove, Uploader, UploaderFrozen, UploaderTight, UploaderAdx, UploaderQueuedAdx,
                              UploaderBlocks, UploaderConfirmed, UploaderWide,
                              UploaderRefused, UploaderPartRefused, WalwriterRewrite]}
