#!/usr/bin/env python3
"""A peer that does not behave: fake_peer.py PORT WAY. It answers any request in the WAY that is asked for, for ever.

    name=N          as peer N should, with nothing wrong
    nonsense        200 and no JSON
    version         a state of another version
    endless         200 and a body that does not end
    silent          takes the connection and says nothing
    status=CODE     that status and nothing else
    redirect=URL    302 to there
"""
import http.server
import json
import socketserver
import sys
import time


class Peer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def send(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        way, _, value = WAY.partition("=")
        if way == "name":
            self.send(200, json.dumps({"v": 1, "name": value, "databases": {"D": {"health": "down"}}}).encode())
        elif way == "nonsense":
            self.send(200, b"\x00\xff<html>")
        elif way == "version":
            self.send(200, b'{"v":2,"name":"n1"}')
        elif way == "status":
            self.send(int(value))
        elif way == "redirect":
            self.send(302, Location=value)
        elif way == "silent":
            time.sleep(3600)
        elif way == "endless":
            self.send_response(200)
            self.end_headers()
            while True:
                self.wfile.write(b" " * 65536)

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    allow_reuse_address = True


WAY = sys.argv[2]
Server(("127.0.0.1", int(sys.argv[1])), Peer).serve_forever()
