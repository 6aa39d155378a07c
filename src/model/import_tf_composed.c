/* SPDX-License-Identifier: Apache-2.0
 *
 * TensorFlow's operators that are several of ours: those of compose.h, and those that its optimiser
 * (grappler) fuses. */
#include <string.h>

#include "model/compose.h"
#include "model/import_tf_internal.h"

#define FAIL(c, status, ...) tf_fail((c)->t->build.err, (c)->def, status, __VA_ARGS__)

static struct graph_node *input(const struct tf_call *c, unsigned k)
{
    return &c->x.b->g->nodes[c->named.inputs[k]];
}

/* Input k must be a constant list of `count` integers. */
static mp2ml_status want_list(struct tf_call *c, unsigned k, size_t count, const int64_t **list)
{
    TRY(shape_want_integers(c->x.b, &c->named, k));
    const struct graph_tensor *t = &input(c, k)->value;
    if (t->count != count)
        return FAIL(c, MP2ML_ERR_MODEL, "input %u has %zu values, must have %zu", k, t->count,
                    count);
    *list = t->i;
    return MP2ML_OK;
}

/* A bound that is one number is taken for an attribute; other bounds are operands. */
static bool one_number(const struct tf_call *c, unsigned k, float *value)
{
    const struct graph_tensor *t = &input(c, k)->value;
    if (input(c, k)->batched || t->f == NULL || t->count != 1)
        return false;
    *value = t->f[0];
    return true;
}

mp2ml_status tf_compose_clip(struct tf_call *c, int *out)
{
    float low, high;
    int bounded;
    const int *in = c->named.inputs;
    if (one_number(c, 1, &low) && one_number(c, 2, &high))
        return compose_clip(&c->x, out, in[0], low, high);
    TRY(expand_binary(&c->x, &bounded, GRAPH_MAXIMUM, "low", in[0], in[1]));
    return expand_binary(&c->x, out, GRAPH_MINIMUM, NULL, bounded, in[2]);
}

mp2ml_status tf_compose_mirror_pad(struct tf_call *c, int *out)
{
    const int64_t *pads = NULL;
    TRY(want_list(c, 1, 2 * (size_t)input(c, 0)->rank, &pads));
    const bool reflect = tf_attr_is(c->def, "mode", "REFLECT");
    if (!reflect && !tf_attr_is(c->def, "mode", "SYMMETRIC"))
        return FAIL(c, MP2ML_ERR_MODEL, "attribute 'mode' is '%s'",
                    tf_attr_text(c->def, "mode").text);
    for (unsigned k = 0; k < 2 * input(c, 0)->rank; k++)
        if (pads[k] != 0 && (pads[k] < 0 || pads[k] > input(c, 0)->dims[k / 2] - (reflect ? 1 : 0)))
            return FAIL(c, MP2ML_ERR_MODEL, "a padding of %lld in shape %s", (long long)pads[k],
                        shape_print(input(c, 0)).text);
    return compose_mirror_pad(&c->x, out, c->named.inputs[0], pads,
                              reflect ? COMPOSE_REFLECT : COMPOSE_SYMMETRIC);
}

/* With half pixels, what lies halfway between two values goes up, as with corners. */
static mp2ml_status resized(struct tf_call *c, int *out, bool linear)
{
    const int64_t *size = NULL;
    bool corners = false, half = false;
    TRY(tf_attr_bool(&corners, c->def, "align_corners", c->t->build.err));
    TRY(tf_attr_bool(&half, c->def, "half_pixel_centers", c->t->build.err));
    TRY(want_list(c, 1, 2, &size));
    if (input(c, 0)->rank != 4 || (corners && half))
        return FAIL(c, MP2ML_ERR_MODEL, "cannot resize shape %s", shape_print(input(c, 0)).text);
    const enum compose_place place = corners ? COMPOSE_ALIGN_CORNERS
                                     : half  ? COMPOSE_HALF_PIXEL
                                             : COMPOSE_ASYMMETRIC;
    const enum compose_round round = corners || half ? COMPOSE_HALF_UP : COMPOSE_FLOOR;
    *out = c->named.inputs[0];
    for (unsigned k = 0; k < 2; k++)
        TRY(linear ? compose_resize_linear(&c->x, out, *out, 1 + k, size[k], 0, place)
                   : compose_resize_nearest(&c->x, out, *out, 1 + k, size[k], 0, place, round));
    return MP2ML_OK;
}

mp2ml_status tf_compose_resize_nearest(struct tf_call *c, int *out)
{
    return resized(c, out, false);
}

mp2ml_status tf_compose_resize_linear(struct tf_call *c, int *out)
{
    return resized(c, out, true);
}

