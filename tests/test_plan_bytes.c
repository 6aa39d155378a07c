/* SPDX-License-Identifier: Apache-2.0
 *
 * The public plan as bytes: the way there and back, and what must be refused. */
#include "base/bytes.h"
#include "plan_fixture.h"

static void blind(struct plan *plan)
{
    uint8_t sign_bits[PLAN_MAX_STEPS];
    memset(sign_bits, 9, sizeof sign_bits);
    plan_set_sign_bits(plan, sign_bits);
}

static struct plan *sample_plan(struct net *net, bool logits)
{
    net_init(net, 70);
    const struct window conv = {3, 1, true, false, 1}, pool = {2, 2, false, false, 1};
    int x = net_relu(net, net_conv(net, net_input(net, DIMS(4, 4, 1)), 2, conv));
    int y = net_window(net, GRAPH_MAX_POOL, net_conv(net, x, 2, conv), 0, pool);
    y = net_dense(net, net_flat(net, y), 4);
    net_output(net, net_same(net, GRAPH_ADD, y, net_dense(net, net_input(net, DIMS(3)), 4)));
    struct plan_options o = net_logits();
    o.policy = logits ? PLAN_LOGITS : PLAN_ARGMAX;
    o.low = -1;
    struct plan *plan = net_plan(net, &o);
    net_scaled(plan, 13, 17);
    blind(plan);
    return plan;
}

/* Products, a square and the best two of the outputs, or their values. */
static struct plan *product_plan(struct net *net, bool logits)
{
    net_init(net, 71);
    int x = net_input(net, DIMS(3, 4));
    int y = net_dense(net, net_flat(net, x), 12); /* clipped at 0.2 */
    int clip = net_const(net, 0.0, DIMS(1));
    net_node(net, clip)->value.f[0] = 0.2f;
    net_node(net, clip)->attribute = true;
    int above = net_relu(net, net_same(net, GRAPH_SUB, y, clip));
    y = net_same(net, GRAPH_SUB, net_relu(net, y), above);
    y = net_add(net, GRAPH_RESHAPE, y, -1, DIMS(3, 4));
    int gate = net_dense(net, net_flat(net, x), 4);
    gate = net_add(net, GRAPH_RESHAPE, gate, -1, DIMS(1, 4));
    y = net_flat(net, net_same(net, GRAPH_MUL, y, gate));
    y = net_dense(net, y, 5);
    y = net_same(net, GRAPH_MUL, y, y);
    int z = net_dense(net, net_flat(net, x), 5);
    y = net_dense(net, net_same(net, GRAPH_MUL, z, net_dense(net, y, 5)), 4);
    net_output(net, y);
    struct plan_options o = net_logits();
    o.policy = logits ? PLAN_LOGITS : PLAN_TOP;
    o.top = 2;
    struct plan *plan = net_plan(net, &o);
    net_scaled(plan, 13, 16);
    blind(plan);
    return plan;
}

/* A sign behind a batch norm that stays beside it, and one whose values are the answer. */
static struct plan *sign_plan(struct net *net, bool logits)
{
    net_init(net, 72);
    int x = net_dense(net, net_input(net, DIMS(6)), 8);
    int y = net_dense(net, net_same(net, GRAPH_SIGN, x, -1), 4);
    y = net_same(net, GRAPH_SOFTMAX, net_add(net, GRAPH_RESHAPE, y, -1, DIMS(2, 2)), -1);
    net_node(net, y)->axis = 1;
    net_output(net, y);
    net_output(net, net_same(net, GRAPH_SIGN, net_dense(net, x, 3), -1));
    struct plan_options o = net_logits();
    o.policy = logits ? PLAN_LOGITS : PLAN_ARGMAX;
    o.low = -1;
    struct plan *plan = net_plan(net, &o);
    net_scaled(plan, 13, 17);
    blind(plan);
    return plan;
}

static struct writer written(const struct plan_public *pub)
{
    struct writer w;
    writer_init(&w);
    assert_int_equal(plan_public_write(&w, pub), MP2ML_OK);
    return w;
}

static mp2ml_status read_back(struct plan_public *out, const void *data, size_t size,
                              const struct plan_limits *limits)
{
    struct plan_limits usual;
    plan_limits_init(&usual);
    struct reader r = reader_init(data, size);
    mp2ml_error err = {MP2ML_OK, ""};
    mp2ml_status status = plan_public_read(out, &r, limits != NULL ? limits : &usual, &err);
    if (status == MP2ML_OK && reader_done(&r) != MP2ML_OK) {
        plan_public_wipe(out);
        status = MP2ML_ERR_PROTOCOL;
    }
    return status;
}

