/* SPDX-License-Identifier: Apache-2.0
 *
 * Scales and rings: the conditions of docs/protocol.md, "Numbers", and that the integers compute
 * the network. */
#include "plan/plan_internal.h"
#include "plan_fixture.h"
#include "steps/steps.h"

/* ---- the plan in integers, with exact rounding and errors at will ------------------------------
 */

static int64_t to_signed(uint64_t x, unsigned bits)
{
    x &= ((uint64_t)1 << bits) - 1;
    uint64_t sign = (uint64_t)1 << (bits - 1);
    return (int64_t)(x ^ sign) - (int64_t)sign;
}

struct fixed {
    const struct plan *plan;
    int64_t **values; /* [n_steps][count], signed */
    int64_t error;    /* added to every share, in turns of sign */
    double largest;   /* of |x| / 2^(k-2) of any linear step before the ring cut it */
};

static void fixed_linear(struct fixed *f, unsigned s)
{
    const struct plan_step *step = &f->plan->pub.steps[s];
    const struct linear *lin = &f->plan->linear[s];
    unsigned t = step->l - step->k;
    int64_t in[4096];
    size_t n = 0;
    for (unsigned i = 0; i < step->n_operands; i++)
        for (size_t v = 0; v < f->plan->pub.steps[step->operands[i]].count; v++)
            in[n++] = f->values[step->operands[i]][v] * ((int64_t)1 << step->shift[i]);
    assert_int_equal(n, lin->n_in);
    for (size_t g = 0; g < lin->n_groups; g++) {
        const struct linear_group *group = &lin->groups[g];
        for (size_t r = 0; r < group->rows; r++) {
            size_t o = linear_out(lin, group, r);
            int64_t sum = to_signed(lin->bi[group->rows_at + r], step->l);
            uint64_t ring = lin->bi[group->rows_at + r];
            for (size_t c = 0; c < group->cols; c++) {
                int64_t w = lin->wi[linear_weight(lin, group, r, c)];
                int64_t x = in[linear_in(lin, group, c)];
                sum += w * x;
                ring += (uint64_t)w * (uint64_t)x; /* operands need not fit Z_{2^l} */
            }
            f->largest = fmax(f->largest, ldexp(fabs((double)sum), -(int)(step->k + t - 2)));
            uint64_t half = t > 0 ? (uint64_t)1 << (t - 1) : 0;
            uint64_t share = (((ring & (((uint64_t)1 << step->l) - 1)) + half) >> t) +
                             (uint64_t)(o % 2 ? f->error : -f->error);
            f->values[s][o] = to_signed(share, step->k);
        }
    }
}

static void fixed_windows(struct fixed *f, unsigned s, const int64_t *in)
{
    const struct mpc_windows *w = &f->plan->pub.steps[s].windows;
    for (size_t i = 0; i < w->count; i++) {
        int64_t top = INT64_MIN;
        for (uint32_t m = w->first[i]; m < w->first[i + 1]; m++)
            top = in[w->member[m]] > top ? in[w->member[m]] : top;
        f->values[s][i] = top;
    }
}

/* One image of one input through all steps but OUTPUT and ARGMAX. */
static void fixed_run(struct fixed *f, const float *image)
{
    const struct plan_public *pub = &f->plan->pub;
    f->values = calloc(pub->n_steps, sizeof *f->values);
    assert_non_null(f->values);
    for (unsigned s = 0; s < pub->n_steps; s++) {
        const struct plan_step *step = &pub->steps[s];
        f->values[s] = calloc(step->count + 1, sizeof **f->values);
        assert_non_null(f->values[s]);
        const int64_t *in = step->n_operands != 0 ? f->values[step->operands[0]] : NULL;
        if (step->kind == STEP_INPUT)
            for (size_t i = 0; i < step->count; i++)
                f->values[s][i] = (int64_t)floor((double)image[i] * step->scale + 0.5);
        else if (step->kind == STEP_LINEAR)
            fixed_linear(f, s);
        else if (step->kind == STEP_MAX)
            fixed_windows(f, s, in);
        else if (step->kind != STEP_ARGMAX)
            for (size_t i = 0; i < step->count; i++)
                f->values[s][i] = step->kind == STEP_RELU && in[i] < 0 ? 0 : in[i];
    }
}

static void fixed_wipe(struct fixed *f)
{
    for (unsigned s = 0; s < f->plan->pub.n_steps; s++)
        free(f->values[s]);
    free(f->values);
}

