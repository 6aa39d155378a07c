#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Known answers for src/crypto, from its definitions and nothing but Python's integers and hashlib.

Checks its own AES against FIPS 197 first. Usage: crypto_reference.py > crypto_vectors.h
"""
import hashlib
import struct

M64 = (1 << 64) - 1


def times(a, b):
    """The product in AES's field, x^8 = x^4 + x^3 + x + 1."""
    r = 0
    for i in range(8):
        r ^= (a << i) * (b >> i & 1)
    for d in range(14, 7, -1):
        r ^= (0x11B << (d - 8)) * (r >> d & 1)
    return r


def make_sbox():
    box = []
    for x in range(256):
        inverse = next((y for y in range(256) if times(x, y) == 1), 0)
        box.append(0x63 ^ inverse ^ rotations(inverse))
    return box


def rotations(x):
    r = 0
    for i in range(1, 5):
        r ^= (x << i | x >> (8 - i)) & 255
    return r


SBOX = make_sbox()


def aes(key, block):
    """AES with a key of 16 or 32 bytes."""
    nk = len(key) // 4
    rounds = nk + 6
    words = [list(key[4 * i : 4 * i + 4]) for i in range(nk)]
    rcon = 1
    while len(words) < 4 * (rounds + 1):
        w, i = list(words[-1]), len(words)
        if i % nk == 0:
            w = [SBOX[v] for v in w[1:] + w[:1]]
            w[0] ^= rcon
            rcon = times(rcon, 2)
        elif nk == 8 and i % 8 == 4:
            w = [SBOX[v] for v in w]
        words.append([a ^ b for a, b in zip(words[-nk], w)])
    flat = [v for w in words for v in w]
    s = [a ^ b for a, b in zip(block, flat)]
    for r in range(1, rounds + 1):
        s = [SBOX[s[(4 * (c + row) + row) % 16]] for c in range(4) for row in range(4)]
        if r < rounds:
            s = [
                times(2, s[4 * c + row])
                ^ times(3, s[4 * c + (row + 1) % 4])
                ^ s[4 * c + (row + 2) % 4]
                ^ s[4 * c + (row + 3) % 4]
                for c in range(4)
                for row in range(4)
            ]
        s = [a ^ b for a, b in zip(s, flat[16 * r :])]
    return bytes(s)


def check_fips_197():
    plain = bytes.fromhex("00112233445566778899aabbccddeeff")
    assert aes(bytes(range(16)), plain).hex() == "69c4e0d86a7b0430d8cdb78070b4c55a"
    assert aes(bytes(range(32)), plain).hex() == "8ea2b7ca516745bfeafc49904b496089"


def h(label, data):
    return hashlib.sha256(b"mp2ml/1/" + label.encode() + b"\0" + data).digest()


def xof(seed, label, set_name, ctr, offset, n):
    key, out, index = h(label + set_name, seed), b"", offset // 16
    while len(out) < n:
        out += aes(key, struct.pack("<QQ", ctr, index))
        index += 1
    return out[:n]


