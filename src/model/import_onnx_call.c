/* SPDX-License-Identifier: Apache-2.0
 *
 * What the operators of ONNX have in common: operands, shapes as the file knows them, and the moves
 * that keep the batch where it is. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "model/import_onnx_internal.h"

mp2ml_status onnx_fail(mp2ml_error *err, const onnx_node *def, mp2ml_status status, const char *fmt,
                       ...)
{
    char text[700];
    va_list args;
    va_start(args, fmt);
    if (vsnprintf(text, sizeof text, fmt, args) < 0)
        text[0] = '\0';
    va_end(args);
    const char *name = def->name[0] != '\0' || def->n_output == 0 ? def->name : def->output[0];
    (void)status_fail(err, status, "node '%.200s' (%.60s): %s", name, def->op_type, text);
    graph_clean_text(err);
    return status;
}

struct onnx_value *onnx_value_in(const struct onnx_call *c, unsigned k)
{
    const struct onnx_model *m = c->t->model;
    return &m->values[m->in[m->first_in[c->index] + k]];
}

struct onnx_value *onnx_value_out(const struct onnx_call *c, unsigned k)
{
    const struct onnx_model *m = c->t->model;
    return &m->values[m->out[m->first_out[c->index] + k]];
}

bool onnx_wanted(const struct onnx_call *c, unsigned k)
{
    const struct onnx_model *m = c->t->model;
    return k < c->n_out && m->out[m->first_out[c->index] + k] != ONNX_ABSENT &&
           onnx_value_out(c, k)->uses != 0;
}

/* Shapes and axes ----------------------------------------------------------------------------- */

struct onnx_shape onnx_shape_of(const struct onnx_call *c, int node)
{
    const struct graph_node *n = onnx_at(c, node);
    struct onnx_shape s = {.rank = n->rank};
    const bool hidden = n->batched && (c->t->whole || n->rows); /* one axis more than the file */
    s.rank -= hidden ? 1 : 0;
    for (unsigned d = 0; d < s.rank; d++)
        s.dims[d] = n->dims[d + (hidden ? 1 : 0)];
    if (!n->batched || c->t->whole)
        return s;
    const int64_t batch = c->t->batch;
    s.dims[0] = n->rows ? n->dims[1] * batch : batch; /* -k: k times a batch that is not known */
    return s;
}

mp2ml_status onnx_axis(const struct onnx_call *c, int node, int64_t axis, unsigned *out)
{
    const struct graph_node *n = onnx_at(c, node);
    const unsigned rank = onnx_shape_of(c, node).rank;
    const int64_t given = axis;
    if (!shape_axis(&axis, rank))
        return ONNX_FAIL(c, MP2ML_ERR_MODEL, "axis %lld of shape %s", (long long)given,
                         shape_print(n).text);
    *out = (unsigned)axis;
    if (!n->batched)
        return MP2ML_OK;
    if (!c->t->whole && axis == 0)
        return ONNX_FAIL(c, MP2ML_ERR_UNSUPPORTED, "works along the batch axis of shape %s",
                         shape_print(n).text);
    *out += c->t->whole || n->rows ? 1 : 0;
    return MP2ML_OK;
}

/* Settings ------------------------------------------------------------------------------------ */

mp2ml_status onnx_want_constant(const struct onnx_call *c, unsigned k)
{
    const struct graph_node *n = onnx_in(c, k);
    if (n->op == GRAPH_CONST)
        return MP2ML_OK;
    return ONNX_FAIL(c, MP2ML_ERR_UNSUPPORTED,
                     "input %u ('%.200s') depends on the data, and must be a constant", k, n->name);
}

mp2ml_status onnx_want_reals(struct onnx_call *c, unsigned k)
{
    TRY(onnx_want_constant(c, k));
    if (!onnx_in(c, k)->integers)
        return MP2ML_OK;
    return expand_real(&c->x, &c->in[k], c->in[k]);
}

