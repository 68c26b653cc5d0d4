"""Fault 3: a power cut, for real: ext4 in a file on a loop device, and FS_IOC_SHUTDOWN at the n-th call that changes anything (by
the shim), then umount, mount, start. What was promised to be on disk is there: rows that walwriter said it had sealed (with --sync
seal, interval, always), rows that walwriter --http --sync always has answered, rows that were in the spool before, rows that the uploader has put into a directory. Whatever is not there
is not there as a prefix: nothing half-written is taken for whole. Needs root and loop devices."""
import os
import shutil
import subprocess
import tempfile

from rig import Failure, fault, wait_until
from scenes import SCENES

FLAGS = {"CUT0": "journal and data flushed", "CUT1": "journal flushed", "CUT2": "nothing flushed"}
OPTIONS = ("commit=300,noauto_da_alloc", "commit=1", "commit=300")
RELEASE_SECONDS = 60
KINDS = "write,sync,rename,unlink,mkdir,truncate"
SCENE_NAMES = ("walwriter-fresh", "walwriter-always", "walwriter-interval", "walwriter-seal", "walwriter-never", "walwriter-slow",
               "walwriter-bad", "walwriter-http", "walwriter-http-many", "walwriter-http-seal", "peerd-once", "peerd-receive",
               "peerd-receive-large", "uploader-dir", "uploader-frozen", "uploader-adx")


def shell(*argv):
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if done.returncode:
        raise Failure(f"{' '.join(argv)}: {done.stderr.decode().strip()}")


class Disk:
    """An ext4 of its own, mounted in a folder of its own."""

    def __init__(self, top, megabytes=24, options="", inodes=None):
        self.image, self.mount_point, self.options = os.path.join(top, "disk.img"), os.path.join(top, "disk"), options
        os.mkdir(self.mount_point)
        with open(self.image, "wb") as file:
            file.truncate(megabytes << 20)
        shell("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,nodiscard", "-m", "0", *(["-N", str(inodes)] if inodes else []), self.image)
        self.is_mounted = False
        self.mount()

    def mount(self, *more):
        shell("mount", "-o", ",".join(filter(None, ["loop", self.options, *more])), self.image, self.mount_point)
        self.is_mounted = True

    def unmount(self):
        if self.is_mounted:
            shell("umount", self.mount_point)  # the loop device, made by mount, goes with it
            self.is_mounted = False
            self.await_release()

    def await_release(self):
        """Who made a mount namespace meanwhile (ip netns exec does) has a copy of the mount for as long as it lives: to mount the image now
        would be to get the file system that was cut once more, not a new one."""
        wait_until(f"{self.image} is released by all mount namespaces", lambda: not self.devices(), RELEASE_SECONDS)

    def devices(self):
        return subprocess.run(("losetup", "-j", self.image), capture_output=True, check=True).stdout

    def again(self):
        self.unmount()
        self.mount()


def why_not():
    """None, or why there can be no power cut here."""
    if os.geteuid() != 0:
        return "not root"
    if not shutil.which("mkfs.ext4"):
        return "no mkfs.ext4"
    top = tempfile.mkdtemp(prefix="spillway-disk.")
    try:
        Disk(top, 8).unmount()
        return None
    except Failure as error:
        return f"no loop device or no ext4: {error}"
    finally:
        shutil.rmtree(top, ignore_errors=True)


def case_name(name, flag, options, n):
    return f"power/{name}/{flag}/{options}/{n}"


def one(rig, disk, name, flag, n):
    """One power cut. Returns (was it cut, judge)."""
    for entry in os.listdir(disk.mount_point):
        if entry != "lost+found":
            shutil.rmtree(os.path.join(disk.mount_point, entry))
    report = tempfile.mktemp(prefix="report.", dir=rig.top)
    try:
        scene = SCENES[name](rig, disk.mount_point)
        subprocess.run(["sync", "-f", disk.mount_point], check=True)
        scene.codes = scene.codes | {100}  # beyond the cut every call fails
        result = scene.start(fault(KINDS, n, flag, [disk.mount_point], report=report))
        was_cut = os.path.exists(report)
        told = open(report, encoding="utf-8").read().strip() if was_cut else ""
        if "cannot-cut" in told:
            raise Failure("FS_IOC_SHUTDOWN does not work here")
        disk.again()
        shutil.rmtree(os.path.join(scene.spool, "run"), ignore_errors=True)
        try:
            scene.after(result)
            scene.after_cut(result)
            scene.finish()
            judge = scene.judge()
        except Failure as error:
            raise Failure(f"[{told}] {error}\nthe run that was cut: exit {result.code}\n{result.tail()}") from None
        if judge.problems:
            raise Failure(f"[{told}] " + "\n".join(judge.problems[:8]) + f"\nthe run that was cut: exit {result.code}\n{result.tail()}")
        rig.leaks(judge.litter, case_name(name, flag, disk.options, n))
        return was_cut, judge
    finally:
        if os.path.exists(report):
            os.unlink(report)


def loop(rig, name, flag, options, first=1, step=1, limit=2000, stop=lambda: False):
    key = ("power cut", SCENES[name].program if not name.startswith("uploader") else name)
    top = tempfile.mkdtemp(prefix="power.", dir=rig.top)
    disk = Disk(top, options=options)
    failed, n = 0, first
    try:
        while n < limit and failed < 3 and not stop():
            try:
                was_cut, judge = one(rig, disk, name, flag, n)
                rig.note(key, faults=int(was_cut), runs=1, judge=judge)
                if not was_cut:
                    break
            except Failure as error:
                failed += 1
                rig.note(key, faults=1, runs=1)
                rig.fail(key, case_name(name, flag, options, n), str(error))
                disk.again()
            n += step
    finally:
        disk.unmount()
        shutil.rmtree(top, ignore_errors=True)


def again(rig, parts):
    name, flag, options, n = parts
    top = tempfile.mkdtemp(prefix="power.", dir=rig.top)
    disk = Disk(top, options=options)
    try:
        was_cut, judge = one(rig, disk, name, flag, int(n))
        print(f"cut: {was_cut}; {judge.checked} rows checked: good")
    except Failure as error:
        rig.fail(("power cut", name), "power/" + "/".join(parts), str(error))
    finally:
        disk.unmount()