/* ---- conditions --------------------------------------------------------------------------------
 */

static void check_linear(const struct plan *plan, unsigned s)
{
    const struct plan_step *step = &plan->pub.steps[s];
    const struct linear *lin = &plan->linear[s];
    const struct ckks_params *params = ckks_params(step->set);
    const struct plan_notes *notes = &plan->notes[s];
    double limit = ldexp(1, (int)step->k - 2) - 5, range = plan->range[s].used;
    assert_non_null(params);
    assert_int_equal(step->k, notes->opened ? plan->k_out : plan->k);
    assert_int_equal(step->out_bits, step->k);
    assert_true(step->l >= step->k && step->l <= params->max_l);
    assert_true(range * step->scale <= limit * (1 + 1e-9));
    /* t is the smallest. */
    if (step->l > step->k)
        assert_true(2 * range * step->scale > limit);
    assert_true(fabs(ldexp(step->scale, (int)(step->l - step->k)) / notes->sum_scale - 1) < 1e-12);
    if (notes->opened) {
        assert_int_equal(step->set, CKKS_S2);
        assert_true(ckks_log2_leak(params, notes->norm2, step->k) <= -40);
    }
    int most = 0;
    for (size_t i = 0; i < lin->n_weights; i++)
        most = abs(lin->wi[i]) > most ? abs(lin->wi[i]) : most;
    assert_true(most <= (1 << (notes->b_w - 1)) - 1 && most > 0);
    for (size_t g = 0; g < lin->n_groups; g++)
        for (size_t r = 0; r < lin->groups[g].rows; r++) {
            size_t o = lin->groups[g].rows_at + r;
            double squares = 0;
            for (size_t c = 0; c < lin->groups[g].cols; c++) {
                const int w = lin->wi[linear_weight(lin, &lin->groups[g], r, c)];
                squares += (double)w * w;
            }
            assert_true(fabs(sqrt(squares) - (double)lin->norm2[o]) < 1e-3 * (1 + sqrt(squares)));
            assert_true(ckks_norm_fits(params, (double)lin->norm2[o], step->k));
        }
    for (unsigned i = 0; i < step->n_operands; i++)
        assert_true(plan->pub.steps[step->operands[i]].out_bits + step->shift[i] >= step->l);
}

static void check_scales(const struct plan *plan)
{
    const struct plan_public *pub = &plan->pub;
    for (unsigned s = 0; s < pub->n_steps; s++) {
        const struct plan_step *step = &pub->steps[s];
        if (step->kind == STEP_LINEAR) {
            check_linear(plan, s);
        } else if (step->n_operands != 0) {
            assert_int_equal(step->k, pub->steps[step->operands[0]].out_bits);
            assert_true(step->l >= step->k || step->kind == STEP_ARGMAX);
        }
        bool widened =
            step->kind == STEP_RELU || step->kind == STEP_SIGN || step->kind == STEP_REENTRY;
        for (unsigned r = s + 1, most = widened ? step->k : 0; widened && r < pub->n_steps; r++) {
            for (unsigned i = 0; i < pub->steps[r].n_operands; i++)
                if (pub->steps[r].operands[i] == s && pub->steps[r].kind == STEP_LINEAR) {
                    unsigned need = pub->steps[r].l - pub->steps[r].shift[i];
                    most = need > most ? need : most;
                }
            if (r + 1 == pub->n_steps)
                assert_int_equal(step->l, most); /* not a bit more than a reader needs */
        }
    }
}

/* Runs the integers on samples: within the expected error, and inside of the ring. */
static void check_values(const struct plan *plan, int64_t error, double factor)
{
    size_t per = plan->pub.inputs[0].count, n = plan->pub.outputs[0].count;
    double bound = factor * plan_expected_error(plan, 0);
    assert_true(bound > 0);
    for (size_t i = 0; i < plan->n_samples; i += 41) {
        struct fixed f = {.plan = plan, .error = error};
        fixed_run(&f, plan->samples + i * per);
        assert_true(f.largest <= 1);
        unsigned last = plan->pub.n_steps - 1;
        for (size_t v = 0; v < n; v++) {
            double got = (double)f.values[last][v] / plan->pub.outputs[0].scale;
            double want = (double)plan->sample_outputs[i * n + v];
            if (fabs(got - want) > bound)
                fail_msg("sample %zu, value %zu: %g, not %g within %g", i, v, got, want, bound);
        }
        fixed_wipe(&f);
    }
}

