"""What a real cluster needs, as storms have it: Azurite (Blob and Queue storage, from npm: make node), and before it the ADX stand-in with its
engine, its data management and its ingestion from queues. Each may be killed, frozen and started again: ports and data stay."""
import base64
import collections
import csv
import hashlib
import hmac
import io
import json
import os
import re
import signal
import subprocess
import urllib.error
import urllib.parse
import urllib.request

from rig import BIN, REPO, Failure, wait_until

AZURITE = os.path.join(REPO, "build/node/current/node_modules/azurite/dist/src/azurite.js")
ACCOUNTS = ("torturea", "tortureb")
SERVICES = ("blob", "queue", "table")
DB, QUEUE = "D", "adxsim-readyforaggregation"


def why_not():
    """Why there can be no cloud here, or None."""
    return None if os.path.exists(AZURITE) else f"{AZURITE} is not there: make node"


def key_of(account):
    """Of no worth."""
    return base64.b64encode(hashlib.sha512(account.encode()).digest()).decode()


def fetch(url, method="GET", data=None, seconds=60):
    with urllib.request.urlopen(urllib.request.Request(url, data, method=method), timeout=seconds) as answer:
        return answer.read(), answer.headers


class Program:
    """A child that comes back where it was."""

    def __init__(self, top, name):
        self.child, self.log = None, os.path.join(top, f"{name}.log")
        self.name = name

    def run(self, argv, env=None):
        with open(self.log, "ab") as log:
            self.child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env)

    def is_running(self):
        return self.child is not None and self.child.poll() is None

    def send(self, number):
        self.child.send_signal(number)

    def stop(self, number=signal.SIGTERM):
        if self.child is None:
            return
        if self.is_running():
            self.child.send_signal(signal.SIGCONT)
            self.child.send_signal(number)
        try:
            self.child.wait(30)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
            raise Failure(f"{self.name} does not end within 30 s of signal {number}") from None
        self.child = None


class Azurite(Program):
    """Ended with SIGTERM: it writes what it knows to its files every five seconds, and at the end. Storage does not forget what it has
    answered 201 to, so this one is never killed with -9 while it may have to remember."""

    def __init__(self, top):
        super().__init__(top, "azurite")
        self.data, self.ports = os.path.join(top, "azurite"), dict.fromkeys(SERVICES, 0)
        self.start()

    def text(self):
        with open(self.log, "rb") as log:
            log.seek(self.began)
            return log.read().decode()

    def start(self):
        argv = ["node", AZURITE, "--silent", "--skipApiVersionCheck", "--disableTelemetry", "-l", self.data]
        for service in SERVICES:
            argv += [f"--{service}Host", "127.0.0.1", f"--{service}Port", str(self.ports[service])]
        accounts = "".join(f"{account}:{key_of(account)};" for account in ACCOUNTS)
        self.began = os.path.getsize(self.log) if os.path.exists(self.log) else 0
        self.run(argv, {**os.environ, "AZURITE_ACCOUNTS": accounts})
        ready = re.compile(r"Azurite (\w+) service is successfully listening at http://127.0.0.1:(\d+)")
        wait_until("Azurite listens", lambda: len(ready.findall(self.text())) == len(SERVICES) or not self.is_running(), 60)
        if not self.is_running():
            raise Failure("Azurite does not start:\n" + self.text()[-2000:])
        self.ports = {service.lower(): int(port) for service, port in ready.findall(self.text())}

    def url(self, service, account):
        return f"http://127.0.0.1:{self.ports[service]}/{account}"


