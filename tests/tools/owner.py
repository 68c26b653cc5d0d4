#!/usr/bin/env python3
"""Who owns a key (rendezvous hashing), computed apart from our own code, for tests that need tables of a certain member's.

    owner.py KEY NAME...                    the owner of KEY among the members NAME...
    owner.py --of OWNER COUNT DB NAME...    COUNT tables T1, T2, ... of DB that OWNER owns, one a line"""
import sys
from itertools import count, islice

MASK = (1 << 64) - 1
P1, P2, P3, P4, P5 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5


def rotl(x, r):
    return ((x << r) | (x >> (64 - r))) & MASK


def xxh64(data):
    """Seed 0."""
    at, n = 0, len(data)

    def word(size):
        nonlocal at
        at += size
        return int.from_bytes(data[at - size:at], "little")

    def mix(acc, value):
        return rotl((acc + value * P2) & MASK, 31) * P1 & MASK

    if n >= 32:
        v = [(P1 + P2) & MASK, P2, 0, -P1 & MASK]
        while at + 32 <= n:
            v = [mix(a, word(8)) for a in v]
        h = (rotl(v[0], 1) + rotl(v[1], 7) + rotl(v[2], 12) + rotl(v[3], 18)) & MASK
        for a in v:
            h = ((h ^ mix(0, a)) * P1 + P4) & MASK
    else:
        h = P5
    h = (h + n) & MASK
    while at + 8 <= n:
        h = (rotl(h ^ mix(0, word(8)), 27) * P1 + P4) & MASK
    if at + 4 <= n:
        h = (rotl(h ^ (word(4) * P1 & MASK), 23) * P2 + P3) & MASK
    while at < n:
        h = rotl(h ^ (word(1) * P5 & MASK), 11) * P1 & MASK
    h = (h ^ (h >> 33)) * P2 & MASK
    h = (h ^ (h >> 29)) * P3 & MASK
    return h ^ (h >> 32)


def owner(key, names):
    return min(names, key=lambda name: (-xxh64((key + name).encode()), name))


if sys.argv[1] == "--of":
    _, _, wanted, many, db, *members = sys.argv
    print("\n".join(islice((f"T{i}" for i in count(1) if owner(f"{db}_T{i}", members) == wanted), int(many))))
else:
    print(owner(sys.argv[1], sys.argv[2:]))
