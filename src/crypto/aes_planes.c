/* SPDX-License-Identifier: Apache-2.0
 *
 * The S-box is the circuit of Boyar and Peralta [eprint 2009/191]: a linear layer, the inverse in
 * GF(2^4) of tower fields with 32 ANDs, a linear layer. Its names are kept: x and s are input and
 * output, most significant bit first. */
#include "crypto/aes_planes.h"

#include <string.h>

typedef aes_plane plane;

/* ---- in and out ----------------------------------------------------------------------------- */

/* Both 64-bit lanes of 64 pairs at once: lane bit t of pair j becomes lane bit j of pair t, by
 * exchanges of blocks of size 32, 16 ... 1 on the diagonal. */
static void transpose_lanes(plane m[64])
{
    uint64_t low = UINT64_C(0x00000000ffffffff); /* the lower half of each 2*size bits */
    for (unsigned size = 32; size > 0; size /= 2, low ^= low << size) {
        for (unsigned j = 0; j < 64; j += 2 * size)
            for (unsigned i = j; i < j + size; i++) {
                plane t = (m[i] >> size ^ m[i + size]) & low;
                m[i + size] ^= t;
                m[i] ^= t << size;
            }
    }
}

/* The tile is | A B | with 64 columns above (in.lo = A, in.hi = B), 64 below (C, D).
 *             | C D |  Row t < 64 gets A's and C's bit t, row 64 + t gets B's and D's. */
void block_transpose(struct block *tile)
{
    plane upper[64], lower[64];
    memcpy(upper, tile, sizeof upper);
    memcpy(lower, tile + 64, sizeof lower);
    transpose_lanes(upper);
    transpose_lanes(lower);
    for (unsigned t = 0; t < 64; t++) {
        tile[t].lo = upper[t][0];
        tile[t].hi = lower[t][0];
        tile[64 + t].lo = upper[t][1];
        tile[64 + t].hi = lower[t][1];
    }
    explicit_bzero(upper, sizeof upper);
    explicit_bzero(lower, sizeof lower);
}

void aes_planes_load(struct aes_planes *s, const struct block *in)
{
    memcpy(s, in, sizeof *s);
    block_transpose((struct block *)(void *)s);
}

void aes_planes_store(struct block *out, const struct aes_planes *s)
{
    memcpy(out, s, sizeof *s);
    block_transpose(out);
}

/* ---- the S-box ------------------------------------------------------------------------------ */

/* out = S(in), eight planes each, bit 0 first. */
static inline void sub_byte(plane out[8], const plane in[8])
{
    const plane x0 = in[7], x1 = in[6], x2 = in[5], x3 = in[4];
    const plane x4 = in[3], x5 = in[2], x6 = in[1], x7 = in[0];
    /* The first linear layer. */
    const plane y14 = x3 ^ x5, y13 = x0 ^ x6, y9 = x0 ^ x3, y8 = x0 ^ x5, t0 = x1 ^ x2;
    const plane y1 = t0 ^ x7, y4 = y1 ^ x3, y12 = y13 ^ y14, y2 = y1 ^ x0, y5 = y1 ^ x6;
    const plane y3 = y5 ^ y8, t1 = x4 ^ y12, y15 = t1 ^ x5, y20 = t1 ^ x1, y6 = y15 ^ x7;
    const plane y10 = y15 ^ t0, y11 = y20 ^ y9, y7 = x7 ^ y11, y17 = y10 ^ y11, y19 = y10 ^ y8;
    const plane y16 = t0 ^ y11, y21 = y13 ^ y16, y18 = x0 ^ y16;
    /* The norm, in GF(2^4). */
    const plane t2 = y12 & y15, t4 = (y3 & y6) ^ t2, t6 = (y4 & x7) ^ t2;
    const plane t7 = y13 & y16, t9 = (y5 & y1) ^ t7, t11 = (y2 & y7) ^ t7;
    const plane t12 = y9 & y11, t14 = (y14 & y17) ^ t12, t16 = (y8 & y10) ^ t12;
    const plane t21 = t4 ^ t14 ^ y20, t22 = t6 ^ t16 ^ y19;
    const plane t23 = t9 ^ t14 ^ y21, t24 = t11 ^ t16 ^ y18;
    /* Its inverse. */
    const plane t25 = t21 ^ t22, t26 = t21 & t23, t27 = t24 ^ t26, t29 = (t25 & t27) ^ t22;
    const plane t30 = t23 ^ t24, t31 = t22 ^ t26, t33 = (t31 & t30) ^ t24, t34 = t23 ^ t33;
    const plane t35 = t27 ^ t33, t36 = t24 & t35, t37 = t36 ^ t34, t38 = t27 ^ t36;
    const plane t40 = t25 ^ (t29 & t38), t41 = t40 ^ t37, t42 = t29 ^ t33, t43 = t29 ^ t40;
    const plane t44 = t33 ^ t37, t45 = t42 ^ t41;
    /* Times the conjugate. */
    const plane z0 = t44 & y15, z1 = t37 & y6, z2 = t33 & x7, z3 = t43 & y16, z4 = t40 & y1;
    const plane z5 = t29 & y7, z6 = t42 & y11, z7 = t45 & y17, z8 = t41 & y10, z9 = t44 & y12;
    const plane z10 = t37 & y3, z11 = t33 & y4, z12 = t43 & y13, z13 = t40 & y5, z14 = t29 & y2;
    const plane z15 = t42 & y9, z16 = t45 & y14, z17 = t41 & y8;
    /* The last linear layer; four outputs are complements. */
    const plane t46 = z15 ^ z16, t48 = z5 ^ z13, t53 = z0 ^ z3, t57 = z2 ^ z12 ^ t53;
    const plane t58 = z4 ^ t46, t59 = z3 ^ z6 ^ z7, t62 = z7 ^ z8 ^ t58, t63 = z9 ^ z10 ^ t58;
    const plane t64 = z4 ^ t59, t65 = z14 ^ t57 ^ t62, t66 = z1 ^ t63, s3 = t53 ^ t66;
    out[7] = t59 ^ t63;
    out[6] = ~(t64 ^ s3);
    out[5] = ~(z16 ^ z17 ^ t64 ^ t65);
    out[4] = s3;
    out[3] = z2 ^ z5 ^ t66;
    out[2] = z10 ^ z11 ^ t65;
    out[1] = ~(z12 ^ t48 ^ t62);
    out[0] = ~(t48 ^ t46 ^ t57);
}