static void conv_net(struct net *net)
{
    net_init(net, 60);
    int y = net_conv(net, net_input(net, DIMS(9, 9, 1)), 3, (struct window){3, 1, false, false, 1});
    y = net_window(net, GRAPH_MAX_POOL, net_relu(net, net_bias(net, y, false)), 0,
                   (struct window){2, 2, true, false, 1});
    y = net_relu(net, net_bias(net, net_dense(net, net_flat(net, y), 20), false));
    net_output(net, net_bias(net, net_dense(net, y, 5), false));
}

static void every_ring(void **state)
{
    (void)state;
    struct net net;
    conv_net(&net);
    struct plan_options o = net_logits();
    o.b_in = 8;
    struct plan *plan = net_plan(&net, &o);
    net_has_steps(plan, "input linear max relu linear relu linear output");
    assert_int_equal(plan->k, 0);
    double before = INFINITY;
    for (unsigned k = 10; k <= 16; k++) {
        net_scaled(plan, k, 20);
        assert_true(plan->k == k && plan->k_out == 20);
        check_scales(plan);
        check_values(plan, 0, 1);
        double expected = plan_expected_error(plan, 0);
        assert_true(expected <= before); /* more bits, less error */
        before = expected;
    }
    assert_true(fabs(plan->pub.inputs[0].scale - 255) < 1e-9);
    check_values(plan, 1, 1); /* a share's error of one everywhere */
    mp2ml_error err;
    assert_int_equal(plan_scale(plan, 21, 20, &err), MP2ML_ERR_ARGUMENT);
    assert_int_equal(plan_scale(plan, 12, 9, &err), MP2ML_ERR_ARGUMENT);
    net_done(&net, plan);
}

static void residual_scales(void **state)
{
    (void)state;
    struct net net;
    net_init(&net, 61);
    const struct window same = {3, 1, true, false, 1};
    int x = net_relu(&net, net_conv(&net, net_input(&net, DIMS(5, 5, 2)), 4, same));
    int y = net_relu(&net, net_conv(&net, x, 4, same));
    y = net_relu(&net, net_same(&net, GRAPH_ADD, net_conv(&net, y, 4, same), x));
    y = net_window(&net, GRAPH_AVG_POOL, y, 0, (struct window){5, 1, false, false, 1});
    net_output(&net, net_dense(&net, net_flat(&net, y), 3));
    struct plan_options o = net_logits();
    struct plan *plan = net_plan(&net, &o);
    net_scaled(plan, 15, 20);
    check_scales(plan);
    assert_int_equal(plan->pub.steps[5].n_operands, 2);
    /* Operands of different scales. */
    assert_true(fabs(plan->pub.steps[2].scale / plan->pub.steps[4].scale - 1) > 1e-3);
    check_values(plan, 0, 1);
    /* The skip connection is read times 2^shift as a whole number, so that the convolution keeps
     * its bits of weight. */
    const struct plan_step *sum = &plan->pub.steps[5];
    const struct linear *lin = &plan->linear[5];
    unsigned skip = sum->operands[0] == 2 ? 0 : 1;
    assert_true(sum->shift[skip] > 0 && sum->shift[1 - skip] == 0);
    size_t skip_from = skip == 0 ? 0 : plan->pub.steps[sum->operands[0]].count;
    int most = 0, whole = 0;
    const struct linear_group *group = &lin->groups[0];
    for (size_t at = 0; at < (size_t)group->rows * group->cols; at++) {
        size_t i = linear_in(lin, group, at % group->cols);
        bool is_skip = i >= skip_from && i < skip_from + plan->pub.steps[2].count;
        int w = abs(lin->wi[linear_weight(lin, group, at / group->cols, at % group->cols)]);
        if (is_skip)
            whole = w > whole ? w : whole;
        else
            most = w > most ? w : most;
    }
    assert_true(most > 100); /* what suffices beside the error of the switch */
    double exact = ldexp(whole * plan->pub.steps[2].scale, sum->shift[skip]);
    assert_true(fabs(exact / plan->notes[5].sum_scale - 1) < 1e-9);
    net_done(&net, plan);
}