class Adx(Program):
    """The stand-in, over that storage."""

    def __init__(self, top, azurite, settings, always):
        super().__init__(top, "adxsim")
        self.data, self.ready, self.azurite, self.settings = os.path.join(top, "adx"), os.path.join(top, "ready.json"), azurite, settings
        self.engine = self.dm = "http://127.0.0.1:0"
        self.given, self.hits = {}, collections.Counter()  # faults that are given; requests that met one, by endpoint
        self.always = always  # faults that are never healed
        self.start()

    def start(self):
        argv = [os.path.join(BIN, "adxsim"), "--listen", self.engine[7:], "--dm", self.dm[7:], "--data", self.data, "--database", DB,
                "--storage-proxy", "--ready-file", self.ready, "--set", "paused=1"]
        for name, value in self.settings.items():
            argv += ["--set", f"{name}={value}"]
        for account in ACCOUNTS:
            argv += ["--storage", ",".join((account, key_of(account), *(self.azurite.url(service, account) for service in SERVICES)))]
        if os.path.exists(self.ready):
            os.unlink(self.ready)
        self.run(argv)
        wait_until("adxsim is ready", lambda: os.path.exists(self.ready) or not self.is_running(), 60)
        if not self.is_running():
            with open(self.log, "rb") as log:
                raise Failure("adxsim does not start:\n" + log.read()[-2000:].decode())
        with open(self.ready, encoding="utf-8") as file:
            said = json.load(file)
        self.engine, self.dm = said["engine"], said["dm"]
        for rule in self.always:
            self.ask("fault", "POST", {**rule, "count": 0})
        self.set(paused=0)

    def ask(self, path, method="GET", what=None):
        answer = fetch(f"{self.engine}/_sim/{path}", method, None if what is None else json.dumps(what).encode())[0]
        return json.loads(answer) if answer else None

    # --- faults ---

    def fault(self, rule):
        """Its number."""
        number = self.ask("fault", "POST", rule)["id"]
        self.given[number] = rule
        return number

    def met(self, number):
        """How many requests this one has met. One that is used up is not listed any more."""
        hits = {one["id"]: one["hits"] for one in self.ask("fault")["faults"]}
        return hits.get(number, self.given[number].get("count", 1))

    def count_hits(self):
        for number, rule in self.given.items():
            self.hits[rule["match"]] += self.met(number)
        self.given.clear()

    def heal(self):
        numbers = list(self.given)
        self.count_hits()
        for number in numbers:
            fetch(f"{self.engine}/_sim/fault?id={number}", "DELETE")

    def set(self, **settings):
        self.ask("settings", "POST", {name.replace("_", "-"): value for name, value in settings.items()})

    def kill(self):
        """Its faults are forgotten with it, but not its data."""
        self.count_hits()
        self.stop(signal.SIGKILL)

    # --- what became of it ---

    def messages(self):
        return self.ask("messages")["messages"]

    def waiting(self):
        """Messages that are in an input queue, whether they are seen now or later, and those that were taken out and not dealt with."""
        held = sum(one["state"] in ("received", "retried") for one in self.messages())
        return held + sum(self.queue_length(account) for account in ACCOUNTS)

    def queue_length(self, account):
        url = f"{self.azurite.url('queue', account)}/{QUEUE}"
        return int(fetch(f"{url}?comp=metadata&{queue_signature(account, QUEUE)}")[1]["x-ms-approximate-messages-count"])

    def tables(self):
        return [table["table"] for table in self.ask("tables")["tables"]]

    def ingestions(self, table):
        """(ingestion, its rows) of each, in their order."""
        text = fetch(f"{self.engine}/_sim/csv?db={DB}&table={table}")[0].decode()
        rows = list(csv.reader(io.StringIO(text, newline="")))
        found, at = [], 0
        for one in self.ask(f"ingestions?db={DB}&table={table}")["ingestions"]:
            found.append((one, rows[at : at + one["rows"]]))
            at += one["rows"]
        if at != len(rows):
            raise Failure(f"the stand-in has {len(rows)} rows in {table}, and says that it ingested {at}")
        return found

    def give(self, judge):
        for table in self.tables():
            judge.take(fetch(f"{self.engine}/_sim/csv?db={DB}&table={table}")[0], f"adx:{table}", ordered=False)


def queue_signature(account, queue):
    """The right to look at a queue, as its owner lends it."""
    until, version = "2099-01-01T00:00:00Z", "2022-11-02"
    text = "\n".join(("rp", "", until, f"/queue/{account}/{queue}", "", "", "", version))
    digest = hmac.new(base64.b64decode(key_of(account)), text.encode(), hashlib.sha256).digest()
    return urllib.parse.urlencode({"sv": version, "se": until, "sp": "rp", "sig": base64.b64encode(digest).decode()})


class Cloud:
    def __init__(self, top, always=(), **settings):
        self.azurite = self.adx = None
        try:
            self.azurite = Azurite(top)
            self.adx = Adx(top, self.azurite, {name.replace("_", "-"): value for name, value in settings.items()}, always)
        except Failure:
            self.stop()
            raise

    def stop(self):
        for program in (self.adx, self.azurite):
            if program and program.is_running():
                program.stop(signal.SIGKILL)
