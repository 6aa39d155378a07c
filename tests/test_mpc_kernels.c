/* SPDX-License-Identifier: Apache-2.0
 *
 * The kernels of 2PC: every table of this machine against the portable one, for sizes around the
 * widths of registers and words, and for extreme widths of fields. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cpu.h"
#include "mpc/mpc_kernels.h"
#include "mpc/relu.h"

#define MAX 200
#define WORDS (MAX / 64 + 1)
#define GUARD UINT64_C(0x5a5a5a5a5a5a5a5a)

static struct prg *rng;

static int group_begin(void **state)
{
    uint8_t seed[32] = {7};
    (void)state;
    return secret_init() == MP2ML_OK && prg_new_seeded(&rng, seed) == MP2ML_OK ? 0 : -1;
}

static int group_end(void **state)
{
    (void)state;
    prg_free(rng);
    return 0;
}

static void fill(void *p, size_t n)
{
    assert_int_equal(prg_fill(rng, p, n), MP2ML_OK);
}

/* Values of `bits` bits; the first ones are the extremes. */
static void fill_values(uint64_t *x, size_t n, unsigned bits)
{
    const uint64_t ring = bits >= 64 ? UINT64_MAX : (UINT64_C(1) << bits) - 1;
    const uint64_t extremes[4] = {0, ring, ring >> 1, (ring >> 1) + 1};
    fill(x, n * sizeof *x);
    for (size_t i = 0; i < n; i++)
        x[i] = (i < 4 ? extremes[i] : x[i]) & ring;
}

/* The tables beside the portable one. */
static size_t others(const struct mpc_kernels *out[1])
{
    out[0] = mpc_kernels_avx512();
    return out[0] != NULL ? 1 : 0;
}

/* Sizes: all small ones, then some around words. */
static size_t next_size(size_t n)
{
    return n < 20 ? n + 1 : n < 60 ? 63 : n < 66 ? n + 1 : n < 127 ? 127 : n + 24;
}

static void same_values(const uint64_t *a, const uint64_t *b, size_t n)
{
    assert_memory_equal(a, b, n * sizeof *a);
    assert_true(a[n] == GUARD && b[n] == GUARD); /* nothing written behind */
}

static void test_planes(void **state)
{
    const struct mpc_kernels *p = mpc_kernels_portable(), *all[1];
    const size_t count = others(all);
    (void)state;
    for (size_t n = 1; n <= MAX; n = next_size(n))
        for (unsigned k = 1; k <= 32; k += k < 4 ? 1 : 4)
            for (size_t t = 0; t < count; t++) {
                const size_t words = (n + 63) / 64;
                uint64_t x[MAX], want[32 * WORDS + 1], got[32 * WORDS + 1];
                fill_values(x, n, k);
                memset(want, 0x5a, sizeof want);
                memset(got, 0x5a, sizeof got);
                p->slice(want, words, x, n, k);
                all[t]->slice(got, words, x, n, k);
                same_values(got, want, k * words);
                p->bit(want, x, n, k - 1);
                all[t]->bit(got, x, n, k - 1);
                same_values(got, want, k * words);
            }
}

static void test_ands(void **state)
{
    const struct mpc_kernels *p = mpc_kernels_portable(), *all[1];
    const size_t count = others(all);
    (void)state;
    for (size_t words = 1; words <= 40; words++)
        for (size_t t = 0; t < count; t++) {
            uint64_t in[7][40], want[2][41], got[2][41];
            fill(in, sizeof in);
            memset(want, 0x5a, sizeof want);
            memset(got, 0x5a, sizeof got);
            p->and_open(want[0], want[1], in[0], in[1], in[2], in[3], words);
            all[t]->and_open(got[0], got[1], in[0], in[1], in[2], in[3], words);
            same_values(got[0], want[0], words);
            same_values(got[1], want[1], words);
            const uint64_t *d[2] = {in[0], in[1]}, *e[2] = {in[2], in[3]};
            const uint64_t *abc[3] = {in[4], in[5], in[6]};
            for (unsigned one = 0; one < 2; one++) {
                p->and_close(want[0], d, e, abc, 0 - (uint64_t)one, words);
                all[t]->and_close(got[0], d, e, abc, 0 - (uint64_t)one, words);
                same_values(got[0], want[0], words);
            }
        }
}

struct mux_inputs {
    struct block a0[MAX], a1[MAX], b0[MAX], b1[MAX];
    uint64_t d[WORDS], m[WORDS], flip_a[WORDS], flip_b[WORDS];
};

