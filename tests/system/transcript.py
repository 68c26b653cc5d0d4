#!/usr/bin/env python3
"""What our client sent beside what Kusto's own SDK sent, field for field.

    transcript.py OURS THEIRS     two directories, each with log (GET /_sink/log) and bodies (GET /_sink/bodies) of tests/tools/ingest_sink.py,
                                  after the same rows went into the same table, queued and streamed

Every field that either of them sends is in a table below, with what is asked of it: a field that is in none, of a newer SDK or of a change of
ours, is a failure, so that somebody decides. What matters, and why, is in the ADX documentation of the REST interface and of queued ingestion.
Prints what it compared; exit 1 with a line for each difference that is none of those."""
import base64
import json
import os
import re
import sys
import urllib.parse

UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
FREE = r"[!-~][ -~]*"  # printable ASCII, not empty: names of clients and versions


class Same:
    """Both send it, with this value in common."""

    def check(self, name, ours, theirs):
        return None if ours is not None and ours == theirs else f"{name}: ours is {ours!r}, theirs {theirs!r}"


class Like:
    """Both send it, each a value of its own of this form. `why` says why it differs."""

    def __init__(self, pattern, why):
        self.pattern, self.why = pattern, why

    def check(self, name, ours, theirs):
        for who, value in (("ours", ours), ("theirs", theirs)):
            if not isinstance(value, str) or not re.fullmatch(self.pattern, value):
                return f"{name}: {who} is {value!r}, not like {self.pattern}"
        return None


class Only:
    """Only one of them sends it (or need it), and that is right: `why`. When we do, `pattern` is what it must be."""

    def __init__(self, why, pattern=None):
        self.why, self.pattern = why, pattern

    def check(self, name, ours, theirs):
        if self.pattern and not (isinstance(ours, str) and re.fullmatch(self.pattern, ours)):
            return f"{name}: ours is {ours!r}, not like {self.pattern}"
        return None if self.pattern or ours is None else f"{name}: ours sends it: {ours!r}"


class Never:
    """Neither may send it."""

    def check(self, name, ours, theirs):
        return None if ours is None and theirs is None else f"{name}: ours is {ours!r}, theirs {theirs!r}"


SAME, NEVER = Same(), Never()
ANY_HTTP = {
    "host": SAME,
    "user-agent": Like(FREE, "names the client"),
    "connection": Only("HTTP/1.1 keeps connections anyway"),
    "accept-encoding": Only("we say what we can inflate, and so do they of the engine", r".*gzip.*"),
    "expect": NEVER,  # a second of waiting for 100-continue
}
KUSTO = {
    **ANY_HTTP,
    "authorization": SAME,
    "accept": SAME,  # without it errors may not be JSON
    "x-ms-client-request-id": Like(rf"[A-Z]+\.[A-Za-z]+;{UUID}", "a new one each, with the client's own prefix"),
    "x-ms-app": Like(FREE, "names the application"),
    "x-ms-client-version": Like(FREE, "names the client"),
    "x-ms-user": Only("for telemetry only, and a daemon has no user to name"),
    "x-ms-version": Only("the Go and Python SDKs send it always, this one with request properties", r"2024-12-12"),
}
MGMT = {**KUSTO, "content-type": SAME, "content-length": SAME, "content-encoding": NEVER, "transfer-encoding": NEVER}
STREAM = {
    **KUSTO, "content-type": SAME, "content-encoding": SAME,
    "transfer-encoding": Only("they do not know the length before; we do"),
    "content-length": Only("allowed, and better than chunks", r"[0-9]+"),
}
STORAGE = {
    **ANY_HTTP,
    "accept": SAME, "content-type": SAME,
    "content-length": Like(r"[0-9]+", "another deflater, another name of the client in the message"),
    "x-ms-client-request-id": Like(rf"(SPW\.[a-z]+;)?{UUID}", "a new one each"),
    "x-ms-version": Like(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}", "ours is one that is tested against; of a SAS, its own `sv` decides"),
    "authorization": NEVER,  # the signature is in the address; a token has no business there
    "content-encoding": NEVER,  # the blob's name says gzip; with this ADX would inflate it twice
    "transfer-encoding": NEVER,  # storage refuses chunks
}
BLOB = {**STORAGE, "x-ms-blob-type": SAME, "content-md5": NEVER, "if-none-match": NEVER}

MESSAGE = {
    "Id": Like(UUID, "ours follows from the blob's name, so that a repetition has the same"),
    "BlobPath": Like(r"http://127\.0\.0\.1:[0-9]+/acct[01]/tmp-[01]/NetDefaultDB__Tab__[A-Za-z0-9._-]+\.csv\.gz\?sv=.*&sig=geheim[01]{2}",
                     "another name; the container's signature behind it, to the letter"),
    "RawDataSize": SAME, "DatabaseName": SAME, "TableName": SAME, "RetainBlobOnSuccess": SAME, "FlushImmediately": SAME,
    "IgnoreSizeLimit": SAME, "ReportLevel": SAME, "ReportMethod": SAME,
    "SourceMessageCreationTime": Like(r"20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9]\.[0-9]{3}Z", "now"),
    "ApplicationForTracing": Like(FREE, "names the application"),
    "ClientVersionForTracing": Like(FREE, "names the client"),
}
PROPERTIES = {
    "authorizationContext": SAME, "format": SAME, "ingestionMappingReference": SAME, "tags": SAME, "ingestIfNotExists": SAME,
    "ingestionMappingType": Only("the Go, Java and Python SDKs send it always, this one when it is given", r"Csv"),
}


