"""Fault 4: a full disk, for real: tmpfs and ext4 in a file, by bytes and by inodes, with diskguard and without, with every amount of
room left from nothing to enough. When room is given back everything goes on by itself, and nothing is lost. Needs root."""
import os
import shutil
import signal
import subprocess
import tempfile

from oracle import Expected
from power import Disk, shell
from receiving import AGAIN, Door, cached, send, small
from rig import Daemon, Failure, must, post, run, wait_until, walwriter_args
from scenes import copy_spool, template, uploader_args

GUARD = ("--max-disk-usage", "64M", "--min-free", "5%", "--scan-interval", "20ms")


class Tmpfs:
    """A small tmpfs in a folder of its own."""

    def __init__(self, top, megabytes=2, inodes=300):
        self.mount_point, self.options = os.path.join(top, "disk"), "tmpfs"
        os.mkdir(self.mount_point)
        shell("mount", "-t", "tmpfs", "-o", f"size={megabytes}m,nr_inodes={inodes}", "spillway-torture", self.mount_point)

    def unmount(self):
        shell("umount", self.mount_point)


def make_disk(kind, top):
    return Tmpfs(top) if kind == "tmpfs" else Disk(top, 4, inodes=300)


class Ballast:
    """All of the room but so many blocks of 4 KiB, or inodes."""

    def __init__(self, disk, what, left):
        self.top = os.path.join(disk.mount_point, "ballast")
        os.mkdir(self.top)
        if what == "bytes":
            st = os.statvfs(disk.mount_point)
            left = left * 4096 // st.f_frsize
            blocks = max(0, st.f_bfree - left)
            with open(os.path.join(self.top, "b"), "wb") as file:
                while blocks > 0:
                    try:
                        os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, blocks * st.f_frsize)
                        break
                    except OSError:
                        blocks -= 1
                # What the file system took for itself meanwhile.
                while left and os.statvfs(disk.mount_point).f_bfree < left and file.truncate(os.fstat(file.fileno()).st_size - st.f_frsize):
                    pass
        else:
            for i in range(max(0, os.statvfs(disk.mount_point).f_ffree - left)):
                with open(os.path.join(self.top, str(i)), "wb"):
                    pass

    def drop(self):
        shutil.rmtree(self.top, ignore_errors=True)
        subprocess.run(["sync", "-f", os.path.dirname(self.top)], check=False)  # ext4 gives blocks back when its journal commits


