#!/usr/bin/env python3
"""A peer that does what a test says: an HTTP server on loopback, on a port that the kernel gives, with GET /peer/state and
POST /transfer. It stores each id once, as failover.md says, unless its script has something else in mind for a request.

    peer.py NAME DIR [--cert FILE --key FILE [--ca FILE]] [--token TOKEN] [--port N]

DIR/port is written when it listens. DIR/script: one JSON object a line, one for each request to come; the first is taken off for each
POST, and when there is none the request is served. DIR/stored/<id>.gz: bodies that were taken. DIR/requests.jsonl: what came.

    {"status":429,"headers":{"Retry-After":"1"},"code":"…","why":"…"}   this answer, after the body; "early":true: before it
    {"do":"lose"}                take and store the body, then close without an answer
    {"do":"reset","after":N}     read N bytes of the body, then reset the connection
    {"do":"stall"}               take and store the body, and say nothing until the other side leaves
    {"do":"late","until":FILE}   take and store the body, answer when the file is there
    {"do":"cut"}                 store the body, send half of the answer's head
"""
import argparse
import json
import os
import socket
import ssl
import struct
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

LOCK = threading.Lock()


class Peer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "peer.py"
    step, is_answered = None, False

    def log_message(self, *_):
        pass

    def place(self, *parts):
        return os.path.join(self.server.dir, *parts)

    def say(self, status, code="", why="", headers=None):
        body = json.dumps({"v": 1, "code": code, "why": why}).encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
        self.is_answered = True

    def do_GET(self):
        text = self.server.state.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def take_step(self):
        """The next line of the script, taken off it."""
        with LOCK:
            try:
                with open(self.place("script"), encoding="utf-8") as script:
                    lines = [line for line in script if line.strip()]
            except FileNotFoundError:
                lines = []
            if not lines:
                return {}
            with open(self.place("script.new"), "w", encoding="utf-8") as script:
                script.writelines(lines[1:])
            os.rename(self.place("script.new"), self.place("script"))
            return json.loads(lines[0])

    def note(self, did, bytes_read=0):
        query = dict(parse_qsl(urlsplit(self.path).query))
        with LOCK, open(self.place("requests.jsonl"), "a", encoding="utf-8") as log:
            log.write(json.dumps({"query": query, "headers": dict(self.headers), "did": did, "bytes": bytes_read,
                                  "connection": self.client_address[1]}) + "\n")

    def refuse_early(self):
        """What is said before the body; True when that was all."""
        if self.server.token and self.headers.get("Authorization") != "Bearer " + self.server.token:
            self.step = {"status": 401, "early": True, "code": "token", "why": "who are you"}
        if not self.step.get("early"):
            return False
        self.close_connection = True
        self.note("early")
        self.say(self.step["status"], self.step.get("code", ""), self.step.get("why", ""), self.step.get("headers"))
        return True

    def handle_expect_100(self):
        self.step = self.take_step()
        if self.refuse_early():
            return False
        return super().handle_expect_100()

    def do_POST(self):
        if self.step is None:
            self.step = self.take_step()
            if self.refuse_early():
                self.step = None
                return
        step, self.step = self.step, None
        self.serve(step)

    def read_body(self, limit=None):
        left = int(self.headers["Content-Length"])
        left = left if limit is None else min(left, limit)
        pieces = []
        while left > 0 and (piece := self.rfile.read(min(left, 1 << 16))):
            pieces.append(piece)
            left -= len(piece)
        return b"".join(pieces) if left == 0 else None

    def store(self, body):
        """202, 200 or 409, as the ids that were taken before say."""
        ident = dict(parse_qsl(urlsplit(self.path).query))["id"]
        path = self.place("stored", ident + ".gz")
        with LOCK:
            if os.path.exists(path):
                with open(path, "rb") as had:
                    return 200 if had.read() == body else 409
            with open(path + ".new", "wb") as out:
                out.write(body)
            os.rename(path + ".new", path)
            return 202

    def hang_up(self):
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def serve(self, step):
        do = step.get("do", "")
        body = self.read_body(step.get("after") if do == "reset" else None)
        self.note(do or "serve", len(body or b""))
        if body is None:
            self.close_connection = True
        elif do == "reset":
            self.hang_up()
        elif "status" in step:
            self.say(step["status"], step.get("code", ""), step.get("why", ""), step.get("headers"))
        else:
            self.answer(do, step, self.store(body))

    def answer(self, do, step, status):
        if do == "lose":
            self.hang_up()
        elif do == "stall":
            self.close_connection = True
            self.connection.settimeout(600)
            try:
                self.connection.recv(1)
            except OSError:
                pass
        elif do == "cut":
            self.wfile.write(b"HTTP/1.1 202 Accep")
            self.hang_up()
        else:
            while do == "late" and not os.path.exists(step["until"]):
                time.sleep(0.01)
            self.say(status)


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("dir")
    parser.add_argument("--cert")
    parser.add_argument("--key")
    parser.add_argument("--ca")
    parser.add_argument("--token")
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    os.makedirs(os.path.join(options.dir, "stored"), exist_ok=True)
    server = Server(("127.0.0.1", options.port), Peer)
    server.dir, server.token = options.dir, options.token
    server.state = json.dumps({"v": 1, "name": options.name, "version": "test", "incarnation": 1,
                               "disk": {"used": 0, "limit": 0, "pressure": "ok"}, "databases": {}})
    if options.cert:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(options.cert, options.key)
        if options.ca:
            context.load_verify_locations(options.ca)
            context.verify_mode = ssl.CERT_REQUIRED
        server.socket = context.wrap_socket(server.socket, server_side=True)
    with open(os.path.join(options.dir, "port.new"), "w", encoding="ascii") as port:
        port.write(str(server.server_address[1]))
    os.rename(os.path.join(options.dir, "port.new"), os.path.join(options.dir, "port"))
    server.serve_forever()


if __name__ == "__main__":
    sys.exit(main())
