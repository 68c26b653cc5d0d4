#!/usr/bin/env python3
"""Entra ID, a machine's and App Service's managed identity, for tests: as strict as they are, on one loopback port.

    fake_identity.py PORT-FILE TOKEN-FILE

Each token that it issues is appended to TOKEN-FILE, one a line (adxsim --token-file reads that). Who asks as
adx.md 5 says gets one; whoever does not, 400 or 401. Of its own:

    POST /_/set      {"expires_in": 3600, "status": 0, "count": 0, "delay_ms": 0, "secret": …, "assertion": …}
    GET  /_/asked    the requests so far: [{"path", "form", "metadata", "header"}]; secrets are in it
"""
import itertools
import json
import os
import sys
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

RESOURCE = "https://kusto.kusto.windows.net"
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
state = {"expires_in": 3600, "status": 0, "count": 0, "delay_ms": 0, "secret": "planted-client-secret-1", "assertion": "planted-assertion-1"}
asked = []
numbers = itertools.count(1)
lock = threading.Lock()
token_file = sys.argv[2]


def issue():
    token = f"planted-token-{next(numbers)}-{os.urandom(6).hex()}"
    with lock, open(token_file, "a", encoding="ascii") as out:
        out.write(token + "\n")
    return token


class Refused(Exception):
    def __init__(self, status, error, description):
        super().__init__(error)
        self.status, self.body = status, {"error": error, "error_description": description + "\r\nTrace ID: x", "error_codes": [1]}


def need(condition, error, description, status=400):
    if not condition:
        raise Refused(status, error, description)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def told_to_fail(self):
        time.sleep(state["delay_ms"] / 1000)
        with lock:
            if not state["status"]:
                return
            status = state["status"]
            if state["count"]:
                state["count"] -= 1
                if not state["count"]:
                    state["status"] = 0
        raise Refused(status, "temporarily_unavailable", "AADSTS90033: told to fail")

    def entra(self, form):
        need(self.path.endswith("/tenant-1/oauth2/v2.0/token"), "invalid_request", "AADSTS90002: Tenant not found.")
        need(self.headers.get("Content-Type") == "application/x-www-form-urlencoded", "invalid_request", "not a form")
        need(form.get("grant_type") == "client_credentials", "unsupported_grant_type", "grant_type")
        need(form.get("client_id") == "client-1", "unauthorized_client", "AADSTS700016: no such application")
        need(form.get("scope") == RESOURCE + "/.default", "invalid_scope", "AADSTS70011: " + form.get("scope", ""))
        if "client_assertion" in form:
            need(form.get("client_assertion_type") == ASSERTION, "invalid_request", "client_assertion_type")
            need(form["client_assertion"] == state["assertion"], "invalid_client", "AADSTS700024: assertion", 401)
        else:
            need(form.get("client_secret") == state["secret"], "invalid_client", "AADSTS7000215: Invalid client secret provided.", 401)
        return {"token_type": "Bearer", "expires_in": state["expires_in"], "ext_expires_in": state["expires_in"]}

    def managed(self, query, version):
        need(query.get("api-version") == version, "bad_request", "api-version")
        need(query.get("resource") == RESOURCE, "invalid_resource", "resource " + query.get("resource", ""))
        need(query.get("client_id", "client-1") == "client-1", "invalid_request", "Identity not found")
        return {"token_type": "Bearer", "expires_in": str(state["expires_in"]), "resource": RESOURCE,
                "expires_on": str(int(time.time()) + state["expires_in"]), "not_before": "0"}

    def serve(self, form):
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        with lock:
            asked.append({"path": self.path, "form": form, "metadata": self.headers.get("Metadata"), "header": self.headers.get("X-IDENTITY-HEADER")})
        self.told_to_fail()
        if self.command == "POST":
            return self.entra(form)
        if url.path == "/metadata/identity/oauth2/token":
            need(self.headers.get("Metadata") == "true", "bad_request", "Required metadata header not specified")
            return self.managed(query, "2018-02-01")
        need(url.path == "/msi/token", "not_found", url.path, 404)
        need(self.headers.get("X-IDENTITY-HEADER") == "planted-identity-header", "unauthorized", "header", 401)
        return self.managed(query, "2019-08-01")

    def handle_any(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        if self.path == "/_/set":
            state.update(json.loads(body))
            self.answer(200, state)
        elif self.path == "/_/asked":
            self.answer(200, asked)
        else:
            try:
                reply = self.serve(dict(urllib.parse.parse_qsl(body)))
                self.answer(200, {**reply, "access_token": issue()})
            except Refused as refused:
                self.answer(refused.status, refused.body)

    do_GET = do_POST = handle_any


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
with open(sys.argv[1] + ".new", "w", encoding="ascii") as out:
    out.write(str(server.server_address[1]))
os.rename(sys.argv[1] + ".new", sys.argv[1])
server.serve_forever()