static void test_mux(void **state)
{
    static const unsigned fields[][2] = {{0, 1},   {0, 12},  {0, 64},  {5, 22}, {50, 40},
                                         {63, 20}, {64, 64}, {70, 48}, {1, 64}, {127, 1}};
    const struct mpc_kernels *p = mpc_kernels_portable(), *all[1];
    const size_t count = others(all);
    static struct mux_inputs in;
    (void)state;
    for (size_t n = 1; n <= MAX; n = next_size(n))
        for (size_t f = 0; f < sizeof fields / sizeof *fields; f++)
            for (size_t t = 0; t < count; t++) {
                const unsigned at = fields[f][0], bits = fields[f][1];
                const struct block *const key[2] = {in.a0, in.a1};
                uint64_t y[MAX], want[2][MAX + 1], got[2][MAX + 1];
                fill(&in, sizeof in);
                fill_values(y, n, bits);
                memset(want, 0x5a, sizeof want);
                memset(got, 0x5a, sizeof got);
                p->mux_send(want[0], want[1], key, in.flip_a, in.d, y, n, at, bits);
                all[t]->mux_send(got[0], got[1], key, in.flip_a, in.d, y, n, at, bits);
                same_values(got[0], want[0], n);
                same_values(got[1], want[1], n);
                p->mux_recv(want[0], want[1], in.b0, in.m, n, at, bits);
                all[t]->mux_recv(got[0], got[1], in.b0, in.m, n, at, bits);
                same_values(got[0], want[0], n);
                memcpy(got[0], y, n * sizeof *y); /* share may be y */
                all[t]->mux_send(got[0], got[1], key, in.flip_a, in.d, got[0], n, at, bits);
                p->mux_send(want[0], want[1], key, in.flip_a, in.d, y, n, at, bits);
                same_values(got[0], want[0], n);
                same_values(got[1], want[1], n);
            }
}

static void test_extend(void **state)
{
    static const unsigned rings[][2] = {{4, 5}, {12, 22}, {12, 48}, {16, 26}, {20, 21}, {20, 48}};
    const struct mpc_kernels *p = mpc_kernels_portable(), *all[1];
    const size_t count = others(all);
    static struct mux_inputs in;
    (void)state;
    for (size_t n = 1; n <= MAX; n = next_size(n))
        for (size_t f = 0; f < sizeof rings / sizeof *rings; f++)
            for (size_t t = 0; t < count; t++) {
                const struct mpc_extension e = relu_extension(rings[f][0], rings[f][1]);
                uint64_t x[MAX], w[5][MAX + 1], g[5][MAX + 1];
                fill(&in, sizeof in);
                fill_values(x, n, e.k);
                memset(w, 0x5a, sizeof w);
                memset(g, 0x5a, sizeof g);
                struct mpc_extend_send s = {w[4],      {w[0], w[1], w[2], w[3]},
                                            in.a0,     in.a1,
                                            in.b0,     in.b1,
                                            in.flip_a, in.flip_b,
                                            in.d,      x,
                                            in.m,      n};
                p->extend_send(&s, &e);
                s.share = g[4];
                for (unsigned j = 0; j < 4; j++)
                    s.message[j] = g[j];
                all[t]->extend_send(&s, &e);
                for (unsigned j = 0; j < 5; j++)
                    same_values(g[j], w[j], n);
                struct mpc_extend_recv r = {
                    w[4], {w[0], w[1], w[2], w[3]}, in.b0, in.a1, in.d, in.m, n};
                p->extend_recv(&r, &e);
                r.share = g[4];
                all[t]->extend_recv(&r, &e);
                same_values(g[4], w[4], n);
            }
}

static void test_pick(void **state)
{
    const char *old = getenv("MP2ML_CPU");
    char *keep = old != NULL ? strdup(old) : NULL;
    (void)state;
    setenv("MP2ML_CPU", "portable", 1);
    assert_ptr_equal(mpc_kernels_pick(), mpc_kernels_portable());
    assert_null(mpc_kernels_avx512());
    setenv("MP2ML_CPU", "avx512", 1);
    if (cpu_level() == CPU_AVX512)
        assert_ptr_equal(mpc_kernels_pick(), mpc_kernels_avx512());
    if (keep != NULL)
        setenv("MP2ML_CPU", keep, 1);
    else
        unsetenv("MP2ML_CPU");
    free(keep);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_planes), cmocka_unit_test(test_ands), cmocka_unit_test(test_mux),
        cmocka_unit_test(test_extend), cmocka_unit_test(test_pick),
    };
    return cmocka_run_group_tests(tests, group_begin, group_end);
}
