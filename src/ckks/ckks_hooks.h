/* SPDX-License-Identifier: Apache-2.0
 *
 * Switches of the test build that take a protection away, so that a test can show that its
 * statistic notices. Release libraries contain none of this. */
#ifndef CKKS_CKKS_HOOKS_H
#define CKKS_CKKS_HOOKS_H

#ifdef MP2ML_TEST_HOOKS

#include "ckks/ckks.h"

struct ckks_test_hooks {
    bool no_rerandomisation;     /* u = e1 = 0 */
    const uint8_t *fixed_random; /* u and e1 of every row come from these bytes, n/2 + 6n of them */
};
void ckks_set_test_hooks(struct ckks *ck, const struct ckks_test_hooks *hooks);

/* A public key with a chosen `a`, in the NTT domain, [primes][n] each. */
MUST_CHECK mp2ml_status ckks_public_key_new_chosen(struct ckks_public_key **out,
                                                   const struct ckks *ck, const uint64_t *a,
                                                   const uint64_t *b);
/* s in the NTT domain, [primes][n]. */
const uint64_t *ckks_secret_residues(const struct ckks_secret *s);

/* The switch alone: out[count] = round(2^bits * C / q) mod 2^bits of residues[primes][count]. */
void ckks_switch_residues(const struct ckks *ck, uint64_t *out, const uint64_t *residues,
                          unsigned bits, size_t count);

#endif
#endif