class Case:
    def __init__(self, rig, disk, what, left, guarded):
        self.rig, self.disk, self.what, self.left, self.guarded = rig, disk, what, left, guarded
        self.count = 2000
        for entry in os.listdir(disk.mount_point):
            if entry != "lost+found":
                shutil.rmtree(os.path.join(disk.mount_point, entry))
        self.spool = os.path.join(disk.mount_point, "spool")
        os.mkdir(self.spool)
        self.top = tempfile.mkdtemp(prefix="full.", dir=rig.top)
        self.out = os.path.join(self.top, "out")
        os.mkdir(self.out)
        self.daemons = []
        self.expected = {}
        self.repeatable = set()  # (writer, seq) of requests without a clear answer

    def args(self, *more):
        args = walwriter_args(self.spool, "T", "--block-bytes", "4K", "--segment-bytes", "16K" if self.what == "bytes" else "4K", *more)
        return tuple(a for a in args if a != "--no-guard" or not self.guarded)

    def start(self, program, *arguments, **more):
        daemon = Daemon(os.path.join(self.top, f"{program}.log"), program, "--spool", self.spool, *arguments, **more)
        self.daemons.append(daemon)
        return daemon

    def guard(self):
        if self.guarded:
            self.start("diskguard", *GUARD)
            wait_until("diskguard answers", lambda: os.path.exists(os.path.join(self.spool, "run/diskguard.ctl")))

    def end(self):
        for daemon in self.daemons:
            if daemon.is_running():
                daemon.child.kill()
                daemon.child.wait()
        shutil.rmtree(self.top, ignore_errors=True)

    def judge(self):
        judge = self.rig.judge()
        judge.take_spool(self.spool)
        judge.take_dir(self.out)
        judge.judge(self.expected, lambda writer, seq: (writer, seq) in self.repeatable)
        return judge

    # --- what is tried ---

    def fail(self):
        """--on-full fail: ends 75, says how much it took, and goes on from there."""
        self.guard()
        ballast = Ballast(self.disk, self.what, self.left)
        text = self.rig.rows.text("full", 0, self.count)
        result = run("walwriter", *self.args("--on-full", "fail"), stdin=text)
        if result.code not in (0, 75, 111):
            raise Failure(f"exit {result.code}\n{result.tail()}")
        said = result.summary()
        if result.code == 111 and said:
            raise Failure(f"exit 111 on a full disk, where 75 is promised\n{result.tail()}")
        took = said["rows"] if said else 0
        if result.code == 0 and took != self.count:
            raise Failure(f"exit 0 with {took} rows")
        ballast.drop()
        self.expected["full"] = Expected(self.count, self.count, True)
        must("walwriter", *self.args("--on-full", "fail"), stdin=self.rig.rows.text("full", took, self.count))
        return result.code != 0

    def block(self):
        """--on-full block: waits, and ends by itself once there is room."""
        must("walwriter", *self.args("--no-guard") if not self.guarded else walwriter_args(self.spool))  # make the spool
        self.guard()
        ballast = Ballast(self.disk, self.what, self.left)
        rows = os.path.join(self.top, "rows")
        with open(rows, "wb") as file:
            file.write(self.rig.rows.text("full", 0, self.count))
        with open(rows, "rb") as file:
            writer = self.start("walwriter", *self.args("--on-full", "block"), stdin=file)
        wait_until("it waits or ends", lambda: not writer.is_running() or b"waiting-for-room" in writer.text())
        waited = writer.is_running()
        ballast.drop()
        try:
            code = writer.child.wait(20)
        except subprocess.TimeoutExpired:
            raise Failure("it does not go on when there is room again:\n" + writer.tail()) from None
        if code != 0:
            raise Failure(f"exit {code}\n" + writer.tail())
        self.expected["full"] = Expected(self.count, self.count, True)
        return waited

    def start_receiver(self, path):
        """walwriter --http, or None when it cannot start for want of room: then it says so."""
        flags = ("--http", "unix:" + path, "--sync", "always", "--block-bytes", "4K",
                 "--segment-bytes", "16K" if self.what == "bytes" else "4K", *(() if self.guarded else ("--no-guard",)))
        daemon = self.start("walwriter", *flags)
        wait_until("it answers or ends", lambda: not daemon.is_running() or (os.path.exists(path) and b" started " in daemon.text()))
        if daemon.is_running():
            return daemon
        if daemon.child.returncode not in (75, 100, 111):
            raise Failure(f"exit {daemon.child.returncode}\n" + daemon.tail())
        return None

    def give(self, path, seq, a_request):
        """One request. True when it was taken. After 503, and without an answer, its rows may be there."""
        status = post(path, "T", self.rig.rows.text("full", seq, seq + a_request))
        if status not in (200, 429, 503, 0):
            raise Failure(f"status {status}")
        if status in (503, 0):
            self.repeatable.update(("full", s) for s in range(seq, seq + a_request))
        return status == 200

    def receive(self):
        """walwriter --http: what there is no room for is refused, and taken when there is room again, by the same process."""
        must("walwriter", *walwriter_args(self.spool))  # make the spool
        self.guard()
        ballast = Ballast(self.disk, self.what, self.left)
        path, a_request, seq, refused = os.path.join(self.top, "http"), 50, 0, False
        receiver = self.start_receiver(path)
        while receiver and not refused and seq < self.count:
            refused = not self.give(path, seq, a_request)
            seq += 0 if refused else a_request
        self.expected["full"] = Expected(self.count, seq)
        if receiver and not receiver.is_running():
            raise Failure("it ended:\n" + receiver.tail())
        ballast.drop()
        if not receiver:
            refused = True
            receiver = self.start_receiver(path)
            if not receiver:
                raise Failure("with room it does not start")
        while seq < self.count:
            wait_until(f"row {seq} is taken again", lambda: self.give(path, seq, a_request))
            seq += a_request
            self.expected["full"] = Expected(self.count, seq)
        if receiver.stop() != 0:
            raise Failure("it does not end well:\n" + receiver.tail())
        return refused

    def open_door(self):
        """peerd --listen, or None when it cannot start for want of room."""
        door = Door(os.path.join(self.top, f"peerd.{len(self.daemons)}.log"), self.spool, "--sync", "always", "--segment-bytes",
                    "16K" if self.what == "bytes" else "4K", *(() if self.guarded else ("--no-guard",)))
        self.daemons.append(door)
        if door.is_running():
            return door
        if door.child.returncode not in (75, 111):
            raise Failure(f"exit {door.child.returncode}\n" + door.tail())
        return None

    def give_body(self, door, body):
        """One transfer. True when it was taken: by then, or now."""
        status = send(door.port, body)
        if status not in (200, 202, *AGAIN):
            raise Failure(f"transfer {body.id}: status {status}\n" + door.tail())
        return status not in AGAIN

    def take(self):
        """peerd --listen: transfers that there is no room for are refused, and taken when there is room again, each once."""
        must("walwriter", *walwriter_args(self.spool))  # make the spool
        bodies = cached(self.rig, small, "full", self.count, "T")
        self.guard()
        ballast = Ballast(self.disk, self.what, self.left)
        door, taken = self.open_door(), 0
        while door and taken < len(bodies) and self.give_body(door, bodies[taken]):
            taken += 1
        struck = taken < len(bodies)
        if door and not door.is_running():
            raise Failure("it ended:\n" + door.tail())
        ballast.drop()
        door = door or self.open_door()
        if not door:
            raise Failure("with room it does not start")
        for body in bodies:  # those that were taken, too: stored once all the same
            wait_until(f"{body.id} is taken", lambda body=body: self.give_body(door, body))
        self.expected["full"] = Expected(self.count, self.count, True)
        if door.stop() != 0:
            raise Failure("it does not end well:\n" + door.tail())
        return struck

    def upload(self):
        """The uploader on a disk that is full."""
        source, expected = template(self.rig, "upload")
        copy_spool(source, self.spool)
        self.expected = dict(expected)
        ballast = Ballast(self.disk, self.what, self.left)
        result = run("uploader", *uploader_args(self.spool, f"dir:{self.out}"))
        if result.code not in (0, 75, 111):
            raise Failure(f"exit {result.code}\n{result.tail()}")
        ballast.drop()
        must("uploader", *uploader_args(self.spool, f"dir:{self.out}"))
        return result.code != 0

    def adopt(self):
        """Adoption, salvage included, on a disk that is full."""
        source, expected = template(self.rig, "mess")
        copy_spool(source, self.spool)
        self.expected = dict(expected)
        ballast = Ballast(self.disk, self.what, self.left)
        result = run("walwriter", *walwriter_args(self.spool))
        if result.code not in (0, 75, 111):
            raise Failure(f"exit {result.code}\n{result.tail()}")
        ballast.drop()
        must("walwriter", *walwriter_args(self.spool))
        return True

    def pipeline(self):
        """More rows than the disk holds, through it: what is uploaded makes room for what waits."""
        self.count = 30000
        must("walwriter", *walwriter_args(self.spool))  # make the spool
        self.guard()
        self.start("peerd", "--scan-interval", "20ms", "--name", "t")
        uploader = self.start("uploader", "--database", f"D=dir:{self.out}", "--scan-interval", "20ms", "--batch-age", "20ms", "--retry-min",
                              "10ms", "--retry-max", "50ms")
        ballast = Ballast(self.disk, self.what, self.left)
        rows = os.path.join(self.top, "rows")
        with open(rows, "wb") as file:
            file.write(self.rig.rows.text("full", 0, self.count))
        with open(rows, "rb") as file:
            writer = self.start("walwriter", *self.args("--on-full", "block"), stdin=file)
        try:
            code = writer.child.wait(20 if self.guarded else 2)
        except subprocess.TimeoutExpired:
            if self.guarded:
                raise Failure("stuck: the uploader does not make room:\n" + writer.tail(6) + "\n" + uploader.tail(6)) from None
            # Without a guard nothing is left for the uploader to work with: somebody must give room back.
            ballast.drop()
            code = writer.child.wait(20)
        if code != 0:
            raise Failure(f"walwriter exits {code}\n" + writer.tail())
        self.expected["full"] = Expected(self.count, self.count, True)
        wait_until("the spool drains", self.is_drained, 30)
        for daemon in self.daemons[::-1]:
            if daemon is not writer and daemon.stop() != 0:
                raise Failure(f"{daemon.program} does not end well:\n" + daemon.tail())
        ballast.drop()
        return b"waiting-for-room" in writer.text()

    def drain(self):
        """Others fill the disk to the last block or inode under peerd and uploader, which have come to rest: what waits gets out all the
        same, and nobody gives room back. With an odd number of blocks left both are killed and started again on the full disk."""
        source, expected = template(self.rig, "ring")
        copy_spool(source, self.spool)
        self.expected = dict(expected)
        waiting, hidden = os.path.join(self.spool, "sealed/D"), os.path.join(self.disk.mount_point, "hidden")
        os.rename(waiting, hidden)
        os.mkdir(waiting)
        self.start_draining()
        ballast = Ballast(self.disk, self.what, self.left)
        if self.left % 2:
            for daemon in self.daemons:
                daemon.stop(signal.SIGKILL)
            self.start_draining()
        for name in sorted(os.listdir(hidden)):
            os.rename(os.path.join(hidden, name), os.path.join(waiting, name))
        try:
            wait_until("the spool drains", self.is_drained, 40)
        except Failure as error:
            raise Failure(f"{error}\n" + "\n".join(daemon.tail(8) for daemon in self.daemons[-2:])) from None
        dropped = any(b"ballast-dropped" in daemon.text() for daemon in self.daemons)
        ballast.drop()
        for daemon in self.daemons[-2:]:
            wait_until("the ballast is there again", lambda program=daemon.program: len(self.held(program)) == 6)
            if daemon.stop() != 0:
                raise Failure(f"{daemon.program} does not end well:\n" + daemon.tail())
        return dropped

    def start_draining(self):
        started = [self.start("peerd", "--scan-interval", "20ms", "--name", "t"),
                   self.start("uploader", "--database", f"D=dir:{self.out}", "--scan-interval", "20ms", "--batch-age", "20ms", "--retry-min",
                              "10ms", "--retry-max", "50ms")]
        for daemon in started:
            wait_until(f"{daemon.program} is up", lambda daemon=daemon: b"info started" in daemon.text() or not daemon.is_running())
            if not daemon.is_running():
                raise Failure(f"{daemon.program} does not start:\n" + daemon.tail())

    def held(self, program):
        return [n for n in os.listdir(os.path.join(self.spool, "state")) if n.startswith(f"ballast.{program}.")]

    def is_drained(self):
        return not any(name.endswith(".gz") for queue in ("active", "sealed", "upload", "batch")
                       for _, _, names in os.walk(os.path.join(self.spool, queue)) for name in names)


