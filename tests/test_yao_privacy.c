/* SPDX-License-Identifier: Apache-2.0
 *
 * What the peer sees of the Yao engine: every byte of OT_CHOICE and GARBLED is uniform for constant
 * inputs, and so are the shares that come out; rows that would tell d, were a tweak used twice, are
 * independent; the same inputs again give another frame. Each statistic has a control build, in
 * which the results stay right, where it must fail. */
#include "mpc/yao.h"
#include "mpc_pair.h"
#include "privacy_report.h"

enum { VALUES = 32768, K = 12, L = 22, HIGH = L - K + 1, FEW = 10 };

enum kind { RELU, RELU_BLIND, SIGN, MAX, ARGMAX, TOP, KINDS };
static const unsigned ring_of[KINDS] = {L, L, L, K, 2, 2};

struct watch { /* what both parties sent, by frame type */
    uint64_t count[256][256];
    uint8_t *garbled; /* the bodies of GARBLED, in order */
    size_t used, room;
};

static void watch_tap(void *context, bool sent, enum frame_type type, uint16_t step, uint8_t *part,
                      size_t length)
{
    struct watch *w = (struct watch *)context;
    (void)step;
    if (!sent)
        return;
    for (size_t i = 0; i < length; i++)
        w->count[type][part[i]]++;
    if (type == FRAME_GARBLED) {
        assert_true(length <= w->room - w->used);
        memcpy(w->garbled + w->used, part, length);
        w->used += length;
    }
}

struct run {
    enum kind kind;
    struct shared in, out;
    struct watch *watch[2];
    uint64_t *scratch[2];
};

static mp2ml_status step_half(struct pair *p, enum party party, void *context)
{
    static const uint32_t first[] = {0, 4};
    static const uint32_t member[] = {0, 1, 2, 3};
    static const struct mpc_windows windows = {1, first, member};
    const struct run *r = (const struct run *)context;
    struct mpc *m = p->mpc[party];
    uint64_t *out = r->out.share[party];
    const uint64_t *in = r->in.share[party];
    uint64_t *scratch = r->scratch[party];
    const size_t columns = VALUES / 4;
    mpc_set_engine(m, MPC_YAO);
    switch (r->kind) {
    case RELU:
        return mpc_relu(m, 1, out, in, NULL, VALUES, K, L, 0);
    case RELU_BLIND:
        return mpc_relu(m, 1, out, in, NULL, VALUES, K, L, 3);
    case SIGN:
        return mpc_sign(m, 1, out, in, NULL, VALUES, K, L, 3);
    case MAX:
        return mpc_max(m, 1, out, in, &windows, columns, K, 2, scratch);
    case ARGMAX:
        return mpc_argmax(m, 1, out, in, &windows, columns, K, scratch);
    default:
        break;
    }
    return mpc_top(m, 1, out, in, &windows, columns, K, 2, scratch);
}

/* One pair of shares, many times over. */
static struct run *run_new(struct pair *p, enum kind kind, uint64_t x0, uint64_t x1)
{
    struct run *r = (struct run *)calloc(1, sizeof *r);
    assert_non_null(r);
    r->kind = kind;
    r->in = shared_new(VALUES);
    r->out = shared_new(VALUES);
    for (size_t i = 0; i < VALUES; i++) {
        r->in.share[0][i] = x0 & mpc_ring_mask(K);
        r->in.share[1][i] = x1 & mpc_ring_mask(K);
    }
    for (unsigned i = 0; i < 2; i++) {
        r->scratch[i] = words_new((size_t)4 * VALUES); /* more than mpc.h asks for */
        r->watch[i] = (struct watch *)calloc(1, sizeof(struct watch));
        r->watch[i]->room = (size_t)VALUES * 2048;
        r->watch[i]->garbled = (uint8_t *)malloc(r->watch[i]->room);
        assert_non_null(r->watch[i]->garbled);
        link_set_tap(p->link[i], watch_tap, r->watch[i]);
    }
    pair_run(p, step_half, r);
    for (unsigned i = 0; i < 2; i++)
        link_set_tap(p->link[i], NULL, NULL);
    return r;
}

static void run_free(struct run *r)
{
    for (unsigned i = 0; i < 2; i++) {
        free(r->scratch[i]);
        free(r->watch[i]->garbled);
        free(r->watch[i]);
    }
    shared_free(&r->in);
    shared_free(&r->out);
    free(r);
}

static void set_control(struct pair *p, unsigned control)
{
    mpc_set_control(p->mpc[0], control);
    mpc_set_control(p->mpc[1], control);
}

static double bytes_z(const struct watch *w, enum frame_type type)
{
    uint64_t total = 0;
    for (unsigned b = 0; b < 256; b++)
        total += w->count[type][b];
    assert_true(total > 0);
    return fabs(uniform_z(w->count[type], 256));
}

static double shares_z(const struct run *r, unsigned party)
{
    const unsigned l = ring_of[r->kind], bits = l < FEW ? l : FEW;
    const size_t n = r->kind < MAX ? VALUES : r->kind == TOP ? VALUES / 2 : VALUES / 4;
    uint64_t count[1 << FEW] = {0};
    for (size_t i = 0; i < n; i++)
        count[r->out.share[party][i] >> (l - bits)]++;
    return fabs(uniform_z(count, (size_t)1 << bits));
}

