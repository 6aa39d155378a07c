/* SPDX-License-Identifier: Apache-2.0
 *
 * Attributes of the operators that know pictures: layout, strides, paddings. */
#include <string.h>

#include "model/import_tf_internal.h"

static mp2ml_status read_layout(bool *nchw, const tf_node *def, mp2ml_error *err)
{
    *nchw = tf_attr_is(def, "data_format", "NCHW");
    if (tf_attr(def, "data_format") != NULL && !*nchw && !tf_attr_is(def, "data_format", "NHWC"))
        return tf_fail(err, def, MP2ML_ERR_UNSUPPORTED,
                       "attribute 'data_format' is '%s', supported are NHWC and NCHW",
                       tf_attr_text(def, "data_format").text);
    return MP2ML_OK;
}

/* A list of four, one for each axis; those of batch and channels must be 1. */
static mp2ml_status read_pair(int64_t *pair, const tf_node *def, const char *key, bool nchw,
                              bool required, mp2ml_error *err)
{
    const int64_t *list = NULL;
    size_t count = 0;
    TRY(tf_attr_ints(&list, &count, def, key, err));
    if (count == 0 && !required) {
        pair[0] = pair[1] = 1;
        return MP2ML_OK;
    }
    if (count != 4)
        return tf_fail(err, def, MP2ML_ERR_MODEL, "attribute '%s' has %zu values, must have 4", key,
                       count);
    const unsigned row = nchw ? 2 : 1;
    if (list[0] != 1 || list[nchw ? 1 : 3] != 1)
        return tf_fail(err, def, MP2ML_ERR_UNSUPPORTED,
                       "attribute '%s' is not 1 for batch and channels", key);
    for (unsigned k = 0; k < 2; k++) {
        pair[k] = list[row + k];
        if (pair[k] < 1 || pair[k] > (int64_t)GRAPH_MAX_COUNT)
            return tf_fail(err, def, MP2ML_ERR_MODEL, "attribute '%s' has the value %lld", key,
                           (long long)pair[k]);
    }
    return MP2ML_OK;
}

static mp2ml_status read_padding(struct graph_window *w, const tf_node *def, mp2ml_error *err)
{
    if (tf_attr_is(def, "padding", "SAME")) {
        w->padding = GRAPH_SAME;
        return MP2ML_OK;
    }
    if (tf_attr_is(def, "padding", "VALID")) {
        w->padding = GRAPH_VALID;
        return MP2ML_OK;
    }
    if (!tf_attr_is(def, "padding", "EXPLICIT"))
        return tf_fail(err, def, MP2ML_ERR_MODEL,
                       "attribute 'padding' is '%s', must be SAME, VALID or EXPLICIT",
                       tf_attr_text(def, "padding").text);
    w->padding = GRAPH_EXPLICIT;
    const int64_t *list = NULL;
    size_t count = 0;
    TRY(tf_attr_ints(&list, &count, def, "explicit_paddings", err));
    if (count != 8)
        return tf_fail(err, def, MP2ML_ERR_MODEL,
                       "attribute 'explicit_paddings' has %zu values, must have 8", count);
    const unsigned row = w->nchw ? 2 : 1, channel = w->nchw ? 1 : 3;
    if (list[0] != 0 || list[1] != 0 || list[2 * channel] != 0 || list[2 * channel + 1] != 0)
        return tf_fail(err, def, MP2ML_ERR_UNSUPPORTED,
                       "attribute 'explicit_paddings' pads batch or channels");
    memcpy(w->pad, list + 2 * row, sizeof w->pad);
    return MP2ML_OK;
}

mp2ml_status tf_import_conv2d(struct tf_import *t, tf_node *def, struct graph_node *n)
{
    mp2ml_error *err = t->build.err;
    struct graph_window *w = &n->window;
    TRY(read_layout(&w->nchw, def, err));
    TRY(read_pair(w->stride, def, "strides", w->nchw, true, err));
    TRY(read_pair(w->dilation, def, "dilations", w->nchw, false, err));
    return read_padding(w, def, err);
}

mp2ml_status tf_import_pool(struct tf_import *t, tf_node *def, struct graph_node *n)
{
    mp2ml_error *err = t->build.err;
    struct graph_window *w = &n->window;
    TRY(read_layout(&w->nchw, def, err));
    TRY(read_pair(w->kernel, def, "ksize", w->nchw, true, err));
    TRY(read_pair(w->stride, def, "strides", w->nchw, true, err));
    w->dilation[0] = w->dilation[1] = 1;
    return read_padding(w, def, err);
}

mp2ml_status tf_import_bias_add(struct tf_import *t, tf_node *def, struct graph_node *n)
{
    return read_layout(&n->nchw, def, t->build.err);
}

mp2ml_status tf_import_batch_norm(struct tf_import *t, tf_node *def, struct graph_node *n)
{
    mp2ml_error *err = t->build.err;
    bool training = true;
    n->real = 1e-4F;
    TRY(read_layout(&n->nchw, def, err));
    TRY(tf_attr_float(&n->real, def, "epsilon", err));
    TRY(tf_attr_bool(&training, def, "is_training", err));
    n->mask[0] = training;
    return n->real >= 0
               ? MP2ML_OK
               : tf_fail(err, def, MP2ML_ERR_MODEL, "attribute 'epsilon' is %g", (double)n->real);
}

mp2ml_status tf_import_depth_to_space(struct tf_import *t, tf_node *def, struct graph_node *n)
{
    TRY(read_layout(&n->nchw, def, t->build.err));
    return tf_attr_int(&n->axis, def, "block_size", t->build.err);
}
