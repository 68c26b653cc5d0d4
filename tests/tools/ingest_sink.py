#!/usr/bin/env python3
"""The other end of queued ingestion, for tests that look at single requests and for benchmarks: engine, data management, containers and
queues in one loopback server. It keeps what it is sent and answers as told; it judges nothing (the ADX stand-in and Azurite do that).

    ingest_sink.py --port-file F [--discard]        --discard: bodies of blobs are counted and thrown away

    GET  /_sink/log       every request: method, path, query, headers, bytes; of queue messages the JSON
    GET  /_sink/bodies    what is in each blob, and in each streamed request, inflated: {path: text}
    GET  /_sink/rows      rows of all blobs that messages speak of: a BlobPath counts once, so does a key of ingestIfNotExists
    POST /_sink/fault     {"match": regex on "METHOD /path?query body-start", "status": 503, "code": "ServerBusy", "count": 1, "body": "...",
                           "how": "before"|"after"|"drop"|"drop-after"}    after: the work is done, then the answer is this one
    POST /_sink/failures  [[IngestionSourcePath, ErrorCode, Details, FailureKind], ...]: rows of .show ingestion failures
    POST /_sink/fail-next [ErrorCode, Details, FailureKind]: the blob of the next message becomes one of them, and its rows are not in
    POST /_sink/reset     forget everything
"""
import argparse, base64, gzip, http.server, json, os, re, socketserver, threading, urllib.parse

SIGNATURE = "sv=2022-11-02&sr=c&sp=rw&se=2099-01-01T00%3A00%3A00Z&sig="
POSTED = (b'<?xml version="1.0"?><QueueMessagesList><QueueMessage><MessageId>11111111-2222-3333-4444-555555555555</MessageId>'
          b"<InsertionTime>Sun, 22 Nov 2026 06:00:00 GMT</InsertionTime><ExpirationTime>Sun, 29 Nov 2026 06:00:00 GMT</ExpirationTime>"
          b"<PopReceipt>AgAAAA==</PopReceipt><TimeNextVisible>Sun, 22 Nov 2026 06:00:00 GMT</TimeNextVisible></QueueMessage></QueueMessagesList>")
lock = threading.RLock()
log, faults, failures, blobs, blocks, messages, fail_next = [], [], [], {}, {}, [], []


