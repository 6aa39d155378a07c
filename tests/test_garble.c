/* SPDX-License-Identifier: Apache-2.0
 *
 * Garbling. Every kernel table against the portable one, for all numbers of lanes around the widths
 * of registers; then the laws: for both values of all wires the evaluator ends with the label of
 * the right value, and projections and transfers add up. Labels of transfers: the offset has bit 0,
 * rows and choices fit it, tweaks never repeat. */
#include "mpc/garble.h"
#include "mpc_pair.h"

enum { MAX = 150, WORDS = MAX / 64 + 1 };

static uint64_t seed = 11;

static void fill(void *p, size_t words)
{
    uint64_t *w = (uint64_t *)p;
    for (size_t i = 0; i < words; i++)
        w[i] = test_random(&seed);
}

struct lanes { /* one of everything */
    struct block sum[MAX + 1], first[MAX + 1], second[MAX + 1];
    uint64_t number[MAX + 1], row[MAX + 1], share[MAX + 1];
};
struct inputs {
    struct block a[MAX], b[MAX], hash[4][MAX], offset;
    uint64_t plane[WORDS], z[MAX];
    struct garble_hash of_a, of_b, one_a, one_b; /* garbler's, evaluator's */
};

static struct inputs *inputs_new(void)
{
    struct inputs *in = (struct inputs *)calloc(1, sizeof *in);
    assert_non_null(in);
    fill(in->a, 2 * MAX);
    fill(in->b, 2 * MAX);
    fill(in->hash, (size_t)4 * 2 * MAX);
    fill(&in->offset, 2);
    in->offset.lo |= 1;
    fill(in->plane, WORDS);
    fill(in->z, MAX);
    in->of_a = (struct garble_hash){in->hash[0], in->hash[1]};
    in->of_b = (struct garble_hash){in->hash[2], in->hash[3]};
    in->one_a = (struct garble_hash){in->hash[0], NULL};
    in->one_b = (struct garble_hash){in->hash[2], NULL};
    return in;
}

/* Runs kernel `which` of a table on copies of the same inputs; false: no more kernels. */
static bool run_kernel(const struct garble_kernels *k, unsigned which, const struct inputs *in,
                       struct lanes *o, size_t n, unsigned bits)
{
    const struct garble_slice slice = {bits % 2, bits};
    switch (which) {
    case 0:
        k->add(o->sum, in->a, in->b, &in->offset, n);
        return true;
    case 1:
        k->flip(o->sum, in->plane, &in->offset, n);
        return true;
    case 2:
        k->garble_and(o->sum, o->first, o->second, in->a, in->b, &in->of_a, &in->of_b, &in->offset,
                      n);
        return true;
    case 3:
        k->evaluate_and(o->sum, o->first, o->second, in->a, in->b, &in->one_a, &in->one_b, n);
        return true;
    case 4:
        k->garble_known(o->sum, o->first, in->plane, in->b, &in->of_b, &in->offset, n);
        return true;
    case 5:
        k->evaluate_known(o->sum, o->first, in->b, &in->one_b, n);
        return true;
    case 6:
        k->project_send(o->number, o->row, in->a, &in->of_a, bits % 3 == 0 ? NULL : in->z, n,
                        slice);
        return true;
    case 7:
        k->project_recv(o->number, o->row, in->a, &in->one_a, n, slice);
        return true;
    case 8:
        k->transfer_send(o->share, o->row, &in->of_a, in->z, n, 64 - bits, slice);
        return true;
    case 9:
        k->transfer_recv(o->share, o->row, &in->one_a, in->plane, n, 64 - bits, slice);
        return true;
    default:
        return false;
    }
}

static void test_tables(void **state)
{
    const struct garble_kernels *wide = garble_kernels_avx512();
    (void)state;
    if (wide == NULL)
        skip();
    struct inputs *in = inputs_new();
    struct lanes *before = (struct lanes *)calloc(1, sizeof *before);
    struct lanes *want = (struct lanes *)calloc(1, sizeof *want);
    struct lanes *got = (struct lanes *)calloc(1, sizeof *got);
    fill(before, sizeof *before / 8);
    for (size_t n = 1; n <= MAX; n++)
        for (unsigned which = 0, more = 1; more != 0; which++) {
            const unsigned bits = (unsigned)(n % 64 + 1);
            *want = *before; /* compared whole: nothing is written behind n either */
            *got = *before;
            more = run_kernel(garble_kernels_portable(), which, in, want, n, bits);
            assert_int_equal(run_kernel(wide, which, in, got, n, bits), more);
            assert_memory_equal(got, want, sizeof *got);
        }
    free(in);
    free(before);
    free(want);
    free(got);
}

/* ---- laws ----------------------------------------------------------------------------------- */

static struct block label_of(struct block zero, struct block offset, uint64_t value)
{
    const uint64_t mask = 0 - (value & 1);
    return (struct block){zero.lo ^ (offset.lo & mask), zero.hi ^ (offset.hi & mask)};
}