static void there_and_back(void **state)
{
    (void)state;
    for (unsigned variant = 0; variant < 6; variant++) {
        struct net net;
        struct plan *plan = variant < 2   ? sample_plan(&net, variant)
                            : variant < 4 ? product_plan(&net, variant % 2)
                                          : sign_plan(&net, variant % 2);
        struct writer w = written(&plan->pub);
        struct plan_public *pub = calloc(1, sizeof *pub);
        assert_non_null(pub);
        assert_int_equal(read_back(pub, w.data, w.size, NULL), MP2ML_OK);
        const struct plan_public *own = &plan->pub;
        assert_int_equal(pub->n_steps, own->n_steps);
        assert_int_equal(pub->policy, own->policy);
        assert_int_equal(pub->k_ss, own->k_ss);
        assert_int_equal(pub->top, own->top);
        assert_int_equal(pub->n_inputs, own->n_inputs);
        unsigned last = own->n_inputs - 1;
        assert_string_equal(pub->inputs[last].name, own->inputs[last].name);
        assert_memory_equal(&pub->inputs[0].low, &own->inputs[0].low, sizeof(double));
        assert_memory_equal(&pub->inputs[0].scale, &own->inputs[0].scale, sizeof(double));
        assert_true(pub->outputs[0].row == own->outputs[0].row &&
                    pub->outputs[0].step == own->outputs[0].step);
        assert_memory_equal(&pub->outputs[0].scale, &own->outputs[0].scale, sizeof(double));
        for (unsigned s = 0; s < own->n_steps; s++) {
            const struct plan_step *a = &pub->steps[s], *b = &own->steps[s];
            assert_int_equal(a->kind, b->kind);
            assert_int_equal(a->n_operands, b->n_operands);
            assert_memory_equal(a->operands, b->operands, sizeof a->operands);
            assert_memory_equal(a->shift, b->shift, sizeof a->shift);
            assert_int_equal(a->minus, b->minus);
            assert_int_equal(a->top, b->top);
            assert_true(a->count == b->count && a->k == b->k && a->l == b->l && a->set == b->set &&
                        a->blind == b->blind && a->out_bits == b->out_bits &&
                        a->tensor == b->tensor);
            assert_int_equal(a->windows.count, b->windows.count);
            if (a->windows.count != 0) {
                size_t n = a->windows.first[a->windows.count];
                assert_memory_equal(a->windows.first, b->windows.first, (a->windows.count + 1) * 4);
                assert_memory_equal(a->windows.member, b->windows.member, n * 4);
            }
            /* The server's own scales stay at home. */
            bool open = b->kind == STEP_INPUT || b->kind == STEP_OUTPUT;
            assert_true(open ? a->scale >= b->scale && a->scale <= b->scale : !(a->scale > 0));
        }
        struct writer again = written(pub);
        assert_int_equal(again.size, w.size);
        assert_memory_equal(again.data, w.data, w.size);
        writer_wipe(&again);
        plan_public_wipe(pub);
        free(pub);
        writer_wipe(&w);
        net_done(&net, plan);
    }
}

static void every_truncation_is_refused(void **state)
{
    struct net net;
    struct plan *plan = *state != NULL ? product_plan(&net, false) : sample_plan(&net, true);
    struct writer w = written(&plan->pub);
    struct plan_public *pub = calloc(1, sizeof *pub);
    for (size_t size = 0; size < w.size; size++) {
        uint8_t *cut = malloc(size + 1); /* so that a sanitiser sees the end */
        assert_non_null(cut);
        memcpy(cut, w.data, size);
        assert_int_equal(read_back(pub, cut, size, NULL), MP2ML_ERR_PROTOCOL);
        assert_null(pub->steps);
        free(cut);
    }
    free(pub);
    writer_wipe(&w);
    net_done(&net, plan);
}

static void every_truncation_of_products_is_refused(void **state)
{
    int products = 1;
    void *which = &products;
    (void)state;
    every_truncation_is_refused(&which);
}