class Transcript:
    def __init__(self, top):
        with open(os.path.join(top, "log"), encoding="utf-8") as log:
            self.log = json.load(log)
        with open(os.path.join(top, "bodies"), encoding="utf-8") as bodies:
            self.bodies = json.load(bodies)

    def one(self, what, condition):
        found = [e for e in self.log if condition(e)]
        if len(found) != 1:
            sys.exit(f"{what}: {len(found)} requests, one was expected")
        return found[0]

    def command(self, csl):
        return self.one(csl, lambda e: e.get("csl") == csl)

    def put(self):
        return self.one("blob", lambda e: e["method"] == "PUT")

    def post(self):
        return self.one("message", lambda e: e["path"].endswith("/messages") and e["method"] == "POST")

    def stream(self):
        return self.one("streaming", lambda e: e["path"].startswith("/v1/rest/ingest/"))

    def body(self, name):
        return [text for path, text in self.bodies.items() if path.startswith(name)]


class Comparison:
    def __init__(self):
        self.problems, self.count = [], 0

    def note(self, problem):
        self.count += 1
        if problem:
            self.problems.append(problem)

    def same(self, what, ours, theirs):
        self.note(SAME.check(what, ours, theirs))

    def fields(self, what, table, ours, theirs):
        for name in sorted({*table, *ours, *theirs}):
            if name not in table:
                self.note(f"{what}: {name} is new ({'ours' if name in ours else 'theirs'} sends it): decide what it means, and say so here")
            else:
                self.note(table[name].check(f"{what}: {name}", ours.get(name), theirs.get(name)))

    def types(self, what, ours, theirs):
        for name in sorted({*ours} & {*theirs}):
            self.same(f"{what}: type of {name}", type(ours[name]).__name__, type(theirs[name]).__name__)


def query(entry):
    return dict(urllib.parse.parse_qsl(entry["query"], strict_parsing=bool(entry["query"])))


def compare_command(c, csl, ours, theirs):
    a, b = ours.command(csl), theirs.command(csl)
    for name in ("method", "path", "query", "command"):
        c.same(f"{csl}: {name}", a[name], b[name])
    c.fields(csl, MGMT, a["headers"], b["headers"])


def compare_blob(c, ours, theirs):
    a, b = ours.put(), theirs.put()
    folder = r"/acct[01]/tmp-[01]/NetDefaultDB__Tab__[A-Za-z0-9._-]+\.csv\.gz"
    c.note(Like(folder, "any container; the name ends as ADX wants it").check("blob: path", a["path"], b["path"]))
    c.note(Like(r"sv=2022-11-02&sr=c&sp=rw&se=2099-01-01T00%3A00%3A00Z&sig=geheim[01]{2}", "the signature, to the letter, and no more")
           .check("blob: query", a["query"], b["query"]))
    c.fields("blob", BLOB, a["headers"], b["headers"])
    c.same("blob: its rows", ours.body(a["path"]), theirs.body(b["path"]))


def compare_message(c, ours, theirs):
    a, b = ours.post(), theirs.post()
    c.note(Like(r"/acct[01]/ready-[01]/messages", "any queue").check("message: path", a["path"], b["path"]))
    signed = {name: SAME for name in ("sv", "sr", "sp", "se")}
    c.fields("message: query", {**signed, "sig": Like(r"geheim[01]{2}", "of that queue"), "timeout": Only("storage's own limit on the server's side")},
             query(a), query(b))
    c.fields("message", STORAGE, a["headers"], b["headers"])
    for who, entry in (("ours", a), ("theirs", b)):
        text = re.fullmatch(r"(?:<\?xml[^>]*\?>)?<QueueMessage><MessageText>([A-Za-z0-9+/]*={0,2})</MessageText></QueueMessage>", entry["text"])
        c.note(None if text and base64.b64encode(base64.b64decode(text[1], validate=True)).decode() == text[1]
               else f"message: {who}: not the XML, or not padded base64 on one line")
        c.note(None if entry["message"]["BlobPath"].endswith(
            "{path}?{query}".format(**(ours if who == "ours" else theirs).put())) else f"message: {who}: BlobPath is not where the blob was put")
    properties = [dict(e["message"].pop("AdditionalProperties")) for e in (a, b)]
    for name in ("IngestionStatusInTable",):  # null: no status table is written
        c.same(f"message: {name}", [name in a["message"], a["message"].pop(name, 0)], [name in b["message"], b["message"].pop(name, 0)])
    c.types("message", a["message"], b["message"])
    c.fields("message", MESSAGE, a["message"], b["message"])
    c.types("AdditionalProperties", *properties)
    c.fields("AdditionalProperties", PROPERTIES, *properties)


def compare_stream(c, ours, theirs):
    a, b = ours.stream(), theirs.stream()
    for name in ("method", "path"):
        c.same(f"streaming: {name}", a[name], b[name])
    lower = [{**query(e), "streamFormat": query(e)["streamFormat"].lower()} for e in (a, b)]  # Csv in Go, csv here: ADX takes both
    c.fields("streaming: query", {"streamFormat": SAME, "mappingName": SAME}, *lower)
    c.fields("streaming", STREAM, a["headers"], b["headers"])
    c.same("streaming: its rows", ours.body("streamed"), theirs.body("streamed"))


def main():
    ours, theirs, c = Transcript(sys.argv[1]), Transcript(sys.argv[2]), Comparison()
    for csl in (".get ingestion resources", ".get kusto identity token"):
        compare_command(c, csl, ours, theirs)
    compare_blob(c, ours, theirs)
    compare_message(c, ours, theirs)
    compare_stream(c, ours, theirs)
    print(f"{c.count} compared, {len(c.problems)} differ")
    for problem in c.problems:
        print(problem)
    return 1 if c.problems else 0


sys.exit(main())
