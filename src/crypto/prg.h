/* SPDX-License-Identifier: Apache-2.0
 *
 * The one source of randomness, and the two public or shared streams of the protocol. `prg`
 * (AES-256-CTR) is seeded from getrandom and reseeds itself in a forked child. `xof` (AES-256-CTR)
 * expands a public seed. `stream` (AES-128-CTR) expands a 16-byte secret block (seeds of OT).
 * Nothing else draws random numbers. */
#ifndef CRYPTO_PRG_H
#define CRYPTO_PRG_H

#include "base/status.h"
#include "crypto/block.h"
#include "crypto/digest.h"

struct prg; /* one thread at a time */

/* A generator with a fresh 32-byte key from the system. */
MUST_CHECK mp2ml_status prg_new(struct prg **out);
void prg_free(struct prg *g);
/* n random bytes; on failure the output is wiped. */
MUST_CHECK mp2ml_status prg_fill(struct prg *g, void *out, size_t n);

#ifdef MP2ML_TEST_HOOKS
/* A generator whose output depends on the seed alone. Not in release libraries. */
MUST_CHECK mp2ml_status prg_new_seeded(struct prg **out, const uint8_t seed[32]);
/* Makes every further prg_fill fail. */
void prg_break(struct prg *g);
#endif

/* XOF(seed, label, set, ctr): AES-256-CTR with key H(label || set, seed) and counter block
 * ctr u64 | index u64, both little-endian, index = 0, 1, 2 ... within one ctr. */
struct xof;
/* `set` is the parameter set's name, for example "S1"; label || set is the label of H. */
MUST_CHECK mp2ml_status xof_new(struct xof **out, const uint8_t *seed, size_t seed_bytes,
                                const char *label, const char *set);
void xof_free(struct xof *x);
/* The n bytes from byte `offset` (a multiple of 16) of the stream of counter `ctr`. */
MUST_CHECK mp2ml_status xof_read(struct xof *x, void *out, size_t n, uint64_t ctr, uint64_t offset);

/* out[0..bytes) = AES-128_seed(offset_blocks) | AES-128_seed(offset_blocks + 1) | ..., cut at
 * `bytes`; counters are 128-bit little-endian. One seed's counters are never used twice.
 * CT: time depends on bytes only. */
void stream_expand(const struct crypto_kernels *k, uint8_t *out, size_t bytes,
                   const struct block *seed, uint64_t offset_blocks);

/* The streams of 2^bits seeds, bits = 2 or 4, folded without being stored: with s_x[t] block
 * offset_blocks + t of the stream of seeds[x], for t < blocks,
 *   planes[b*stride + t] ^= XOR of s_x[t] over all x with bit b set
 *   sum[t]                = XOR of s_x[t] over all x
 * (no plane needs seed 0). stride is a multiple of STREAM_FOLD_GROUP and >= blocks; the rest of the
 * last group changes too. offset_blocks + blocks < 2^63. Nothing overlaps.
 * CT: time depends on the numbers only. */
void stream_fold(const struct crypto_kernels *k, struct block *planes, struct block *sum,
                 const struct block *seeds, uint64_t offset_blocks, size_t blocks, size_t stride,
                 unsigned bits);

#endif
