#!/usr/bin/env python3
"""A TCP proxy on loopback that does to connections what networks do.

    proxy.py DIR PORT [--port N] [--seed N]

Passes what comes to it on to 127.0.0.1:PORT; DIR/port is written when it listens. DIR/mode says what happens to connections, and is read
for each of them when it begins (and, for stall, all the while):

    pass              nothing (also when there is no such file)
    cut N             reset both ends when N bytes have gone towards the server
    drop              let the request through, and reset the client when the first byte of the answer comes
    stall             nothing passes either way until the mode is another one
    late MS           hold each piece of the answer back for so long
    refuse            reset at once
    chaos             one of these, at random, for each connection

DIR/connections counts them by what was done, as JSON, for tests that want to know that something did happen."""
import argparse
import json
import os
import random
import select
import socket
import struct
import sys
import threading
import time


def reset(*sockets):
    for one in sockets:
        try:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        except OSError:
            pass
        one.close()


class Proxy:
    def __init__(self, options):
        self.dir, self.to = options.dir, options.to
        self.choice = random.Random(options.seed)
        self.lock, self.counts = threading.Lock(), {}

    def mode(self):
        try:
            with open(os.path.join(self.dir, "mode"), encoding="ascii") as file:
                return file.read().split() or ["pass"]
        except FileNotFoundError:
            return ["pass"]

    def pick(self):
        mode = self.mode()
        if mode[0] == "chaos":
            with self.lock:
                mode = self.choice.choice((["pass"], ["pass"], ["cut", str(self.choice.randrange(1, 200000))], ["drop"], ["drop"],
                                           ["late", str(self.choice.randrange(50, 400))], ["refuse"], ["hang", "300"]))
        with self.lock:
            self.counts[mode[0]] = self.counts.get(mode[0], 0) + 1
            path = os.path.join(self.dir, "connections")
            with open(path + ".new", "w", encoding="ascii") as out:
                json.dump(self.counts, out)
            os.rename(path + ".new", path)
        return mode

    def serve(self, client):
        mode = self.pick()
        if mode[0] == "refuse":
            reset(client)
            return
        try:
            server = socket.create_connection(("127.0.0.1", self.to), 10)
        except OSError:
            reset(client)
            return
        try:
            self.pump(client, server, mode)
        except OSError:
            pass
        reset(client, server)

    def wait_while_stalled(self, mode):
        if mode[0] == "hang":  # a stall that ends by itself
            time.sleep(int(mode[1]) / 1000)
        while mode[0] == "stall" and self.mode()[0] == "stall":
            time.sleep(0.02)

    def pump(self, client, server, mode):
        sent, is_open = 0, {client: server, server: client}
        while is_open:
            for one in select.select(list(is_open), [], [], 60)[0] or [None]:
                if one is None:
                    return
                data = one.recv(1 << 16)
                self.wait_while_stalled(mode)
                if not data:
                    is_open[one].shutdown(socket.SHUT_WR)
                    del is_open[one]
                    continue
                if one is server and mode[0] == "drop" and not data.startswith(b"HTTP/1.1 100"):
                    return
                if one is server and mode[0] == "late":
                    time.sleep(int(mode[1]) / 1000)
                if one is client and mode[0] == "cut":
                    left = int(mode[1]) - sent
                    if len(data) >= left:
                        server.sendall(data[:left])
                        return
                sent += len(data) if one is client else 0
                is_open[one].sendall(data)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("dir")
    parser.add_argument("to", type=int)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_args()
    os.makedirs(options.dir, exist_ok=True)
    proxy = Proxy(options)
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", options.port))
    listener.listen(64)
    with open(os.path.join(options.dir, "port.new"), "w", encoding="ascii") as port:
        port.write(str(listener.getsockname()[1]))
    os.rename(os.path.join(options.dir, "port.new"), os.path.join(options.dir, "port"))
    while True:
        client, _ = listener.accept()
        threading.Thread(target=proxy.serve, args=(client,), daemon=True).start()


if __name__ == "__main__":
    sys.exit(main())
