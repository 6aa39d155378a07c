/* SPDX-License-Identifier: Apache-2.0
 *
 * Bodies of PK, CT_IN and CT_OUT: what passes is reduced, written back the same, and used once.
 * Input: u8 body and set, u8 count, u8 used, u8 k, then the body, filled up with zeros. */
#include "ckks/ckks.h"
#include "fuzz.h"

static const uint8_t h0[32] = {3};

struct side { /* made once a set */
    struct ckks *ck;
    struct ckks_secret *secret;
    struct arena *arena;
};

static struct side *side_of(unsigned set)
{
    static struct side sides[3];
    struct side *s = &sides[set];
    if (s->ck == NULL) {
        const struct ckks_params *p = ckks_params(set);
        struct prg *g = fuzz_prg();
        uint8_t *wire = malloc(ckks_public_key_bytes(p));
        FUZZ_CHECK(secret_init() == MP2ML_OK && ckks_new(&s->ck, p) == MP2ML_OK);
        FUZZ_CHECK(ckks_secret_new(&s->secret, s->ck, h0, g, wire) == MP2ML_OK);
        FUZZ_CHECK(arena_new(&s->arena, ckks_scratch_bytes(p)) == MP2ML_OK);
        prg_free(g);
        free(wire);
    }
    return s;
}

static uint64_t *words(size_t n)
{
    uint64_t *w = malloc(n * sizeof *w + 1);
    FUZZ_CHECK(w != NULL);
    return w;
}

static void public_key(const struct side *s, const uint8_t *body)
{
    struct ckks_public_key *pk = NULL;
    mp2ml_status status = ckks_public_key_new(&pk, s->ck, h0, body);
    FUZZ_CHECK((status == MP2ML_OK) == (pk != NULL));
    ckks_public_key_free(pk);
}

static void ct_in(const struct side *s, const uint8_t *body, size_t bytes, size_t count,
                  size_t used)
{
    const struct ckks_params *p = ckks_params_of(s->ck);
    const size_t n = count * p->primes * used;
    uint64_t *c0 = words(n), *x = words(count * used), all = 0;
    if (ckks_ct_in_read(p, c0, body, count, used) == MP2ML_OK) {
        uint8_t *again = malloc(bytes + 1);
        ckks_ct_in_write(p, again, c0, count, used);
        FUZZ_CHECK(memcmp(again, body, bytes) == 0);
        memset(x, 0x2a, count * used * sizeof *x);
        for (size_t i = 0; i < count * used; i++)
            x[i] &= 0xffffff;
        ckks_add_plain(s->ck, c0, x, 24, count, used);
        for (size_t i = 0; i < n; i++)
            FUZZ_CHECK(c0[i] < p->q[i / used % p->primes]);
        free(again);
    } else {
        for (size_t i = 0; i < n; i++)
            all |= c0[i];
        FUZZ_CHECK(all == 0); /* nothing of a refused body is left */
    }
    free(c0);
    free(x);
}

static void ct_out(const struct side *s, const uint8_t *body, size_t bytes, unsigned k,
                   size_t count, size_t used)
{
    const struct ckks_params *p = ckks_params_of(s->ck);
    uint64_t *c1s = words(count * p->n), *c0s = words(count * used);
    if (ckks_ct_out_read(p, c1s, c0s, body, k, count, used) == MP2ML_OK) {
        uint8_t *again = malloc(bytes + 1);
        ckks_ct_out_write(p, again, c1s, c0s, k, count, used);
        FUZZ_CHECK(memcmp(again, body, bytes) == 0);
        FUZZ_CHECK(ckks_decode(s->ck, s->secret, s->arena, c0s, c1s, c0s, k, count, used) ==
                   MP2ML_OK);
        for (size_t i = 0; i < count * used; i++)
            FUZZ_CHECK(c0s[i] >> k == 0);
        free(again);
    }
    free(c1s);
    free(c0s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t what = fuzz_take(&data, &size);
    const unsigned set = (what & 1) != 0 ? CKKS_S2 : CKKS_S1;
    const struct side *s = side_of(set);
    const struct ckks_params *p = ckks_params_of(s->ck);
    const size_t count = fuzz_take(&data, &size) % 4U + 1, used = fuzz_take(&data, &size) + 1U;
    const unsigned k = p->min_k + fuzz_take(&data, &size) % (p->max_k - p->min_k + 1);
    const size_t bytes = (what & 6) == 0   ? ckks_public_key_bytes(p)
                         : (what & 6) == 2 ? ckks_ct_in_bytes(p, count, used)
                                           : ckks_ct_out_bytes(p, k, count, used);
    uint8_t *body = calloc(bytes, 1);
    FUZZ_CHECK(body != NULL);
    memcpy(body, data, size < bytes ? size : bytes);
    if ((what & 6) == 0)
        public_key(s, body);
    else if ((what & 6) == 2)
        ct_in(s, body, bytes, count, used);
    else
        ct_out(s, body, bytes, k, count, used);
    free(body);
    return 0;
}
