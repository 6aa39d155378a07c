/* SPDX-License-Identifier: Apache-2.0
 *
 * For tests of the plan layer: small graphs made by hand, with shapes and paddings as shape
 * inference leaves them, and seeded weights. */
#ifndef PLAN_FIXTURE_H
#define PLAN_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plan/plan.h"

#define DIMS(...)                                                                                  \
    ((const int64_t[]){__VA_ARGS__}), (unsigned)(sizeof((const int64_t[]){__VA_ARGS__}) / 8)

#define NET_NODES 160

struct net {
    struct graph *g;
    uint64_t seed;
};

static inline double net_random(struct net *net) /* in [-1, 1) */
{
    net->seed = net->seed * 6364136223846793005u + 1442695040888963407u;
    return (double)(net->seed >> 11) * 0x1p-52 - 1.0;
}

static inline void net_init(struct net *net, uint64_t seed)
{
    net->g = calloc(1, sizeof *net->g);
    assert_non_null(net->g);
    net->g->nodes = calloc(NET_NODES, sizeof *net->g->nodes);
    net->g->inputs = calloc(20, sizeof *net->g->inputs);
    net->g->outputs = calloc(20, sizeof *net->g->outputs);
    assert_true(net->g->nodes != NULL && net->g->inputs != NULL && net->g->outputs != NULL);
    net->seed = seed * 2 + 1;
}

static inline struct graph_node *net_node(const struct net *net, int i)
{
    return &net->g->nodes[i];
}

/* A node; the operands are node numbers, -1 for none. dims without the batch axis. */
static inline int net_add(struct net *net, enum graph_op op, int a, int b, const int64_t *dims,
                          unsigned rank)
{
    int i = net->g->n_nodes++;
    struct graph_node *n = net_node(net, i);
    assert_true(i < NET_NODES);
    n->name = calloc(1, 32);
    n->inputs = calloc(2, sizeof *n->inputs);
    assert_true(n->name != NULL && n->inputs != NULL);
    (void)snprintf(n->name, 32, "n%d", i);
    n->op = op;
    n->n_inputs = (a >= 0 ? 1u : 0u) + (b >= 0 ? 1u : 0u);
    n->inputs[0] = a;
    n->inputs[1] = b;
    n->batched = op != GRAPH_CONST;
    n->rank = rank + n->batched;
    n->dims[0] = GRAPH_BATCH;
    if (rank != 0)
        memcpy(n->dims + n->batched, dims, rank * sizeof *dims);
    return i;
}

static inline int net_input(struct net *net, const int64_t *dims, unsigned rank)
{
    int i = net_add(net, GRAPH_INPUT, -1, -1, dims, rank);
    net->g->inputs[net->g->n_inputs++] = i;
    return i;
}

/* A constant of random floats in [-size, size]. */
static inline int net_const(struct net *net, double size, const int64_t *dims, unsigned rank)
{
    int i = net_add(net, GRAPH_CONST, -1, -1, dims, rank);
    struct graph_tensor *t = &net_node(net, i)->value;
    t->rank = rank;
    t->count = 1;
    for (unsigned d = 0; d < rank; d++) {
        t->dims[d] = dims[d];
        t->count *= (size_t)dims[d];
    }
    t->f = calloc(t->count + 1, sizeof *t->f);
    assert_non_null(t->f);
    for (size_t k = 0; k < t->count; k++)
        t->f[k] = (float)(size * net_random(net));
    return i;
}

static inline int net_ints(struct net *net, const int64_t *v, unsigned n)
{
    int64_t dims[1] = {(int64_t)n};
    int i = net_add(net, GRAPH_CONST, -1, -1, dims, 1);
    struct graph_node *node = net_node(net, i);
    node->integers = true;
    node->value.rank = 1;
    node->value.dims[0] = (int64_t)n;
    node->value.count = n;
    node->value.i = calloc(n + 1, sizeof *node->value.i);
    assert_non_null(node->value.i);
    memcpy(node->value.i, v, n * sizeof *v);
    return i;
}

struct window { /* of a convolution or pool */
    int64_t kernel, stride;
    bool same, nchw;
    int64_t dilation; /* 0 = 1 */
};

/* Convolution with co channels in groups (co = 0: a pool of kind op). */
static inline int net_grouped(struct net *net, enum graph_op op, int in, int64_t co,
                              struct window w, int64_t groups)
{
    const struct graph_node *x = net_node(net, in);
    unsigned row = w.nchw ? 2 : 1;
    int64_t c = x->dims[w.nchw ? 1 : 3], dims[3], pad[4];
    struct graph_window made = {.nchw = w.nchw, .padding = w.same ? GRAPH_SAME : GRAPH_VALID};
    for (unsigned d = 0; d < 2; d++) {
        int64_t size = x->dims[row + d], dil = w.dilation > 0 ? w.dilation : 1;
        int64_t span = (w.kernel - 1) * dil + 1;
        int64_t out = w.same ? (size + w.stride - 1) / w.stride : (size - span) / w.stride + 1;
        int64_t need = w.same ? (out - 1) * w.stride + span - size : 0;
        need = need > 0 ? need : 0;
        pad[2 * d] = need / 2;
        pad[2 * d + 1] = need - need / 2;
        dims[w.nchw ? 1 + d : d] = out;
        made.kernel[d] = w.kernel;
        made.stride[d] = w.stride;
        made.dilation[d] = dil;
    }
    dims[w.nchw ? 0 : 2] = co > 0 ? co : c;
    memcpy(made.pad, pad, sizeof pad);
    made.groups = groups;
    int kernel = -1;
    if (co > 0)
        kernel = net_const(net, 1.0 / sqrt((double)(w.kernel * w.kernel * c) / (double)groups),
                           DIMS(w.kernel, w.kernel, c / groups, co));
    int i = net_add(net, op, in, kernel, dims, 3);
    net_node(net, i)->window = made;
    return i;
}

