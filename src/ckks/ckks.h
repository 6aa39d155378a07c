/* SPDX-License-Identifier: Apache-2.0
 *
 * ckks: linear algebra under RLWE encryption, in the coefficient encoding (docs/protocol.md,
 * "Encryption" and "One linear step").
 *
 * Words.
 *   set      compiled-in parameters (S1, S2), named by an id; nobody takes N or q from a peer
 *   c0, c1   a ciphertext; phase(c) = c0 + c1*s mod q. c1 is never sent towards the server: both
 *            parties expand it from the transcript, in the NTT domain, at psi^(2*brv(i)+1)
 *   E(x)     round(q*x / 2^l), x in Z_{2^l}: coefficient b carries value b; a wrap of x is free
 *   used     B, the number of coefficients that carry a value (first B of N)
 *   switch   the asymmetric modulus switch to k bits (c0) and k+g bits (c1), which truncates
 *   C1, C0   the server's linear combinations; c1', c0' what it returns after the switch
 * Layout in memory: residues [ciphertext][prime][coefficient], all in [0, q_prime), uint64_t.
 * Rounding is floor(x + 1/2), in exact integer arithmetic.
 *
 * Read in this order: params.h, then this file, keys.c, encrypt.c, eval.c, modswitch.c,
 * image.c, noise_model.c. */
#ifndef CKKS_CKKS_H
#define CKKS_CKKS_H

#include "base/arena.h"
#include "base/cost.h"
#include "base/status.h"
#include "ckks/params.h"
#include "crypto/prg.h"

struct ckks;            /* a set with its tables and kernels; read-only after ckks_new */
struct ckks_secret;     /* the client's s */
struct ckks_public_key; /* (a, b) in the NTT domain */

MUST_CHECK mp2ml_status ckks_new(struct ckks **out, const struct ckks_params *params);
void ckks_free(struct ckks *ck);
const struct ckks_params *ckks_params_of(const struct ckks *ck);

/* ---- keys -------------------------------------------------------------------------------- */

/* Bytes of b on the wire: N residues of every prime, bit-packed, NTT domain. */
size_t ckks_public_key_bytes(const struct ckks_params *params);
/* Client: fresh uniform ternary s, and b = -(a*s) + e for a = XOF(h0, "pk-a", set), written to
 * wire[ckks_public_key_bytes]. CT: nothing leaks. */
MUST_CHECK mp2ml_status ckks_secret_new(struct ckks_secret **out, const struct ckks *ck,
                                        const uint8_t h0[32], struct prg *g, uint8_t *wire);
void ckks_secret_free(struct ckks_secret *s);
/* Server: reads b; ERR_PROTOCOL for a residue >= q or padding that is not zero. */
MUST_CHECK mp2ml_status ckks_public_key_new(struct ckks_public_key **out, const struct ckks *ck,
                                            const uint8_t h0[32], const uint8_t *wire);
void ckks_public_key_free(struct ckks_public_key *pk);

/* The stream that c1 of this session and set comes from: XOF(h0, "c1", set). */
MUST_CHECK mp2ml_status ckks_c1_stream(struct xof **out, const struct ckks *ck,
                                       const uint8_t h0[32]);

/* ---- client ------------------------------------------------------------------------------ */

/* Encrypts x[count][used] in Z_{2^l} to c0[count][primes][used]; ciphertext i takes block
 * counter + i of the c1 stream. Scratch comes from the arena (ckks_encrypt_scratch bytes).
 * CT: nothing leaks but the sizes. */
MUST_CHECK mp2ml_status ckks_encrypt(const struct ckks *ck, const struct ckks_secret *s,
                                     struct xof *c1_stream, uint64_t counter, struct prg *g,
                                     struct arena *arena, uint64_t *c0, const uint64_t *x,
                                     unsigned l, size_t count, size_t used);
/* y = c0' + round((c1'*s mod 2^(k+g)) / 2^g) mod 2^k: y[count][used] from c1s[count][N] and
 * c0s[count][used]. y may be c0s. */
