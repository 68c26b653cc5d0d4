"""Scenes of what peers send to peerd: transfers that come in under a fault, from several clients at once. What was answered 202 is there
once; what was not is sent again, and is then there once; what is sent twice is told to be here (200); another content under an id that
is here is put aside (409)."""
import glob
import http.client
import os
import re
import shutil
import tempfile
import threading
import time

from oracle import Expected, landed_bytes, members, read
from rig import Daemon, Failure, Result, must, wait_until, walwriter_args
from scenes import SCENES, TEMPLATES, Scene

AGAIN = (429, 503, None)  # it may be there or not: send it again
TRIES = 8


class Body:
    """One transfer: some rows of a writer as a segment of their own."""

    def __init__(self, writer, number, file, content, end):
        self.id, self.writer, self.end, self.content = f"{writer}-{number}", writer, end, content
        self.table, self.schema = file.split(",")[:2]


def made(rig, writer, count, table, *flags):
    """(file name, content) of one segment with the writer's first `count` rows."""
    top = tempfile.mkdtemp(prefix="made.", dir=rig.top)
    must("walwriter", *walwriter_args(top, table, *flags), stdin=rig.rows.text(writer, 0, count))
    [path] = glob.glob(os.path.join(top, "sealed/D/*"))
    content = read(path)
    shutil.rmtree(top)
    return os.path.basename(path), content


def small(rig, writer, count, table):
    """A transfer for each block of 4 KiB."""
    file, content = made(rig, writer, count, table, "--block-bytes", "4K")
    found, rows, head = [], 0, b""
    for at, end, _, many in members(content):
        if many == 0:
            head = content[at:end]
            continue
        rows += many
        found.append(Body(writer, len(found), file, head + content[at:end], rows))
    return found


def large(rig, writer, count, table):
    """One that is too large to be kept in memory."""
    file, content = made(rig, writer, count, table, "--compression", "fast")
    if len(content) <= 1 << 20:
        raise Failure(f"{writer}: only {len(content)} bytes")
    return [Body(writer, 0, file, content, count)]


def cached(rig, make, *args):
    with rig.lock:
        rig.bodies = getattr(rig, "bodies", {})
        if args not in rig.bodies:
            rig.bodies[args] = make(rig, *args)
        return rig.bodies[args]