/* Whatever is accepted must satisfy what its users rely on. */
static void relied_on(const struct plan_public *pub)
{
    for (unsigned s = 0; s < pub->n_steps; s++) {
        const struct plan_step *step = &pub->steps[s];
        assert_true(step->kind < STEP_KIND_COUNT && step->out_bits >= 1);
        assert_true(step->count >= 1 || (step->kind == STEP_OUTPUT && step->n_operands == 0));
        assert_true(step->k >= 1 && step->k <= 48 && step->l <= 48);
        for (unsigned i = 0; i < step->n_operands; i++)
            assert_true(step->operands[i] < s);
        if (step->kind == STEP_LINEAR)
            assert_true(step->l >= step->k && ckks_params(step->set) != NULL &&
                        step->k >= ckks_params(step->set)->min_k &&
                        step->l <= ckks_params(step->set)->max_l);
        if (step->kind == STEP_RELU || step->kind == STEP_SIGN || step->kind == STEP_REENTRY)
            assert_true(step->k <= 20 && step->l >= step->k &&
                        step->count == pub->steps[step->operands[0]].count);
        for (unsigned i = 0; i < step->n_operands && step->kind == STEP_LINEAR; i++)
            assert_true(step->shift[i] < 48 &&
                        pub->steps[step->operands[i]].out_bits + step->shift[i] >= step->l);
        if (step->kind == STEP_PRODUCT || step->kind == STEP_SQUARE) {
            unsigned last = step->kind == STEP_PRODUCT;
            assert_int_equal(step->n_operands, last + 1);
            assert_true(step->l > step->k && step->l > plan_factor_bits(pub, step, last) &&
                        plan_factor_bits(pub, step, last) <= 20 && step->k <= 20);
            for (size_t i = 0; i < step->count; i++)
                for (unsigned j = 0; j <= last; j++)
                    assert_true((step->windows.count != 0 ? step->windows.member[2 * i + j] : i) <
                                pub->steps[step->operands[j]].count);
        }
        if (step->kind == STEP_MAX || step->kind == STEP_ARGMAX) {
            size_t each = step->kind == STEP_ARGMAX && pub->top != 0 ? pub->top : 1;
            assert_true(step->windows.count != 0);
            assert_int_equal(step->windows.count * each, step->count);
            for (size_t w = 0; w < step->windows.count; w++)
                assert_true(step->windows.first[w] < step->windows.first[w + 1] &&
                            step->windows.first[w + 1] - step->windows.first[w] >= each);
            for (uint32_t m = 0; m < step->windows.first[step->windows.count]; m++)
                assert_true(step->windows.member[m] < pub->steps[step->operands[0]].count);
        }
        if (step->kind == STEP_OUTPUT)
            assert_true(step->count == pub->outputs[step->tensor].count);
        if (step->kind == STEP_INPUT)
            assert_true(step->count == pub->inputs[step->tensor].count);
    }
}

static void seeded_damage(void **state)
{
    struct net net;
    struct plan *plan = *state != NULL ? product_plan(&net, false) : sample_plan(&net, false);
    struct writer w = written(&plan->pub);
    struct plan_public *pub = calloc(1, sizeof *pub);
    uint8_t *bad = malloc(w.size);
    assert_true(pub != NULL && bad != NULL);
    uint64_t seed = 1;
    unsigned refused = 0;
    for (unsigned round = 0; round < 20000; round++) {
        memcpy(bad, w.data, w.size);
        for (unsigned flips = 1 + round % 4; flips > 0; flips--) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            size_t at = (size_t)(seed >> 33) % w.size;
            uint8_t to = (uint8_t)(seed >> 24);
            bad[at] = (uint8_t)(round % 2 ? to : bad[at] ^ (1u << (to & 7)));
        }
        if (read_back(pub, bad, w.size, NULL) != MP2ML_OK) {
            refused++;
            continue;
        }
        relied_on(pub);
        plan_public_wipe(pub);
    }
    assert_true(refused > 10000);
    free(bad);
    free(pub);
    writer_wipe(&w);
    net_done(&net, plan);
}

static void seeded_damage_of_products(void **state)
{
    int products = 1;
    void *which = &products;
    (void)state;
    seeded_damage(&which);
}

/* ---- one illegal thing at a time ---------------------------------------------------------------
 */

struct damage {
    struct plan_public *pub;
    unsigned linear, relu, max, reentry, last_linear, argmax, output;
    unsigned gate, square, product, sum; /* products: the first and the last */
    unsigned sign, last_sign;
};