def stream(seed, offset, n):
    return b"".join(
        aes(seed, (offset + i).to_bytes(16, "little")) for i in range((n + 15) // 16)
    )[:n]


def xor(a, b):
    return bytes(x ^ y for x, y in zip(a, b))


def tccr(key, x, tweak):
    low, high = struct.unpack("<QQ", x)
    y = struct.pack("<QQ", high, high ^ low)
    return xor(aes(xor(key, struct.pack("<QQ", tweak & M64, 0)), y), y)


def clmul(a, b):
    r = 0
    while b:
        if b & 1:
            r ^= a
        a, b = a << 1, b >> 1
    return r


def reduce(v):
    for d in range(v.bit_length() - 1, 127, -1):
        if v >> d & 1:
            v ^= ((1 << 128) | 0x87) << (d - 128)
    return v


def prg(seed, n):
    """Chunks of 16384 bytes, each under its own key; every chunk's stream begins with the next."""
    key, out = seed, b""
    while len(out) < n:
        make = lambda i: aes(key, i.to_bytes(16, "big"))
        need = min(16384, n - len(out))
        out += b"".join(make(2 + i) for i in range((need + 15) // 16))[:need]
        key = make(0) + make(1)
    return out


def draw(name, n):
    """Test inputs without a pattern: SHAKE-128 of a name."""
    return hashlib.shake_128(name.encode()).digest(n)


def c_bytes(data):
    return '"' + "".join(f"\\x{v:02x}" for v in data) + '"'


def c_block(v):
    return f"{{UINT64_C(0x{v & M64:016x}), UINT64_C(0x{v >> 64:016x})}}"


def table(kind, name, rows):
    print(f"\nstatic const struct {kind} {name}[] = {{")
    for row in rows:
        print("    {" + ", ".join(row) + "},")
    print("};")


def main():
    check_fips_197()
    print("/* SPDX-License-Identifier: Apache-2.0")
    print(" *")
    print(" * Made by crypto_reference.py; included by the tests of src/crypto. */")
    print("/* clang-format off */")

    print("\nstruct vector_h { const char *label; size_t size; const char *data, *hash; };")
    rows = []
    for label, data in (("", b""), ("abc", b""), ("ot", b"abc"), ("long", draw("h", 200))):
        rows.append([f'"{label}"', str(len(data)), c_bytes(data), c_bytes(h(label, data))])
    table("vector_h", "vectors_h", rows)

    print("\nstruct vector_xof { size_t seed_bytes; const char *seed, *label, *set; "
          "uint64_t ctr, offset; size_t size; const char *out; };")
    rows = []
    for size, ctr, offset, n in (
        (32, 0, 0, 64), (32, 7, 0, 33), (16, 1, 48, 100), (0, 2, 16, 1),
        (32, M64, 16 * ((1 << 32) - 2), 70), (32, 3, (1 << 63) + 16, 40),
    ):
        seed = draw("xof", size)
        out = xof(seed, "pk-a", "S1", ctr, offset, n)
        rows.append([str(size), c_bytes(seed), '"pk-a"', '"S1"', f"UINT64_C({ctr})",
                     f"UINT64_C({offset})", str(n), c_bytes(out)])
    table("vector_xof", "vectors_xof", rows)

    print("\nstruct vector_stream { const char *seed; uint64_t offset; size_t size; "
          "const char *out; };")
    rows = []
    for offset, n in ((0, 16), (0, 200), (5, 1), ((1 << 32) - 1, 40), (M64 - 1, 80)):
        seed = draw(f"stream {offset}", 16)
        rows.append([c_bytes(seed), f"UINT64_C({offset})", str(n), c_bytes(stream(seed, offset, n))])
    table("vector_stream", "vectors_stream", rows)

    print("\nstruct vector_tccr { const char *key, *in; uint64_t tweak; const char *out; };")
    rows = []
    for i, tweak in enumerate((0, 1, 255, 1 << 32, (1 << 63) + 12345, M64)):
        key, x = draw(f"tccr key {i}", 16), draw(f"tccr in {i}", 16)
        rows.append([c_bytes(key), c_bytes(x), f"UINT64_C({tweak})", c_bytes(tccr(key, x, tweak))])
    table("vector_tccr", "vectors_tccr", rows)

    print("\nstruct vector_gf128 { struct block a, b, low, high, product; };")
    rows = []
    ones = (1 << 128) - 1
    pairs = [(0, ones), (1, ones), (2, 1 << 127), (1 << 127, 1 << 127), (ones, ones)]
    pairs += [tuple(int.from_bytes(draw(f"gf {i} {j}", 16), "little") for j in range(2))
              for i in range(6)]
    for a, b in pairs:
        wide = clmul(a, b)
        rows.append([c_block(v) for v in (a, b, wide & ones, wide >> 128, reduce(wide))])
    table("vector_gf128", "vectors_gf128", rows)

    seed = draw("prg", 32)
    out = prg(seed, 40000)
    print(f"\n#define PRG_SIZE {len(out)}")
    print(f"#define PRG_SEED {c_bytes(seed)}")
    print(f"#define PRG_FRONT {c_bytes(out[:48])}")
    print(f"#define PRG_H {c_bytes(h('prg', out))}")


if __name__ == "__main__":
    main()