def send(port, body, content=None):
    """The status; None without an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    target = f"/transfer?db=D&table={body.table}&schema={body.schema}&format=csv&id={body.id}"
    try:
        connection.request("POST", target, content or body.content, {"Content-Type": "application/gzip"})
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def send_until(port, body, is_wanted, child, content=None):
    """Send it, again and again for a while, until it is answered. The last status."""
    for _ in range(TRIES):
        status = send(port, body, content)
        if status not in AGAIN or not child.is_running():
            break
        time.sleep(0.02)
    if status not in AGAIN and not is_wanted(status):
        raise Failure(f"transfer {body.id}: status {status}\n" + child.tail())
    return status


class Door(Daemon):
    """peerd with a port of its own."""

    def __init__(self, log, spool, *more, fault=None):
        with open(log, "wb"):
            pass
        super().__init__(log, "peerd", "--spool", spool, "--name", "t", "--listen", "127.0.0.1:0", *more, fault=fault)
        wait_until("peerd listens or ends", lambda: not self.is_running() or b"info started" in self.text(), 40)
        found = re.search(rb"listening .*http=127.0.0.1:(\d+)", self.text())
        self.port = int(found[1]) if found else 0


class PeerdReceive(Scene):
    """Several peers, each with a table of its own; the first also sends another content under an id of its own."""

    program, name = "peerd", "peerd-receive"
    codes = {0, 75, 100, 111}
    sync, clients, count, more = "always", 3, 200, ()
    has_net = True

    def __init__(self, rig, top):
        super().__init__(rig, top)
        older = cached(rig, small, "older", 100, "P0")  # begun before the others: what is open is renamed when it comes
        self.queues = [cached(rig, small, f"peer{i}", self.count, f"P{i}") for i in range(self.clients)] + [older]
        self.other = cached(rig, small, "other", 40, "P0")[0]
        self.here, self.has_other = set(), False
        self.logs = tempfile.mkdtemp(prefix="logs.", dir=rig.top)  # not where the power may be cut

    def args(self):
        return ("--no-guard", "--sync", self.sync, "--segment-bytes", "8K", "--segment-age", "100ms", *self.more)

    def feed(self, door, bodies):
        for body in bodies:
            if send_until(door.port, body, (200, 202).__contains__, door) in AGAIN:
                return
            self.here.add(body.id)

    def feed_first(self, door, bodies):
        """After its first transfer another content under its id."""
        self.feed(door, bodies[:1])
        if bodies[0].id in self.here:
            status = send_until(door.port, bodies[0], (409).__eq__, door, self.other.content)
            self.has_other = self.has_other or status == 409
            self.feed(door, bodies[1:])

    def in_thread(self, work, *args):
        try:
            work(*args)
        except Failure as error:
            self.odd.append(error)

    def start(self, shim):
        self.odd = []
        door = Door(os.path.join(self.logs, "peerd.log"), self.spool, *self.args(), fault=shim)
        try:
            if door.port:
                works = [self.feed_first if i == 0 else self.feed for i in range(len(self.queues))]
                threads = [threading.Thread(target=self.in_thread, args=(work, door, bodies)) for work, bodies in zip(works, self.queues)]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
        finally:
            code = door.stop(seconds=40)
        if self.odd:
            raise self.odd[0]
        return Result(code, b"", door.text())

    def finish(self):
        door = Door(os.path.join(self.logs, "clean.log"), self.spool, *self.args())
        try:
            for bodies in self.queues:
                for body in bodies:
                    want = (200,) if body.id in self.here else (200, 202)
                    if send_until(door.port, body, want.__contains__, door) in AGAIN:
                        raise Failure(f"without a fault {body.id} is not taken\n" + door.tail())
            if not self.has_other and send_until(door.port, self.queues[0][0], (409).__eq__, door, self.other.content) != 409:
                raise Failure("another content under an id is not put aside\n" + door.tail())
        finally:
            code = door.stop()
        if code != 0:
            raise Failure(f"without a fault peerd exits {code}\n" + door.tail())
        left = [p for p in glob.glob(os.path.join(self.spool, "active/D/*"))]
        if left:
            raise Failure(f"still in active/ after a clean run: {left[:4]}")
        for bodies in [*self.queues, [self.other]]:
            self.expected[bodies[0].writer] = Expected(bodies[-1].end, bodies[-1].end, True)

    def may_repeat(self, writer, seq):
        return writer == self.other.writer  # its sender keeps it, and may send it as often as it likes


class PeerdReceiveInterval(PeerdReceive):
    """Answered before it is durable; carried out in the thread of the request where the lander is idle."""

    name, sync = "peerd-receive-interval", "interval"


class PeerdReceiveLarge(PeerdReceive):
    """A body with a segment of its own, in pieces, beside small ones."""

    name, clients, count = "peerd-receive-large", 1, 100

    def __init__(self, rig, top):
        super().__init__(rig, top)
        self.queues.append(cached(rig, large, "thin-peer", 50000, "P9"))


class PeerdReceiveLeft(PeerdReceive):
    """What a peerd that was killed has left: its transfers are known, and adopted. Its ledger is due to be cut in two."""

    name, state, count, clients = "peerd-receive-left", "landed", 60, 1
    more = ("--received-ids", "1000")

    def __init__(self, rig, top):
        super().__init__(rig, top)
        left = cached(rig, small, "landed", 200, "L")
        self.queues.append(left)
        self.here |= {body.id for body in left}


def make_landed(rig, spool):
    left = small(rig, "landed", 200, "L")  # not cached(): a template is made under the lock
    door = Door(os.path.join(rig.top, f"landed.{os.path.basename(os.path.dirname(spool))}.log"), spool, "--no-guard", "--sync", "always")
    try:
        for body in left:
            if send(door.port, body) != 202:
                raise Failure("the template's transfer is not taken\n" + door.tail())
    finally:
        door.child.kill()
        door.child.wait()
    [path] = glob.glob(os.path.join(spool, "active/D/*.land"))
    if landed_bytes(read(path)) != os.path.getsize(path):
        raise Failure("a landing segment does not end with a marker")
    with open(path, "ab") as out:  # a transfer that was being written
        out.write(left[0].content[:-5])
    with open(os.path.join(spool, "active/D", "L,-,0000000000000001.csv.gz.land"), "wb") as out:  # a body that was never whole
        out.write(left[0].content)
    with open(os.path.join(spool, "state/received"), "ab") as out:
        for i in range(500):
            out.write(b"%x long-ago-%d %d-%016x\n" % (time.time_ns() // 10**6, i, i + 1, i))
    shutil.rmtree(os.path.join(spool, "run"), ignore_errors=True)
    return {"landed": 200}


TEMPLATES["landed"] = make_landed
RECEIVING = (PeerdReceive, PeerdReceiveInterval, PeerdReceiveLarge, PeerdReceiveLeft)
SCENES.update((scene.name, scene) for scene in RECEIVING)
