"""Directories, programs and deadlines of the torture suite."""
import collections
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

from oracle import SCHEMA, Judge, Rows

REPO = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
BUILD = os.path.join(REPO, os.environ.get("BUILD", "build"))
BIN = os.path.join(BUILD, "bin")
SHIM = os.path.join(BUILD, "tests", "shim.so")
DEADLINE = float(os.environ.get("TORTURE_DEADLINE", "30"))
HANG, REPORTS = "hang", re.compile(rb"AddressSanitizer|LeakSanitizer|runtime error:|Assertion .* failed|stack smashing|buffer overflow detected")


class Failure(Exception):
    """A case went wrong; the text says how."""


class Result:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    def summary(self):
        lines = self.out.strip().splitlines()
        return json.loads(lines[-1]) if lines and lines[-1].startswith(b"{") else None

    def tail(self, lines=12):
        return b"\n".join(self.err.splitlines()[-lines:]).decode(errors="replace")


def environment(extra=None):
    env = {k: v for k, v in os.environ.items() if not k.startswith(("SPILLWAY_", "TORT_"))}
    env["ASAN_OPTIONS"] = env.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0:detect_leaks=0"
    env.update(extra or {})
    return env


def argv_of(program, *arguments):
    return [os.path.join(BIN, program), *arguments, "--log-timestamps", "no"]


def backtrace(pid):
    """Where a program hangs, if gdb is here."""
    if not shutil.which("gdb"):
        return ""
    argv = ["gdb", "-p", str(pid), "-batch", "-nx", "-ex", "set debuginfod enabled off", "-ex", "bt 14"]
    try:
        text = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=60).stdout.decode(errors="replace")
    except subprocess.TimeoutExpired:
        return ""
    return "\n".join(line for line in text.splitlines() if line.startswith(("#", "Thread")))


def run(program, *arguments, stdin=b"", fault=None, deadline=None):
    """One run to its end. Raises Failure when it hangs, or died of anything but SIGKILL, or a sanitizer spoke."""
    argv = argv_of(program, *arguments)
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(fault)) as child:
        try:
            out, err = child.communicate(stdin, timeout=deadline or DEADLINE)
        except subprocess.TimeoutExpired:
            where = backtrace(child.pid)
            child.kill()
            out, err = child.communicate()
            raise Failure(f"{program} hangs:\n" + Result(HANG, out, err).tail() + "\n" + where) from None
    result = Result(child.returncode, out, err)
    check_end(program, result)
    return result


def check_end(program, result):
    if REPORTS.search(result.err):
        raise Failure(f"{program}: a report\n" + result.tail(40))
    if result.code < 0 and result.code != -signal.SIGKILL:
        raise Failure(f"{program} died of signal {-result.code}\n" + result.tail())


def must(program, *arguments, codes=(0,), **more):
    """A run without faults, which must end well."""
    result = run(program, *arguments, **more)
    if result.code not in codes:
        raise Failure(f"without a fault {program} exits {result.code}\n" + result.tail())
    return result


def fault(kind, n, action, roots, sticky=False, report=None):
    env = {"LD_PRELOAD": SHIM, "TORT_KIND": kind, "TORT_N": str(n), "TORT_ACTION": action}
    env["TORT_ROOT"] = ":".join(os.path.realpath(root) for root in roots)
    if sticky:
        env["TORT_STICKY"] = "1"
    if report:
        env["TORT_REPORT"] = report
    if os.environ.get("TORTURE_LIE"):  # to check the suite itself
        env["TORT_LIE"] = "1"
    return env


def sealed_rows(err, table=None):
    """Rows that walwriter's log says it sealed: with --sync seal and more that is its word that they are durable."""
    file = rb"[^\n]*" if table is None else rb"[^\n]* file=" + table.encode() + rb",[^\n]*"
    return sum(int(n) for n in re.findall(rb"\bsealed" + file + rb" rows=(\d+)", err))


