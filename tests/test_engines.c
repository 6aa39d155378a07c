/* SPDX-License-Identifier: Apache-2.0
 *
 * One suite for all engines: the same shares through ReLU, Sign, maximum, position of the maximum and top
 * places, in the clear, by GMW and by Yao; results and that shares lie in their ring. Where `blind`
 * leaves a choice, ReLUs and signs must still agree with the clear run on the same shares, and maxima must be
 * a value that the contract allows. */
#include <time.h>

#include "mpc/tournament.h"
#include "mpc_pair.h"

enum kind { RELU, SIGN, MAX, ARGMAX, TOP };
struct job {
    enum kind kind;
    enum mpc_engine engine;
    unsigned k, l, blind, top;
    const uint64_t *negative; /* the server's, or NULL */
    const struct mpc_windows *windows;
    size_t batch, outputs;
    const struct shared *in;
    uint64_t *out[2];
};

static mp2ml_status job_half(struct pair *p, enum party party, void *context)
{
    const struct job *j = (const struct job *)context;
    struct mpc *m = p->mpc[party];
    const uint64_t *in = j->in->share[party];
    uint64_t *out = j->out[party];
    mp2ml_status status = MP2ML_ERR_ARGUMENT;
    mpc_set_engine(m, j->engine);
    if (j->kind == RELU)
        return mpc_relu(m, 1, out, in, party == PARTY_SERVER ? j->negative : NULL, j->in->n, j->k,
                        j->l, j->blind);
    if (j->kind == SIGN)
        return mpc_sign(m, 1, out, in, party == PARTY_SERVER ? j->negative : NULL, j->in->n, j->k,
                        j->l, j->blind);
    const size_t scratch_values = mpc_max_scratch(j->windows, j->batch) +
                                  mpc_argmax_scratch(j->windows, j->batch) +
                                  mpc_top_scratch(j->windows, j->batch);
    uint64_t *scratch = words_new(scratch_values);
    if (j->kind == MAX)
        status = mpc_max(m, 1, out, in, j->windows, j->batch, j->k, j->blind, scratch);
    else if (j->kind == ARGMAX)
        status = mpc_argmax(m, 1, out, in, j->windows, j->batch, j->k, scratch);
    else
        status = mpc_top(m, 1, out, in, j->windows, j->batch, j->k, j->top, scratch);
    free(scratch);
    return status;
}

static unsigned ring_of(const struct job *j)
{
    if (j->kind == RELU || j->kind == SIGN)
        return j->l;
    return j->kind == MAX ? j->k : mpc_index_bits(j->windows);
}

/* Maxima with blind signs: a member that no other exceeds by more than `rounds` steps of
 * 2^(blind-1). */
static void assert_nearly_max(const struct job *j)
{
    for (size_t w = 0; w < j->windows->count; w++)
        for (size_t b = 0; b < j->batch; b++) {
            const size_t at = w * j->batch + b;
            const size_t length = tournament_length(j->windows, w);
            int64_t best = INT64_MIN;
            bool member = false;
            unsigned rounds = 0;
            while ((size_t)1 << rounds < length)
                rounds++;
            const uint64_t got = (j->out[0][at] + j->out[1][at]) & mpc_ring_mask(j->k);
            for (size_t s = 0; s < length; s++) {
                const uint64_t x =
                    j->in->x[j->windows->member[j->windows->first[w] + s] * j->batch + b];
                best = as_signed(x, j->k) > best ? as_signed(x, j->k) : best;
                member = member || x == got;
            }
            assert_true(member);
            assert_true(best - as_signed(got, j->k) <= (int64_t)rounds << (j->blind - 1));
        }
}

