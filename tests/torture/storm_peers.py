"""Faults 2, 5 and 8 for a ring: three to seven instances behind proxies that cut, drop answers, stall, refuse and answer late, while walwriters,
peerds and uploaders of any of them are killed (kill -9) and started again.

The oracle knows all rows that went in anywhere: at the end each of them is in the target of some instance, once."""
import glob
import json
import os
import random
import shutil
import signal
import socket
import tempfile
import threading
import time

import storm
from oracle import Judge
from proxies import Proxy
from rig import Daemon, Failure, wait_until
from storm import LIMIT, check_budget

NAMES = "abcdefg"
QUEUES = ("active", "sealed", "upload", "batch", "transfer", "incoming")


def free_port(choice):
    """Below those that the kernel gives out by itself."""
    while True:
        port = choice.randrange(10000, 32768)
        with socket.socket() as one:
            try:
                one.bind(("127.0.0.1", port))
                return port
            except OSError:
                pass


class Instance:
    """One of the ring; what a Feeder wants to know of a storm."""

    def __init__(self, ring, number):
        self.ring, self.number, self.name = ring, number, NAMES[number]
        self.rig, self.seed, self.expected, self.is_over, self.count = ring.rig, ring.seed, ring.expected, ring.is_over, ring.count
        self.top = os.path.join(ring.top, self.name)
        self.spool, self.out = os.path.join(self.top, "spool"), os.path.join(self.top, "out")
        os.makedirs(self.spool)
        os.mkdir(self.out)
        self.port = free_port(ring.random)
        self.proxy = Proxy(os.path.join(self.top, "proxy"), self.port, ring.seed * 10 + number)
        self.daemons, self.written = {}, 0

    def start(self, program):
        common = ("--scan-interval", "50ms", "--retry-min", "10ms", "--retry-max", "200ms")
        peers = [word for one in self.ring.instances for word in ("--peer", f"{one.name}={one.proxy.url}")]
        arguments = {
            "diskguard": ("--max-disk-usage", LIMIT, "--min-free", "0", "--scan-interval", "100ms"),
            "peerd": (*common, "--name", self.name, "--listen", f"127.0.0.1:{self.port}", *peers, "--transfer-linger", "50ms", "--peer-poll",
                      "100ms", "--peer-hold", "5s", "--peer-unhealthy", "200ms", "--transfer-stall", "1s", "--segment-age", "300ms", "--sync",
                      ("never", "interval", "always")[self.number % 3]),
            "uploader": (*common, "--database", f"D=dir:{self.out}", "--batch-age", "200ms"),
        }[program]
        self.daemons[program] = Daemon(os.path.join(self.top, f"{program}.log"), program, "--spool", self.spool, *arguments)
        self.ring.starts += 1

    def kill(self, program):
        daemon = self.daemons[program]
        if not daemon.is_running():
            raise Failure(f"{program} of {self.name} ended by itself with {daemon.child.returncode}:\n{daemon.tail()}")
        daemon.stop(signal.SIGKILL)
        self.count(program)

    def queued(self):
        return [p for q in QUEUES for p in glob.glob(os.path.join(self.spool, q, "**", "*.gz*"), recursive=True)]

    def finish(self):
        for program in ("uploader", "peerd", "diskguard"):
            if program == "diskguard":  # while it runs, peerd keeps what its door may need
                check_budget(self.spool, self.daemons["diskguard"])
            code = self.daemons[program].stop()
            if code != 0:
                raise Failure(f"{program} of {self.name} exits {code} after SIGTERM\n" + self.daemons[program].tail())

    def sent(self):
        """Rows that went to peers."""
        try:
            with open(os.path.join(self.spool, "state", "peerd.json"), encoding="utf-8") as file:
                return json.load(file)["databases"].get("D", {}).get("rows_sent", 0)
        except FileNotFoundError:
            return 0

    def end(self):
        for daemon in self.daemons.values():
            if daemon.is_running():
                daemon.child.kill()
                daemon.child.wait()
        self.proxy.stop()


class Ring(storm.Storm):
    def __init__(self, rig, seed, members):  # pylint: disable=super-init-not-called
        self.rig, self.seed, self.random = rig, seed, random.Random(seed)
        self.top = tempfile.mkdtemp(prefix="ring.", dir=rig.top)
        self.is_over, self.lock = threading.Event(), threading.Lock()
        self.expected, self.kills, self.starts = {}, {}, 0
        self.instances = []
        for number in range(members):
            self.instances.append(Instance(self, number))

    def kill_one(self):
        instance, program = self.random.choice(self.instances), self.random.choice(("peerd", "peerd", "peerd", "uploader", "diskguard"))
        instance.kill(program)
        if self.random.random() < 0.3:
            time.sleep(self.random.uniform(0, 0.5))
        instance.start(program)

    def blow(self, seconds):
        for instance in self.instances:
            for program in ("diskguard", "peerd", "uploader"):
                instance.start(program)
        calm_until = time.monotonic() + seconds / 3  # at first the network is good, so that much is sent and much is in flight

        def harm():
            for instance in self.instances:
                instance.proxy.set("chaos" if time.monotonic() > calm_until else "pass")
            time.sleep(self.random.uniform(0.1, 0.6))
            self.kill_one()

        storm.feed(self, [storm.Feeder(instance, instance.number) for instance in self.instances], seconds, harm)

    def drain(self):
        for instance in self.instances:
            instance.proxy.set("pass")
        wait_until("the spools drain", lambda: not any(instance.queued() for instance in self.instances), 120)
        for instance in self.instances:
            instance.finish()

    def judge(self):
        judge = Judge(self.rig.rows, is_ordered=False)  # a transfer that was lost comes after the one behind it
        for instance in self.instances:
            judge.take_spool(instance.spool)
            judge.take_dir(instance.out)
        judge.judge(self.expected)
        return judge

    def spoilt(self):
        return sum(instance.proxy.faults() for instance in self.instances)

    def faults(self):
        return super().faults() + self.spoilt()

    def remark(self):
        return f"; {sum(instance.sent() for instance in self.instances)} rows sent to peers, {self.spoilt()} connections spoilt"

    def end(self):
        self.is_over.set()
        for instance in self.instances:
            instance.end()
        shutil.rmtree(self.top, ignore_errors=True)


def one(rig, seed, seconds, members=3):
    """A storm of its own. True when all is well."""
    print(f"storm of {members} peers, {seconds} s, seed {seed}", flush=True)
    return storm.run(rig, Ring(rig, seed, members), seconds, f"peers/{seed}/{seconds}/{members}", ("peers", f"a ring of {members}"))


def again(rig, parts):
    seed, seconds, members = parts
    one(rig, int(seed), float(seconds), int(members))
