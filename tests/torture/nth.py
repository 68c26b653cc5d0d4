"""Fault 1: the n-th call of each kind fails, n = 1, 2, ... until a run sees no fault; once, and from then on."""
import os
import shutil
import tempfile

from rig import Failure, fault
from scenes import SCENES

# What each kind of call can really fail with.
ACTIONS = {
    "open": ("EMFILE", "EACCES", "EIO", "ENOSPC"),
    "read": ("EIO", "SHORT"),
    "write": ("EIO", "ENOSPC", "SHORT", "TORN"),
    "sync": ("EIO", "ENOSPC"),
    "rename": ("EIO", "ENOSPC", "EACCES"),
    "unlink": ("EIO", "EACCES"),
    "mkdir": ("ENOSPC", "EACCES"),
    "truncate": ("EIO",),
    "allocate": ("ENOSPC",),
    "mmap": ("ENOMEM",),
    "stat": ("EIO",),
    "list": ("EIO",),
    "lock": ("ENOLCK",),
    "any": ("KILL",),
}
NET = {"net": ("ECONNRESET", "SHORT", "KILL")}


def one(rig, scene_name, kind, action, sticky, n):
    """One case. Returns (did it strike, judge or None)."""
    top = tempfile.mkdtemp(prefix="case.", dir=rig.top)
    try:
        scene = SCENES[scene_name](rig, top)
        report = os.path.join(top, "report")
        if action in ("EACCES", "EROFS"):
            scene.codes = scene.codes | {100}
        result = scene.start(fault(kind, n, action, scene.roots, sticky, report))
        struck = os.path.exists(report)
        told = open(report, encoding="utf-8").read().strip() if struck else ""
        try:
            scene.after(result)
            scene.finish()
            judge = scene.judge()
            rig.leaks(judge.litter, case_name(scene_name, kind, action, sticky, n))
        except Failure as error:
            raise Failure(f"[{told}] {error}\nthe faulty run: exit {result.code}\n{result.tail()}") from None
        if judge.problems:
            raise Failure(f"[{told}] " + "\n".join(judge.problems[:8]) + f"\nthe faulty run: exit {result.code}\n{result.tail()}")
        return struck, judge
    except Failure:
        if os.environ.get("KEEP"):
            shutil.copytree(top, os.environ["KEEP"], dirs_exist_ok=True, symlinks=True)
        raise
    finally:
        shutil.rmtree(top, ignore_errors=True)


NOT_HERE = {"walwriter-rewrite", "uploader-tight", "peerd-archive", "uploader-blocks", "peerd-drop-long"}  # three have a fault of their own, the last two are large


def series(only_scene=None, only_kind=None):
    """(scene, kind, action, sticky) of all loops."""
    for name, scene in SCENES.items():
        if name in NOT_HERE:
            continue
        kinds = dict(ACTIONS)
        if scene.has_net:
            kinds.update(NET)
        for kind, actions in kinds.items():
            for action in actions:
                for sticky in (False, True):
                    if sticky and action in ("KILL", "TORN"):
                        continue
                    if (only_scene in (None, name)) and (only_kind in (None, kind)):
                        yield name, kind, action, sticky


def case_name(name, kind, action, sticky, n):
    return f"nth/{name}/{kind}/{action}/{'sticky' if sticky else 'once'}/{n}"


def loop(rig, name, kind, action, sticky, step=1, first=1, limit=2000, stop=lambda: False):
    """n = first, first + step, ... until a run sees no fault."""
    key = ("n-th call", SCENES[name].program if not name.startswith("uploader") else name)
    n, failed = first, 0
    while n < limit and failed < 5 and not stop():
        try:
            struck, judge = one(rig, name, kind, action, sticky, n)
            rig.note(key, faults=int(struck), runs=1, judge=judge)
            if not struck:
                return
        except Failure as error:
            failed += 1
            rig.note(key, faults=1, runs=1)
            rig.fail(key, case_name(name, kind, action, sticky, n), str(error))
        n += step


def again(rig, parts):
    name, kind, action, mode, n = parts
    try:
        struck, judge = one(rig, name, kind, action, mode == "sticky", int(n))
        print(f"struck: {struck}; {judge.checked} rows checked: good")
    except Failure as error:
        rig.fail(("n-th call", name), "nth/" + "/".join(parts), str(error))