/* Runs the job by both engines against the clear. */
static void check_job(struct pair *p, struct job *j)
{
    uint64_t *want = words_new(j->outputs);
    if (j->kind == RELU)
        mpc_relu_clear(want, j->in->x, j->negative, j->in->share[1], j->in->n, j->k, j->l,
                       j->blind);
    else if (j->kind == SIGN)
        mpc_sign_clear(want, j->in->x, j->negative, j->in->share[1], j->in->n, j->k, j->l,
                       j->blind);
    else if (j->kind == MAX)
        mpc_max_clear(want, j->in->x, NULL, j->windows, j->batch, j->k, 0, NULL);
    else if (j->kind == ARGMAX)
        mpc_argmax_clear(want, j->in->x, j->windows, j->batch, j->k);
    else
        mpc_top_clear(want, j->in->x, j->windows, j->batch, j->k, j->top);
    for (unsigned e = 0; e < MPC_ENGINE_COUNT; e++) {
        j->engine = (enum mpc_engine)e;
        j->out[0] = words_new(j->outputs);
        j->out[1] = words_new(j->outputs);
        pair_run(p, job_half, j);
        if (j->kind == MAX && j->blind > 0)
            assert_nearly_max(j);
        else
            assert_shares(j->out[0], j->out[1], want, j->outputs, ring_of(j));
        free(j->out[0]);
        free(j->out[1]);
    }
    free(want);
}

/* ---- ReLU and Sign -------------------------------------------------------------------------- */

/* Blind signs take |x| < 2^(k-1) - 2^(blind-1). */
static void check_relu(struct pair *p, struct shared *in, unsigned k, unsigned l, unsigned blind,
                       bool negative)
{
    uint64_t *plane = words_new(mpc_words(in->n));
    uint64_t seed = k + l;
    for (size_t i = 0; i < mpc_words(in->n); i++)
        plane[i] = test_random(&seed);
    const int64_t limit = ((int64_t)1 << (k - 1)) - (blind > 0 ? (int64_t)1 << (blind - 1) : 0);
    for (size_t i = 0; blind > 0 && i < in->n; i++) {
        const int64_t x = as_signed(in->x[i], k);
        if (x >= limit || x <= -limit) {
            in->x[i] = 0;
            in->share[1][i] = (0 - in->share[0][i]) & mpc_ring_mask(k);
        }
    }
    struct job j = {.kind = RELU,
                    .k = k,
                    .l = l,
                    .blind = blind,
                    .negative = negative ? plane : NULL,
                    .in = in,
                    .outputs = in->n};
    check_job(p, &j);
    j.kind = SIGN; /* whose ring is its own */
    check_job(p, &j);
    j.l = 2;
    check_job(p, &j);
    free(plane);
}

static void test_relu_all_shares(void **state)
{
    struct pair *p = (struct pair *)*state;
    for (unsigned k = 4; k <= 6; k++)
        for (unsigned l = k; l <= k + 3; l++)
            for (unsigned negative = 0; negative < 2; negative++) {
                struct shared in = shared_all_pairs(k);
                check_relu(p, &in, k, l, 0, negative != 0);
                if (k > 4)
                    check_relu(p, &in, k, l, k - 4, negative != 0);
                shared_free(&in);
            }
}

static void test_relu_all_values(void **state)
{
    struct pair *p = (struct pair *)*state;
    for (unsigned k = 4; k <= 8; k++)
        for (unsigned blind = 0; blind <= k - 4; blind++) {
            struct shared in = shared_new((size_t)8 << k);
            for (size_t i = 0; i < in.n; i++)
                in.x[i] = i & mpc_ring_mask(k);
            shared_split(&in, k, 5 + k);
            check_relu(p, &in, k, k + 10, blind, blind % 2 != 0);
            shared_free(&in);
        }
}

