"""What the product says that it gave up (state/drops.jsonl), held against the rows: sent = found + dropped, exactly, table by table; and an
archive has what its lines say. Where each writer has a table of its own a count is as good as the rows' ids: which rows were dropped is
what is missing of those that were sent, and one that was dropped and is there all the same makes the sum too large."""
import collections
import json
import os

from oracle import read, segment_text


def given_up(spools):
    """{(db, table, fate): rows} of all lines. A file that was cut in two just now may be there under both names: each line counts once."""
    sums = collections.Counter()
    for spool in spools:
        seen = set()
        for name in ("drops.jsonl.1", "drops.jsonl"):
            try:
                lines = read(os.path.join(spool, "state", name)).splitlines(keepends=True)
            except FileNotFoundError:
                continue
            for line in lines:
                one = json.loads(line) if line.endswith(b"\n") else {}
                if "table" in one and one["seq"] not in seen:  # not one that carries sums on
                    seen.add(one["seq"])
                    sums[one["db"], one["table"], one["fate"]] += one["rows"]
    return sums


def take_archive(archive, *judges):
    """The files that have got their names."""
    for folder, _, files in os.walk(archive):
        for file in files:
            path = os.path.join(folder, file)
            text, damaged = segment_text(read(path), judges[0].problems, path)
            judges[0].damaged += damaged
            for judge in judges:
                judge.take(text, "archive", ordered=False)


def weigh(judge, archived, sums, expected, place_of, may_repeat):
    """`place_of`(writer): its (db, table)."""
    for writer in judge.found.keys() - expected.keys():
        judge.problems.append(f"rows of {writer}, which was never fed")
    for writer, want in expected.items():
        db, table = place_of(writer)
        times, dropped = judge.found.get(writer, {}), sums[db, table, "dropped"]
        in_archive = sum(archived.found.get(writer, {}).values())
        if in_archive != sums[db, table, "archived"]:
            judge.problems.append(f"{writer}: {in_archive} rows in the archive, {sums[db, table, 'archived']} in the ledgers")
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
        wrong = [seq for seq in double if not may_repeat(writer, seq)]
        if wrong:
            judge.problems.append(f"{db}/{writer}: {len(wrong)} rows more than once, first {min(wrong)} in {judge.where[(writer, min(wrong))]}")
