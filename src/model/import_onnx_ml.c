/* SPDX-License-Identifier: Apache-2.0
 *
 * The operators of ai.onnx.ml that are linear, as pipelines of scikit-learn have them: their
 * numbers stand in attributes. */
#include <string.h>

#include "model/import_onnx_internal.h"

/* A list of floats; ERR_MODEL unless it has `count` numbers, or `or_count`. NULL: none. */
static mp2ml_status numbers(const struct onnx_call *c, const char *key, size_t count,
                            size_t or_count, const Onnx__Attribute **out)
{
    *out = onnx_attr(c->def, key);
    if (*out == NULL || (*out)->n_floats == 0) {
        *out = NULL;
        return MP2ML_OK;
    }
    if ((*out)->n_floats != count && (*out)->n_floats != or_count)
        return ONNX_FAIL(c, MP2ML_ERR_MODEL, "has %zu numbers in '%s', expected %zu",
                         (*out)->n_floats, key, count);
    return MP2ML_OK;
}

/* Samples of data in rows: (N, features). */
static mp2ml_status features_of(const struct onnx_call *c, size_t *features)
{
    const struct onnx_shape s = onnx_shape_of(c, c->in[0]);
    if (!onnx_in(c, 0)->batched || s.rank != 2 || s.dims[1] < 1)
        return ONNX_FAIL(c, MP2ML_ERR_UNSUPPORTED,
                         "takes an input of shape %s, expected samples of one axis",
                         shape_print(onnx_in(c, 0)).text);
    *features = (size_t)s.dims[1];
    return MP2ML_OK;
}

static mp2ml_status constant_of(struct onnx_call *c, int *out, const char *suffix,
                                const Onnx__Attribute *a)
{
    float *to;
    TRY(expand_floats(&c->x, out, suffix, (const int64_t[]){(int64_t)a->n_floats}, 1, &to));
    memcpy(to, a->floats, a->n_floats * sizeof *to);
    return MP2ML_OK;
}

/* (x - offset) * scale */
mp2ml_status onnx_ml_scaler(struct onnx_call *c, enum graph_op op)
{
    const Onnx__Attribute *offset, *scale;
    size_t features = 0;
    int constant, y = c->in[0];
    TRY(features_of(c, &features));
    TRY(numbers(c, "offset", features, 1, &offset));
    TRY(numbers(c, "scale", features, 1, &scale));
    if (offset != NULL) {
        TRY(constant_of(c, &constant, "offset", offset));
        TRY(onnx_binary(c, &y, GRAPH_SUB, "shifted", y, constant));
    }
    if (scale != NULL) {
        TRY(constant_of(c, &constant, "scale", scale));
        TRY(onnx_binary(c, &y, op, NULL, y, constant));
    }
    onnx_value_out(c, 0)->integers = false;
    c->out[0] = y;
    return MP2ML_OK;
}

/* x * coefficients' + intercepts; *rows outputs, 0: as many as the coefficients say. */
static mp2ml_status linear(struct onnx_call *c, int *out, size_t *rows)
{
    const Onnx__Attribute *w = onnx_attr(c->def, "coefficients"), *b;
    const size_t given = w != NULL ? w->n_floats : 0;
    size_t features = 0;
    float *to;
    int kernel, bias;
    TRY(features_of(c, &features));
    const size_t wanted = *rows != 0 ? features * *rows : given - given % features;
    TRY(numbers(c, "coefficients", wanted, wanted, &w));
    if (w == NULL)
        return ONNX_FAIL(c, MP2ML_ERR_MODEL, "has no coefficients for %zu features", features);
    *rows = w->n_floats / features;
    TRY(numbers(c, "intercepts", *rows, *rows, &b));
    TRY(expand_floats(&c->x, &kernel, "kernel",
                      (const int64_t[]){(int64_t)features, (int64_t)*rows}, 2, &to));
    for (size_t r = 0; r < *rows; r++)
        for (size_t k = 0; k < features; k++)
            to[k * *rows + r] = w->floats[r * features + k];
    TRY(onnx_product_of(c, out, c->in[0], kernel));
    if (b == NULL)
        return MP2ML_OK;
    TRY(constant_of(c, &bias, "bias", b));
    return onnx_binary(c, out, GRAPH_ADD, NULL, *out, bias);
}

mp2ml_status onnx_ml_regressor(struct onnx_call *c, enum graph_op op)
{
    int64_t targets = 1;
    (void)op;
    onnx_attr_int(c, "targets", &targets);
    if (!onnx_attr_is(c, "post_transform", "NONE", true))
        return ONNX_FAIL(c, MP2ML_ERR_UNSUPPORTED, "ends in %s",
                         onnx_attr_text(c, "post_transform").text);
    if (targets < 1 || targets > (int64_t)GRAPH_MAX_COUNT)
        return ONNX_FAIL(c, MP2ML_ERR_MODEL, "has %lld targets", (long long)targets);
    size_t rows = (size_t)targets;
    onnx_value_out(c, 0)->integers = false;
    return linear(c, &c->out[0], &rows);
}

/* True when the classes are called 0, 1, 2, .. */
static bool labels_are_numbers(const struct onnx_call *c, size_t classes)
{
    const Onnx__Attribute *a = onnx_attr(c->def, "classlabels_ints");
    if (a == NULL || a->n_ints != classes)
        return false;
    for (size_t k = 0; k < classes; k++)
        if (a->ints[k] != (int64_t)k)
            return false;
    return true;
}

/* Outputs: the label, and the scores. */
mp2ml_status onnx_ml_classifier(struct onnx_call *c, enum graph_op op)
{
    const bool soft = onnx_attr_is(c, "post_transform", "SOFTMAX", false);
    const bool curve = onnx_attr_is(c, "post_transform", "LOGISTIC", false);
    size_t rows = 0;
    int scores;
    struct graph_node *n;
    (void)op;
    if (!soft && !curve && !onnx_attr_is(c, "post_transform", "NONE", true))
        return ONNX_FAIL(c, MP2ML_ERR_UNSUPPORTED, "ends in %s",
                         onnx_attr_text(c, "post_transform").text);
    TRY(linear(c, &scores, &rows));
    if (rows < 2)
        return ONNX_FAIL(c, MP2ML_ERR_UNSUPPORTED, "has the coefficients of one class of two");
    if (onnx_wanted(c, 0)) {
        if (!labels_are_numbers(c, rows))
            return ONNX_FAIL(c, MP2ML_ERR_UNSUPPORTED,
                             "gives labels that are not 0, 1, ..; take its scores with "
                             "--output-node, and the names with --classes");
        TRY(expand_node(&c->x, GRAPH_ARGMAX, "label", &scores, 1, &n));
        n->axis = onnx_at(c, scores)->rank - 1;
        TRY(expand_settle(&c->x, &c->out[0]));
        onnx_value_out(c, 0)->integers = true;
    }
    if (!onnx_wanted(c, 1))
        return MP2ML_OK;
    if (soft || curve) {
        TRY(expand_node(&c->x, soft ? GRAPH_SOFTMAX : GRAPH_SIGMOID, NULL, &scores, 1, &n));
        n->axis = onnx_at(c, scores)->rank - 1;
        TRY(expand_settle(&c->x, &scores));
    }
    c->out[1] = scores;
    onnx_value_out(c, 1)->integers = false;
    return MP2ML_OK;
}