static void test_relu_random(void **state)
{
    static const struct {
        size_t n;
        unsigned k, l, blind;
    } cases[] = {
        {1, 16, 32, 0},    {2, 4, 48, 0},     {63, 18, 18, 7},   {64, 18, 28, 7},
        {65, 20, 48, 16},  {1023, 12, 22, 3}, {1024, 14, 24, 0}, {1025, 16, 26, 2},
        {4097, 17, 27, 1}, {700, 32, 48, 0},  {700, 32, 32, 28}, {300, 9, 9, 0},
    };
    struct pair *p = (struct pair *)*state;
    for (unsigned c = 0; c < sizeof cases / sizeof *cases; c++) {
        struct shared in = shared_new(cases[c].n);
        uint64_t seed = 77 + c;
        for (size_t i = 0; i < in.n; i++) {
            const uint64_t edges[] = {0, UINT64_MAX, (uint64_t)1 << (cases[c].k - 1),
                                      ((uint64_t)1 << (cases[c].k - 1)) - 1};
            const uint64_t x = i % 5 < 4 && i < 40 ? edges[i % 5] : test_random(&seed);
            in.x[i] = x & mpc_ring_mask(cases[c].k);
        }
        shared_split(&in, cases[c].k, 99 + c);
        check_relu(p, &in, cases[c].k, cases[c].l, cases[c].blind, c % 2 != 0);
        shared_free(&in);
    }
}

/* More values than the choices of one group: the second starts afresh. */
static void test_relu_groups(void **state)
{
    struct pair *p = (struct pair *)*state;
    struct shared in = shared_new(270000); /* of 32 bits: 2^18 make a group */
    uint64_t seed = 1;
    for (size_t i = 0; i < in.n; i++)
        in.x[i] = test_random(&seed) & mpc_ring_mask(32);
    shared_split(&in, 32, 3);
    check_relu(p, &in, 32, 33, 20, true);
    shared_free(&in);
}

static void slow_tap(void *context, bool sent, enum frame_type type, uint16_t step, uint8_t *part,
                     size_t length)
{
    bool *slept = (bool *)context;
    (void)step;
    (void)part;
    (void)length;
    if (sent || type != FRAME_GARBLED || *slept)
        return;
    const struct timespec pause = {.tv_nsec = 300000000};
    nanosleep(&pause, NULL);
    *slept = true;
}

/* The server is done long before the client, and does not use its channel again: all that it
 * garbled has left. */
static void test_slow_client(void **state)
{
    struct pair *p = (struct pair *)*state;
    for (unsigned windowed = 0; windowed < 2; windowed++) {
        static const uint32_t first[] = {0, 2}, member[] = {0, 1};
        static const struct mpc_windows windows = {1, first, member};
        /* About 12 MB: more than a socket holds, and what is left below the limit of a queue. */
        const size_t n = windowed != 0 ? 14000 : 24000;
        struct shared in = shared_new(n);
        shared_split(&in, 16, 3);
        struct job j = {.kind = windowed != 0 ? MAX : RELU,
                        .engine = MPC_YAO,
                        .k = 16,
                        .l = 32,
                        .windows = &windows,
                        .batch = n / 2,
                        .in = &in,
                        .out = {words_new(n), words_new(n)}};
        bool slept = false;
        link_set_tap(p->link[1], slow_tap, &slept);
        for (unsigned i = 0; i < 2; i++)
            channel_set_timeout(p->channel[i], 3000);
        pair_run(p, job_half, &j);
        for (unsigned i = 0; i < 2; i++)
            channel_set_timeout(p->channel[i], 60000);
        link_set_tap(p->link[1], NULL, NULL);
        assert_true(slept);
        shared_free(&in);
        free(j.out[0]);
        free(j.out[1]);
    }
}

/* ---- windows -------------------------------------------------------------------------------- */

/* -2^(k-2) <= x < 2^(k-2), of few values now and then, so that there are ties; with less room where
 * signs are blind, since they take differences below 2^(k-1) - 2^(blind-1). */
static struct shared members(size_t n, unsigned k, bool blind, uint64_t seed)
{
    struct shared in = shared_new(n);
    for (size_t i = 0; i < n; i++) {
        const uint64_t r = test_random(&seed), guard = (uint64_t)1 << (blind ? k - 3 : k - 2);
        const uint64_t few = i / 64 % 2 == 0 ? 3 : 2 * guard - 1;
        const uint64_t x = r >> 60 == 0 ? 0 : r >> 60 == 1 ? 2 * guard - 1 : r & few;
        in.x[i] = (x - guard) & mpc_ring_mask(k);
    }
    shared_split(&in, k, seed);
    return in;
}

