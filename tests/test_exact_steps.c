/* SPDX-License-Identifier: Apache-2.0
 *
 * Every operation on shares against its clear twin on every pair of shares of 6 bits, counted: none
 * is wrong. Control: bits of messages changed on the way, and some are. The wide widths, the
 * edges and the counts are in the test of each operation; this one gives the rows of the report. */
#include "mpc_pair.h"
#include "privacy_report.h"

enum { K = 6, L = 16, BLIND = 2, PAIRS = 1 << 2 * K };
enum kind { RELU, RELU_BLIND, SIGN, SIGN_BLIND, REENTRY, MAX, ARGMAX, SQUARE, KINDS };
static const char *const names[KINDS] = {
    "wrong results of ReLU over all pairs of shares, k = 6",
    "wrong results of ReLU and min(0, x) in turn, blind to 2 bits, k = 6",
    "wrong results of Sign over all pairs of shares, k = 6",
    "wrong results of Sign and -Sign in turn, blind to 2 bits, k = 6",
    "wrong results of re-entry over all pairs of shares of legal values, k = 6",
    "wrong results of the maximum over all pairs of shares of legal values, k = 6",
    "wrong results of argmax over all pairs of shares of legal values, k = 6",
    "wrong results of the square over all pairs of shares of legal values, k = 6"};

struct job {
    enum kind kind;
    struct shared in;
    struct shared out;
    uint64_t negative[PAIRS / 64]; /* the blind ones: every other place */
    struct mpc_windows windows;    /* pairs of neighbours */
};

static mp2ml_status step_half(struct pair *p, enum party party, void *context)
{
    struct job *j = context;
    uint64_t *out = j->out.share[party];
    const uint64_t *in = j->in.share[party];
    struct mpc *m = p->mpc[party];
    const size_t n = j->in.n;
    uint64_t *scratch =
        words_new(mpc_argmax_scratch(&j->windows, 1) + mpc_max_scratch(&j->windows, 1));
    mp2ml_status status = MP2ML_ERR_ARGUMENT;
    switch (j->kind) {
    case RELU:
        status = mpc_relu(m, 1, out, in, NULL, n, K, L, 0);
        break;
    case RELU_BLIND:
        status =
            mpc_relu(m, 1, out, in, party == PARTY_SERVER ? j->negative : NULL, n, K, L, BLIND);
        break;
    case SIGN:
        status = mpc_sign(m, 1, out, in, NULL, n, K, L, 0);
        break;
    case SIGN_BLIND:
        status =
            mpc_sign(m, 1, out, in, party == PARTY_SERVER ? j->negative : NULL, n, K, L, BLIND);
        break;
    case REENTRY:
        status = mpc_reentry(m, 1, out, in, n, K, L);
        break;
    case MAX:
        status = mpc_max(m, 1, out, in, &j->windows, 1, K, 0, scratch);
        break;
    case ARGMAX:
        status = mpc_argmax(m, 1, out, in, &j->windows, 1, K, scratch);
        break;
    default:
        status = mpc_square(m, 1, out, in, n, K, L);
        break;
    }
    free(scratch);
    return status;
}

static void clear_step(const struct job *j, uint64_t *want)
{
    if (j->kind == RELU)
        mpc_relu_clear(want, j->in.x, NULL, NULL, j->in.n, K, L, 0);
    else if (j->kind == RELU_BLIND)
        mpc_relu_clear(want, j->in.x, j->negative, j->in.share[1], j->in.n, K, L, BLIND);
    else if (j->kind == SIGN)
        mpc_sign_clear(want, j->in.x, NULL, NULL, j->in.n, K, L, 0);
    else if (j->kind == SIGN_BLIND)
        mpc_sign_clear(want, j->in.x, j->negative, j->in.share[1], j->in.n, K, L, BLIND);
    else if (j->kind == REENTRY)
        mpc_reentry_clear(want, j->in.x, j->in.n, K, L);
    else if (j->kind == MAX)
        mpc_max_clear(want, j->in.x, NULL, &j->windows, 1, K, 0, NULL);
    else if (j->kind == ARGMAX)
        mpc_argmax_clear(want, j->in.x, &j->windows, 1, K);
    else
        mpc_square_clear(want, j->in.x, j->in.n, K, L);
}