/* What the evaluator has where the garbler has `in`: labels and hashes of random values. */
static void evaluators(struct inputs *e, const struct inputs *in, const uint64_t *a,
                       const uint64_t *b)
{
    for (size_t i = 0; i < MAX; i++) {
        e->a[i] = label_of(in->a[i], in->offset, a[i]);
        e->b[i] = label_of(in->b[i], in->offset, b[i]);
        e->hash[0][i] = in->hash[a[i] & 1][i];
        e->hash[2][i] = in->hash[2 + (b[i] & 1)][i];
    }
}

static void test_laws(void **state)
{
    const struct garble_kernels *k = garble_kernels_pick();
    struct inputs *in = inputs_new(), *e = inputs_new();
    struct lanes *g = (struct lanes *)calloc(1, sizeof *g);
    uint64_t a[MAX], b[MAX], share[MAX] = {0}, number[MAX];
    struct block sum[MAX];
    (void)state;
    for (unsigned bits = 1; bits <= 64; bits++) {
        const struct garble_slice slice = {bits % 2, bits};
        const uint64_t ring = bits == 64 ? UINT64_MAX : ((uint64_t)1 << bits) - 1;
        fill(a, MAX);
        fill(b, MAX);
        evaluators(e, in, a, b);
        fill(g->sum, 2 * MAX);
        for (size_t i = 0; i < MAX; i++)
            sum[i] = label_of(g->sum[i], in->offset, a[i] >> 1);
        k->garble_and(g->sum, g->first, g->second, in->a, in->b, &in->of_a, &in->of_b, &in->offset,
                      MAX);
        k->evaluate_and(sum, g->first, g->second, e->a, e->b, &e->one_a, &e->one_b, MAX);
        for (size_t i = 0; i < MAX; i++) {
            const struct block want = label_of(g->sum[i], in->offset, (a[i] >> 1) ^ (a[i] & b[i]));
            assert_memory_equal(&sum[i], &want, sizeof want);
        }
        k->garble_known(g->sum, g->first, in->plane, in->b, &in->of_b, &in->offset, MAX);
        k->evaluate_known(sum, g->first, e->b, &e->one_b, MAX);
        for (size_t i = 0; i < MAX; i++) {
            const struct block want =
                label_of(g->sum[i], in->offset, in->plane[i / 64] >> (i % 64) & b[i]);
            assert_memory_equal(&sum[i], &want, sizeof want);
        }
        k->project_send(g->number, g->row, in->a, &in->of_a, in->z, MAX, slice);
        k->project_recv(number, g->row, e->a, &e->one_a, MAX, slice);
        for (size_t i = 0; i < MAX; i++)
            assert_int_equal(number[i], (g->number[i] + (a[i] & 1) * in->z[i]) & ring);
        memset(g->share, 0, sizeof g->share);
        memset(share, 0, sizeof share);
        uint64_t plane[WORDS] = {0};
        for (size_t i = 0; i < MAX; i++)
            plane[i / 64] |= (a[i] & 1) << i % 64;
        k->transfer_send(g->share, g->row, &in->of_a, in->z, MAX, 64 - bits, slice);
        k->transfer_recv(share, g->row, &e->one_a, plane, MAX, 64 - bits, slice);
        for (size_t i = 0; i < MAX; i++)
            assert_int_equal(g->share[i] + share[i], (0 - (a[i] & 1) * in->z[i]) << (64 - bits));
    }
    free(in);
    free(e);
    free(g);
}

/* ---- labels of transfers -------------------------------------------------------------------- */

struct rows {
    struct block row[2][MAX], offset;
    uint64_t choice[WORDS];
};

static mp2ml_status rows_half(struct pair *p, enum party party, void *context)
{
    struct rows *r = (struct rows *)context;
    uint64_t skipped[WORDS];
    TRY(ot_reserve(p->ot[party], 1, party == PARTY_SERVER ? 2 * MAX : 0,
                   party == PARTY_SERVER ? 0 : 2 * MAX));
    for (unsigned half = 0; half < 2; half++) /* the second starts inside a word */
        if (party == PARTY_SERVER) {
            r->offset = ot_offset(p->ot[0]);
            ot_take_send_rows(p->ot[0], r->row[0], MAX);
        } else {
            ot_next_choices(p->ot[1], half == 0 ? MAX : 0, half == 0 ? skipped : r->choice, MAX);
            if (half == 1)
                assert_memory_equal(skipped, r->choice, sizeof skipped);
            ot_take_recv_rows(p->ot[1], r->row[1], MAX);
        }
    return MP2ML_OK;
}

static void test_rows(void **state)
{
    struct pair *p = (struct pair *)*state;
    struct rows r = {0};
    pair_run(p, rows_half, &r);
    assert_int_equal(r.offset.lo & 1, 1);
    for (size_t i = 0; i < MAX; i++) {
        const struct block t = label_of(r.row[0][i], r.offset, r.choice[i / 64] >> (i % 64));
        assert_memory_equal(&r.row[1][i], &t, sizeof t);
    }
    assert_int_equal(r.choice[MAX / 64] >> MAX % 64, 0);
    const uint64_t tweak = ot_garbling_tweaks(p->ot[0], 5);
    assert_int_equal(ot_garbling_tweaks(p->ot[0], 1), tweak + 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tables),
        cmocka_unit_test(test_laws),
        cmocka_unit_test(test_rows),
    };
    return cmocka_run_group_tests_name("garble", tests, pair_group_new, pair_group_free);
}
