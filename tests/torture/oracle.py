"""The oracle: which rows must be where, judged from outside (proof.md, fault 8). It shares no code with the product.

Every row is a function of (seed, writer, seq), so values are compared and not counts. A writer's rows are fed in order of seq.
What is judged, per writer: the rows found are 0..M-1 without a gap, M is at least what was acknowledged (exactly that, where the
program said how many it took), none was changed, and none is there twice but where the rules allow it."""
import csv
import hashlib
import io
import json
import os
import re
import struct
import threading
import zlib

SCHEMA = "id:long,writer:string,seq:long,pad:string"
QUEUES = ["active", "sealed", "upload", "batch", "transfer", "incoming"]
SPAN = 10_000_000
TOO_LONG = "x" * 200  # a row that walwriter is to refuse


def row(seed, writer, seq):
    """The row as a tuple of texts, as CSV gives them back."""
    digest = hashlib.blake2b(f"{seed}:{writer}:{seq}".encode(), digest_size=24).digest()
    pad = digest[: 4 + digest[0] % 20].hex()
    if digest[1] % 16 == 0:
        pad += ',"\n' + pad[:3]
    if writer.startswith("wide"):
        pad *= 100
    # The writer's number is in the id, so that a column that slips is seen.
    return str(zlib.crc32(writer.encode()) % 1000 * SPAN + seq), writer, str(seq), pad


def line(fields):
    pad = fields[3]
    if '"' in pad or "\n" in pad:
        pad = '"' + pad.replace('"', '""') + '"'
    return f"{fields[0]},{fields[1]},{fields[2]},{pad}\n"


class Rows:
    """Rows, made once."""

    def __init__(self, seed):
        self.seed = seed
        self.made = {}
        self.lock = threading.Lock()

    def get(self, writer, seq):
        return self.upto(writer, seq + 1)[seq]

    def upto(self, writer, count):
        """At least the first `count` rows. From any thread."""
        made = self.made.get(writer, ())
        if len(made) < count:
            with self.lock:
                made = self.made.setdefault(writer, [])
                while len(made) < count:
                    made.append(row(self.seed, writer, len(made)))
        return made

    def text(self, writer, start, end):
        return "".join(map(line, self.upto(writer, end)[start:end])).encode()


def members(data):
    """(offset, end, payload or None for damage, rows) of a segment: an eye of its own on segment.md."""
    at, bad = 0, None
    while at < len(data):
        end = whole(data, at)
        if end is None:
            bad = at if bad is None else bad
            at = data.find(b"\x1f\x8b\x08\x04", at + 1)
            at = len(data) if at < 0 else at
            continue
        if bad is not None:
            yield bad, at, None, 0
            bad = None
        start = at + 12 + struct.unpack_from("<H", data, at + 10)[0]
        yield at, end, data[start : end - 8], struct.unpack_from("<I", data, at + 24)[0]
        at = end
    if bad is not None:
        yield bad, len(data), None, 0


def whole(data, at):
    """End of the valid member at `at`, or None."""
    if at + 46 > len(data) or data[at : at + 4] != b"\x1f\x8b\x08\x04" or data[at + 12 : at + 16] != b"Sp\x14\x00":
        return None
    length, payload_crc = struct.unpack_from("<II", data, at + 16)
    extra = struct.unpack_from("<H", data, at + 10)[0]
    start = at + 12 + extra
    if length < 20 + extra or at + length > len(data):
        return None
    if zlib.crc32(data[at + 36 : start], zlib.crc32(data[at : at + 32])) != struct.unpack_from("<I", data, at + 32)[0]:
        return None
    return at + length if zlib.crc32(data[start : at + length - 8]) == payload_crc else None


def landed_bytes(data):
    """Where the last commit marker of a landing segment ends: what is behind it is no part of it."""
    end = 0
    for at, stop, payload, _ in members(data):
        if payload is None or data[at + 36 : at + 38] != b"Sh":
            continue
        start = at + 12 + struct.unpack_from("<H", data, at + 10)[0]
        if "transfer" in json.loads(data[at + 40 : start]):
            end = stop
    return end


def segment_text(data, problems, name):
    """What the valid members hold, inflated and checked; and how many bytes are damaged."""
    texts, damaged, said = [], 0, 0
    for at, end, payload, rows in members(data):
        if payload is None:
            damaged += end - at
            continue
        text = zlib.decompress(payload, -15)
        crc, size = struct.unpack_from("<II", data, end - 8)
        if zlib.crc32(text) != crc or len(text) & 0xFFFFFFFF != size:
            problems.append(f"{name}: the block at {at} does not inflate to its own CRC")
        said += rows
        if not name.startswith("quarantine") and rows != count(text):  # refused rows may be cut by blocks
            problems.append(f"{name}: the block at {at} says {rows} rows and has others")
        texts.append(text)
    text = b"".join(texts)
    if said != count(text) and b"\n" + TOO_LONG[:20].encode() not in b"\n" + text:  # of refused rows a part may be there
        problems.append(f"{name}: its blocks say {said} rows and it has others")
    return text, damaged


def count(text):
    return sum(1 for _ in csv.reader(io.StringIO(text.decode(), newline="")))


class Expected:
    """What the feeder knows of one writer."""

    def __init__(self, fed, acked=0, exact=False, gone=()):
        self.fed, self.acked, self.exact, self.gone = fed, acked, exact, set(gone)  # gone: destroyed on purpose