/* The shape asked for is that of a tensor whose axes of 1 are repeated. */
mp2ml_status tf_compose_broadcast(struct tf_call *c, int *out)
{
    TRY(shape_want_integers(c->x.b, &c->named, 1));
    const struct graph_tensor *shape = &input(c, 1)->value;
    const struct graph_node *x = input(c, 0);
    const size_t rank = shape->count;
    int64_t dims[GRAPH_MAX_RANK], times[GRAPH_MAX_RANK], *values;
    if (shape->rank != 1 || rank > GRAPH_MAX_RANK || rank < x->rank ||
        (x->batched && rank != x->rank))
        return FAIL(c, MP2ML_ERR_UNSUPPORTED, "brings shape %s to %zu axes", shape_print(x).text,
                    rank);
    for (size_t d = 0; d < rank; d++) {
        const bool own = d + x->rank >= rank;
        dims[d] = own ? x->dims[d + x->rank - rank] : 1;
        times[d] = dims[d] == shape->i[d] || (x->batched && d == 0) ? 1 : shape->i[d];
        if (times[d] != 1 && dims[d] != 1)
            return FAIL(c, MP2ML_ERR_MODEL, "axis %zu has %lld values, not %lld", d,
                        (long long)dims[d], (long long)shape->i[d]);
    }
    int reshaped = c->named.inputs[0], list;
    if (rank != x->rank)
        TRY(expand_reshape(&c->x, &reshaped, "reshaped", reshaped, dims, (unsigned)rank));
    TRY(expand_integers(&c->x, &list, "times", (const int64_t[]){(int64_t)rank}, 1, &values));
    memcpy(values, times, rank * sizeof *values);
    return expand_binary(&c->x, out, GRAPH_TILE, NULL, reshaped, list);
}

/* How much of the whole result the padding of the forward convolution cuts off in front, which must
 * lead from `size` to the size that is given. */
static bool cut_off(struct graph_window *w, unsigned axis, int64_t kernel, int64_t in, int64_t size)
{
    const int64_t limit = (int64_t)GRAPH_MAX_COUNT, stride = w->stride[axis];
    int64_t *pad = &w->pad[2 * axis];
    if (size < 1 || size > limit || kernel > limit || in < 1 || pad[0] < 0 || pad[0] > limit ||
        pad[1] < 0 || pad[1] > limit)
        return false;
    const int64_t extent = (kernel - 1) * w->dilation[axis] + 1; /* <= 2^62 */
    if (w->padding == GRAPH_SAME) {
        const int64_t total = (in - 1) * stride + extent - size;
        pad[0] = total > 0 ? total / 2 : 0;
        return in == (size + stride - 1) / stride;
    }
    const int64_t room = size + pad[0] + pad[1] - extent;
    return room >= 0 && in == room / stride + 1;
}

/* Inputs: sizes of the result, a kernel (height, width, out, in / groups), data. */
mp2ml_status tf_compose_conv_transpose(struct tf_call *c, int *out)
{
    struct graph_node forward = {0};
    const int64_t *sizes = NULL;
    TRY(tf_import_conv2d(c->t, c->def, &forward));
    TRY(want_list(c, 0, 4, &sizes));
    TRY(shape_want_weights(c->x.b, &c->named, 1, 4));
    struct graph_window *w = &forward.window;
    const struct graph_node *kernel = input(c, 1), *x = input(c, 2);
    const unsigned row = w->nchw ? 2 : 1, channel = w->nchw ? 1 : 3;
    if (x->rank != 4 || kernel->value.count == 0 || sizes[channel] % kernel->dims[2] != 0)
        return FAIL(c, MP2ML_ERR_MODEL, "a kernel %s does not fit its input %s",
                    shape_print(kernel).text, shape_print(x).text);
    w->groups = sizes[channel] / kernel->dims[2];
    for (unsigned d = 0; d < 2; d++)
        if (!cut_off(w, d, kernel->dims[d], x->dims[row + d], sizes[row + d]))
            return FAIL(c, MP2ML_ERR_MODEL, "input %s cannot become %lld x %lld",
                        shape_print(x).text, (long long)sizes[row], (long long)sizes[row + 1]);
    return compose_conv_transpose(&c->x, out, c->named.inputs[2], c->named.inputs[1], w,
                                  sizes + row);
}

/* Fused operators ----------------------------------------------------------------------------- */

/* What may stand behind the first operator; arguments come from the inputs that are left. */
static const struct {
    const char *name;
    enum graph_op op;
    unsigned arguments;
} stages[] = {
    {"BiasAdd", GRAPH_BIAS_ADD, 1},
    {"Add", GRAPH_ADD, 1},
    {"FusedBatchNorm", GRAPH_BATCH_NORM, 4},
    {"Relu", GRAPH_RELU, 0},
    {"Relu6", GRAPH_RELU6, 0},
    {"LeakyRelu", GRAPH_LEAKY_RELU, 0},
    {"Sigmoid", GRAPH_SIGMOID, 0},
    {"Tanh", GRAPH_TANH, 0},
};
#define N_STAGES (sizeof stages / sizeof stages[0])