static inline int net_window(struct net *net, enum graph_op op, int in, int64_t co, struct window w)
{
    return net_grouped(net, op, in, co, w, 1);
}

static inline int net_conv(struct net *net, int in, int64_t co, struct window w)
{
    return net_window(net, GRAPH_CONV2D, in, co, w);
}

/* The same shape as `in`. */
static inline int net_same(struct net *net, enum graph_op op, int in, int other)
{
    struct graph_node *n = net_node(net, in);
    int64_t dims[GRAPH_MAX_RANK];
    memcpy(dims, n->dims + 1, (n->rank - 1) * sizeof *dims);
    return net_add(net, op, in, other, dims, n->rank - 1);
}

static inline int net_relu(struct net *net, int in)
{
    return net_same(net, GRAPH_RELU, in, -1);
}

/* A bias of the last axis, or of the first when nchw. */
static inline int net_bias(struct net *net, int in, bool nchw)
{
    const struct graph_node *n = net_node(net, in);
    int b = net_const(net, 0.3, DIMS(n->dims[nchw ? 1 : n->rank - 1]));
    int i = net_same(net, GRAPH_BIAS_ADD, in, b);
    net_node(net, i)->nchw = nchw;
    return i;
}

static inline int net_flat(struct net *net, int in)
{
    int64_t count = (int64_t)graph_sample_count(net_node(net, in));
    return net_add(net, GRAPH_RESHAPE, in, net_ints(net, (const int64_t[]){-1, count}, 2),
                   DIMS(count));
}

static inline int net_dense(struct net *net, int in, int64_t m)
{
    const struct graph_node *x = net_node(net, in);
    int64_t n = x->dims[x->rank - 1];
    int w = net_const(net, 1.0 / sqrt((double)n), DIMS(n, m));
    return net_add(net, GRAPH_MATMUL, in, w, DIMS(m));
}

static inline int net_transpose(struct net *net, int in, int64_t a, int64_t b, int64_t c)
{
    const int64_t perm[4] = {0, a, b, c};
    const struct graph_node *x = net_node(net, in);
    int64_t dims[3] = {x->dims[a], x->dims[b], x->dims[c]};
    int i = net_add(net, GRAPH_TRANSPOSE, in, net_ints(net, perm, 4), dims, 3);
    memcpy(net_node(net, i)->list, perm, sizeof perm);
    net_node(net, i)->n_list = 4;
    return i;
}

static inline int net_pad(struct net *net, int in, int64_t top, int64_t bottom, int64_t left,
                          int64_t right)
{
    const int64_t pads[8] = {0, 0, top, bottom, left, right, 0, 0};
    const struct graph_node *x = net_node(net, in);
    int64_t dims[3] = {x->dims[1] + top + bottom, x->dims[2] + left + right, x->dims[3]};
    int p = net_ints(net, pads, 8);
    net_node(net, p)->value.rank = net_node(net, p)->rank = 2;
    net_node(net, p)->value.dims[0] = net_node(net, p)->dims[0] = 4;
    net_node(net, p)->value.dims[1] = net_node(net, p)->dims[1] = 2;
    return net_add(net, GRAPH_PAD, in, p, dims, 3);
}

/* Values of `in` by their places, -1 for a zero. */
static inline int net_gather(struct net *net, int in, const int64_t *from, const int64_t *dims,
                             unsigned rank)
{
    int i = net_add(net, GRAPH_GATHER, in, -1, dims, rank);
    struct graph_tensor *t = &net_node(net, i)->value;
    t->count = graph_sample_count(net_node(net, i));
    t->i = calloc(t->count + 1, sizeof *t->i);
    assert_non_null(t->i);
    memcpy(t->i, from, t->count * sizeof *t->i);
    return i;
}

/* `n` nodes joined along an axis (the batch axis is 0). */
static inline int net_concat(struct net *net, const int *in, unsigned n, int64_t axis)
{
    int i = net_same(net, GRAPH_CONCAT, in[0], -1);
    struct graph_node *node = net_node(net, i);
    free(node->inputs);
    node->inputs = calloc(n, sizeof *node->inputs);
    assert_non_null(node->inputs);
    memcpy(node->inputs, in, n * sizeof *in);
    node->n_inputs = n;
    node->axis = axis;
    for (unsigned k = 1; k < n; k++)
        node->dims[axis] += net_node(net, in[k])->dims[axis];
    return i;
}

