/* SPDX-License-Identifier: Apache-2.0
 *
 * ONNX's products of matrices: data times a constant, a constant times data, and many products at
 * once, which are a convolution of width 1 with one group for each. */
#include <string.h>

#include "model/import_onnx_internal.h"

/* Exchanges the last two axes. */
static mp2ml_status swap_last(struct onnx_call *c, int *out, int a)
{
    const unsigned rank = onnx_shape_of(c, a).rank;
    int64_t order[GRAPH_MAX_RANK];
    for (unsigned d = 0; d < rank; d++)
        order[d] = d;
    order[rank - 2] = rank - 1;
    order[rank - 1] = rank - 2;
    return onnx_transpose(c, out, "transposed", a, order);
}

static mp2ml_status wrong_shapes(const struct onnx_call *c, int a, int b)
{
    return ONNX_FAIL(c, MP2ML_ERR_MODEL, "shapes %s and %s do not fit",
                     shape_print(onnx_at(c, a)).text, shape_print(onnx_at(c, b)).text);
}

/* w: [K][N] */
static mp2ml_status product_right(struct onnx_call *c, int *out, int a, int w)
{
    struct graph_node *n;
    TRY(expand_node(&c->x, GRAPH_MATMUL, NULL, (const int[]){a, w}, 2, &n));
    return expand_settle(&c->x, out);
}

/* One kernel [1][1][K][G * N] of a convolution with G groups, from w: [G...][K][N]. */
static mp2ml_status kernel_of(struct onnx_call *c, int *out, int w, int64_t groups)
{
    const struct graph_node *n = onnx_at(c, w);
    const int64_t k = n->dims[n->rank - 2], columns = n->dims[n->rank - 1];
    const float *from = n->value.f; /* stays where it is when nodes move */
    float *to;
    TRY(expand_floats(&c->x, out, "kernel", (const int64_t[]){1, 1, k, groups * columns}, 4, &to));
    for (int64_t g = 0; g < groups; g++)
        for (int64_t r = 0; r < k; r++)
            memcpy(to + (r * groups + g) * columns, from + (g * k + r) * columns,
                   (size_t)columns * sizeof *to);
    return MP2ML_OK;
}

/* a: (.., G.., M, K) with the axes G of w: [G..][K][N]. With whole tensors as samples, or a batch
 * axis before G. */
static mp2ml_status products(struct onnx_call *c, int *out, int a, int w)
{
    const struct onnx_shape s = onnx_shape_of(c, a), v = onnx_shape_of(c, w);
    const unsigned lead = s.rank - v.rank; /* axes before G */
    const bool own_batch = !c->t->whole;
    int64_t groups = 1, before = 1;
    for (unsigned d = 0; d + 2 < v.rank; d++) {
        if (s.dims[lead + d] != v.dims[d])
            return wrong_shapes(c, a, w);
        groups *= v.dims[d];
    }
    for (unsigned d = own_batch ? 1 : 0; d < lead; d++)
        before *= s.dims[d];
    const int64_t m = s.dims[s.rank - 2], k = s.dims[s.rank - 1], n = v.dims[v.rank - 1];
    int x, kernel;
    struct graph_node *conv;
    TRY(expand_reshape(&c->x, &x, "rows", a, (const int64_t[]){GRAPH_BATCH, before, groups, m, k},
                       5));
    static const int64_t swap[5] = {0, 1, 3, 2, 4};
    TRY(expand_transpose(&c->x, &x, "groups", x, swap, 5));
    TRY(expand_reshape(&c->x, &x, "picture", x,
                       (const int64_t[]){GRAPH_BATCH, before, m, groups * k}, 4));
    TRY(kernel_of(c, &kernel, w, groups));
    TRY(expand_node(&c->x, GRAPH_CONV2D, "products", (const int[]){x, kernel}, 2, &conv));
    conv->window = (struct graph_window){
        .padding = GRAPH_VALID, .kernel = {1, 1}, .stride = {1, 1}, .dilation = {1, 1}};
    TRY(expand_settle(&c->x, &x));
    TRY(expand_reshape(&c->x, &x, "products", x,
                       (const int64_t[]){GRAPH_BATCH, before, m, groups, n}, 5));
    TRY(expand_transpose(&c->x, &x, "back", x, swap, 5));
    struct onnx_shape to = s;
    to.dims[to.rank - 1] = n;
    return onnx_reshape(c, out, NULL, x, &to);
}

/* Data times constant; both of at least two axes, the data of as many as the constant. */
static mp2ml_status times_constant(struct onnx_call *c, int *out, int a, int w)
{
    const struct onnx_shape s = onnx_shape_of(c, a), v = onnx_shape_of(c, w);
    if (s.dims[s.rank - 1] != v.dims[v.rank - 2] || s.rank < v.rank)
        return wrong_shapes(c, a, w);
    if (v.rank == 2)
        return product_right(c, out, a, w);
    if (!c->t->whole && s.rank == v.rank) /* one matrix for each sample: no */
        return ONNX_FAIL(c, MP2ML_ERR_UNSUPPORTED, "works along the batch axis of shape %s",
                         shape_print(onnx_at(c, a)).text);
    return products(c, out, a, w);
}

