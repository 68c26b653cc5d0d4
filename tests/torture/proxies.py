"""Fault 5: what networks do, between programs of a storm (tests/tools/proxy.py does it, to each connection as its mode says)."""
import json
import os
import subprocess
import sys

from rig import REPO, wait_until


class Proxy:
    """In front of one peerd (tests/tools/proxy.py)."""

    def __init__(self, top, port, seed):
        self.top, self.mode = top, "pass"
        argv = [sys.executable, os.path.join(REPO, "tests/tools/proxy.py"), top, str(port), "--seed", str(seed)]
        self.child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until("a proxy listens", lambda: os.path.exists(os.path.join(top, "port")))
        with open(os.path.join(top, "port"), encoding="ascii") as file:
            self.url = f"http://127.0.0.1:{file.read().strip()}"

    def set(self, mode):
        if mode == self.mode:
            return
        self.mode = mode
        with open(os.path.join(self.top, "mode.new"), "w", encoding="ascii") as file:
            file.write(mode)
        os.rename(os.path.join(self.top, "mode.new"), os.path.join(self.top, "mode"))

    def stop(self):
        self.child.kill()
        self.child.wait()

    def faults(self):
        try:
            with open(os.path.join(self.top, "connections"), encoding="ascii") as file:
                return sum(count for kind, count in json.load(file).items() if kind != "pass")
        except FileNotFoundError:
            return 0