static unsigned out_bits(const struct job *j)
{
    return j->kind == MAX ? K : j->kind == ARGMAX ? mpc_index_bits(&j->windows) : L;
}

/* Keeps what the operation promises something for; a ReLU or Sign takes all, a blind one nearly all.
 */
static void legal_inputs(struct job *j)
{
    const int64_t half = (int64_t)1 << (K - 1), quarter = half / 2,
                  near = (int64_t)1 << (BLIND - 1);
    const bool whole = j->kind == RELU || j->kind == SIGN;
    const bool blind = j->kind == RELU_BLIND || j->kind == SIGN_BLIND;
    const int64_t limit = whole ? half : blind ? half - near : quarter;
    size_t legal = 0;
    j->in = shared_all_pairs(K);
    for (size_t i = 0; i < j->in.n; i++) {
        const int64_t x = as_signed(j->in.x[i], K);
        if (x < -limit || x >= limit)
            continue;
        j->in.x[legal] = j->in.x[i];
        j->in.share[0][legal] = j->in.share[0][i];
        j->in.share[1][legal++] = j->in.share[1][i];
    }
    j->in.n = legal & ~(size_t)1;
}

struct flip {
    bool done;
};

/* Changes the client's corrections of choices and its openings. */
static void flip_tap(void *context, bool sent, enum frame_type type, uint16_t step, uint8_t *part,
                     size_t length)
{
    struct flip *f = context;
    (void)step;
    if (!sent || (type != FRAME_OT_CHOICE && type != FRAME_AND_OPEN))
        return;
    for (size_t i = 0; i + 1 < length && i < 64; i++) /* none of the padding */
        part[i] ^= 0xff;
    f->done = true;
}

static size_t count_wrong(struct pair *p, enum kind kind, bool tampered)
{
    static uint32_t first[PAIRS / 2 + 1], member[PAIRS];
    struct job j = {.kind = kind};
    struct flip flip = {false};
    size_t wrong = 0;
    legal_inputs(&j);
    memset(j.negative, 0xaa, sizeof j.negative);
    const size_t windows = j.in.n / 2;
    for (size_t w = 0; w <= windows; w++)
        first[w] = (uint32_t)(2 * w);
    for (size_t i = 0; i < j.in.n; i++) /* neighbours at a distance: all kinds of pairs */
        member[i] = (uint32_t)(i % 2 == 0 ? i / 2 : j.in.n - 1 - i / 2);
    j.windows = (struct mpc_windows){windows, first, member};
    const size_t n = kind == MAX || kind == ARGMAX ? windows : j.in.n;
    j.out = shared_new(j.in.n);
    clear_step(&j, j.out.x);
    if (tampered)
        link_set_tap(p->link[1], flip_tap, &flip);
    pair_run(p, step_half, &j);
    link_set_tap(p->link[1], NULL, NULL);
    assert_true(flip.done == tampered);
    for (size_t i = 0; i < n; i++)
        wrong +=
            ((j.out.share[0][i] + j.out.share[1][i]) & mpc_ring_mask(out_bits(&j))) != j.out.x[i];
    shared_free(&j.in);
    shared_free(&j.out);
    return wrong;
}

static void all_pairs(void **state)
{
    struct pair *p = (struct pair *)*state;
    for (unsigned kind = 0; kind < KINDS; kind++) {
        const size_t wrong = count_wrong(p, (enum kind)kind, false);
        const size_t control = count_wrong(p, (enum kind)kind, true);
        privacy_report(6, names[kind], (double)wrong, 1, (double)control);
        assert_int_equal(wrong, 0);
        assert_true(control > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(all_pairs)};
    return cmocka_run_group_tests_name("exact_steps", tests, pair_group_new, pair_group_free);
}