PROGRAM = {"fail": "walwriter", "block": "walwriter", "receive": "walwriter", "take": "peerd", "upload": "uploader-dir", "adopt": "walwriter", "pipeline": "all, to dir",
           "drain": "peerd, uploader"}


def case_name(kind, what, guarded, flow, left):
    return f"full/{kind}/{what}/{'guard' if guarded else 'no-guard'}/{flow}/{left}"


def one(rig, disk, what, guarded, flow, left):
    case = Case(rig, disk, what, left, guarded)
    try:
        struck = getattr(case, flow)()
        judge = case.judge()
        if judge.problems:
            raise Failure("\n".join(judge.problems[:8]))
        rig.leaks(judge.litter, case_name(disk.options or "ext4", what, guarded, flow, left))
        return struck, judge
    finally:
        case.end()


def plans(thin=1):
    for kind in ("tmpfs", "ext4"):
        for what in ("bytes", "inodes"):
            for left in range(0, 40, thin):
                yield kind, what, False, "fail", left
                yield kind, what, False, "upload", left
                yield kind, what, False, "adopt", left
            for left in range(0, 40, 4 * thin):
                yield kind, what, False, "block", left
            for left in range(0, 40, 2 * thin):
                yield kind, what, False, "receive", left
                yield kind, what, False, "take", left
            for left in range(0, 10, thin):
                yield kind, what, False, "drain", left
            for left in range(20, 60, 10 * thin):
                yield kind, what, True, "fail", left
                yield kind, what, True, "receive", left
                yield kind, what, True, "take", left
                yield kind, what, True, "block", left
            for left in (120, 200)[: 1 if thin > 1 else 2]:
                yield kind, what, False, "pipeline", left // 2
                yield kind, what, True, "pipeline", left


def some(rig, kind, cases, stop=lambda: False):
    """All cases of one kind of disk, one after the other."""
    top = tempfile.mkdtemp(prefix="disk.", dir=rig.top)
    disk = make_disk(kind, top)
    try:
        for _, what, guarded, flow, left in cases:
            if stop():
                return
            key = ("full disk", PROGRAM[flow])
            try:
                struck, judge = one(rig, disk, what, guarded, flow, left)
                rig.note(key, faults=int(struck), runs=1, judge=judge)
            except Failure as error:
                rig.note(key, faults=1, runs=1)
                rig.fail(key, case_name(kind, what, guarded, flow, left), f"{kind}, {what}: {error}")
    finally:
        disk.unmount()
        shutil.rmtree(top, ignore_errors=True)


def again(rig, parts):
    kind, what, guarded, flow, left = parts
    some(rig, kind, [(kind, what, guarded == "guard", flow, int(left))])