/* The numbers that a fused operator has for all its stages. */
static mp2ml_status stage_attributes(struct tf_call *c, struct graph_node *n)
{
    mp2ml_error *err = c->t->build.err;
    n->nchw = tf_attr_is(c->def, "data_format", "NCHW");
    if (n->op == GRAPH_BATCH_NORM) {
        n->real = 1e-4F;
        TRY(tf_attr_float(&n->real, c->def, "epsilon", err));
        return n->real >= 0
                   ? MP2ML_OK
                   : FAIL(c, MP2ML_ERR_MODEL, "attribute 'epsilon' is %g", (double)n->real);
    }
    n->real = 0.2F;
    return tf_attr_float(&n->real, c->def, "leakyrelu_alpha", err);
}

/* One stage on *out, with arguments from input *at on. */
static mp2ml_status add_stage(struct tf_call *c, const char *name, const char *suffix, unsigned *at,
                              int *out)
{
    size_t s = 0;
    while (s < N_STAGES && strcmp(stages[s].name, name) != 0)
        s++;
    if (s == N_STAGES) {
        const struct graph_hint hint = graph_hint(name);
        return FAIL(c, MP2ML_ERR_UNSUPPORTED,
                    "%.60s is fused into it, which has no private form%s%s", name,
                    hint.rewrite != NULL ? "; " : "", hint.rewrite != NULL ? hint.rewrite : "");
    }
    if (c->named.n_inputs - *at < stages[s].arguments)
        return FAIL(c, MP2ML_ERR_MODEL, "has %u inputs, too few for %.60s", c->named.n_inputs,
                    name);
    int in[5] = {*out};
    for (unsigned k = 0; k < stages[s].arguments; k++)
        in[k + 1] = c->named.inputs[(*at)++];
    struct graph_node *n;
    TRY(expand_node(&c->x, stages[s].op, suffix, in, 1 + stages[s].arguments, &n));
    TRY(stage_attributes(c, n));
    return expand_settle(&c->x, out);
}

/* Text k of the list `fused_ops`, terminated. */
static struct tf_text stage_name(const ModelTf__ListValue *list, size_t k)
{
    struct tf_text t = {""};
    const size_t most = sizeof t.text - 1;
    const size_t size = list->s[k].len < most ? list->s[k].len : most;
    if (size != 0)
        memcpy(t.text, list->s[k].data, size);
    return t;
}

mp2ml_status tf_compose_fused(struct tf_call *c, int *out)
{
    const ModelTf__AttrValue *a = tf_attr(c->def, "fused_ops");
    if (a != NULL && a->value_case != MODEL_TF__ATTR_VALUE__VALUE_LIST)
        return FAIL(c, MP2ML_ERR_MODEL, "attribute 'fused_ops' has the wrong type");
    const size_t count = a != NULL ? a->list->n_s : 0;
    unsigned at = 2;
    struct graph_node *n;
    TRY(expand_node(&c->x, c->op, count != 0 ? graph_op_name(c->op) : NULL, c->named.inputs, 2,
                    &n));
    TRY(tf_row_find(graph_op_name(c->op))->import(c->t, c->def, n));
    TRY(expand_settle(&c->x, out));
    for (size_t k = 0; k < count; k++) {
        const struct tf_text name = stage_name(a->list, k);
        TRY(add_stage(c, name.text, k + 1 == count ? NULL : name.text, &at, out));
    }
    return at == c->named.n_inputs
               ? MP2ML_OK
               : FAIL(c, MP2ML_ERR_MODEL, "has %u inputs, must have %u", c->named.n_inputs, at);
}

/* A normalisation, perhaps the sum with another input, perhaps a ReLU. */
mp2ml_status tf_compose_fused_norm(struct tf_call *c, int *out)
{
    const bool relu = tf_attr_is(c->def, "activation_mode", "Relu");
    const bool sum = c->named.n_inputs == 6;
    struct graph_node *n;
    if (!relu && tf_attr(c->def, "activation_mode") != NULL &&
        !tf_attr_is(c->def, "activation_mode", "Identity"))
        return FAIL(c, MP2ML_ERR_UNSUPPORTED, "attribute 'activation_mode' is '%s'",
                    tf_attr_text(c->def, "activation_mode").text);
    TRY(expand_node(&c->x, c->op, relu || sum ? "norm" : NULL, c->named.inputs, 5, &n));
    TRY(tf_import_batch_norm(c->t, c->def, n));
    TRY(expand_settle(&c->x, out));
    if (sum)
        TRY(expand_binary(&c->x, out, GRAPH_ADD, relu ? "sum" : NULL, *out, c->named.inputs[5]));
    return relu ? expand_unary(&c->x, out, GRAPH_RELU, NULL, *out) : MP2ML_OK;
}
