#!/usr/bin/env python3
"""P10: 100 MiB of segments from one peerd to another, CPU time at both ends together for each byte, beside `curl -T` of the same bytes
into a server that throws them away. JSON lines. BENCH=quick: 8 MiB, one round. Medians of RUNS.

That server keeps nothing, and curl neither checks nor deletes: what keeping, checking and deleting the same bytes costs is measured
by itself, and the last ratio says what is left. Each measurement begins when the disk has all that was written before: else writing
that out is charged to whoever runs meanwhile."""
import glob
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from statistics import median

os.chdir(os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))
BUILD = os.environ.get("BUILD", "build")
QUICK = os.environ.get("BENCH") == "quick"
RUNS = 1 if QUICK else int(os.environ.get("RUNS", "5"))
MIB = 1 << 20
WANTED = (8 if QUICK else 100) * MIB
DEADLINE = 120


def cpu_of(pid):
    """Of all its threads, to the nanosecond; those that have ended do not count (those of daemons stay)."""
    total = 0
    for path in glob.glob(f"/proc/{pid}/task/*/schedstat"):
        with open(path, encoding="ascii") as stat:
            total += int(stat.read().split()[0])
    return total / 1e9


def wait_until(what, condition):
    end = time.monotonic() + DEADLINE
    while not condition():
        if time.monotonic() > end:
            sys.exit(f"p10: still not so: {what}")
        time.sleep(0.002)


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Child:
    def __init__(self, *argv):
        self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.pid = self.process.pid

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)


def segments(top):
    return glob.glob(os.path.join(top, "**", "*.gz"), recursive=True)


def make_segments(work):
    """Segments of rows that hardly compress, a few MiB each, that come to what is wanted; not more, for that would not be sent."""
    model = os.path.join(work, "model")
    os.mkdir(model)
    rows = os.path.join(work, "rows")
    with open(rows, "wb") as out:
        subprocess.run([f"{BUILD}/bench/gen_rows", "random", str(WANTED * 5)], stdout=out, check=True)
    with open(rows, "rb") as text:
        subprocess.run([f"{BUILD}/bin/walwriter", "--spool", model, "--db", "D", "--table", table(), "--no-guard", "--segment-bytes", "4M"],
                       stdin=text, check=True, stderr=subprocess.DEVNULL)
    os.unlink(rows)
    total = 0
    for path in sorted(segments(os.path.join(model, "sealed"))):
        total += os.path.getsize(path)
        if total > WANTED:
            total -= os.path.getsize(path)
            os.unlink(path)
    return model, total


def table():
    return subprocess.run(["tests/tools/owner.py", "--of", "b", "1", "D", "a", "b"], check=True, capture_output=True, text=True).stdout.strip()


def transfer(work, model):
    """((CPU seconds of the sender, of the receiver), wall seconds), of a ring that is up when the segments come."""
    with tempfile.TemporaryDirectory(dir=work) as top:
        port, a, b, ready = free_port(), os.path.join(top, "a"), os.path.join(top, "b"), os.path.join(top, "ready")
        os.mkdir(a)
        os.mkdir(b)
        subprocess.run(["cp", "-r", "--reflink=never", os.path.join(model, "sealed", "D"), ready], check=True)
        common = ("--no-guard", "--sync", "never", "--scan-interval", "50ms", "--segment-age", "100ms")
        with Child(f"{BUILD}/bin/peerd", "--spool", b, "--name", "b", "--listen", f"127.0.0.1:{port}", *common) as receiver, \
             Child(f"{BUILD}/bin/peerd", "--spool", a, "--name", "a", "--listen", "127.0.0.1:0", "--peer", f"b=http://127.0.0.1:{port}",
                   "--max-transfer-age", "1d", "--transfer-linger", "0", *common) as sender:
            wait_until("they see each other", lambda: sees_peer(a))
            os.sync()
            before, begun = (cpu_of(sender.pid), cpu_of(receiver.pid)), time.monotonic()
            os.rename(ready, os.path.join(a, "sealed", "D"))
            wait_until("it is sent", lambda: not segments(os.path.join(a, "sealed")) and not segments(os.path.join(a, "transfer")))
            wall, spent = time.monotonic() - begun, (cpu_of(sender.pid) - before[0], cpu_of(receiver.pid) - before[1])
            if segments(os.path.join(a, "upload")):
                sys.exit("p10: it was not sent, but uploaded from here")
            return spent, wall