/* Copies and sums are exact, and widen nothing. */
static void equal_weights_are_exact(void **state)
{
    (void)state;
    struct net net;
    net_init(&net, 62);
    int x = net_input(&net, DIMS(4, 4, 1));
    int y = net_window(&net, GRAPH_AVG_POOL, x, 0, (struct window){2, 2, false, false, 1});
    net_output(&net, net_relu(&net, y));
    struct plan_options o = net_logits();
    o.b_in = 8;
    struct plan *plan = net_plan(&net, &o);
    net_scaled(plan, 12, 16);
    check_scales(plan);
    /* 4 weights of m: 4*255*m <= 2^14 - 5, so m = 16. */
    assert_int_equal(plan->pub.steps[1].l, 16);
    assert_int_equal(plan->linear[1].wi[0], 16);
    assert_true(fabs(plan->pub.steps[1].scale - 4 * 255 * 16) < 1e-6);
    check_values(plan, 0, 1);
    net_done(&net, plan);
}

static void strict_never_wraps(void **state)
{
    (void)state;
    struct net net;
    conv_net(&net);
    struct plan_options o = net_logits();
    o.ranges = PLAN_RANGES_STRICT;
    struct plan *plan = net_plan(&net, &o);
    net_scaled(plan, 14, 18);
    check_scales(plan);
    check_values(plan, 0, 1);
    /* Inputs that drive single neurons to their ends, with the worst error. */
    const struct linear *lin = &plan->linear[1];
    for (size_t g = 0; g < lin->n_groups; g += 5)
        for (int sign = -1; sign <= 1; sign += 2) {
            float image[81];
            for (size_t i = 0; i < 81; i++)
                image[i] = (float)(i % 2);
            for (size_t c = 0; c < lin->groups[g].cols; c++)
                image[linear_in(lin, &lin->groups[g], c)] =
                    sign * lin->wi[linear_weight(lin, &lin->groups[g], 0, c)] > 0 ? 1.0f : 0.0f;
            struct fixed f = {.plan = plan, .error = 4};
            fixed_run(&f, image);
            assert_true(f.largest <= 1);
            fixed_wipe(&f);
        }
    net_done(&net, plan);
}

/* One step's strict range, by hand: x in 0..255, y = 511x/S - ... with one column. */
static void strict_by_hand(void **state)
{
    (void)state;
    struct net net;
    net_init(&net, 63);
    int y = net_bias(&net, net_dense(&net, net_input(&net, DIMS(2)), 1), false);
    net_node(&net, 1)->value.f[0] = 1.0f;
    net_node(&net, 1)->value.f[1] = -0.5f;
    net_node(&net, 3)->value.f[0] = 0.25f;
    net_output(&net, y);
    struct plan_options o = net_logits();
    o.b_in = 8;
    o.ranges = PLAN_RANGES_STRICT;
    struct plan *plan = net_plan(&net, &o);
    net_scaled(plan, 12, 12);
    /* Weights 510 and -255, both whole; bias round(0.25*255*510) = 32513 (half up). The largest sum
     * is 255*510 + 32513 = 162563; 162563/2^t <= 1024 - 5: t = 8. */
    assert_int_equal(plan->linear[1].wi[0], 510);
    assert_int_equal(plan->linear[1].wi[1], -255);
    assert_int_equal(plan->linear[1].bi[0], 32513);
    assert_int_equal(plan->pub.steps[1].l, 20);
    assert_true(fabs(plan->range[1].used - 162563.0 / (255 * 510)) < 1e-9);
    assert_true(fabs(plan->pub.outputs[0].scale - 255.0 * 510 / 256) < 1e-9);
    net_done(&net, plan);
}

/* The means at a border of a picture: with 10 bits, the largest multiple of 36 below 512. */
static void few_magnitudes_become_whole(void **state)
{
    (void)state;
    static const float weights[4] = {1, 1.0F / 4, -1.0F / 6, 1.0F / 9};
    struct net net;
    net_init(&net, 65);
    int y = net_dense(&net, net_input(&net, DIMS(4)), 1);
    memcpy(net_node(&net, 1)->value.f, weights, sizeof weights);
    net_output(&net, y);
    struct plan_options o = net_logits();
    struct plan *plan = net_plan(&net, &o);
    net_scaled(plan, 14, 16);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(plan->linear[1].wi[i], lrintf(504 * weights[i]));
    net_done(&net, plan);
}