MUST_CHECK mp2ml_status ckks_decode(const struct ckks *ck, const struct ckks_secret *s,
                                    struct arena *arena, uint64_t *y, const uint64_t *c1s,
                                    const uint64_t *c0s, unsigned k, size_t count, size_t used);

/* ---- server ------------------------------------------------------------------------------ */

/* c1[count][primes][N], NTT domain, of stream blocks counter, counter + 1, ... */
MUST_CHECK mp2ml_status ckks_expand_c1(const struct ckks *ck, struct xof *c1_stream,
                                       uint64_t counter, struct arena *arena, uint64_t *c1,
                                       size_t count);
/* c0 += E(x), x[count][used] in Z_{2^l}. */
void ckks_add_plain(const struct ckks *ck, uint64_t *c0, const uint64_t *x, unsigned l,
                    size_t count, size_t used);

/* One dense integer matrix, with gathered inputs, over Z_q of every prime:
 *   out[row][p][j] = sum over col of weights[row*cols + col] * in[index[col]][p][j]  mod q_p
 * for j < width. `width` is N for c1 and `used` for c0; out and in have residue layout with that
 * width. |weight| <= CKKS_MAX_WEIGHT; cols >= 1 of any size. CT: weights leak nothing, zeros too.
 */
#define CKKS_MAX_WEIGHT 1023
void ckks_matrix_product(const struct ckks *ck, uint64_t *out, const uint64_t *in,
                         const uint32_t *index, const int16_t *weights, size_t rows, size_t cols,
                         size_t width);

/* Re-randomises and switches, in two halves. The first needs nothing from the client: with fresh u
 * and e1 for every row
 *   C1 += a*u + e1,   c1s[row][N] = round(2^(k+g)*C1/q) mod 2^(k+g),   bu[row][primes][used] = b*u.
 * C1[rows][primes][N], in the NTT domain, is overwritten. CT: nothing leaks but the sizes. */
MUST_CHECK mp2ml_status ckks_answer_c1(const struct ckks *ck, const struct ckks_public_key *pk,
                                       struct prg *g, struct arena *arena, uint64_t *c1s,
                                       uint64_t *bu, uint64_t *C1, unsigned k, size_t rows,
                                       size_t used);
/* The second, each bu once:
 *   C0 += b*u + E(bias),   c0s[row][used] = round(2^k*C0/q) + r mod 2^k.
 * C0[rows][primes][used] is overwritten. bias[rows] is in Z_{2^l}; r[rows][used] < 2^k is the
 * caller's fresh uniform mask (its share is -r). CT: nothing leaks but the sizes. */
void ckks_answer_c0(const struct ckks *ck, uint64_t *c0s, uint64_t *C0, const uint64_t *bu,
                    const uint64_t *bias, const uint64_t *r, unsigned l, unsigned k, size_t rows,
                    size_t used);

/* Arena bytes that any of the calls above needs, whatever `count`. */
size_t ckks_scratch_bytes(const struct ckks_params *params);
/* The same where no call is for more than `count` ciphertexts. */
size_t ckks_scratch_for(const struct ckks_params *params, size_t count);

/* ---- wire -------------------------------------------------------------------------------- */

/* Bytes of a CT_IN body: per ciphertext `used` residues mod q1, then mod q2 if there is one. */
size_t ckks_ct_in_bytes(const struct ckks_params *params, size_t count, size_t used);
void ckks_ct_in_write(const struct ckks_params *params, uint8_t *body, const uint64_t *c0,
                      size_t count, size_t used);
/* ERR_PROTOCOL for a residue >= q or padding that is not zero. */
MUST_CHECK mp2ml_status ckks_ct_in_read(const struct ckks_params *params, uint64_t *c0,
                                        const uint8_t *body, size_t count, size_t used);
