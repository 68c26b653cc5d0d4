#!/usr/bin/env bats
# Segments, joins and recompressed joins are ordinary gzip for the readers of others: gzip, zcat, zgrep, Python, Node.
# Written by segtool (tests/tools/), which is nothing but the library, once with each codec there is: parts of both are mixed.

setup() {
    dir=$(mktemp -d "${TMPDIR:-/tmp}/spillway-format.XXXXXX")
    REPO=${REPO:-$(cd "$BATS_TEST_DIRNAME/../.." && pwd)}
    cd "$REPO" || return 1
    tools=("$(realpath "${BUILD:-build}")"/tests/segtool.*)
    [ -x "${tools[0]}" ] || { echo "no segtool in ${BUILD:-build}/tests: make tests" >&2; return 1; }
    SEGTOOL=${tools[0]} LAST_SEGTOOL=${tools[-1]}
    cd "$dir" || return 1
    python3 - <<'PY'
import random
r = random.Random(7)
with open("rows.csv", "w", newline="") as f:
    for i in range(20000):
        f.write('2026-11-22T06:31:%02d.%03dZ,%d,"{""pod"":""p-%d"",""note"":""two\nlines""}",%.2f\n'
                % (r.randrange(60), r.randrange(1000), r.randrange(5000), r.randrange(50), r.random() * 100))
with open("rows.json", "w", newline="") as f:
    for i in range(20000):
        f.write('{"id":%d,"text":"say \\"%d\\""}\n' % (i, r.randrange(10 ** 9)))
PY
    for i in 1 2 3; do
        "${tools[i % ${#tools[@]}]}" write Metrics Up csv $((i * i * 1000)) 'Timestamp:datetime,SeriesId:long,Labels:dynamic,Value:real' \
            <rows.csv >"csv$i.gz"
    done
    "$LAST_SEGTOOL" write Logs App json 100000 '' <rows.json >json.gz
}

teardown() {
    rm -rf "$dir"
}

# Read FILE with each reader we have; all must give WANTED.
read_by_all() {
    local file=$1 wanted=$2
    gzip -t "$file"
    zcat "$file" | cmp - "$wanted"
    python3 -c 'import gzip, sys; sys.stdout.buffer.write(gzip.open(sys.argv[1]).read())' "$file" | cmp - "$wanted"
    node -e 'process.stdout.write(require("zlib").gunzipSync(require("fs").readFileSync(process.argv[1])))' "$file" | cmp - "$wanted"
}

@test "a segment is read by gzip, python and node" {
    for i in 1 2 3; do read_by_all "csv$i.gz" rows.csv; done
    read_by_all json.gz rows.json
}

@test "zgrep finds a row" {
    [ "$(zgrep -c '"id":777,' json.gz)" -eq 1 ]
}

@test "an empty segment prints nothing" {
    "$SEGTOOL" write Metrics Up csv 1000 '' </dev/null >empty.gz
    gzip -t empty.gz
    [ -z "$(zcat empty.gz)" ]
}

@test "concatenated segments are the concatenated rows" {
    cat csv1.gz csv3.gz >both.gz
    cat rows.csv rows.csv >both.csv
    read_by_all both.gz both.csv
}

@test "a join is exactly one member, and the rows of all parts in order" {
    "$SEGTOOL" join csv1.gz csv2.gz csv3.gz >joined.gz
    cat rows.csv rows.csv rows.csv >three.csv
    read_by_all joined.gz three.csv
    python3 - <<'PY'
import struct, zlib
data = open("joined.gz", "rb").read()
assert data[:4] == b"\x1f\x8b\x08\x00", data[:4]
d = zlib.decompressobj(31)
raw = d.decompress(data)
assert d.eof and d.unused_data == b"", len(d.unused_data)
crc, isize = struct.unpack("<II", data[-8:])
assert crc == zlib.crc32(raw) and isize == len(raw)
PY
}

@test "a recompressed join has the same rows and is smaller" {
    "$SEGTOOL" join csv1.gz >joined.gz
    "$LAST_SEGTOOL" recompress csv1.gz >smaller.gz
    read_by_all smaller.gz rows.csv
    [ "$(stat -c %s smaller.gz)" -lt "$(stat -c %s joined.gz)" ]
    # segment.md, proof.md P11: thin traffic is not uploaded much larger than gzip -6 of the same rows
    [ "$(stat -c %s smaller.gz)" -lt $(($(gzip -6 <rows.csv | wc -c) * 115 / 100)) ]
}

@test "every field of every member is as the contract says (independent reader in python)" {
    cat csv1.gz csv2.gz >both.gz
    python3 - both.gz 40000 <<'PY'
import csv, io, json, struct, sys, zlib
data, at, rows, heads = open(sys.argv[1], "rb").read(), 0, 0, 0
raw_all = b""
while at < len(data):
    magic, mtime, xfl, os, xlen = struct.unpack_from("<4sIBBH", data, at)
    assert (magic, xfl, os) == (b"\x1f\x8b\x08\x04", 0, 255)
    si, n, size, pcrc, count, kind, zeros, hcrc = struct.unpack_from("<2sHIIIB3sI", data, at + 12)
    assert (si, n, zeros) == (b"Sp", 20, b"\0\0\0") and kind <= 3
    extra = data[at + 36:at + 12 + xlen]
    assert hcrc == zlib.crc32(extra, zlib.crc32(data[at:at + 32]))
    payload = data[at + 12 + xlen:at + size - 8]
    crc, isize = struct.unpack_from("<II", data, at + size - 8)
    assert zlib.crc32(payload) == pcrc and payload[-2:] == b"\x03\x00"
    d = zlib.decompressobj(-15)
    raw = d.decompress(payload)
    assert d.eof and not d.unused_data and zlib.crc32(raw) == crc and len(raw) == isize
    if extra:
        assert extra[:2] == b"Sh" and struct.unpack_from("<H", extra, 2)[0] == len(extra) - 4
        head = json.loads(extra[4:])
        assert head["v"] == 1 and head["db"] == "Metrics" and head["table"] == "Up" and head["format"] == "csv"
        assert (payload, crc, isize, count) == (b"\x03\x00", 0, 0, 0)
        heads += 1
    else:
        assert count == len(list(csv.reader(io.StringIO(raw.decode(), newline=""))))
    rows += count
    raw_all += raw
    at += size
assert heads == 2 and at == len(data), (heads, at)
assert rows == int(sys.argv[2]) == len(list(csv.reader(io.StringIO(raw_all.decode(), newline="")))), rows
PY
}