def wait_until(what, condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise Failure(f"still not so after {seconds} s: {what}")
        time.sleep(0.02)


class Daemon:
    """A program in the background, its log in a file."""

    def __init__(self, log, program, *arguments, stdin=None, fault=None):
        self.program, self.log = program, log
        with open(log, "ab") as out:
            self.child = subprocess.Popen(
                argv_of(program, *arguments), stdin=stdin or subprocess.DEVNULL, stdout=out, stderr=out, env=environment(fault)
            )

    def text(self):
        with open(self.log, "rb") as file:
            return file.read()

    def is_running(self):
        return self.child.poll() is None

    def stop(self, sig=signal.SIGTERM, seconds=20):
        if self.is_running():
            self.child.send_signal(sig)
        try:
            code = self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            where = backtrace(self.child.pid)
            self.child.kill()
            self.child.wait()
            raise Failure(f"{self.program} does not end within {seconds} s of signal {sig}:\n{self.tail()}\n{where}") from None
        check_end(self.program, Result(code, b"", self.text()))
        return code

    def tail(self, lines=15):
        return Result(0, b"", self.text()).tail(lines)


class Sim:
    """One ADX stand-in."""

    def __init__(self, top, databases=("D",)):
        self.port_file = os.path.join(top, "adxsim.port")
        self.log = open(os.path.join(top, "adxsim.log"), "ab")  # pylint: disable=consider-using-with
        argv = [os.path.join(BIN, "adxsim"), "--listen", "127.0.0.1:0", "--data", os.path.join(top, "adx"), "--port-file", self.port_file]
        for name in databases:
            argv += ["--database", name]
        self.child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        wait_until("adxsim listens", lambda: os.path.exists(self.port_file) and os.path.getsize(self.port_file))
        with open(self.port_file, encoding="ascii") as file:
            self.url = f"http://127.0.0.1:{file.read().strip()}"

    def call(self, path, method="GET", data=None):
        request = urllib.request.Request(self.url + path, method=method, data=data)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.read()

    def reset(self, database="D"):
        self.call(f"/_sim/database?name={database}", "DELETE")
        self.call(f"/_sim/database?name={database}", "POST", b"")

    def tables(self):
        return [(t["db"], t["table"]) for t in json.loads(self.call("/_sim/tables"))["tables"]]

    def give(self, judge):
        for db, table in self.tables():
            judge.take(self.call(f"/_sim/csv?db={db}&table={table}"), f"adx:{db}.{table}", ordered=False)

    def stop(self):
        self.child.terminate()
        self.child.wait(20)
        self.log.close()


class Sink:
    """The other end of queued ingestion (tests/tools/ingest_sink.py)."""

    def __init__(self, top):
        port_file = os.path.join(top, "sink.port")
        argv = [sys.executable, os.path.join(REPO, "tests/tools/ingest_sink.py"), "--port-file", port_file]
        self.child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until("the sink listens", lambda: os.path.exists(port_file))
        with open(port_file, encoding="ascii") as file:
            self.url = f"http://127.0.0.1:{file.read()}"

    def call(self, path, data=None):
        with urllib.request.urlopen(urllib.request.Request(self.url + path, data=data), timeout=60) as answer:
            return answer.read()

    def stop(self):
        self.child.terminate()
        self.child.wait(20)


class Rig:
    """What all cases share: seed, rows, directory, table of results."""

    def __init__(self, seed, top=None):
        self.seed = seed
        self.rows = Rows(seed)
        self.top = top or tempfile.mkdtemp(prefix="spillway-torture.", dir=os.environ.get("TMPDIR", "/tmp"))
        self.templates = {}
        self.lock = threading.Lock()
        self.local = threading.local()
        self.table = {}
        self.failures = []
        self.leaked = {}
        self.harmed = collections.Counter()  # what a part did, where each is to have its turn
        self.kinds = {}  # failures that look alike, shown twice at most
        self._sim = None

    def sim(self):
        """Each thread has its own."""
        if not hasattr(self.local, "sim"):
            top = tempfile.mkdtemp(prefix="sim.", dir=self.top)
            self.local.sim = Sim(top)
            with self.lock:
                self.sims = getattr(self, "sims", []) + [self.local.sim]
        return self.local.sim

    def sink(self):
        if not hasattr(self.local, "sink"):
            self.local.sink = Sink(tempfile.mkdtemp(prefix="sink.", dir=self.top))
            with self.lock:
                self.sims = getattr(self, "sims", []) + [self.local.sink]
        return self.local.sink

    def close(self):
        for sim in getattr(self, "sims", []):
            sim.stop()
        shutil.rmtree(self.top, ignore_errors=True)

    def judge(self):
        return Judge(self.rows)

    def note(self, key, faults=0, runs=0, judge=None):
        with self.lock:
            line = self.table.setdefault(key, {"faults": 0, "runs": 0, "rows": 0, "lost": 0, "twice": 0, "failed": 0})
            line["faults"] += faults
            line["runs"] += runs
            if judge:
                line["rows"] += judge.checked
                line["lost"] += judge.lost
                line["twice"] += judge.duplicated

    def leaks(self, litter, case):
        """Temporary files that nothing ever removes: invariant 3. One failure for each kind."""
        for name in litter:
            kind = re.sub(r"[0-9a-f]{16}|\d+", "N", name)
            with self.lock:
                is_new = kind not in self.leaked
                self.leaked.setdefault(kind, [name, 0])[1] += 1
            if is_new:
                self.fail(("leak", name.split("/")[0]), case, f"left behind after a clean run: {name}")

    def fail(self, key, case, text):
        again = f"BUILD={os.path.relpath(BUILD, REPO)} tests/torture/torture --seed {self.seed} --case '{case}'"
        with self.lock:
            self.table.setdefault(key, {"faults": 0, "runs": 0, "rows": 0, "lost": 0, "twice": 0, "failed": 0})["failed"] += 1
            self.failures.append((case, text))
            kind = re.sub(r"[0-9a-f]{16}|\d+", "N", key[1] + text[:300])
            self.kinds[kind] = self.kinds.get(kind, 0) + 1
            if self.kinds[kind] <= 2:
                print(f"FAILED {case}\n    " + text.strip().replace("\n", "\n    ") + f"\n    again: {again}", flush=True)

    def print_table(self):
        print(f"\n{'fault':<12} {'program':<20} {'faults':>7} {'runs':>7} {'rows checked':>13} {'lost':>6} {'twice':>6}  verdict")
        for (kind, program), l in sorted(self.table.items()):
            verdict = "ok" if not l["failed"] else f"{l['failed']} FAILED"
            print(f"{kind:<12} {program:<20} {l['faults']:>7} {l['runs']:>7} {l['rows']:>13} {l['lost']:>6} {l['twice']:>6}  {verdict}")
        total = [sum(l[k] for l in self.table.values()) for k in ("faults", "runs", "rows", "lost", "twice", "failed")]
        print(f"{'all':<12} {'':<20} {total[0]:>7} {total[1]:>7} {total[2]:>13} {total[3]:>6} {total[4]:>6}  " + ("ok" if not total[5] else f"{total[5]} FAILED"))
        print(f"seed {self.seed}")


def post(path, table, text, schema=SCHEMA):
    """Rows to a walwriter --http at a Unix socket. The status; 0 without an answer (then the rows may be there, or not)."""
    answer = b""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(DEADLINE)
            connection.connect(path)
            connection.sendall(b"POST /ingest/D/%s?format=csv&schema=%s HTTP/1.1\r\nHost: t\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
                               % (table.encode(), schema.encode(), len(text)) + text)
            while data := connection.recv(4096):
                answer += data
    except OSError:
        pass
    words = answer.split(b" ", 2)
    return int(words[1]) if len(words) > 2 and words[1].isdigit() else 0


def walwriter_args(spool, table="T", *more):
    return ("--spool", spool, "--db", "D", "--table", table, "--schema", SCHEMA, "--no-guard", "--json", *more)