/* At least `rank` axes, ones in front. */
static mp2ml_status with_axes(struct onnx_call *c, int *a, unsigned rank)
{
    struct onnx_shape s = onnx_shape_of(c, *a);
    if (s.rank >= rank)
        return MP2ML_OK;
    memmove(s.dims + (rank - s.rank), s.dims, s.rank * sizeof *s.dims);
    for (unsigned d = 0; d < rank - s.rank; d++)
        s.dims[d] = 1;
    s.rank = rank;
    return onnx_reshape(c, a, "axes", *a, &s);
}

mp2ml_status onnx_product_of(struct onnx_call *c, int *out, int a, int b)
{
    const bool left = onnx_at(c, a)->batched, right = onnx_at(c, b)->batched;
    if (left && right)
        return ONNX_FAIL(c, MP2ML_ERR_UNSUPPORTED,
                         "multiplies two matrices of data; one of them must be a constant");
    if (!left && !right)
        return ONNX_FAIL(c, MP2ML_ERR_UNSUPPORTED, "does not depend on an input");
    const unsigned p = onnx_shape_of(c, a).rank, q = onnx_shape_of(c, b).rank;
    const unsigned data = left ? p : q, constant = left ? q : p;
    if (data < 2 || constant < 2)
        return ONNX_FAIL(c, MP2ML_ERR_MODEL, "multiplies tensors of %u and %u axes", p, q);
    if (left) {
        TRY(with_axes(c, &a, constant));
        return times_constant(c, out, a, b);
    }
    int x, w, y; /* A B = (B' A')' */
    TRY(with_axes(c, &b, constant));
    TRY(swap_last(c, &x, b));
    TRY(swap_last(c, &w, a));
    TRY(times_constant(c, &y, x, w));
    return swap_last(c, out, y);
}

/* A vector is a row on the left, a column on the right, and that axis goes again. */
mp2ml_status onnx_matmul(struct onnx_call *c, enum graph_op op)
{
    struct onnx_shape p = onnx_shape_of(c, c->in[0]), q = onnx_shape_of(c, c->in[1]);
    const bool row = p.rank == 1, column = q.rank == 1;
    (void)op;
    if (p.rank == 0 || q.rank == 0)
        return ONNX_FAIL(c, MP2ML_ERR_MODEL, "multiplies single numbers");
    for (unsigned k = 0; k < 2; k++)
        if (!onnx_in(c, k)->batched)
            TRY(onnx_want_reals(c, k));
    if (row && onnx_in(c, 0)->batched && !c->t->whole)
        return ONNX_FAIL(c, MP2ML_ERR_UNSUPPORTED, "works along the batch axis");
    if (column && onnx_in(c, 1)->batched && !c->t->whole)
        return ONNX_FAIL(c, MP2ML_ERR_UNSUPPORTED, "works along the batch axis");
    if (row)
        TRY(onnx_reshape(c, &c->in[0], "row", c->in[0], &(struct onnx_shape){2, {1, p.dims[0]}}));
    if (column)
        TRY(onnx_reshape(c, &c->in[1], "column", c->in[1],
                         &(struct onnx_shape){2, {q.dims[0], 1}}));
    TRY(onnx_product_of(c, &c->out[0], c->in[0], c->in[1]));
    if (!row && !column)
        return MP2ML_OK;
    const struct onnx_shape s = onnx_shape_of(c, c->out[0]);
    struct onnx_shape to = {0};
    for (unsigned d = 0; d < s.rank; d++)
        if (!(row && d + 2 == s.rank) && !(column && d + 1 == s.rank))
            to.dims[to.rank++] = s.dims[d];
    return onnx_reshape(c, &c->out[0], NULL, c->out[0], &to);
}

static mp2ml_status times_number(struct onnx_call *c, int *a, float number)
{
    int factor;
    if (number >= 1 && number <= 1)
        return MP2ML_OK;
    TRY(onnx_scalar(c, &factor, number));
    return onnx_binary(c, a, GRAPH_MUL, "factor", *a, factor);
}

/* alpha * A' * B' + beta * C, where ' may transpose. */
mp2ml_status onnx_gemm(struct onnx_call *c, enum graph_op op)
{
    float alpha = 1, beta = 1;
    int64_t swap[2] = {0, 0};
    int sum, bias;
    (void)op;
    onnx_attr_float(c, "alpha", &alpha);
    onnx_attr_float(c, "beta", &beta);
    onnx_attr_int(c, "transA", &swap[0]);
    onnx_attr_int(c, "transB", &swap[1]);
    for (unsigned k = 0; k < 2; k++) {
        if (onnx_shape_of(c, c->in[k]).rank != 2)
            return ONNX_FAIL(c, MP2ML_ERR_MODEL, "input %u has shape %s, must have 2 axes", k,
                             shape_print(onnx_in(c, k)).text);
        const int before = c->in[k];
        const bool take = onnx_only_reader(c, k);
        if (swap[k] != 0)
            TRY(swap_last(c, &c->in[k], before));
        if (swap[k] != 0 && take)
            onnx_release(c, before);
        if (!onnx_in(c, k)->batched)
            TRY(onnx_want_reals(c, k));
    }
    const unsigned constant = onnx_in(c, 0)->batched ? 1 : 0;
    TRY(times_number(c, &c->in[constant], alpha));
    TRY(onnx_product_of(c, &sum, c->in[0], c->in[1]));
    c->out[0] = sum;
    if (!onnx_has(c, 2) || !(beta < 0 || beta > 0))
        return MP2ML_OK;
    bias = c->in[2];
    TRY(times_number(c, &bias, beta));
    return onnx_binary(c, &c->out[0], GRAPH_ADD, NULL, sum, bias);
}