static void negative_biases_wrap(void **state)
{
    (void)state;
    struct net net;
    net_init(&net, 64);
    int y = net_bias(&net, net_dense(&net, net_input(&net, DIMS(3)), 2), false);
    net_node(&net, 3)->value.f[0] = -0.75f;
    net_output(&net, y);
    struct plan_options o = net_logits();
    struct plan *plan = net_plan(&net, &o);
    net_scaled(plan, 12, 16);
    unsigned l = plan->pub.steps[1].l;
    double want = floor(-0.75 * plan->notes[1].sum_scale + 0.5);
    assert_int_equal(to_signed(plan->linear[1].bi[0], l), (int64_t)want);
    assert_true(plan->linear[1].bi[0] < (uint64_t)1 << l);
    net_done(&net, plan);
}

/* Norms beyond S1's go to S2, also for hidden steps. */
static void large_norms_take_s2(void **state)
{
    (void)state;
    struct net net;
    net_init(&net, 65);
    int x = net_input(&net, DIMS(1200));
    int y = net_dense(&net, x, 3);
    for (size_t i = 0; i < 3600; i++) /* all of nearly one size: norm 500*sqrt(1200) = 2^14.1 */
        net_node(&net, y - 1)->value.f[i] = i % 2 ? 0.02f : -0.0195f;
    net_output(&net, net_dense(&net, net_relu(&net, y), 2));
    struct plan_options o = net_logits();
    struct plan *plan = net_plan(&net, &o);
    net_scaled(plan, 12, 20);
    check_scales(plan);
    assert_int_equal(plan->pub.steps[1].set, CKKS_S1);
    net_scaled(plan, 20, 20);
    check_scales(plan);
    assert_int_equal(plan->pub.steps[1].set, CKKS_S2);
    net_done(&net, plan);
}

/* The twin's largest error on the samples against what the model states. */
static void within_model(const struct plan *plan)
{
    const struct plan_public *pub = &plan->pub;
    const size_t n = plan->n_samples, m = n * pub->outputs[0].count;
    float *got = calloc(m + 1, sizeof *got);
    assert_non_null(got);
    const float *in[] = {plan->samples};
    float *out[] = {got};
    assert_int_equal(run_clear(plan, n, in, out, true, 3, NULL, NULL), MP2ML_OK);
    for (size_t i = 0; i < m; i++)
        assert_true(fabs((double)got[i] - (double)plan->sample_outputs[i]) <=
                    plan_modelled_error(plan, 0));
    free(got);
}

/* Beside a bias that is far above all weights a sum has no more bits than the result can show, down to
 * none. */
static void biases_far_above_weights(void **state)
{
    (void)state;
    const float bias[] = {3e3f, 3e6f, 1e10f, 1e17f};
    for (unsigned i = 0; i < 4; i++) {
        struct net net;
        net_init(&net, 66);
        int y = net_dense(&net, net_input(&net, DIMS(600)), 2);
        int z = net_bias(&net, y, false);
        net_node(&net, z - 1)->value.f[0] = bias[i];
        net_output(&net, z);
        struct plan_options o = net_logits();
        o.b_in = 16;
        o.b_w = 11;
        struct plan *plan = net_plan(&net, &o);
        net_scaled(plan, 10, 20);
        if (i < 2)
            check_scales(plan);
        assert_int_equal(plan->notes[1].b_w, 11);
        within_model(plan);
        net_done(&net, plan);
    }
}

/* A ring that would be too large is an error that names the step: what rounding may lose of values
 * that no sample has shown is not known, so the sum keeps the bits of its weights. */
static void rings_that_are_too_large(void **state)
{
    (void)state;
    struct net net;
    net_init(&net, 66);
    int y = net_dense(&net, net_input(&net, DIMS(60)), 2);
    int z = net_bias(&net, y, false);
    net_node(&net, z - 1)->value.f[0] = 1e10f;
    net_output(&net, z);
    const float nothing[60] = {0};
    struct plan_options o = net_logits();
    o.ranges = PLAN_RANGES_CALIBRATED;
    o.calibration = nothing;
    o.calibration_samples = 1;
    struct plan *plan = net_plan(&net, &o);
    mp2ml_error err = {MP2ML_OK, ""};
    assert_int_equal(plan_scale(plan, 10, 20, &err), MP2ML_ERR_PLAN);
    assert_non_null(strstr(err.text, "step 1"));
    assert_int_equal(plan->k, 0);
    net_done(&net, plan);
}

/* Inputs have 16 bits unless weights or the small set would suffer: then 8, all that read them
 * scaled anew. What the user asks for stays. */