static inline void net_output(struct net *net, int node)
{
    net->g->outputs[net->g->n_outputs++] = node;
}

static inline struct plan_options net_logits(void)
{
    struct plan_options o;
    plan_options_init(&o);
    o.policy = PLAN_LOGITS;
    o.policy_given = true;
    return o;
}

static inline struct plan *net_plan(const struct net *net, const struct plan_options *o)
{
    mp2ml_error err = {MP2ML_OK, ""};
    struct plan *plan;
    if (plan_new(&plan, net->g, o, &err) != MP2ML_OK)
        fail_msg("%s", err.text);
    return plan;
}

static inline void net_fails(struct net *net, const struct plan_options *o, mp2ml_status status,
                             const char *word)
{
    mp2ml_error err = {MP2ML_OK, ""};
    struct plan *plan;
    assert_int_equal(plan_new(&plan, net->g, o, &err), status);
    assert_null(plan);
    assert_int_equal(err.status, status);
    if (strstr(err.text, word) == NULL)
        fail_msg("'%s' is not in: %s", word, err.text);
    graph_free(net->g);
}

static inline void net_scaled(struct plan *plan, unsigned k, unsigned k_out)
{
    mp2ml_error err = {MP2ML_OK, ""};
    if (plan_scale(plan, k, k_out, &err) != MP2ML_OK)
        fail_msg("%s", err.text);
    assert_int_equal(plan_error_model(plan), MP2ML_OK);
}

/* The kinds of all steps, separated by spaces. */
static inline void net_has_steps(const struct plan *plan, const char *kinds)
{
    char text[1024] = "";
    for (unsigned s = 0; s < plan->pub.n_steps; s++) {
        size_t at = strlen(text);
        (void)snprintf(text + at, sizeof text - at, "%s%s", s != 0 ? " " : "",
                       step_kind_name(plan->pub.steps[s].kind));
    }
    assert_string_equal(text, kinds);
}

#define NET_IMAGES 7

/* Random inputs within the declared range and room for outputs; freed by net_data_wipe. */
struct net_data {
    float *inputs[PLAN_MAX_TENSORS], *outputs[PLAN_MAX_TENSORS], *expected[PLAN_MAX_TENSORS];
};

static inline void net_data_init(struct net_data *d, struct net *net, const struct plan *plan)
{
    memset(d, 0, sizeof *d);
    for (unsigned t = 0; t < plan->pub.n_inputs; t++) {
        const struct plan_tensor *in = &plan->pub.inputs[t];
        d->inputs[t] = calloc((size_t)in->count * NET_IMAGES + 1, sizeof(float));
        assert_non_null(d->inputs[t]);
        for (size_t i = 0; i < (size_t)in->count * NET_IMAGES; i++)
            d->inputs[t][i] =
                (float)(in->low + (in->high - in->low) * (0.5 + 0.5 * net_random(net)));
    }
    for (unsigned t = 0; t < plan->pub.n_outputs; t++) {
        size_t n = graph_sample_count(&net->g->nodes[net->g->outputs[t]]) * NET_IMAGES + 1;
        d->outputs[t] = calloc(n, sizeof(float));
        d->expected[t] = calloc(n, sizeof(float));
        assert_true(d->outputs[t] != NULL && d->expected[t] != NULL);
    }
}

static inline void net_data_wipe(struct net_data *d)
{
    for (unsigned t = 0; t < PLAN_MAX_TENSORS; t++) {
        free(d->inputs[t]);
        free(d->outputs[t]);
        free(d->expected[t]);
    }
}

/* The lowered steps give what the graph gives. */
static inline void net_agrees(struct net *net, const struct plan *plan)
{
    struct net_data d;
    net_data_init(&d, net, plan);
    const float *const *in = (const float *const *)d.inputs;
    assert_int_equal(graph_eval(net->g, NET_IMAGES, in, d.expected, NULL, NULL), MP2ML_OK);
    assert_int_equal(plan_eval_float(plan, NET_IMAGES, in, d.outputs, NULL, NULL), MP2ML_OK);
    for (unsigned t = 0; t < plan->pub.n_outputs; t++) {
        size_t n = (size_t)plan->pub.outputs[t].count * NET_IMAGES;
        for (size_t i = 0; i < n; i++)
            if (!(fabs((double)d.outputs[t][i] - (double)d.expected[t][i]) <= 1e-5))
                fail_msg("output %u, value %zu: %g, not %g", t, i, (double)d.outputs[t][i],
                         (double)d.expected[t][i]);
    }
    net_data_wipe(&d);
}

/* Plans for logits, compares, and leaves the plan to the caller. */
static inline struct plan *net_check(struct net *net, int output, const char *kinds)
{
    net_output(net, output);
    struct plan_options o = net_logits();
    struct plan *plan = net_plan(net, &o);
    net_has_steps(plan, kinds);
    net_agrees(net, plan);
    return plan;
}

static inline void net_done(struct net *net, struct plan *plan)
{
    plan_free(plan);
    graph_free(net->g);
}

#endif