static void check_windows(struct pair *p, const struct mpc_windows *windows, size_t batch,
                          unsigned k, size_t neurons)
{
    struct shared in = members(neurons * batch, k, false, k + batch);
    struct shared less = members(neurons * batch, k, true, k + batch);
    struct job j = {.k = k, .l = k, .windows = windows, .batch = batch, .in = &in};
    j.outputs = windows->count * batch;
    j.kind = MAX;
    check_job(p, &j);
    j.in = &less;
    for (j.blind = 1; j.blind <= k - 4; j.blind += 2)
        check_job(p, &j);
    j.in = &in;
    j.blind = 0;
    j.kind = ARGMAX;
    check_job(p, &j);
    size_t shortest = SIZE_MAX;
    for (size_t w = 0; w < windows->count; w++) {
        const size_t length = tournament_length(windows, w);
        shortest = length < shortest ? length : shortest;
    }
    j.kind = TOP;
    for (j.top = 1; j.top <= 5 && j.top <= shortest; j.top += 2) {
        j.outputs = windows->count * j.top * batch;
        if (k + mpc_index_bits(windows) <= MPC_MAX_BITS)
            check_job(p, &j);
    }
    shared_free(&in);
    shared_free(&less);
}

/* Every length from 1 to 25 in one call, members in no order and in several windows. */
static void test_windows_mixed(void **state)
{
    enum { LENGTHS = 25, MEMBERS = LENGTHS * (LENGTHS + 1) / 2, NEURONS = 97 };
    uint32_t first[LENGTHS + 1] = {0}, member[MEMBERS];
    for (unsigned w = 0; w < LENGTHS; w++)
        first[w + 1] = first[w] + (w * 7 % LENGTHS + 1);
    for (unsigned i = 0; i < MEMBERS; i++)
        member[i] = i * 31 % NEURONS;
    const struct mpc_windows windows = {LENGTHS, first, member};
    for (unsigned k = 4; k <= 20; k += 4)
        check_windows((struct pair *)*state, &windows, 1 + k / 4, k, NEURONS);
}

/* One length, so that top places are looked at too; batches around a block. */
static void test_windows_equal(void **state)
{
    enum { WINDOWS = 7, MOST = 25 };
    for (unsigned length = 1; length <= MOST; length += length < 10 ? 1 : 5) {
        uint32_t first[WINDOWS + 1] = {0}, member[WINDOWS * MOST];
        for (unsigned w = 0; w < WINDOWS; w++)
            first[w + 1] = first[w] + length;
        for (unsigned i = 0; i < WINDOWS * length; i++)
            member[i] = i;
        const struct mpc_windows windows = {WINDOWS, first, member};
        check_windows((struct pair *)*state, &windows, length == 6 ? 200 : 3, 8 + length % 5,
                      WINDOWS * length);
    }
}

/* Longer than a chunk: winners of chunks meet, the last chunk with fewer rounds. */
static void test_windows_long(void **state)
{
    enum { LONG = 1500 };
    static uint32_t member[LONG];
    for (unsigned i = 0; i < LONG; i++)
        member[i] = LONG - 1 - i;
    for (unsigned length = 1024; length <= LONG; length += length < 1025 ? 1 : 475) {
        const uint32_t first[2] = {0, length};
        const struct mpc_windows windows = {1, first, member};
        check_windows((struct pair *)*state, &windows, 1, 6, LONG);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_relu_all_shares), cmocka_unit_test(test_relu_all_values),
        cmocka_unit_test(test_relu_random),     cmocka_unit_test(test_relu_groups),
        cmocka_unit_test(test_windows_mixed),   cmocka_unit_test(test_windows_equal),
        cmocka_unit_test(test_windows_long),    cmocka_unit_test(test_slow_client),
    };
    return cmocka_run_group_tests_name("engines", tests, pair_group_new, pair_group_free);
}
