"""Fault 2, first half: the process dies at each named crash point of the sources, in every scene that comes there. A point that no
scene reaches is a failure: whoever adds one adds a scene, too."""
import glob
import os
import re
import shutil
import tempfile

from oracle import crash_points
from rig import REPO, Failure
from scenes import SCENES

TIMES = (1, 2, 3)
GIVING_UP = {"peerd-drop": ("drop:", "claim:", "transfer:"), "peerd-archive": ("drop:", "archive:"), "peerd-drop-long": ("drop:", "journal:"),
             "peerd-reclaim": ("reclaim:", "claim:", "transfer:"), "spillway-restore": ("restore:",)}


def one(rig, scene_name, point, nth, sync_n=1):
    """Returns (did it die there, judge)."""
    top = tempfile.mkdtemp(prefix="point.", dir=rig.top)
    case = case_name(scene_name, point, nth, sync_n)
    try:
        scene = SCENES[scene_name](rig, top)
        scene.sync_n = sync_n
        result = scene.start({"SPILLWAY_CRASH_AT": f"{point}#{nth}"})
        try:
            scene.after(result)
            scene.finish()
            judge = scene.judge()
        except Failure as error:
            raise Failure(f"{error}\nthe faulty run: exit {result.code}\n{result.tail()}") from None
        rig.leaks(judge.litter, case)
        if judge.problems:
            raise Failure("\n".join(judge.problems[:8]) + f"\nthe faulty run: exit {result.code}\n{result.tail()}")
        return result.code == -9, judge
    except Failure:
        if os.environ.get("KEEP"):
            shutil.copytree(top, os.environ["KEEP"], dirs_exist_ok=True, symlinks=True)
        raise
    finally:
        shutil.rmtree(top, ignore_errors=True)


def case_name(scene_name, point, nth, sync_n):
    return f"points/{scene_name}/{point}/{nth}/{sync_n}"


def attempts(scene_name):
    return range(1, 30) if scene_name == "walwriter-rewrite" else (1,)


def try_point(rig, scene_name, point, reached, times=TIMES):
    key = ("crash point", SCENES[scene_name].program)
    for sync_n in attempts(scene_name):
        for nth in times:
            died = False
            try:
                died, judge = one(rig, scene_name, point, nth, sync_n)
                rig.note(key, faults=int(died), runs=1, judge=judge)
            except Failure as error:
                rig.note(key, faults=1, runs=1)
                rig.fail(key, case_name(scene_name, point, nth, sync_n), str(error))
                reached.add(point)
            if not died:
                break
            reached.add(point)


def is_near(scene_name, point, path):
    """Could this scene come there at all?"""
    if scene_name == "walwriter-rewrite":
        return point.startswith(("rewrite", "salvage"))
    if scene_name.startswith("peerd-receive"):
        return point.startswith(("receive:", "aside:", "land:", "ledger:", "adopt-landing:", "create:", "append:", "seal:", "salvage:"))
    if scene_name in GIVING_UP:
        return point.startswith(GIVING_UP[scene_name])
    if scene_name == "uploader-tight":
        return point.startswith("ballast:")
    if SCENES[scene_name].program == "uploader":
        return path.startswith("uploader") or point.startswith("salvage")
    if "spillway" in (SCENES[scene_name].program, "spillway" if path.startswith("common/cli") else ""):
        return SCENES[scene_name].program == "spillway" and path.startswith("common/cli")
    return not path.startswith("uploader") and SCENES[scene_name].program != "diskguard"


# Points that tests die at by name, rather than a scene: damage between two parts (uploader_damage.bats), the notes for audit (test_arrivals.c).
DRIVEN_ELSEWHERE = ("uploader/batch/rescue", "common/spool/arrivals")


def named_in_tests():
    files = glob.glob(os.path.join(REPO, "tests/system/*.bats")) + glob.glob(os.path.join(REPO, "tests/unit/*/*.c"))
    return {name for path in files for name in re.findall(r"[a-z-]+:[a-z-]+", open(path).read())}


def all_points(rig, pool, times=TIMES, scenes=None):
    points, reached = crash_points(REPO), set()
    jobs = [pool.submit(try_point, rig, scene, point, reached, times) for point, path in sorted(points.items())
            for scene in scenes or SCENES if is_near(scene, point, path)]
    for job in jobs:
        job.result()
    elsewhere = {point for point in named_in_tests() if points.get(point, "").startswith(DRIVEN_ELSEWHERE)}
    for point in sorted(set(points) - elsewhere):
        if point not in reached and scenes is None:
            rig.fail(("crash point", "none"), f"points/?/{point}", f"no scene reaches {point}: add one to tests/torture/scenes.py")
    return len(points), len(reached)


def again(rig, parts):
    name, point, nth, sync_n = parts
    try:
        died, judge = one(rig, name, point, int(nth), int(sync_n))
        print(f"died there: {died}; {judge.checked} rows checked: good")
    except Failure as error:
        rig.fail(("crash point", name), "points/" + "/".join(parts), str(error))