/* ---- rounds --------------------------------------------------------------------------------- */

void aes_planes_add(struct aes_planes *s, const struct aes_planes *key)
{
    for (unsigned j = 0; j < AES_PLANES; j++)
        s->p[j] ^= key->p[j];
}

/* New byte = 2 * (a0 + a1) + a1 + a2 + a3, where a_i is the byte i rows below; times 2 moves bits
 * up, and bit 7 comes back as x^4 + x^3 + x + 1. */
static inline void mix_column(plane *out, plane a[4][8], const plane *key)
{
    plane two[4][8]; /* a byte + the one below */
    for (unsigned r = 0; r < 4; r++)
        for (unsigned b = 0; b < 8; b++)
            two[r][b] = a[r][b] ^ a[(r + 1) % 4][b];
    for (unsigned r = 0; r < 4; r++)
        for (unsigned b = 0; b < 8; b++) {
            plane sum = a[(r + 1) % 4][b] ^ two[(r + 2) % 4][b] ^ key[8 * r + b];
            if (b > 0)
                sum ^= two[r][b - 1];
            if (b == 0 || b == 1 || b == 3 || b == 4)
                sum ^= two[r][7];
            out[8 * r + b] = sum;
        }
}

/* ShiftRows: row r of column c comes from column c + r. */
void aes_planes_round(struct aes_planes *s, const struct aes_planes *key, unsigned r)
{
    const struct aes_planes old = *s;
    for (unsigned c = 0; c < 4; c++) {
        plane column[4][8];
        for (unsigned row = 0; row < 4; row++)
            sub_byte(column[row], old.p + 8 * (4 * ((c + row) % 4) + row));
        if (r < 10) {
            mix_column(s->p + 32 * c, column, key->p + 32 * c);
            continue;
        }
        for (unsigned j = 0; j < 32; j++)
            s->p[32 * c + j] = column[j / 8][j % 8] ^ key->p[32 * c + j];
    }
}

/* Column 0 gets SubWord(RotWord(column 3)) + the round's constant, each other the one before it. */
void aes_planes_next_key(struct aes_planes *key, unsigned r)
{
    static const uint8_t constants[10] = {1, 2, 4, 8, 16, 32, 64, 128, 0x1b, 0x36};
    plane word[32];
    for (unsigned row = 0; row < 4; row++)
        sub_byte(word + 8 * row, key->p + 8 * (12 + (row + 1) % 4));
    for (unsigned b = 0; b < 8; b++)
        if ((constants[r - 1] >> b & 1) != 0)
            word[b] = ~word[b];
    for (unsigned j = 0; j < 32; j++)
        key->p[j] ^= word[j];
    for (unsigned j = 32; j < AES_PLANES; j++)
        key->p[j] ^= key->p[j - 32];
}
