#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Known answers for src/ring and src/ckks, from the protocol's formulas and Python's integers.

AES comes from crypto_reference.py beside this file. Usage: ckks_reference.py > ckks_vectors.h
"""
import random

from crypto_reference import draw, xof

Q1 = 2**41 - 2**16 + 1
Q2 = 2**42 - 3 * 2**13 + 1
SETS = {"S1": (1, 2048, (Q1,), 5, 38), "S2": (2, 4096, (Q1, Q2), 6, 48)}
rng = random.Random("mp2ml ckks vectors")


def is_prime(n):
    """Miller-Rabin; these bases decide every n < 3.3e24."""
    bases = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41)
    if n < 2 or any(n % p == 0 and n != p for p in bases):
        return n in bases
    d, r = n - 1, 0
    while d % 2 == 0:
        d, r = d // 2, r + 1
    for a in bases:
        x = pow(a, d, n)
        if n != a and x not in (1, n - 1):
            if all(pow(x, 2**i, n) != n - 1 for i in range(1, r)):
                return False
    return True


def least_psi(q, n):
    g = next(g for g in range(2, q) if pow(g, (q - 1) // 2, q) == q - 1)
    root = pow(g, (q - 1) // (2 * n), q)
    return min(pow(root, k, q) for k in range(1, 2 * n, 2))


def brv(i, bits):
    return int(format(i, f"0{bits}b")[::-1], 2)


def evaluate(poly, x, q):
    value = 0
    for c in reversed(poly):
        value = (value * x + c) % q
    return value


def formula(i, q):
    """A polynomial that a test can make again."""
    return (i * i * 12345678901 + i * 987654321 + 7) % q


def uniform(seed, label, name, ctr, n, primes):
    """Fields of the bit stream, LSB first; those >= q dropped. Also says how many were."""
    size = 64
    while True:
        data = xof(seed, label, name, ctr, 0, size)
        bits, at, out, dropped = int.from_bytes(data, "little"), 0, [], 0
        for q in primes:
            row, width = [], q.bit_length()
            while len(row) < n and at + width <= 8 * size:
                field = bits >> at & ((1 << width) - 1)
                at += width
                if field < q:
                    row.append(field)
                else:
                    dropped += 1
            out.append(row)
        if all(len(row) == n for row in out):
            return out, dropped
        size *= 2


def ternary(data):
    out = []
    for i in range(0, len(data), 16):
        f = int.from_bytes(data[i : i + 16], "little")
        digits = f * 3**32 >> 128
        out += [digits // 3 ** (31 - j) % 3 - 1 for j in range(32)]
    return out


def noise(data):
    fields = (int.from_bytes(data[i : i + 6], "little") for i in range(0, len(data), 6))
    return [bin(f & (2**42 - 1)).count("1") - 21 for f in fields]


def half_up(num, den):
    return (2 * num + den) // (2 * den)


def product(primes):
    q = 1
    for p in primes:
        q *= p
    return q


def encode(q, l, x):
    return half_up(q * x, 2**l)


def switch(q, bits, c):
    return half_up(2**bits * c, q) % 2**bits


def c_list(values, suffix="u"):
    return "{" + ", ".join(f"{v}{suffix}" for v in values) + "}"


def table(kind, name, rows):
    print(f"\nstatic const struct {kind} {name}[] = {{")
    for row in rows:
        print("    {" + ", ".join(str(v) for v in row) + "},")
    print("};")


def u64(v):
    return f"UINT64_C({v})"


def pair(c, primes):
    r = [c % p for p in primes] + [0]
    return "{" + ", ".join(u64(v) for v in r[:2]) + "}"


def print_psi():
    print("\nstruct vector_psi { uint64_t q; unsigned log_n; uint64_t psi; };")
    rows = []
    for q, n in ((Q1, 2048), (Q1, 4096), (Q2, 4096)):
        assert is_prime(q) and q % (2 * n) == 1
        rows.append([u64(q), n.bit_length() - 1, u64(least_psi(q, n))])
    table("vector_psi", "vectors_psi", rows)


def print_ntt():
    print("\n/* Value number `index` of the transform of the polynomial "
          "(i*i*12345678901 + i*987654321 + 7) mod q. */")
    print("struct vector_ntt { uint64_t q; unsigned log_n; unsigned index; uint64_t value; };")
    rows = []
    for q, n in ((Q1, 2048), (Q1, 4096), (Q2, 4096)):
        psi, bits = least_psi(q, n), n.bit_length() - 1
        poly = [formula(i, q) for i in range(n)]
        for i in (0, 1, 2, 3, 5, n // 2 - 1, n // 2, n - 2, n - 1, *rng.sample(range(n), 7)):
            rows.append([u64(q), bits, i, u64(evaluate(poly, pow(psi, 2 * brv(i, bits) + 1, q), q))])
    table("vector_ntt", "vectors_ntt", rows)


def prime_after(start, step):
    q = start + (1 - start) % step
    while not is_prime(q):
        q += step
    return q


def print_uniform():
    """Primes just above powers of two, so that about half of all fields are dropped; then the sets."""
    seed = draw("uniform", 32)
    t1, t2 = prime_after(2**20, 64), prime_after(2**21, 64)
    rows, dropped = uniform(seed, "pk-a", "T", 5, 32, (t1, t2))
    assert dropped > 30
    print(f"\n/* N = 32 from XOF(seed, \"pk-a\", \"T\", 5); {dropped} fields are dropped. */")
    print("static const uint8_t vector_uniform_seed[32] = " + c_list(seed) + ";")
    print(f"static const uint64_t vector_uniform_q[2] = {{{u64(t1)}, {u64(t2)}}};")
    print("static const uint64_t vector_uniform[64] = " + c_list(rows[0] + rows[1]) + ";")
    print("\n/* a of a set, residues as one array: some of them, and the sum mod 2^64. */")
    print("struct vector_a { unsigned set; uint64_t first, second, last_q1, first_last, last, sum; };")
    out = []
    for name, (number, n, primes, _, _) in SETS.items():
        rows, _ = uniform(seed, "pk-a", name, 0, n, primes)
        flat = [v for row in rows for v in row]
        picks = (rows[0][0], rows[0][1], rows[0][-1], rows[-1][0], rows[-1][-1], sum(flat) % 2**64)
        out.append([number, *map(u64, picks)])
    table("vector_a", "vectors_a", out)


def print_small():
    data = draw("small", 384)
    print("\nstatic const uint8_t vector_small_bytes[384] = " + c_list(data) + ";")
    print("static const int8_t vector_ternary[128] = " + c_list(ternary(data[:64]), "") + ";")
    print("static const int8_t vector_noise[64] = " + c_list(noise(data), "") + ";")


def print_encode():
    print("\nstruct vector_encode { unsigned set, l; uint64_t x, e[2]; };")
    rows = []
    for number, _, primes, _, max_l in SETS.values():
        q = product(primes)
        for l in (1, 10, 17, 24, 32, max_l):
            top = 2**l - 1
            for x in sorted({0, 1, top // 2, top // 2 + 1, top, rng.randint(0, top)}):
                rows.append([number, l, u64(x), pair(encode(q, l, x), primes)])
    table("vector_encode", "vectors_encode", rows)


def print_switch():
    """Beside random residues: the ends, and both sides of boundaries where the rounding steps."""
    print("\nstruct vector_switch { unsigned set, bits; uint64_t c[2], out; };")
    rows = []
    for number, _, primes, g, _ in SETS.values():
        q = product(primes)
        for bits in (10, 12, 16, 20, 10 + g, 20 + g):
            cases = {0, 1, q - 1, q // 2, q // 2 + 1, q - q // 2 ** (bits + 1) - 1}
            for h in (0, 1, 2 ** (bits - 1) - 1, 2**bits - 1, rng.randrange(2**bits)):
                step = -(-(2 * h + 1) * q // 2 ** (bits + 1))  # least c that rounds to h + 1
                assert switch(q, bits, step - 1) == h and switch(q, bits, step) == (h + 1) % 2**bits
                cases |= {step - 1, step}
            cases |= {rng.randrange(q) for _ in range(6)}
            if len(primes) == 2:  # residues that are zero or extreme on one side only
                one = primes[1] * pow(primes[1], -1, primes[0])
                cases |= {one * v % q for v in (1, primes[0] - 1, primes[0] // 2)}
                cases |= {(1 - one) * v % q for v in (1, primes[1] - 1, primes[1] // 2)}
            for c in sorted(cases):
                rows.append([number, bits, pair(c, primes), u64(switch(q, bits, c))])
    table("vector_switch", "vectors_switch", rows)


def main():
    print("/* SPDX-License-Identifier: Apache-2.0")
    print(" *")
    print(" * Made by ckks_reference.py; included by the tests of src/ring and src/ckks. */")
    print("/* clang-format off */")
    for part in (print_psi, print_ntt, print_uniform, print_small, print_encode, print_switch):
        part()
    print("/* clang-format on */")


if __name__ == "__main__":
    main()