/* Bytes of a CT_OUT body: per ciphertext N fields of k+g bits, then `used` fields of k bits. */
size_t ckks_ct_out_bytes(const struct ckks_params *params, unsigned k, size_t count, size_t used);
void ckks_ct_out_write(const struct ckks_params *params, uint8_t *body, const uint64_t *c1s,
                       const uint64_t *c0s, unsigned k, size_t count, size_t used);
MUST_CHECK mp2ml_status ckks_ct_out_read(const struct ckks_params *params, uint64_t *c1s,
                                         uint64_t *c0s, const uint8_t *body, unsigned k,
                                         size_t count, size_t used);

/* ---- layout image ------------------------------------------------------------------------- */

/* All N coefficients of a ciphertext belong to one image, and weights are polynomials: an output
 * ciphertext is a sum of products of an input ciphertext and a polynomial. Ciphertexts of several
 * images are numbered image*cts + ciphertext: a *row* is an output ciphertext so numbered. Input
 * ciphertexts are made and read by the calls above with used = N. */

struct ckks_product {
    uint32_t in, poly;
};
struct ckks_image { /* one linear step; filled once, then read-only and shared by threads */
    size_t in_cts, out_cts, n_polys;
    uint64_t *polys;               /* [n_polys][primes][N], NTT domain */
    struct ckks_product *products; /* of all output ciphertexts */
    size_t *first;                 /* [out_cts + 1]: the products of each */
};
/* Everything zero, for the caller to fill: polys through ckks_image_set. */
MUST_CHECK mp2ml_status ckks_image_new(struct ckks_image **out, const struct ckks *ck,
                                       size_t in_cts, size_t out_cts, size_t n_polys,
                                       size_t n_products);
void ckks_image_free(struct ckks_image *image);
/* The polynomial with these N coefficients, each below 2^20 in magnitude. CT: nothing leaks. */
void ckks_image_set(struct ckks_image *image, const struct ckks *ck, size_t poly,
                    const int32_t *coefficients);

/* Which coefficients of the output ciphertexts carry a result: those of ciphertext c are
 * coefficient[first[c]] < coefficient[first[c] + 1] < ... < coefficient[first[c + 1] - 1]. */
struct ckks_places {
    size_t cts;
    const uint32_t *first; /* [cts + 1] */
    const uint16_t *coefficient;
};
/* Results before `row`. */
static inline size_t ckks_places_before(const struct ckks_places *p, size_t row)
{
    return row / p->cts * p->first[p->cts] + p->first[row % p->cts];
}

/* Server: x[count][primes][N] to the NTT domain. CT: nothing leaks. */
void ckks_image_ntt(const struct ckks *ck, uint64_t *x, size_t count);
/* Server: the rows first, first + 1, ... of the products of in[image*in_cts + ct][primes][N], NTT
 * domain, in two halves as in the layout batch. The first needs nothing from the client: in = c1,
 *   C1 = sum w*c1 + a*u + e1,   c1s[row][N] = round(2^(k+g)*C1/q) mod 2^(k+g),
 * and bu[row][primes][N] = b*u, NTT domain, with fresh u and e1 for every row. The arrays begin with
 * row `first`. CT: nothing leaks but the sizes. */
MUST_CHECK mp2ml_status ckks_image_answer_c1(const struct ckks *ck,
                                             const struct ckks_public_key *pk, struct prg *g,
                                             struct arena *arena, const struct ckks_image *image,
                                             uint64_t *c1s, uint64_t *bu, const uint64_t *in,
                                             unsigned k, size_t first, size_t rows);
/* The second, each bu once: in = c0, and at the places in use
 *   C0 = sum w*c0 + b*u + E(bias),   c0s = round(2^k*C0/q) + r mod 2^k.
 * c0s and r (the caller's fresh uniform mask) have one word a result of these rows, bias one word a
 * result of an image, all in the order of the places. CT: nothing leaks but the sizes. */
MUST_CHECK mp2ml_status ckks_image_answer_c0(const struct ckks *ck, struct arena *arena,
                                             const struct ckks_image *image,
                                             const struct ckks_places *places, uint64_t *c0s,
                                             const uint64_t *in, const uint64_t *bu,
                                             const uint64_t *bias, const uint64_t *r, unsigned l,
                                             unsigned k, size_t first, size_t rows);