/* For the report: the worst of the honest runs, the least of the controls. */
struct spread {
    double most, least;
};
static void merge(struct spread *s, double z, bool uniform)
{
    assert_true(uniform ? z < UNIFORM_Z : z > 20 * UNIFORM_Z);
    s->most = uniform ? fmax(s->most, z) : s->most;
    s->least = uniform ? s->least : fmin(s->least, z);
}

static void test_uniform(void **state)
{
    static const uint64_t inputs[][2] = {{0, 0}, {UINT64_MAX, UINT64_MAX}, {5, 3}, {0x3ff, 0xc01}};
    struct pair *p = (struct pair *)*state;
    struct spread choices = {0, INFINITY}, garbled = {0, INFINITY}, kept = {0, INFINITY};
    for (unsigned kind = 0; kind < KINDS; kind++)
        for (unsigned i = 0; i < 5; i++) { /* the last one is the control */
            const uint64_t *x = inputs[i < 4 ? i : 2];
            set_control(p, i < 4 ? 0 : MPC_CONTROL_KEYS | MPC_CONTROL_PADS);
            struct run *r = run_new(p, (enum kind)kind, x[0], x[1]);
            merge(&choices, bytes_z(r->watch[1], FRAME_OT_CHOICE), i < 4);
            merge(&garbled, bytes_z(r->watch[0], FRAME_GARBLED), i < 4);
            merge(&kept, shares_z(r, 0), i < 4);
            merge(&kept, shares_z(r, 1), i < 4);
            run_free(r);
        }
    set_control(p, 0);
    privacy_report(1, "deviations of the Yao engine's OT_CHOICE from uniform", choices.most,
                   UNIFORM_Z, choices.least);
    privacy_report(1, "deviations of GARBLED from uniform", garbled.most, UNIFORM_Z, garbled.least);
    privacy_report(4, "deviations of the shares after the Yao engine from uniform", kept.most,
                   UNIFORM_Z, kept.least);
}

/* Rows of V = Z + d and V2 = Z2 + d*t of all values. Were the pads of both the same, their
 * difference would be 0, 2 or -2. */
static double rows_z(struct pair *p)
{
    struct run *r = run_new(p, RELU, 5, 3);
    uint64_t *v = words_new(GARBLE_LANES), *v2 = words_new(GARBLE_LANES);
    uint64_t count[1 << FEW] = {0};
    const size_t n = GARBLE_LANES, tables = n * yao_sign_blocks(K, 0);
    const size_t frame = garble_frame_bytes(tables, n * yao_relu_row_bits(K, L));
    assert_int_equal(r->watch[0]->used, VALUES / n * frame);
    for (size_t f = 0; f < VALUES / n; f++) {
        const uint8_t *body = r->watch[0]->garbled + f * frame;
        size_t at = tables * 8 * sizeof(struct block);
        bits_unpack(v, body, &at, n, L);
        at += n * L; /* W */
        bits_unpack(v2, body, &at, n, HIGH);
        for (size_t i = 0; i < n; i++)
            count[(v[i] - v2[i]) & mpc_ring_mask(FEW)]++;
    }
    free(v);
    free(v2);
    run_free(r);
    return fabs(uniform_z(count, (size_t)1 << FEW));
}

static void test_rows(void **state)
{
    struct pair *p = (struct pair *)*state;
    const double z = rows_z(p);
    assert_true(z < UNIFORM_Z);
    set_control(p, MPC_CONTROL_TWEAKS);
    const double same = rows_z(p);
    set_control(p, 0);
    assert_true(same > 100 * UNIFORM_Z);
    privacy_report(1, "deviations of the difference of two projections of a sign from uniform", z,
                   UNIFORM_Z, same);
}

/* Two runs on the same shares: the XOR of their frames. */
static double again_z(struct pair *p)
{
    struct run *a = run_new(p, RELU, 5, 3), *b = run_new(p, RELU, 5, 3);
    uint64_t count[256] = {0};
    assert_int_equal(a->watch[0]->used, b->watch[0]->used);
    for (size_t i = 0; i < a->watch[0]->used; i++)
        count[a->watch[0]->garbled[i] ^ b->watch[0]->garbled[i]]++;
    run_free(a);
    run_free(b);
    return fabs(uniform_z(count, 256));
}

static void test_again(void **state)
{
    struct pair *p = (struct pair *)*state;
    const double z = again_z(p);
    assert_true(z < UNIFORM_Z);
    set_control(p, MPC_CONTROL_KEYS | MPC_CONTROL_TWEAKS);
    const double same = again_z(p);
    set_control(p, 0);
    assert_true(same > 100 * UNIFORM_Z);
    privacy_report(2, "deviations of the XOR of two GARBLED frames of one input from uniform", z,
                   UNIFORM_Z, same);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_uniform),
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_again),
    };
    return cmocka_run_group_tests_name("yao_privacy", tests, pair_group_new, pair_group_free);
}
