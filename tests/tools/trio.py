"""Three instances with peers, each under a supervisord of its own, and two databases, A and B, each in an ADX stand-in of its own; and
those who feed them. For the demo of failover (scripts/demo-failover) and for what it costs the others (tests/bench/p8.sh).

Everything is in one directory, on ports that the kernel gave. Every row has an id that nobody else has, and the time when it was sent:
what became of it is judged by these, not by counts."""
import csv
import glob
import http.client
import io
import json
import os
import random
import signal
import socket
import subprocess
import threading
import time
import urllib.request
from datetime import datetime

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.path.join(ROOT, os.environ.get("BUILD", "build"), "bin")
NAMES, DATABASES = ("n0", "n1", "n2"), ("A", "B")
SCHEMA = "Id:long,Sent:long,Pad:string"
IDS_EACH = 1_000_000_000  # ids of one instance


class Trouble(Exception):
    """What was to happen did not; the text says what."""


def wait_until(what, condition, seconds):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise Trouble(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.05)


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * share))] if values else float("nan")


class Cluster:
    """An ADX stand-in with one database. It comes back on the port that it had.

    stop() kills it, in the middle of what it does: rows whose answer is lost may be sent again, for streaming ingestion has no key by which
    ADX would know them. cut() lets it end what it has begun, and from then on it is "gone" (whoever connects is cut
    off), "hangs" (accepts, and never answers) or says "5xx"."""

    DEATHS = {"gone": {"mode": "drop-before"}, "hangs": {"mode": "drop-before", "delay_ms": 3600000}, "5xx": {"mode": "status", "status": 503}}


    def __init__(self, top, db):
        self.db, self.child, self.port, self.is_cut = db, None, 0, False
        self.data, self.log = os.path.join(top, f"adx-{db}"), os.path.join(top, f"adx-{db}.log")
        self.port_file = os.path.join(top, f"adx-{db}.port")
        self.start()

    def start(self):
        def try_once():
            if os.path.exists(self.port_file):
                os.unlink(self.port_file)
            with open(self.log, "ab") as log:
                self.child = subprocess.Popen([f"{BIN}/adxsim", "--listen", f"127.0.0.1:{self.port}", "--data", self.data, "--database", self.db,
                                               "--port-file", self.port_file], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            while self.child.poll() is None and not (os.path.exists(self.port_file) and os.path.getsize(self.port_file)):
                time.sleep(0.02)
            return self.child.poll() is None
        wait_until(f"the stand-in of {self.db} listens", try_once, 30)
        with open(self.port_file, encoding="ascii") as file:
            self.port = int(file.read())
        self.url = f"http://127.0.0.1:{self.port}"

    def is_up(self):
        return self.child is not None

    def stop(self, how=signal.SIGKILL):
        if self.child:
            self.child.send_signal(how)
            self.child.wait()
            self.child = None

    def cut(self, how="gone"):
        self.get("fault", "POST", json.dumps({**self.DEATHS[how], "match": "all", "count": 0}).encode())
        self.is_cut = True

    def mend(self):
        self.get("fault", "DELETE")
        self.is_cut = False

    def get(self, path, method="GET", body=None):
        with urllib.request.urlopen(urllib.request.Request(f"{self.url}/_sim/{path}", body, method=method), timeout=120) as answer:
            return answer.read()

    def tables(self):
        return {t["table"]: t["rows"] for t in json.loads(self.get("tables"))["tables"]}

    def rows(self):
        """How many it has; None while it answers nobody."""
        return None if self.is_cut or not self.child else sum(self.tables().values())

    def arrivals(self):
        """(id, microseconds when sent, microseconds when ingested) of each row."""
        found = []
        for table in self.tables():
            times = []
            for ingestion in json.loads(self.get(f"ingestions?db={self.db}&table={table}"))["ingestions"]:
                when = datetime.fromisoformat(ingestion["time"][:26] + "+00:00")
                times += [int(when.timestamp() * 1e6)] * ingestion["rows"]
            rows = list(csv.reader(io.StringIO(self.get(f"csv?db={self.db}&table={table}").decode())))
            if len(rows) != len(times):
                raise Trouble(f"the stand-in of {self.db} has {len(rows)} rows in {table}, and says that it ingested {len(times)}")
            found += [(int(row[0]), int(row[1]), when) for row, when in zip(rows, times)]
        return found


class Instance:
    """diskguard, peerd, uploader and a walwriter that takes rows by HTTP, as scripts/supervisord.conf starts them."""

    def __init__(self, top, name, port):
        self.name, self.port, self.top = name, port, os.path.join(top, name)
        self.spool, self.logs, self.conf = (os.path.join(self.top, what) for what in ("spool", "logs", "spillway.conf"))
        self.door = os.path.join(self.top, "door")
        for folder in (self.top, self.spool, self.logs, os.path.join(self.top, "writers")):
            os.mkdir(folder)
        self.supervisor = None

    def start(self, settings):
        with open(self.conf, "w", encoding="utf-8") as file:
            file.writelines(f"{key} = {value}\n" for key, value in [("spool", self.spool), ("name", self.name),
                                                                   ("listen", f"127.0.0.1:{self.port}"), *settings])
        with open(os.path.join(self.top, "writers", "walwriter.conf"), "w", encoding="utf-8") as file:
            file.write(f"[program:walwriter]\ncommand={BIN}/walwriter --config {self.conf} --http unix:{self.door}\npriority=90\n"
                       f"autorestart=unexpected\nexitcodes=0,100\nstartsecs=0\nstdout_logfile={self.logs}/walwriter.log\nredirect_stderr=true\n")
        env = {key: value for key, value in os.environ.items() if not key.startswith("SPILLWAY_")}
        env.update(SPILLWAY_CONFIG=self.conf, SPILLWAY_BIN=BIN, SPILLWAY_LOGS=self.logs, SPILLWAY_WRITERS=f"{self.top}/writers/*.conf")
        self.supervisor = subprocess.Popen(["supervisord", "-c", f"{ROOT}/scripts/supervisord.conf"], env=env, stdin=subprocess.DEVNULL,
                                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def stop(self):
        if self.supervisor and self.supervisor.poll() is None:
            self.supervisor.terminate()
            self.supervisor.wait()

    def ask(self, *words, check=True):
        """What spillway says: its lines of JSON."""
        done = subprocess.run([f"{BIN}/spillway", "--config", self.conf, *words, "--json"], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, check=False)
        if check and done.returncode:
            raise Trouble(f"spillway {' '.join(words)} at {self.name}: {done.stderr.strip() or done.returncode}")
        return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]

    def sees_all(self):
        answers = json.dumps(self.ask("peers", check=False))
        return answers.count('"present": true') >= len(NAMES) and os.path.exists(self.door)

    def state(self, db):
        for answer in self.ask("failover", check=False):
            for one in answer.get("databases", ()):
                if one["db"] == db:
                    return one
        return {}

    def segments(self, db, *queues):
        return [one for one in self.ask("ls", db, "--rows", *(f"--in={queue}" for queue in queues), check=False) if one.get("db") == db]

    def held(self, db):
        """Rows in the spool, whatever queue. What moves while it is looked at may be missed, or seen twice."""
        return sum(one.get("rows", 0) for one in self.segments(db))

    def is_empty(self):
        return not self.ask("ls", check=False)

    def refused(self, db):
        """Transfers of this database that were answered 429 because databases in failover have had their share. (One that found no room for
        another reason, such as a diskguard that is not answering at the moment, is uploaded by its sender.)"""
        with open(os.path.join(self.logs, "peerd.log"), encoding="utf-8", errors="replace") as log:
            return sum("transfer-refused" in line and f" db={db} " in line and " status=429 " in line and " code=failover " in line for line in log)

    def ledger(self, db):
        """{fate: rows} of its drop ledger."""
        sums = {}
        for path in glob.glob(os.path.join(self.spool, "state", "drops.jsonl")):
            with open(path, encoding="utf-8") as file:
                for line in file:
                    one = json.loads(line) if line.endswith("\n") else {}
                    if one.get("db") == db:
                        sums[one["fate"]] = sums.get(one["fate"], 0) + one["rows"]
        return sums


class Feeder(threading.Thread):
    """Sends rows of both databases to one instance, as many a second as are wanted."""

    def __init__(self, instance, number, rates, pads, tables):
        super().__init__(daemon=True)
        self.instance, self.number, self.rates, self.pads, self.tables = instance, number, rates, pads, tables
        self.is_over = threading.Event()
        self.taken = {db: {} for db in DATABASES}  # id -> when it was sent; of what was answered 200
        self.refused = dict.fromkeys(DATABASES, 0)  # rows answered 429: never taken
        self.why = {}  # database -> what the last of these answers said
        self.unknown = {db: set() for db in DATABASES}  # no answer, or one that we do not know
        self.error = None
        self.random = random.Random(number)

    def run(self):
        next_id, began, rounds, owed = self.number * IDS_EACH, time.monotonic(), 0, dict.fromkeys(DATABASES, 0.0)
        while not self.is_over.is_set():
            for db in DATABASES:
                owed[db] += self.rates[db] / 10
                count, owed[db] = int(owed[db]), owed[db] % 1
                self.send(db, f"T{rounds % self.tables + 1}", range(next_id, next_id + count))
                next_id += count
            rounds += 1
            self.is_over.wait(max(0.0, began + rounds / 10 - time.monotonic()))

    def send(self, db, table, ids):
        now = int(time.time() * 1e6)
        body = "".join(f"{one},{now},{self.random.randbytes(self.pads[db] // 2).hex()}\n" for one in ids).encode()
        try:
            line = http.client.HTTPConnection("localhost", timeout=60)
            line.sock = socket.socket(socket.AF_UNIX)
            line.sock.settimeout(60)
            line.sock.connect(self.instance.door)
            line.request("POST", f"/ingest/{db}/{table}?format=csv&schema={SCHEMA}", body)
            response = line.getresponse()
            status, answer = response.status, response.read(1000).decode(errors="replace")
            line.close()
        except (OSError, http.client.HTTPException) as error:
            status = repr(error)
        if status == 200:
            self.taken[db].update(dict.fromkeys(ids, now))
        elif status == 429:
            self.refused[db] += len(ids)
            self.why[db] = f"{self.instance.name}: {answer}"
        else:
            self.unknown[db].update(ids)
            self.error = f"{self.instance.name} answered {status}"

    def end(self):
        self.is_over.set()
        self.join()


class Trio:
    def __init__(self, top, settings, settings_of=None):
        self.top = top
        self.clusters = {}
        ports = {name: free_port() for name in NAMES}
        self.instances = [Instance(top, name, ports[name]) for name in NAMES]
        self.feeders = []
        try:
            self.clusters = {db: Cluster(top, db) for db in DATABASES}
            common = [("peer", f"{name}=http://127.0.0.1:{port}") for name, port in ports.items()]
            common += [("database", f"{db}={cluster.url}") for db, cluster in self.clusters.items()] + list(settings)
            for instance in self.instances:
                instance.start(common + list((settings_of or {}).get(instance.name, ())))
            wait_until("the three instances see each other", lambda: all(one.sees_all() for one in self.instances), 120)
        except BaseException:
            self.stop()
            raise

    def feed(self, rates, pads, tables=4):
        self.feeders = [Feeder(instance, i, rates, pads, tables) for i, instance in enumerate(self.instances)]
        for feeder in self.feeders:
            feeder.start()

    def end_feed(self):
        for feeder in self.feeders:
            feeder.end()

    def stop(self):
        self.end_feed()
        for instance in self.instances:
            if instance.supervisor and instance.supervisor.poll() is None:
                instance.supervisor.terminate()
        for instance in self.instances:
            instance.stop()
        for cluster in self.clusters.values():
            cluster.stop()

    def at(self, name):
        return next(one for one in self.instances if one.name == name)

    def sent(self, db):
        return sum(len(feeder.taken[db]) for feeder in self.feeders)

    def refused_at_door(self, db):
        return sum(feeder.refused[db] for feeder in self.feeders)

    def said_at_door(self, db):
        return "; ".join(feeder.why[db] for feeder in self.feeders if db in feeder.why)

    def ledger(self, db, fate):
        return sum(one.ledger(db).get(fate, 0) for one in self.instances)

    def all_say(self, db, is_active):
        return all(one.state(db).get("active", False) == is_active for one in self.instances)

    def is_drained(self):
        return all(one.is_empty() for one in self.instances)

    def account(self, db):
        """By ids: what became of the rows that were sent, and how the copies in ADX differ from them."""
        sent, unknown = {}, set()
        for feeder in self.feeders:
            sent.update(feeder.taken[db])
            unknown |= feeder.unknown[db]
        times = {}
        for one, when, _ in self.clusters[db].arrivals():
            times.setdefault(one, []).append(when)
        return {"sent": len(sent), "arrived": sum(one in sent for one in times), "missing": sum(one not in times for one in sent),
                "twice": sum(len(copies) > 1 for copies in times.values()),
                "strange": sum(one not in unknown and copies[0] != sent.get(one) for one, copies in times.items())}

    def tails(self):
        paths = sorted(glob.glob(os.path.join(self.top, "n*", "logs", "*.log")) + glob.glob(os.path.join(self.top, "*.log")))
        return subprocess.run(["tail", "-n", "8", *paths], capture_output=True, text=True, check=False).stdout