def table(columns, rows):
    return json.dumps({"Tables": [{"TableName": "Table_0", "Columns": [{"ColumnName": c, "DataType": "String", "ColumnType": "string"}
                                                                       for c in columns], "Rows": rows}]}).encode()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def take_chunks(self):
        parts = []
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():  # trailers
            pass
        return b"".join(parts)

    def take_body(self):
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            return self.take_chunks()
        left, parts = int(self.headers.get("Content-Length") or 0), []
        keep = not (self.server.discard and self.command == "PUT" and left > 4096)
        while left > 0:
            part = self.rfile.read1(min(left, 1 << 20))
            if not part:
                raise ConnectionError
            left -= len(part)
            if keep:
                parts.append(part)
        return b"".join(parts)

    def answer(self, status, body=b"", kind="application/json", **headers):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def fault(self, body):
        line = f"{self.command} {self.path} {body[:200].decode('latin-1')}"
        with lock:
            for rule in faults:
                if rule["count"] > 0 and re.search(rule["match"], line):
                    rule["count"] -= 1
                    return rule
        return None

    def handle_one(self):
        url = urllib.parse.urlsplit(self.path)
        body = self.take_body()
        if url.path.startswith("/_sink/"):
            return self.admin(url, body)
        entry = {"method": self.command, "path": url.path, "query": url.query, "headers": {k.lower(): v for k, v in self.headers.items()},
                 "bytes": int(self.headers.get("Content-Length") or 0)}
        if b'"csl"' in body[:4096]:
            entry["command"] = json.loads(body)
            entry["csl"] = entry["command"]["csl"]
        elif url.path.endswith("/messages"):
            entry["text"] = body.decode()
        with lock:
            log.append(entry)
        rule = self.fault(body)
        if rule and rule["how"] == "drop":
            self.close_connection = True
            return None
        if not rule or rule["how"] in ("after", "drop-after"):
            done = self.work(url, body, entry)
            if not rule:
                return self.answer(*done[:2], **done[2])
        if rule["how"] == "drop-after":
            self.close_connection = True
            return None
        text = rule["body"] or f"<?xml version=\"1.0\"?><Error><Code>{rule['code']}</Code><Message>as told</Message></Error>"
        return self.answer(rule["status"], text.encode(), "application/xml", x_ms_error_code=rule["code"], **rule["headers"])

    do_GET = do_PUT = do_POST = do_DELETE = handle_one

    def admin(self, url, body):
        with lock:
            if url.path == "/_sink/log":
                return self.answer(200, json.dumps(log).encode())
            if url.path == "/_sink/bodies":
                return self.answer(200, json.dumps({name: gzip.decompress(body).decode() for name, body in blobs.items()}).encode())
            if url.path == "/_sink/rows":
                return self.answer(200, rows())
            if url.path == "/_sink/fault":
                faults.append({"status": 503, "code": "ServerBusy", "count": 1, "how": "before", "body": "", "headers": {}, **json.loads(body)})
            elif url.path == "/_sink/failures":
                failures[:] = json.loads(body)
            elif url.path == "/_sink/fail-next":
                fail_next.append(json.loads(body))
            elif url.path == "/_sink/reset":
                for kept in (log, faults, failures, blobs, blocks, messages, fail_next):
                    kept.clear()
        return self.answer(201)

    def work(self, url, body, entry):
        if url.path == "/v1/rest/auth/metadata":
            return 404, b"", {}
        if url.path == "/v1/rest/mgmt":
            return 200, self.command_answer(entry["csl"]), {"x_ms_activity_id": "11111111-2222-3333-4444-555555555555"}
        if url.path.startswith("/v1/rest/ingest/"):
            with lock:
                blobs["streamed" + str(len(log))] = body
            return 200, table(["ConsumedRecordsCount"], [[0]]), {}
        query = dict(urllib.parse.parse_qsl(url.query))
        name, answer = url.path, b""
        with lock:
            if self.command == "POST" and name.endswith("/messages"):
                entry["message"] = json.loads(base64.b64decode(re.search(rb"<MessageText>(.*)</MessageText>", body)[1], validate=True))
                messages.append(entry["message"])
                answer = POSTED
                path = entry["message"]["BlobPath"].partition("?")[0]
                if fail_next and all(path != failed[0] for failed in failures):
                    failures.append([path, *fail_next.pop(0)])
            elif query.get("comp") == "block":
                blocks[name, query["blockid"]] = body
            elif query.get("comp") == "blocklist":
                entry["blocks"] = re.findall(r"<Latest>(.*?)</Latest>", body.decode())
                blobs[name] = b"".join(blocks.pop((name, i)) for i in entry["blocks"])
            else:
                blobs[name] = body
        return 201, answer, {"kind": "application/xml", "x_ms_request_id": "storage-request"}

    def command_answer(self, csl):
        base = f"http://127.0.0.1:{self.server.server_port}"
        if csl == ".get ingestion resources":
            return table(["ResourceTypeName", "StorageRoot"],
                         [[kind, f"{base}/acct{a}/{name}-{n}?{SIGNATURE}geheim{a}{n}"]
                          for kind, name in (("TempStorage", "tmp"), ("SecuredReadyForAggregationQueue", "ready"),
                                             ("FailedIngestionsQueue", "failed")) for a in (0, 1) for n in (0, 1)])
        if csl == ".get kusto identity token":
            return table(["AuthorizationContext"], [["identity-geheim"]])
        if csl.startswith(".show cluster"):
            return table(["Name"], [["sink"]])
        if csl.startswith(".show ingestion failures"):
            return table(["IngestionSourcePath", "ErrorCode", "Details", "FailureKind"], failures)
        return table(["Result"], [])


def rows():
    out, seen = [b for name, b in blobs.items() if name.startswith("streamed")], set()
    for message in messages:
        keys = json.loads(message["AdditionalProperties"].get("ingestIfNotExists", "[]")) + [message["BlobPath"]]
        if any(message["BlobPath"].partition("?")[0] == failed[0] for failed in failures):
            continue
        if not seen & set(keys):
            out.append(blobs[urllib.parse.urlsplit(message["BlobPath"]).path])
        seen |= set(keys)
    return b"".join(map(gzip.decompress, out))


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 64


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--port-file", required=True)
    options.add_argument("--discard", action="store_true")
    options = options.parse_args()
    server = Server(("127.0.0.1", 0), Handler)
    server.discard = options.discard
    with open(options.port_file + ".new", "w") as out:
        out.write(str(server.server_port))
    os.rename(options.port_file + ".new", options.port_file)
    server.serve_forever()


main()