class Judge:
    def __init__(self, rows, is_ordered=True):
        self.rows = rows
        self.is_ordered = is_ordered  # are the rows of a writer in order in each file?
        self.found = {}  # writer -> {seq: times}
        self.spare = {}  # the same for quarantined originals whose rows were salvaged: they may be there twice
        self.problems = []
        self.where = {}
        self.checked = 0
        self.damaged = 0
        self.litter = []
        self.too_long = 0
        self.lost = self.duplicated = 0

    # --- gathering ---

    def take(self, text, place, found=None, ordered=True):
        found = self.found if found is None else found
        last = {}
        for fields in csv.reader(io.StringIO(text.decode(), newline="")):
            self.checked += 1
            if len(fields) == 1 and fields[0] == TOO_LONG[: len(fields[0])]:  # shorter: the disk failed in the middle of it
                self.too_long += fields[0] == TOO_LONG
                continue
            try:
                writer, seq = fields[1], int(fields[2])
                good = seq < SPAN and tuple(fields) == self.rows.get(writer, seq)
            except (IndexError, ValueError):
                good = False
            if not good:
                self.problems.append(f"{place}: a row that nobody fed: {fields!r:.100}")
                continue
            times = found.setdefault(writer, {})
            times[seq] = times.get(seq, 0) + 1
            self.where.setdefault((writer, seq), []).append(place)
            if ordered and self.is_ordered and last.get(writer, -1) >= seq:
                self.problems.append(f"{place}: rows of {writer} out of order at {seq}")
            last[writer] = seq

    def take_spool(self, spool, ordered=True):
        for queue in QUEUES:
            for path, name in files(os.path.join(spool, queue)):
                place = os.path.relpath(path, spool)
                if name.startswith("."):
                    self.litter.append(place)
                elif name.endswith((".gz", ".gz.bad", ".gz.land")):
                    data = read(path)
                    if name.endswith(".land"):
                        data = data[: landed_bytes(data)]
                    text, damaged = segment_text(data, self.problems, place)
                    self.damaged += damaged
                    self.take(text, place, ordered=ordered)
        for path, name in files(os.path.join(spool, "quarantine")):
            place = os.path.relpath(path, spool)
            if name.startswith("."):
                self.litter.append(place)
            if not name.endswith(".gz"):
                continue
            text, _ = segment_text(read(path), self.problems, place)
            try:
                why = json.loads(read(path + ".why"))
            except (OSError, ValueError) as error:
                self.problems.append(f"{place}: no .why that can be read: {error}")
                why = {}
            is_copy = "salvaged" in why or "rows_salvaged" in why
            self.take(text, place, self.spare if is_copy else None)
        for folder in ("state", "."):
            for name in os.listdir(os.path.join(spool, folder)):
                if name.startswith("."):
                    self.litter.append(f"{folder}/{name}")

    def take_dir(self, target, ordered=True):
        for path, name in files(target):
            if name.startswith("."):
                self.litter.append("target:" + name)
                continue
            stream = zlib.decompressobj(31)
            try:
                text = stream.decompress(read(path)) + stream.flush()
            except zlib.error as error:
                self.problems.append(f"target {name}: not a gzip file: {error}")
                continue
            if not stream.eof or stream.unused_data:
                self.problems.append(f"target {name}: not exactly one gzip member")
            self.take(text, "target:" + name, ordered=ordered)

    # --- judging ---

    def judge(self, expected, may_repeat=lambda writer, seq: False):
        for writer in self.found.keys() - expected.keys():
            self.problems.append(f"rows of {writer}, which was never fed")
        for writer, want in expected.items():
            times = self.found.get(writer, {})
            have = max(times, default=-1) + 1
            missing = [seq for seq in range(max(have, want.acked)) if seq not in times and seq not in want.gone]
            if missing:
                only = [s for s in missing if s in self.spare.get(writer, {})]
                self.lost += len(missing)
                self.problems.append(
                    f"{writer}: {len(missing)} rows lost, first {missing[0]} (acknowledged {want.acked}, fed {want.fed}, last found "
                    f"{have - 1}; {len(only)} of them only in a quarantined original)"
                )
            if have > want.fed:
                self.problems.append(f"{writer}: {have} rows found, {want.fed} fed")
            if want.exact and have > want.acked:
                self.problems.append(f"{writer}: said to have taken {want.acked}, has {have}")
            double = [seq for seq, n in times.items() if n > 1]
            self.duplicated += len(double)
            wrong = [seq for seq in double if not may_repeat(writer, seq)]
            if wrong:
                self.problems.append(
                    f"{writer}: {len(wrong)} rows more than once, first {min(wrong)} in {self.where[(writer, min(wrong))]}"
                )
        return not self.problems


def prefix(found, writer):
    """How many rows of the writer were found, when there is no gap."""
    times = found.get(writer, {})
    return len(times)


def files(top):
    for folder, _, names in os.walk(top):
        for name in sorted(names):
            yield os.path.join(folder, name), name


def read(path):
    with open(path, "rb") as file:
        return file.read()


def crash_points(repo):
    """All names in the sources: {name: its file}."""
    found = {}
    for path, name in files(repo):
        part = os.path.relpath(path, repo)
        if name.endswith(".c") and part.split(os.sep)[0] in ("common", "walwriter", "uploader", "peerd", "diskguard"):
            text = read(path).decode()
            calls = re.findall(r"crash_point\(([^;]*?)\)\s*;", text, re.S) + re.findall(r"\.crash_[a-z]+ = (\"[^\"]+\")", text)
            for call in calls:
                found.update((point, part) for point in re.findall(r'"([^"]+)"', call))
    return found