def sees_peer(spool):
    answer = subprocess.run([f"{BUILD}/bin/spillway", "--spool", spool, "peers", "--json"], capture_output=True, text=True, check=False).stdout
    return answer.count('"present":true') + answer.count('"present": true') >= 2


def curl(work, body):
    """The same of curl and a server that throws the bytes away."""
    port_file = os.path.join(work, "port")
    if os.path.exists(port_file):
        os.unlink(port_file)
    with Child(f"{BUILD}/bench/bench_sink", port_file) as sink:
        wait_until("the sink listens", lambda: os.path.exists(port_file) and os.path.getsize(port_file) > 0)
        with open(port_file, encoding="ascii") as file:
            url = f"http://127.0.0.1:{file.read().strip()}/x"
        os.sync()
        begun, before = time.monotonic(), cpu_of(sink.pid)
        with subprocess.Popen(["curl", "-s", "-T", body, url], stdout=subprocess.DEVNULL) as child:
            _, status, usage = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            sys.exit(f"p10: curl exits {child.returncode}")
        return usage.ru_utime + usage.ru_stime + cpu_of(sink.pid) - before, time.monotonic() - begun


def measure_parts(work, body):
    """CPU seconds of keeping, checking and deleting it."""
    os.sync()
    done = subprocess.run([f"{BUILD}/bench/parts", body, os.path.join(work, "kept")], check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def line(name, values, unit, target=""):
    print(json.dumps({"row": "P10", "name": name, "value": round(median(values), 4), "unit": unit, "target": target,
                      "spread": f"{min(values):.4g} to {max(values):.4g}"}), flush=True)


def main():
    subprocess.run(["make", "-s", f"BUILD={BUILD}", f"{BUILD}/bench/bench_sink", f"{BUILD}/bench/parts", f"{BUILD}/bench/gen_rows", f"{BUILD}/bin/peerd",
                    f"{BUILD}/bin/walwriter"], check=True)
    with tempfile.TemporaryDirectory(prefix="spillway-p10.", dir=os.environ.get("TMPDIR", "/var/tmp")) as work:
        model, total = make_segments(work)
        body = os.path.join(work, "body")
        with open(body, "wb") as out:  # written as cp writes the segments: that decides what reading it costs
            subprocess.run(["cat", *sorted(segments(os.path.join(model, "sealed")))], stdout=out, check=True)
        transfers, curls, parts, starts = [], [], [], []
        for i in range(RUNS + 1):
            sent, thrown, part = transfer(work, model), curl(work, body), measure_parts(work, body)
            start = curl(work, "/dev/null")[0]
            if i or QUICK:
                transfers.append(sent)
                curls.append(thrown)
                parts.append(part)
                starts.append(start)
        gib = total / (1 << 30)
        floors = [c[0] + p["write"] + p["check"] + p["unlink"] for c, p in zip(curls, parts)]
        line(f"{total / MIB:.0f} MiB from peerd to peerd, CPU for a GiB", [sum(t[0]) / gib for t in transfers], "s")
        line("of which the sender", [t[0][0] / gib for t in transfers], "s")
        line("curl -T of the same into the throw-away server, CPU for a GiB", [c[0] / gib for c in curls], "s")
        line("of which curl's start", [s / gib for s in starts], "s")
        line("CPU at both ends, beside curl", [sum(t[0]) / c[0] for t, c in zip(transfers, curls)], "x", "<= 1.5")
        for what, name in (("keeping it (a file, page cache)", "write"), ("checking it", "check"), ("deleting what was sent", "unlink")):
            line(f"what curl leaves out: {what}", [p[name] / c[0] for p, c in zip(parts, curls)], "x curl")
        line("CPU at both ends, beside curl and these three", [sum(t[0]) / f for t, f in zip(transfers, floors)], "x")
        line("peerd to peerd, wall", [total / MIB / t[1] for t in transfers], "MiB/s")


main()
