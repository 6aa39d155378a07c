/* SPDX-License-Identifier: Apache-2.0
 *
 * What the peer sees: every byte of OT_CHOICE, OT_MESSAGE and AND_OPEN is uniform for constant
 * inputs, and so are the shares that come out. Each statistic has a control build, in which the
 * results stay right, where it must fail. */
#include "mpc_pair.h"
#include "privacy_report.h"

enum { VALUES = 65536 };

struct watch { /* what one party sent, by frame type */
    uint64_t count[256][256];
    uint8_t *message; /* the bodies of OT_MESSAGE, up to `room` bytes */
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
    for (size_t i = 0; type == FRAME_OT_MESSAGE && i < length && w->used < w->room; i++)
        w->message[w->used++] = part[i];
}

enum kind { RELU, RELU_SAME_RING, RELU_NEGATIVE, SIGN, REENTRY, MAX, ARGMAX };
static const struct {
    unsigned in_bits, out_bits;
} widths[] = {{12, 22}, {12, 12}, {12, 22}, {12, 22}, {12, 22}, {6, 6}, {12, 2}};

struct run {
    enum kind kind;
    const struct shared *in; /* 4 * VALUES of one pair of shares */
    uint64_t everywhere[VALUES / 64];
    struct shared out;
};

static mp2ml_status step_half(struct pair *p, enum party party, void *context)
{
    static const uint32_t first[] = {0, 4};
    static const uint32_t member[] = {0, 1, 2, 3};
    static const struct mpc_windows windows = {1, first, member};
    const struct run *r = (const struct run *)context;
    struct mpc *m = p->mpc[party];
    uint64_t *out = r->out.share[party];
    const uint64_t *in = r->in->share[party];
    const unsigned k = widths[r->kind].in_bits;
    const unsigned l = widths[r->kind].out_bits;
    uint64_t *scratch = words_new(mpc_argmax_scratch(&windows, VALUES));
    mp2ml_status status = MP2ML_ERR_ARGUMENT;
    switch (r->kind) {
    case RELU:
    case RELU_SAME_RING:
        status = mpc_relu(m, 1, out, in, NULL, VALUES, k, l, r->kind == RELU ? 3 : 0);
        break;
    case RELU_NEGATIVE: /* min(0, x) everywhere, blind to the lowest bits */
        status =
            mpc_relu(m, 1, out, in, party == PARTY_SERVER ? r->everywhere : NULL, VALUES, k, l, 3);
        break;
    case SIGN:
        status =
            mpc_sign(m, 1, out, in, party == PARTY_SERVER ? r->everywhere : NULL, VALUES, k, l, 3);
        break;
    case REENTRY:
        status = mpc_reentry(m, 1, out, in, VALUES, k, l);
        break;
    case MAX:
        status = mpc_max(m, 1, out, in, &windows, VALUES, k, 2, scratch);
        break;
    case ARGMAX:
        status = mpc_argmax(m, 1, out, in, &windows, VALUES, k, scratch);
        break;
    }
    free(scratch);
    return status;
}

/* Runs a step on one pair of shares, many times over. */
static struct run run_step(struct pair *p, enum kind kind, uint64_t x0, uint64_t x1,
                           struct watch *watch[2])
{
    struct shared in = shared_new((size_t)4 * VALUES);
    struct run r = {.kind = kind, .in = &in, .out = shared_new(VALUES)};
    memset(r.everywhere, 0xff, sizeof r.everywhere);
    for (size_t i = 0; i < in.n; i++) {
        in.share[0][i] = x0 & mpc_ring_mask(widths[kind].in_bits);
        in.share[1][i] = x1 & mpc_ring_mask(widths[kind].in_bits);
    }
    for (unsigned i = 0; i < 2; i++)
        link_set_tap(p->link[i], watch_tap, watch[i]);
    pair_run(p, step_half, &r);
    for (unsigned i = 0; i < 2; i++)
        link_set_tap(p->link[i], NULL, NULL);
    shared_free(&in);
    r.in = NULL;
    return r;
}

static void set_control(struct pair *p, unsigned control)
{
    mpc_set_control(p->mpc[0], control);
    mpc_set_control(p->mpc[1], control);
}

/* Largest and least |z| of the bytes of a frame type over the senders that have any. */
struct spread {
    double least, most;
};

static struct spread frames_z(struct watch *const watch[2], enum frame_type type)
{
    struct spread s = {INFINITY, -1};
    for (unsigned i = 0; i < 2; i++) {
        uint64_t total = 0;
        for (unsigned b = 0; b < 256; b++)
            total += watch[i]->count[type][b];
        if (total == 0)
            continue;
        const double z = fabs(uniform_z(watch[i]->count[type], 256));
        s.least = fmin(s.least, z);
        s.most = fmax(s.most, z);
    }
    assert_true(s.most >= 0); /* the step has such frames */
    return s;
}

