#!/usr/bin/env python3
"""members.py FILE: offsets of the members of a segment, one a line. members.py --rows FILE: the rows of those that are whole.
An eye of its own on the format (segment.md): it shares no code with the product."""
import struct
import sys
import zlib


def members(data):
    at = 0
    while at + 46 <= len(data):
        if data[at:at + 4] != b"\x1f\x8b\x08\x04" or data[at + 12:at + 16] != b"Sp\x14\x00":
            at += 1
            continue
        length, payload_crc = struct.unpack_from("<II", data, at + 16)
        start = at + 12 + struct.unpack_from("<H", data, at + 10)[0]
        whole = at + length <= len(data) and zlib.crc32(data[start:at + length - 8]) == payload_crc
        head = struct.unpack_from("<I", data, at + 32)[0]
        whole = whole and zlib.crc32(data[at + 36:start], zlib.crc32(data[at:at + 32])) == head
        yield at, data[start:at + length - 8], whole
        at += length if whole or at + length <= len(data) else 1


def main():
    with open(sys.argv[-1], "rb") as file:
        data = file.read()
    for at, payload, whole in members(data):
        if "--rows" not in sys.argv:
            print(at)
        elif whole:
            sys.stdout.buffer.write(zlib.decompress(payload, -15))


main()