/* A setting is an attribute in old opsets and an input in new ones. */
static mp2ml_status is_input(const struct onnx_call *c, unsigned k, const char *key)
{
    if (key == NULL || !onnx_attr_exists(c, key))
        return MP2ML_OK;
    return ONNX_FAIL(c, MP2ML_ERR_MODEL, "has input %u, which in opset %lld is attribute '%s'", k,
                     (long long)c->t->model->opset, key);
}

mp2ml_status onnx_ints(const struct onnx_call *c, unsigned k, const char *key, const int64_t **list,
                       size_t *count)
{
    *list = NULL;
    *count = 0;
    if (key != NULL)
        onnx_attr_ints(c, key, list, count);
    if (!onnx_has(c, k))
        return MP2ML_OK;
    TRY(is_input(c, k, key));
    TRY(onnx_want_constant(c, k));
    const struct graph_tensor *value = &onnx_in(c, k)->value;
    if (value->i == NULL || value->rank > 1)
        return ONNX_FAIL(c, MP2ML_ERR_MODEL, "input %u is no list of integers", k);
    *list = value->i;
    *count = value->count;
    return MP2ML_OK;
}

mp2ml_status onnx_number(const struct onnx_call *c, unsigned k, const char *key, float *out)
{
    if (key != NULL)
        onnx_attr_float(c, key, out);
    if (!onnx_has(c, k))
        return MP2ML_OK;
    TRY(is_input(c, k, key));
    TRY(onnx_want_constant(c, k));
    const struct graph_tensor *value = &onnx_in(c, k)->value;
    if (value->count != 1)
        return ONNX_FAIL(c, MP2ML_ERR_UNSUPPORTED, "input %u is not one number", k);
    *out = value->i != NULL ? (float)value->i[0] : value->f[0];
    return MP2ML_OK;
}

bool onnx_only_reader(const struct onnx_call *c, unsigned k)
{
    const struct onnx_value *v = onnx_value_in(c, k);
    return c->t->may_move && v->initializer >= 0 && v->uses == 1 && v->at == c->in[k];
}

void onnx_release(struct onnx_call *c, int node)
{
    struct graph_tensor *t = &onnx_at(c, node)->value;
    c->t->build.budget += t->f != NULL ? t->count * sizeof *t->f : 0;
    graph_tensor_wipe(t);
}

/* Moves --------------------------------------------------------------------------------------- */

/* The shape in the graph's terms, for data whose samples have `count` values. */
static bool batched_shape(const struct onnx_import *t, const struct onnx_shape *shape, size_t count,
                          int64_t *dims, unsigned *rank)
{
    const unsigned hidden = t->whole ? 1 : 0;
    size_t behind;
    if (shape->rank + hidden > GRAPH_MAX_RANK)
        return false;
    *rank = shape->rank + hidden;
    memcpy(dims + hidden, shape->dims, shape->rank * sizeof *dims);
    if (t->whole) {
        dims[0] = GRAPH_BATCH;
        return true;
    }
    if (*rank == 0 || !graph_count(&behind, dims + 1, *rank - 1) || behind == 0 ||
        count % behind != 0)
        return *rank != 0 &&
               dims[0] < 0; /* an axis is open yet, or shape_reshape says what is wrong */
    const int64_t times = (int64_t)(count / behind); /* rows of one sample */
    const int64_t one = t->batch == ONNX_UNKNOWN ? (dims[0] < 0 ? -1 : 1) : t->batch;
    int64_t all;
    if (__builtin_mul_overflow(one, times, &all) || (dims[0] != all && !(one < 0 && dims[0] == -1)))
        return false;
    dims[0] = times == 1 || dims[0] == -1 ? GRAPH_BATCH : -times;
    return true;
}