static void inputs_as_wide_as_fits(void **state)
{
    (void)state;
    struct net net;
    net_init(&net, 67);
    int x = net_input(&net, DIMS(600)), y = net_dense(&net, x, 2);
    for (size_t i = 0; i < 1200; i++)
        net_node(&net, y - 1)->value.f[i] = i % 600 == 0 ? 1.0f : 0.999f;
    int z = net_bias(&net, y, false);
    net_node(&net, z - 1)->value.f[0] = 0.5f;
    net_output(&net, net_dense(&net, net_relu(&net, z), 2));
    struct plan_options o = net_logits();
    struct plan *plan = net_plan(&net, &o);
    net_scaled(plan, 16, 20);
    assert_int_equal(plan->pub.inputs[0].bits, 16);
    check_scales(plan);
    plan_free(plan);
    net_node(&net, z - 1)->value.f[0] = 1e4f;
    plan = net_plan(&net, &o);
    for (unsigned again = 0; again < 2; again++) {
        net_scaled(plan, 16, 20);
        assert_int_equal(plan->pub.inputs[0].bits, 8);
        assert_true(fabs(plan->pub.inputs[0].scale - 255) < 1e-9);
        assert_int_equal(plan->pub.steps[1].set, CKKS_S1);
        assert_int_equal(plan->notes[1].b_w, plan->options.b_w);
        check_scales(plan);
    }
    plan_free(plan);
    o.b_in = 16;
    plan = net_plan(&net, &o);
    net_scaled(plan, 16, 20);
    assert_int_equal(plan->pub.inputs[0].bits, 16);
    assert_true(plan->notes[1].b_w < plan->options.b_w || plan->pub.steps[1].set == CKKS_S2);
    net_done(&net, plan);
}

/* Labels cannot be opened from S1 either, and an index has no scale. */
static void argmax_scales(void **state)
{
    (void)state;
    struct net net;
    conv_net(&net);
    struct plan_options o;
    plan_options_init(&o);
    struct plan *plan = net_plan(&net, &o);
    net_scaled(plan, 12, 16);
    check_scales(plan);
    unsigned n = plan->pub.n_steps;
    assert_int_equal(plan->pub.steps[n - 2].kind, STEP_ARGMAX);
    assert_int_equal(plan->pub.steps[n - 2].out_bits, 3); /* of 5 */
    assert_int_equal(plan->pub.steps[n - 3].set, CKKS_S2);
    assert_int_equal(plan->pub.steps[n - 1].k, 3);
    assert_true(fabs(plan->pub.outputs[0].scale - 1) < 1e-12);
    net_done(&net, plan);
}

/* Only biases, only zeros, values never seen: no division by zero anywhere. */
static void dead_layers(void **state)
{
    (void)state;
    for (unsigned variant = 0; variant < 2; variant++) {
        struct net net;
        net_init(&net, 67);
        int y = net_bias(&net, net_dense(&net, net_input(&net, DIMS(3)), 4), false);
        memset(net_node(&net, 1)->value.f, 0, 12 * sizeof(float));
        if (variant == 1)
            memset(net_node(&net, 3)->value.f, 0, 4 * sizeof(float));
        net_output(&net, net_dense(&net, net_relu(&net, y), 2));
        struct plan_options o = net_logits();
        struct plan *plan = net_plan(&net, &o);
        net_scaled(plan, 14, 20);
        for (unsigned s = 0; s < plan->pub.n_steps; s++)
            assert_true(isfinite(plan->pub.steps[s].scale) && plan->pub.steps[s].scale > 0);
        assert_true(isfinite(plan_expected_error(plan, 0)));
        check_values(plan, 0, 1);
        net_done(&net, plan);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_ring),
        cmocka_unit_test(residual_scales),
        cmocka_unit_test(equal_weights_are_exact),
        cmocka_unit_test(strict_never_wraps),
        cmocka_unit_test(strict_by_hand),
        cmocka_unit_test(few_magnitudes_become_whole),
        cmocka_unit_test(negative_biases_wrap),
        cmocka_unit_test(large_norms_take_s2),
        cmocka_unit_test(biases_far_above_weights),
        cmocka_unit_test(rings_that_are_too_large),
        cmocka_unit_test(inputs_as_wide_as_fits),
        cmocka_unit_test(argmax_scales),
        cmocka_unit_test(dead_layers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
