/* SPDX-License-Identifier: Apache-2.0
 *
 * Trouble on the wire: padding that is not zero is refused, other changed bits only change the
 * result, a peer that goes away gives a status; what failed leaves no output. */
#include "mpc_pair.h"

enum { VALUES = 13 }; /* no frame of a ReLU is whole bytes but the first's messages */

enum what { RELU, SIGN, REENTRY, PRODUCT, SQUARE, ARGMAX, TOP, OPEN };

struct fault {
    enum what what;
    enum party party; /* whose frame is changed on its way out */
    enum frame_type type;
    enum mpc_engine engine;
    unsigned number; /* which of that party's frames of the type */
    bool padding;    /* set the last bit of the body, else flip its first */
    bool stop;       /* instead: this party is gone before the frame leaves */
    unsigned seen;
    struct pair *pair;
    uint64_t out[2][VALUES], in[2][VALUES];
};

static void fault_tap(void *context, bool sent, enum frame_type type, uint16_t step, uint8_t *part,
                      size_t length)
{
    struct fault *f = (struct fault *)context;
    (void)step;
    if (!sent || type != f->type || f->seen++ != f->number)
        return;
    if (f->stop)
        channel_cancel(f->pair->channel[f->party]);
    else if (f->padding)
        part[length - 1] |= 0x80;
    else
        part[0] ^= 1;
}

static mp2ml_status fault_half(struct pair *p, enum party party, void *context)
{
    static const uint32_t first[] = {0, VALUES};
    static const uint32_t member[VALUES] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
    static const struct mpc_windows windows = {1, first, member};
    struct fault *f = (struct fault *)context;
    struct mpc *m = p->mpc[party];
    uint64_t *out = f->out[party];
    const uint64_t *in = f->in[party];
    uint64_t *scratch = words_new(mpc_argmax_scratch(&windows, 1)); /* more than mpc_top's */
    mp2ml_status status = MP2ML_ERR_ARGUMENT;
    mpc_set_engine(m, f->engine);
    if (f->what == RELU)
        status = mpc_relu(m, 1, out, in, NULL, VALUES, 12, 23, 3);
    else if (f->what == SIGN)
        status = mpc_sign(m, 1, out, in, NULL, VALUES, 12, 23, 3);
    else if (f->what == REENTRY)
        status = mpc_reentry(m, 1, out, in, VALUES, 12, 23);
    else if (f->what == PRODUCT)
        status = mpc_product(m, 1, out, in, in, VALUES, 12, 13, 23);
    else if (f->what == SQUARE)
        status = mpc_square(m, 1, out, in, VALUES, 12, 23);
    else if (f->what == TOP)
        status = mpc_top(m, 1, out, in, &windows, 1, 13, 2, scratch);
    else if (f->what == ARGMAX)
        status = mpc_argmax(m, 1, out, in, &windows, 1, 13, scratch);
    else
        status = mpc_open_to_client(m, 1, out, in, VALUES, 13);
    free(scratch);
    if (status != MP2ML_OK) { /* as a session that failed */
        link_abort(p->link[party]);
        channel_free(p->channel[party]);
        p->channel[party] = NULL;
    }
    return status;
}

static void run_fault(struct fault *f, mp2ml_status status[2])
{
    struct pair p;
    pair_new(&p, 4);
    f->pair = &p;
    memset(f->out, 0x5a, sizeof f->out);
    link_set_tap(p.link[f->party], fault_tap, f);
    pair_run_status(&p, fault_half, f, status);
    assert_true(f->seen > f->number); /* the frame was met */
    pair_free(&p);
}

static void assert_no_output(const struct fault *f, unsigned party)
{
    const unsigned n = f->what == ARGMAX ? 1 : f->what == TOP ? 2 : VALUES;
    for (unsigned i = 0; i < n; i++)
        assert_int_equal(f->out[party][i], 0);
}

