#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Known answers for the trees and the extension of src/ot, from their definitions.

Written from the formulas, leaf by leaf and bit by bit, with none of the folding of the C code.
Usage: ot_reference.py > ot_vectors.h
"""
import struct
from hashlib import sha256

from crypto_reference import c_bytes, clmul, h, prg, reduce, stream, tccr, xof, xor

SID = bytes(range(32))
DIRECTION = 1
OFFSET, TILES = 5, 3  # blocks already used of each stream; tiles of the extension
ROWS = 128 * TILES


def number(data):
    return int.from_bytes(data, "little")


def total(items, size):
    out = bytes(size)
    for item in items:
        out = xor(out, item)
    return out


def base_key(j, side):
    return h("ot vector", struct.pack("<I", 2 * j + side))[:16]


def deal(k, roots):
    """Leaves of each tree, and the dealer's message."""
    key = h("ot-tree", SID + bytes([DIRECTION]))[:16]
    sums, totals, checks, trees = [b""] * 128, b"", b"", []
    for i, nodes in enumerate([root] for root in roots):
        for level in range(k):
            tweak = i << 16 | level << 8
            halves = [[tccr(key, n, tweak | side) for n in nodes] for side in (0, 1)]
            j = i * k + k - 1 - level
            sums[j] = b"".join(xor(total(halves[s], 16), base_key(j, s)) for s in (0, 1))
            nodes = [n for pair in zip(*halves) for n in pair]
        check = [h("ot-leaf", SID + bytes([DIRECTION, i]) + n) for n in nodes]
        totals += total(check, 32)
        checks += b"".join(check)
        trees.append([tccr(key, n, i << 16 | 0xFF << 8) for n in nodes])
    last = h("ot-trees", SID + bytes([DIRECTION]) + checks)
    return trees, b"".join(sums) + totals + last


def extend(k, trees):
    """The body of the frame, the rows t and the choice bits."""
    u, columns = [], []
    for leaves in trees:
        r = [stream(leaf, OFFSET, 16 * TILES) for leaf in leaves]
        u.append(total(r, 16 * TILES))
        for b in range(k):
            columns.append(total([s for x, s in enumerate(r) if x >> b & 1], 16 * TILES))
    body = b"".join(xor(v, u[0]) for v in u[1:])
    place = bytes([DIRECTION]) + struct.pack("<QQ", OFFSET, TILES)
    part = len(body) // 16  # one strip: sixteen parts
    parts = b"".join(sha256(body[i * part : (i + 1) * part]).digest() for i in range(16))
    challenge = h("ot-challenge", SID + place + parts)
    chi = [number(xof(challenge, "ot-chi", "", 0, 16 * t, 16)) for t in range(TILES - 1)] + [1]

    def hashed(column):
        acc = 0
        for t, c in enumerate(chi):
            acc ^= clmul(number(column[16 * t : 16 * t + 16]), c)
        return reduce(acc).to_bytes(16, "little")

    body += hashed(u[0])
    body += h("ot-check", SID + place + b"".join(hashed(c) for c in columns))
    bits = [number(c) for c in columns]
    rows = [sum((bits[j] >> t & 1) << j for j in range(128)) for t in range(ROWS - 128)]
    return body, b"".join(v.to_bytes(16, "little") for v in rows), u[0][: -16]


def main():
    print("/* SPDX-License-Identifier: Apache-2.0")
    print(" *")
    print(" * Made by ot_reference.py; included by the tests of src/ot. */")
    print("/* clang-format off */")
    print(f"\n#define VECTOR_OFFSET {OFFSET}\n#define VECTOR_TILES {TILES}")
    print("\nstruct vector_ot { unsigned k; const char *message, *leaves, *body, *rows, *choice; };")
    print("\nstatic const struct vector_ot vectors_ot[] = {")
    for k in (2, 4, 8):
        drawn = prg(SID, 16 * 128 // k)
        trees, message = deal(k, [drawn[i : i + 16] for i in range(0, len(drawn), 16)])
        leaves = b"".join(leaf for tree in trees for leaf in tree)
        parts = [message, leaves, *extend(k, trees)]
        print("    {" + ", ".join([str(k)] + [c_bytes(h("ot vector", p)) for p in parts]) + "},")
    print("};")


if __name__ == "__main__":
    main()