/* Of b*u, for a first half that is kept: picked[primes*(results before a row)] is the row's
 * [primes][results], at the places in use. bu, as the first half left it, is overwritten. CT: nothing
 * leaks. */
void ckks_image_pick(const struct ckks *ck, const struct ckks_places *places, uint64_t *picked,
                     uint64_t *bu, size_t first, size_t rows);
/* The second half of it: the same result as from bu. picked begins with row `first`. */
MUST_CHECK mp2ml_status ckks_image_answer_picked(const struct ckks *ck, struct arena *arena,
                                                 const struct ckks_image *image,
                                                 const struct ckks_places *places, uint64_t *c0s,
                                                 const uint64_t *in, const uint64_t *picked,
                                                 const uint64_t *bias, const uint64_t *r,
                                                 unsigned l, unsigned k, size_t first, size_t rows);
/* Client: y = c0' + round((c1'*s mod 2^(k+g)) / 2^g) mod 2^k at the places of the rows first,
 * first + 1, ...; the arrays begin with row `first`. y may be c0s. CT: nothing leaks. */
MUST_CHECK mp2ml_status ckks_image_decode(const struct ckks *ck, const struct ckks_secret *s,
                                          struct arena *arena, const struct ckks_places *places,
                                          uint64_t *y, const uint64_t *c1s, const uint64_t *c0s,
                                          unsigned k, size_t first, size_t rows);

/* Bytes of a CT_OUT body: N fields of k+g bits for every row, then `used` fields of k bits, the
 * results of all rows. */
size_t ckks_image_out_bytes(const struct ckks_params *params, unsigned k, size_t rows, size_t used);
void ckks_image_out_write(const struct ckks_params *params, uint8_t *body, const uint64_t *c1s,
                          const uint64_t *c0s, unsigned k, size_t rows, size_t used);
MUST_CHECK mp2ml_status ckks_image_out_read(const struct ckks_params *params, uint64_t *c1s,
                                            uint64_t *c0s, const uint8_t *body, unsigned k,
                                            size_t rows, size_t used);

/* ---- the same in the clear ---------------------------------------------------------------- */

/* A seeded model of the error of a switched share: sum of the roundings and of the rounding of c1'
 * times s. For clear twins and planning, never for keys or masks. */
struct ckks_noise_model {
    uint64_t state;
};
void ckks_noise_model_init(struct ckks_noise_model *m, uint64_t seed);
/* 64 uniform bits. */
uint64_t ckks_noise_model_next(struct ckks_noise_model *m);
/* As n times next. */
void ckks_noise_model_skip(struct ckks_noise_model *m, uint64_t n);
/* round(2^(k-l)*sum + e) mod 2^k for each sum mod 2^l of a row of n, in place, with e as the set's
 * switch makes it; norm2 = norm of the row's weights (adds the encryption noise). */
void ckks_switch_clear(const struct ckks_params *params, struct ckks_noise_model *m, uint64_t *row,
                       size_t n, unsigned l, unsigned k, double norm2);

/* ---- cost --------------------------------------------------------------------------------- */

/* A batch-layout step: `inputs` ciphertexts in, `outputs` out, `products` weights times
 * ciphertexts. Bytes without frame headers. */
struct cost ckks_cost_linear(const struct ckks_params *params, size_t inputs, size_t outputs,
                             uint64_t products, unsigned k, size_t used);

/* A step in the layout image for so many images: ciphertexts, results (used_out) and products of
 * polynomials are those of one image. Bytes without frame headers. */
struct cost ckks_cost_image(const struct ckks_params *params, size_t in_cts, size_t out_cts,
                            size_t used_out, size_t products, unsigned k, size_t images);

/* Seconds that this machine takes for transforms now / what the cost functions state; takes about
 * 0.2 ms. */
double ckks_speed(const struct ckks *ck);

#endif