static const struct fault places[] = {
    {.what = RELU, .party = PARTY_SERVER, .type = FRAME_AND_OPEN, .number = 0},
    {.what = RELU, .party = PARTY_CLIENT, .type = FRAME_AND_OPEN, .number = 7},
    {.what = RELU, .party = PARTY_SERVER, .type = FRAME_OT_CHOICE},
    {.what = RELU, .party = PARTY_CLIENT, .type = FRAME_OT_CHOICE},
    {.what = RELU, .party = PARTY_SERVER, .type = FRAME_OT_MESSAGE},
    {.what = RELU, .party = PARTY_CLIENT, .type = FRAME_OT_MESSAGE},
    {.what = SIGN, .party = PARTY_CLIENT, .type = FRAME_OT_CHOICE},
    {.what = SIGN, .party = PARTY_SERVER, .type = FRAME_OT_MESSAGE},
    {.what = REENTRY, .party = PARTY_CLIENT, .type = FRAME_OT_CHOICE},
    {.what = REENTRY, .party = PARTY_SERVER, .type = FRAME_OT_MESSAGE},
    {.what = PRODUCT, .party = PARTY_SERVER, .type = FRAME_OT_CHOICE},
    {.what = PRODUCT, .party = PARTY_CLIENT, .type = FRAME_OT_CHOICE},
    {.what = PRODUCT, .party = PARTY_SERVER, .type = FRAME_OT_MESSAGE},
    {.what = PRODUCT, .party = PARTY_CLIENT, .type = FRAME_OT_MESSAGE},
    {.what = SQUARE, .party = PARTY_SERVER, .type = FRAME_OT_CHOICE},
    {.what = SQUARE, .party = PARTY_CLIENT, .type = FRAME_OT_CHOICE},
    {.what = SQUARE, .party = PARTY_SERVER, .type = FRAME_OT_MESSAGE},
    {.what = SQUARE, .party = PARTY_CLIENT, .type = FRAME_OT_MESSAGE},
    {.what = TOP, .party = PARTY_CLIENT, .type = FRAME_OT_CHOICE},
    {.what = TOP, .party = PARTY_SERVER, .type = FRAME_AND_OPEN, .number = 20},
    {.what = ARGMAX, .party = PARTY_CLIENT, .type = FRAME_AND_OPEN},
    {.what = ARGMAX, .party = PARTY_SERVER, .type = FRAME_OT_MESSAGE},
    {.what = OPEN, .party = PARTY_SERVER, .type = FRAME_OPEN},
    {.what = RELU, .engine = MPC_YAO, .party = PARTY_CLIENT, .type = FRAME_OT_CHOICE},
    {.what = RELU, .engine = MPC_YAO, .party = PARTY_SERVER, .type = FRAME_GARBLED},
    {.what = SIGN, .engine = MPC_YAO, .party = PARTY_SERVER, .type = FRAME_GARBLED},
    {.what = ARGMAX, .engine = MPC_YAO, .party = PARTY_CLIENT, .type = FRAME_OT_CHOICE},
    {.what = ARGMAX, .engine = MPC_YAO, .party = PARTY_SERVER, .type = FRAME_GARBLED},
    {.what = TOP, .engine = MPC_YAO, .party = PARTY_CLIENT, .type = FRAME_OT_CHOICE},
    {.what = TOP, .engine = MPC_YAO, .party = PARTY_SERVER, .type = FRAME_GARBLED},
};

static void test_padding(void **state)
{
    (void)state;
    for (unsigned i = 0; i < sizeof places / sizeof *places; i++) {
        struct fault f = places[i];
        mp2ml_status status[2];
        f.padding = true;
        run_fault(&f, status);
        const unsigned receiver = 1 - f.party;
        assert_int_equal(status[receiver], MP2ML_ERR_PROTOCOL);
        assert_no_output(&f, receiver);
    }
}

static void test_other_bits(void **state)
{
    (void)state;
    for (unsigned i = 0; i < sizeof places / sizeof *places; i++) {
        struct fault f = places[i];
        mp2ml_status status[2];
        run_fault(&f, status);
        OK(status[0]);
        OK(status[1]);
    }
}

/* Neither party hangs, and the one that stays learns of it. */
static void test_peer_gone(void **state)
{
    (void)state;
    for (unsigned i = 0; i < sizeof places / sizeof *places; i++) {
        struct fault f = places[i];
        mp2ml_status status[2];
        f.stop = true;
        run_fault(&f, status);
        const unsigned other = 1 - f.party;
        assert_int_equal(status[f.party], MP2ML_ERR_CANCELLED);
        if (f.what != OPEN) /* the server has no output there */
            assert_no_output(&f, f.party);
        assert_true(status[other] == MP2ML_ERR_CLOSED || status[other] == MP2ML_ERR_ABORTED);
        assert_no_output(&f, other);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_padding),
        cmocka_unit_test(test_other_bits),
        cmocka_unit_test(test_peer_gone),
    };
    return cmocka_run_group_tests_name("mpc_faults", tests, NULL, NULL);
}