/* Re-entry leaves the low k bits of a share as they were, so the high ones are looked at. */
static double shares_z(const struct run *r, unsigned party)
{
    const unsigned l = widths[r->kind].out_bits;
    const unsigned bits = l < 10 ? l : 10;
    uint64_t count[1024] = {0};
    for (size_t i = 0; i < VALUES; i++)
        count[r->out.share[party][i] >> (l - bits)]++;
    return fabs(uniform_z(count, (size_t)1 << bits));
}

/* For the report: the worst of the honest runs, the least of the controls. */
static struct spread wire = {INFINITY, 0}, kept = {INFINITY, 0};

/* One pair of input shares, often repeated: is all that a party sees or keeps uniform? */
static void check_uniform(struct pair *p, enum kind kind, uint64_t x0, uint64_t x1, bool uniform)
{
    struct watch *watch[2] = {(struct watch *)calloc(1, sizeof(struct watch)),
                              (struct watch *)calloc(1, sizeof(struct watch))};
    struct run r = run_step(p, kind, x0, x1, watch);
    const enum frame_type types[] = {FRAME_OT_CHOICE, FRAME_OT_MESSAGE, FRAME_AND_OPEN};
    for (unsigned i = 0; i < (kind == REENTRY ? 2 : 3); i++) {
        const struct spread s = frames_z(watch, types[i]);
        assert_true(uniform ? s.most < UNIFORM_Z : s.least > 100 * UNIFORM_Z);
        wire.most = uniform ? fmax(wire.most, s.most) : wire.most;
        wire.least = uniform ? wire.least : fmin(wire.least, s.least);
    }
    for (unsigned i = 0; i < 2; i++) {
        const double z = shares_z(&r, i);
        assert_true(uniform ? z < UNIFORM_Z : z > 100 * UNIFORM_Z);
        kept.most = uniform ? fmax(kept.most, z) : kept.most;
        kept.least = uniform ? kept.least : fmin(kept.least, z);
        free(watch[i]);
    }
    shared_free(&r.out);
}

static void test_uniform(void **state)
{
    static const uint64_t inputs[][2] = {{0, 0}, {UINT64_MAX, UINT64_MAX}, {5, 3}, {0x7ff, 0x801}};
    struct pair *p = (struct pair *)*state;
    for (unsigned kind = RELU; kind <= ARGMAX; kind++)
        for (unsigned i = 0; i < 4; i++)
            check_uniform(p, kind, inputs[i][0], inputs[i][1], true);
}

static void test_uniform_control(void **state)
{
    struct pair *p = (struct pair *)*state;
    set_control(p, MPC_CONTROL_TRIPLES | MPC_CONTROL_KEYS);
    for (unsigned kind = RELU; kind <= ARGMAX; kind++)
        check_uniform(p, kind, 5, 3, false);
    set_control(p, 0);
    privacy_report(1, "deviations of OT_CHOICE, OT_MESSAGE and AND_OPEN from uniform", wire.most,
                   UNIFORM_Z, wire.least);
    privacy_report(4, "deviations of the shares after non-linear steps from uniform", kept.most,
                   UNIFORM_Z, kept.least);
}

/* The three high messages of the 1-of-4 transfer, XORed. Were the masks K_i ^ L_j, it would be zero
 * wherever the server's share is not negative: that bit would be open. */
static double xor_z(struct pair *p)
{
    const unsigned k = widths[RELU].in_bits;
    const unsigned h = widths[RELU].out_bits - k;
    struct watch *watch[2] = {(struct watch *)calloc(1, sizeof(struct watch)),
                              (struct watch *)calloc(1, sizeof(struct watch))};
    watch[0]->room = bits_size(VALUES, k + 3 * h);
    watch[0]->message = (uint8_t *)malloc(watch[0]->room);
    struct run r = run_step(p, RELU, 5, 3, watch);
    assert_int_equal(watch[0]->used, watch[0]->room);
    uint64_t *part[3];
    size_t at = (size_t)VALUES * k;
    for (unsigned i = 0; i < 3; i++) {
        part[i] = words_new(VALUES);
        bits_unpack(part[i], watch[0]->message, &at, VALUES, h);
    }
    uint64_t count[1024] = {0};
    for (size_t i = 0; i < VALUES; i++)
        count[part[0][i] ^ part[1][i] ^ part[2][i]]++;
    for (unsigned i = 0; i < 3; i++)
        free(part[i]);
    free(watch[0]->message);
    free(watch[0]);
    free(watch[1]);
    shared_free(&r.out);
    return uniform_z(count, 1024);
}

static void test_one_of_four(void **state)
{
    struct pair *p = (struct pair *)*state;
    const double z = fabs(xor_z(p));
    assert_true(z < UNIFORM_Z);
    set_control(p, MPC_CONTROL_PLAIN_XOR);
    const double plain = xor_z(p);
    assert_true(plain > 100 * UNIFORM_Z);
    privacy_report(1, "deviations of the XOR of three 1-of-4 messages from uniform", z, UNIFORM_Z,
                   plain);
    set_control(p, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_uniform),
        cmocka_unit_test(test_uniform_control),
        cmocka_unit_test(test_one_of_four),
    };
    return cmocka_run_group_tests_name("mpc_privacy", tests, pair_group_new, pair_group_free);
}