static void damage_init(struct damage *d, struct plan *plan)
{
    *d = (struct damage){.pub = &plan->pub};
    for (unsigned s = plan->pub.n_steps; s-- > 0;) {
        enum step_kind kind = plan->pub.steps[s].kind;
        if (kind == STEP_LINEAR) {
            d->last_linear = d->last_linear != 0 ? d->last_linear : s;
            d->linear = s;
        }
        d->relu = kind == STEP_RELU ? s : d->relu;
        d->max = kind == STEP_MAX ? s : d->max;
        d->last_sign = kind == STEP_SIGN && d->last_sign == 0 ? s : d->last_sign;
        d->sign = kind == STEP_SIGN ? s : d->sign;
        d->reentry = kind == STEP_REENTRY ? s : d->reentry;
        d->argmax = kind == STEP_ARGMAX ? s : d->argmax;
        d->output = kind == STEP_OUTPUT ? s : d->output;
        d->sum = kind == STEP_SUM ? s : d->sum;
        d->square = kind == STEP_SQUARE ? s : d->square;
        d->product = kind == STEP_PRODUCT && d->product == 0 ? s : d->product;
        d->gate = kind == STEP_PRODUCT ? s : d->gate;
    }
}

#define REFUSED(what)                                                                              \
    do {                                                                                           \
        struct plan_step *steps = d.pub->steps;                                                    \
        (void)steps;                                                                               \
        unsigned n_ = d.pub->n_steps;                                                              \
        what;                                                                                      \
        struct writer w_ = written(d.pub);                                                         \
        d.pub->n_steps = n_; /* for freeing */                                                     \
        struct plan_public *got_ = calloc(1, sizeof *got_);                                        \
        if (read_back(got_, w_.data, w_.size, NULL) != MP2ML_ERR_PROTOCOL)                         \
            fail_msg("accepted: %s", #what);                                                       \
        writer_wipe(&w_);                                                                          \
        free(got_);                                                                                \
        net_done(&net, plan);                                                                      \
        plan = make(&net, logits);                                                                 \
        damage_init(&d, plan);                                                                     \
    } while (0)

static enum step_kind steps_kind(const struct plan *plan, unsigned s)
{
    return plan->pub.steps[s].kind;
}

static bool steps_have_windows(const struct plan *plan, unsigned s)
{
    return plan->pub.steps[s].windows.count != 0;
}

static void soft(struct plan_tensor *t, uint32_t row, uint32_t step)
{
    t->post = PLAN_POST_LOG_SOFTMAX;
    t->row = row;
    t->step = step;
}

static void illegal_plans(void **state)
{
    (void)state;
    struct net net;
    bool logits = true;
    struct plan *(*make)(struct net *, bool) = sample_plan;
    struct plan *plan = make(&net, logits);
    struct damage d;
    damage_init(&d, plan);
    net_has_steps(plan, "input input linear relu linear max re-entry linear output");
    REFUSED(steps[d.relu].operands[0] = (uint16_t)d.relu);
    REFUSED(steps[d.relu].operands[0] = 9999);
    REFUSED(steps[d.relu].operands[0] = 0); /* not in Z_{2^k} */
    REFUSED(steps[d.relu].count++);
    REFUSED(steps[d.relu].k--);
    REFUSED(steps[d.relu].l = steps[d.relu].out_bits = 49);
    REFUSED(steps[d.relu].l = steps[d.relu].out_bits = 12);
    REFUSED(steps[d.relu].out_bits--);
    REFUSED(steps[d.relu].set = CKKS_S1);
    REFUSED(steps[d.relu].n_operands = 0);
    REFUSED(steps[d.relu].n_operands = 2);
    REFUSED(steps[d.reentry].l = steps[d.reentry].out_bits -= 1); /* less than its reader's ring */
    REFUSED(steps[d.linear].shift[0] = 48);
    REFUSED(steps[d.last_linear].shift[0] = (uint8_t)steps[d.last_linear].l);
    REFUSED(steps[d.linear].l = 39);
    REFUSED(steps[d.linear].l = 12);
    REFUSED(steps[d.linear].k = steps[d.linear].out_bits = 9);
    REFUSED(steps[d.linear].k = steps[d.linear].out_bits = 21);
    REFUSED(steps[d.linear].set = 0);
    REFUSED(steps[d.linear].set = 3);
    REFUSED(steps[d.linear].set = 255);
    REFUSED(steps[d.linear].operands[0] = 2);
    REFUSED(steps[d.linear].n_operands = 0);
    REFUSED(steps[d.linear].count = 0);
    REFUSED(steps[d.linear].count = 0xffffffff);
    REFUSED(steps[d.linear].tensor = 1);
    REFUSED(steps[d.last_linear].set = CKKS_S1);                 /* opened */
    REFUSED(steps[d.last_linear].operands[0] = (uint16_t)d.max); /* without re-entry */
    REFUSED(steps[d.max].l++);
    REFUSED(steps[d.output].tensor = 1);
    REFUSED(steps[d.output].count--);
    REFUSED(steps[d.output].k--);
    REFUSED(steps[d.output].operands[0] = (uint16_t)d.reentry);
    REFUSED(steps[0].tensor = 1);
    REFUSED(steps[0].kind = STEP_RELU);
    REFUSED(steps[d.output].kind = STEP_KIND_COUNT);
    REFUSED(d.pub->n_steps--); /* no output */
    REFUSED(d.pub->policy = PLAN_ARGMAX);
    REFUSED(d.pub->policy = PLAN_TOP);
    REFUSED(d.pub->policy = 4);
    REFUSED(d.pub->top = 1);
    REFUSED(d.pub->k_ss = 3);
    uint32_t *member;
    REFUSED(memcpy(&member, &steps[d.max].windows.member, sizeof member); member[3] = 99999);
    REFUSED(memcpy(&member, &steps[d.max].windows.first, sizeof member); member[1] = 0);
    net_done(&net, plan);
    logits = false;
    plan = sample_plan(&net, logits);
    damage_init(&d, plan);
    REFUSED(steps[d.argmax].out_bits = steps[d.argmax].l = 3);
    REFUSED(steps[d.argmax].k = 16);
    REFUSED(steps[d.output].operands[0] = (uint16_t)d.last_linear);
    REFUSED(d.pub->outputs[0].scale = 2);
    REFUSED(d.pub->outputs[0].dtype = PLAN_F32);
    REFUSED(d.pub->policy = PLAN_LOGITS);
    net_done(&net, plan);
}

static void illegal_tensors(void **state)
{
    (void)state;
    struct net net;
    bool logits = true;
    struct plan *(*make)(struct net *, bool) = sample_plan;
    struct plan *plan = make(&net, logits);
    struct damage d;
    damage_init(&d, plan);
    REFUSED(d.pub->inputs[0].bits = 17);
    REFUSED(d.pub->inputs[0].scale *= 2);
    REFUSED(d.pub->inputs[0].low = d.pub->inputs[0].high);
    REFUSED(d.pub->inputs[0].high = NAN);
    REFUSED(d.pub->inputs[0].dtype = PLAN_I64);
    REFUSED(d.pub->inputs[0].post = PLAN_POST_SOFTMAX);
    REFUSED(d.pub->inputs[0].dims[0] = 0);
    REFUSED(d.pub->inputs[0].dims[0] = 0x80000000);
    REFUSED(d.pub->outputs[0].scale = 0);
    REFUSED(d.pub->outputs[0].scale = INFINITY);
    REFUSED(d.pub->outputs[0].dtype = PLAN_I64);
    REFUSED(d.pub->outputs[0].post = PLAN_POST_COUNT);
    REFUSED(d.pub->outputs[0].post = PLAN_POST_SOFTMAX); /* without rows */
    REFUSED(soft(&d.pub->outputs[0], 0, 1));
    REFUSED(soft(&d.pub->outputs[0], 4, 0));
    REFUSED(soft(&d.pub->outputs[0], 3, 1));
    REFUSED(soft(&d.pub->outputs[0], 4, 2));
    REFUSED(soft(&d.pub->outputs[0], 0x80000000, 0x80000000));
    REFUSED(d.pub->outputs[0].dims[0] = 5);
    net_done(&net, plan);
}

/* An output of two, without values. */
static struct plan *empty_plan(struct net *net, bool logits)
{
    net_init(net, 73);
    const int64_t nothing = 0;
    const int x = net_input(net, DIMS(6));
    net_output(net, net_gather(net, x, &nothing, DIMS(3, 0)));
    net_output(net, net_dense(net, x, 2));
    struct plan_options o = net_logits();
    o.policy = logits ? PLAN_LOGITS : PLAN_ARGMAX;
    struct plan *plan = net_plan(net, &o);
    net_scaled(plan, 13, 17);
    return plan;
}

static void illegal_empty_outputs(void **state)
{
    (void)state;
    struct net net;
    bool logits = true;
    struct plan *(*make)(struct net *, bool) = empty_plan;
    struct plan *plan = make(&net, logits);
    struct damage d;
    damage_init(&d, plan);
    net_has_steps(plan, "input output linear output");
    struct writer w = written(&plan->pub);
    struct plan_public *got = calloc(1, sizeof *got);
    assert_int_equal(read_back(got, w.data, w.size, NULL), MP2ML_OK);
    relied_on(got);
    assert_true(got->outputs[0].count == 0 && got->outputs[0].rank == 2);
    plan_public_wipe(got);
    free(got);
    writer_wipe(&w);
    assert_int_equal(plan->pub.steps[d.output].count, 0);
    REFUSED(steps[d.output].n_operands = 1);
    REFUSED(steps[d.output].count = 1);
    REFUSED(steps[d.output].k = 2);
    REFUSED(steps[d.output].kind = STEP_RELU);
    REFUSED(steps[d.output].kind = STEP_LINEAR);
    REFUSED(steps[n_ - 1].n_operands = 0);
    REFUSED(steps[n_ - 1].count = 0);
    REFUSED(d.pub->outputs[0].dims[1] = 1);
    REFUSED(d.pub->outputs[0].dims[0] = 0xffffffff); /* times nothing, but too large */
    REFUSED(d.pub->outputs[1].dims[0] = 0);
    REFUSED(d.pub->inputs[0].dims[0] = 0);
    net_done(&net, plan);
}

/* An input that is an output, too. */
static struct plan *known_plan(struct net *net, bool logits)
{
    net_init(net, 74);
    const int x = net_input(net, DIMS(3));
    net_output(net, x);
    net_output(net, net_dense(net, x, 3));
    struct plan_options o = net_logits();
    o.policy = logits ? PLAN_LOGITS : PLAN_ARGMAX;
    struct plan *plan = net_plan(net, &o);
    net_scaled(plan, 13, 17);
    return plan;
}

static void illegal_known_outputs(void **state)
{
    (void)state;
    struct net net;
    bool logits = true;
    struct plan *(*make)(struct net *, bool) = known_plan;
    struct plan *plan = make(&net, logits);
    struct damage d;
    damage_init(&d, plan);
    net_has_steps(plan, "input output linear output");
    struct writer w = written(&plan->pub);
    struct plan_public *got = calloc(1, sizeof *got);
    assert_int_equal(read_back(got, w.data, w.size, NULL), MP2ML_OK);
    relied_on(got);
    plan_public_wipe(got);
    free(got);
    writer_wipe(&w);
    REFUSED(steps[d.output].k = 2);
    REFUSED(steps[d.output].count = 2);
    REFUSED(d.pub->outputs[0].dims[0] = 2);
    REFUSED(steps[d.last_linear].operands[0] = 1); /* reads an output */
    net_done(&net, plan);
    logits = false; /* a label, not the values */
    plan = make(&net, logits);
    damage_init(&d, plan);
    REFUSED(steps[d.output].operands[0] = 0; steps[d.output].k = steps[d.output].l = 1;
            steps[d.output].out_bits = 1; steps[d.output].count = 3; d.pub->outputs[0].dims[0] = 3;
            d.pub->outputs[0].rank = 1);
    net_done(&net, plan);
}

static void illegal_signs(void **state)
{
    (void)state;
    struct net net;
    bool logits = true;
    struct plan *(*make)(struct net *, bool) = sample_plan;
    struct plan *plan = make(&net, logits);
    struct damage d;
    damage_init(&d, plan);
    REFUSED(steps[d.relu].blind = 10); /* 3 of 13 bits are left */
    REFUSED(steps[d.relu].blind = 255);
    REFUSED(steps[d.max].blind = 10);
    REFUSED(steps[d.max].blind = 255);
    net_done(&net, plan);
}

static void illegal_sign_steps(void **state)
{
    (void)state;
    struct net net;
    bool logits = true;
    struct plan *(*make)(struct net *, bool) = sign_plan;
    struct plan *plan = make(&net, logits);
    struct damage d;
    damage_init(&d, plan);
    net_has_steps(plan, "input linear sign re-entry linear sign linear output output");
    assert_int_equal(plan->pub.steps[d.sign].blind, 4);
    assert_int_equal(plan->pub.steps[d.last_sign].blind, 0); /* opened */
    REFUSED(steps[d.sign].operands[0] = 0);                  /* not in Z_{2^k} */
    REFUSED(steps[d.sign].operands[0] = (uint16_t)d.sign);
    REFUSED(steps[d.sign].n_operands = 0);
    REFUSED(steps[d.sign].n_operands = 2);
    REFUSED(steps[d.sign].count++);
    REFUSED(steps[d.sign].k--);
    REFUSED(steps[d.sign].l = steps[d.sign].out_bits = 12); /* below k */
    REFUSED(steps[d.sign].l = steps[d.sign].out_bits = 49);
    REFUSED(steps[d.sign].out_bits--);
    REFUSED(steps[d.sign].set = CKKS_S1);
    REFUSED(steps[d.sign].tensor = 1);
    REFUSED(steps[d.sign].blind = 10); /* 3 of 13 bits are left */
    REFUSED(steps[d.sign].blind = 255);
    REFUSED(steps[d.sign].engine = MPC_ENGINE_COUNT);
    REFUSED(steps[d.last_sign].kind = STEP_KIND_COUNT);
    REFUSED(steps[d.last_sign].operands[0] = (uint16_t)d.sign);
    REFUSED(steps[steps[d.last_sign].operands[0]].set = CKKS_S1); /* opened through the sign */
    net_done(&net, plan);
}

static void illegal_products(void **state)
{
    (void)state;
    struct net net;
    bool logits = false;
    struct plan *(*make)(struct net *, bool) = product_plan;
    struct plan *plan = make(&net, logits);
    struct damage d;
    damage_init(&d, plan);
    net_has_steps(plan, "input linear relu relu sum linear product linear square linear linear "
                        "product linear argmax output");
    REFUSED(steps[d.sum].n_operands = 1);
    REFUSED(steps[d.sum].count++);
    REFUSED(steps[d.sum].operands[1] = (uint16_t)d.linear);
    REFUSED(steps[d.sum].shift[0] = (uint8_t)steps[d.sum].l);
    REFUSED(steps[d.sum].k = steps[d.sum].l = ++steps[d.sum].out_bits);
    REFUSED(steps[d.sum].k = steps[d.sum].l = --steps[d.sum].out_bits); /* its reader needs it */
    REFUSED(steps[d.sum].k--);
    assert_true(steps_have_windows(plan, d.gate) && !steps_have_windows(plan, d.product));
    REFUSED(steps[d.square].n_operands = 2);
    REFUSED(steps[d.square].count++);
    REFUSED(steps[d.square].l = steps[d.square].out_bits = steps[d.square].k);
    REFUSED(steps[d.square].l = steps[d.square].out_bits = 49);
    REFUSED(steps[d.square].k--);
    REFUSED(steps[d.square].out_bits--);
    REFUSED(steps[d.square].tensor = 1);
    REFUSED(steps[d.square].operands[0] = 0);
    REFUSED(steps[d.product].n_operands = 1);
    REFUSED(steps[d.product].n_operands = 3);
    REFUSED(steps[d.product].count--);
    REFUSED(steps[d.product].operands[1] = (uint16_t)d.gate);
    REFUSED(steps[d.product].operands[1] = (uint16_t)(d.linear));
    REFUSED(steps[d.product].l = steps[d.product].out_bits = 13);
    REFUSED(steps[d.gate].count--);
    assert_int_equal(steps_kind(plan, plan->pub.steps[d.gate].operands[0]), STEP_SUM);
    REFUSED(steps[d.gate].operands[0] = 0);
    REFUSED(steps[d.gate].k--);
    REFUSED(steps[d.output].operands[0] = (uint16_t)d.product);
    REFUSED(steps[d.argmax].operands[0] = (uint16_t)d.square);
    uint32_t *member;
    REFUSED(memcpy(&member, &steps[d.gate].windows.member, sizeof member); member[0] = 12);
    REFUSED(memcpy(&member, &steps[d.gate].windows.member, sizeof member); member[1] = 4);
    REFUSED(d.pub->top = 0);
    REFUSED(d.pub->top = 1);
    REFUSED(d.pub->top = 3);
    REFUSED(d.pub->top = 33);
    REFUSED(d.pub->policy = PLAN_ARGMAX);
    REFUSED(d.pub->policy = PLAN_LOGITS);
    REFUSED(d.pub->outputs[0].dims[0] = 3);
    REFUSED(steps[d.argmax].count = 4);
    net_done(&net, plan);
}

/* What no writer can be made to write. */
static void illegal_bytes(void **state)
{
    (void)state;
    struct net net;
    struct plan *plan = sample_plan(&net, true);
    struct writer w = written(&plan->pub), tensors;
    writer_init(&tensors);
    plan_tensors_write(&tensors, plan->pub.inputs, plan->pub.n_inputs);
    plan_tensors_write(&tensors, plan->pub.outputs, plan->pub.n_outputs);
    size_t rank_at = 3 + 1 + 2 + strlen(plan->pub.inputs[0].name);
    size_t steps_at = 3 + tensors.size, linear_at = steps_at + 2 + 2 * 11;
    assert_int_equal(w.data[rank_at], 3);
    assert_int_equal(w.data[linear_at], STEP_LINEAR);
    const struct {
        size_t at;
        uint8_t value;
    } patches[] = {{rank_at, 9},
                   {3, 0},
                   {3, 17},
                   {6, 0}, /* a NUL in a name */
                   {linear_at + 1, 17},
                   {linear_at + 1, 255},
                   {steps_at, 1},
                   {steps_at + 1, 17}};
    struct plan_public *pub = calloc(1, sizeof *pub);
    for (size_t i = 0; i < sizeof patches / sizeof *patches; i++) {
        uint8_t old = w.data[patches[i].at];
        w.data[patches[i].at] = patches[i].value;
        assert_int_equal(read_back(pub, w.data, w.size, NULL), MP2ML_ERR_PROTOCOL);
        w.data[patches[i].at] = old;
    }
    assert_int_equal(read_back(pub, w.data, w.size, NULL), MP2ML_OK);
    plan_public_wipe(pub);
    free(pub);
    writer_wipe(&tensors);
    writer_wipe(&w);
    net_done(&net, plan);
}

static void limits_are_kept(void **state)
{
    (void)state;
    struct net net;
    struct plan *plan = sample_plan(&net, true);
    struct writer w = written(&plan->pub);
    struct plan_public *pub = calloc(1, sizeof *pub);
    struct plan_limits l;
    struct {
        const char *what;
        struct plan_limits limits;
    } cases[7];
    for (unsigned i = 0; i < 7; i++)
        plan_limits_init(&cases[i].limits);
    cases[0].limits.max_values = 31; /* a step has 32 */
    cases[1].limits.max_memory = 100;
    cases[2].limits.min_k = 14;
    cases[3].limits.max_k = 16;
    cases[4].limits.max_l = 15;
    cases[5].limits.sets = 1u << CKKS_S2;
    cases[6].limits.policies = 1u << PLAN_ARGMAX;
    for (unsigned i = 0; i < 7; i++)
        assert_int_equal(read_back(pub, w.data, w.size, &cases[i].limits), MP2ML_ERR_PROTOCOL);
    plan_limits_init(&l);
    l.max_values = 32;
    l.min_k = 13;
    l.max_k = 17;
    l.policies = 1u << PLAN_LOGITS;
    assert_int_equal(read_back(pub, w.data, w.size, &l), MP2ML_OK);
    plan_public_wipe(pub);
    free(pub);
    writer_wipe(&w);
    net_done(&net, plan);
}

static void tensors_alone(void **state)
{
    (void)state;
    struct net net;
    struct plan *plan = sample_plan(&net, true);
    struct writer w;
    writer_init(&w);
    plan_tensors_write(&w, plan->pub.inputs, plan->pub.n_inputs);
    assert_int_equal(writer_done(&w), MP2ML_OK);
    struct plan_tensor tensors[PLAN_MAX_TENSORS];
    unsigned n = 0;
    struct reader r = reader_init(w.data, w.size);
    assert_int_equal(plan_tensors_read(tensors, &n, &r), MP2ML_OK);
    assert_int_equal(reader_done(&r), MP2ML_OK);
    assert_int_equal(n, 2);
    assert_memory_equal(&tensors[1], &plan->pub.inputs[1], sizeof tensors[1]);
    for (size_t size = 0; size < w.size; size++) {
        r = reader_init(w.data, size);
        assert_int_equal(plan_tensors_read(tensors, &n, &r), MP2ML_ERR_PROTOCOL);
    }
    w.data[0] = 17;
    r = reader_init(w.data, w.size);
    assert_int_equal(plan_tensors_read(tensors, &n, &r), MP2ML_ERR_PROTOCOL);
    w.data[0] = 0;
    r = reader_init(w.data, w.size);
    assert_int_equal(plan_tensors_read(tensors, &n, &r), MP2ML_ERR_PROTOCOL);
    writer_wipe(&w);
    net_done(&net, plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_and_back),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(every_truncation_of_products_is_refused),
        cmocka_unit_test(seeded_damage),
        cmocka_unit_test(seeded_damage_of_products),
        cmocka_unit_test(illegal_plans),
        cmocka_unit_test(illegal_tensors),
        cmocka_unit_test(illegal_empty_outputs),
        cmocka_unit_test(illegal_known_outputs),
        cmocka_unit_test(illegal_signs),
        cmocka_unit_test(illegal_sign_steps),
        cmocka_unit_test(illegal_products),
        cmocka_unit_test(illegal_bytes),
        cmocka_unit_test(limits_are_kept),
        cmocka_unit_test(tensors_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