mp2ml_status onnx_reshape(struct onnx_call *c, int *out, const char *suffix, int a,
                          const struct onnx_shape *shape)
{
    const struct graph_node *n = onnx_at(c, a);
    int64_t dims[GRAPH_MAX_RANK];
    unsigned rank = shape->rank;
    memcpy(dims, shape->dims, sizeof dims);
    if (n->batched && !batched_shape(c->t, shape, graph_sample_count(n), dims, &rank))
        return ONNX_FAIL(c, MP2ML_ERR_UNSUPPORTED,
                         "shape %s does not take this other shape sample by sample",
                         shape_print(n).text);
    return expand_reshape(&c->x, out, suffix, a, dims, rank);
}

mp2ml_status onnx_transpose(struct onnx_call *c, int *out, const char *suffix, int a,
                            const int64_t *order)
{
    const unsigned hidden = c->t->whole && onnx_at(c, a)->batched ? 1 : 0;
    const unsigned rank = onnx_at(c, a)->rank;
    int64_t ours[GRAPH_MAX_RANK] = {0};
    for (unsigned d = hidden; d < rank; d++)
        ours[d] = order[d - hidden] + hidden;
    return expand_transpose(&c->x, out, suffix, a, ours, rank);
}

mp2ml_status onnx_gather(struct onnx_call *c, int *out, const char *suffix, int a,
                         const int64_t *dims, unsigned rank, const int64_t *list)
{
    struct graph_node *n;
    size_t count;
    if (!graph_count(&count, dims + 1, rank - 1))
        return ONNX_FAIL(c, MP2ML_ERR_MODEL, "has an impossible shape");
    TRY(expand_node(&c->x, GRAPH_GATHER, suffix, &a, 1, &n));
    n->rank = rank;
    memcpy(n->dims, dims, rank * sizeof *dims);
    n->value.rank = 1;
    n->value.dims[0] = (int64_t)count;
    TRY(graph_tensor_alloc(&c->t->build, &n->value, true));
    memcpy(n->value.i, list, count * sizeof *list);
    return expand_settle(&c->x, out);
}

/* Operands that broadcast --------------------------------------------------------------------- */

/* To `rank` axes of the file; where samples stay apart that is, with a batch of 1 or whole tensors.
 */
static mp2ml_status add_axes(struct onnx_call *c, int *a, unsigned rank)
{
    const struct graph_node *n = onnx_at(c, *a);
    const struct onnx_shape s = onnx_shape_of(c, *a);
    if (!n->batched || s.rank >= rank || n->rows || !(c->t->whole || c->t->batch == 1))
        return MP2ML_OK; /* the shape rule says what does not fit */
    const unsigned more = rank - s.rank;
    if (n->rank + more > GRAPH_MAX_RANK)
        return ONNX_FAIL(c, MP2ML_ERR_UNSUPPORTED, "has operands of more than %d axes",
                         GRAPH_MAX_RANK - 1);
    int64_t dims[GRAPH_MAX_RANK] = {GRAPH_BATCH};
    for (unsigned d = 1; d < n->rank + more; d++)
        dims[d] = d <= more ? 1 : n->dims[d - more];
    return expand_reshape(&c->x, a, "axes", *a, dims, n->rank + more);
}

mp2ml_status onnx_align(struct onnx_call *c, int *a, int *b)
{
    const struct graph_node *x = onnx_at(c, *a), *y = onnx_at(c, *b);
    if (!x->batched && !y->batched)
        return MP2ML_OK;
    if (!x->batched && x->integers && !y->integers) /* numbers beside data of a type of integers */
        TRY(expand_real(&c->x, a, *a));
    else if (!y->batched && y->integers && !x->integers)
        TRY(expand_real(&c->x, b, *b));
    const unsigned p = onnx_shape_of(c, *a).rank, q = onnx_shape_of(c, *b).rank;
    TRY(add_axes(c, a, q));
    return add_axes(c, b, p);
}

mp2ml_status onnx_binary(struct onnx_call *c, int *out, enum graph_op op, const char *suffix, int a,
                         int b)
{
    TRY(onnx_align(c, &a, &b));
    return expand_binary(&c->x, out, op, suffix, a, b);
}

mp2ml_status onnx_scalar(struct onnx_call *c, int *out, float value)
{
    return expand_scalar(&c->x, out, "number", value);
}
