/* SPDX-License-Identifier: Apache-2.0
 *
 * The lowered network in plain floats: what ranges are measured on, and the reference for the
 * fixed-point run of the same steps. */
#include <stdlib.h>
#include <string.h>

#include "plan/linear_build.h"
#include "plan/plan_internal.h"

struct eval {
    const struct plan *plan;
    size_t images;
    const float *const *inputs;
    float *const *outputs;
    float **values; /* [n_steps], while a later step needs them */
};

/* [image][value] <-> [value][image] */
static void transpose(float *out, const float *in, size_t rows, size_t cols)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < cols; c++)
            out[c * rows + r] = in[r * cols + c];
}

static mp2ml_status eval_linear(struct eval *e, const struct plan_step *step, float *out)
{
    const struct plan_public *pub = &e->plan->pub;
    const struct linear *lin = &e->plan->linear[step - pub->steps];
    const float *in = e->values[step->operands[0]];
    float *joined = NULL;
    if (step->n_operands > 1) {
        joined = malloc(lin->n_in * e->images * sizeof *joined);
        if (joined == NULL)
            return MP2ML_ERR_MEMORY;
        float *at = joined;
        for (unsigned i = 0; i < step->n_operands; i++) {
            size_t n = pub->steps[step->operands[i]].count * e->images;
            memcpy(at, e->values[step->operands[i]], n * sizeof *at);
            at += n;
        }
        in = joined;
    }
    mp2ml_status status = linear_eval_float(lin, out, in, e->images);
    free(joined);
    return status;
}

static void eval_relu(const struct eval *e, const struct plan_step *step, float *out,
                      const float *in)
{
    const struct linear *lin = &e->plan->linear[step - e->plan->pub.steps];
    for (size_t v = 0; v < step->count; v++) {
        float beside = lin->b != NULL ? (float)lin->b[v] : 0.0f;
        bool negative = lin->negative != NULL && lin->negative[v];
        for (size_t i = v * e->images; i < (v + 1) * e->images; i++)
            out[i] = (in[i] + beside > 0) != negative ? in[i] + beside : 0.0f;
    }
}

static void eval_sign(const struct eval *e, const struct plan_step *step, float *out,
                      const float *in)
{
    const struct linear *lin = &e->plan->linear[step - e->plan->pub.steps];
    for (size_t v = 0; v < step->count; v++) {
        float beside = lin->b != NULL ? (float)lin->b[v] : 0.0f;
        float one = lin->negative != NULL && lin->negative[v] ? -1.0f : 1.0f;
        for (size_t i = v * e->images; i < (v + 1) * e->images; i++)
            out[i] = in[i] + beside > 0 ? one : in[i] + beside < 0 ? -one : 0.0f;
    }
}

/* Positions of the `top` largest, best first, the first one first at ties. */
static void eval_top(const struct eval *e, const struct plan_step *step, float *out,
                     const float *in)
{
    const struct mpc_windows *w = &step->windows;
    for (size_t i = 0; i < w->count; i++) {
        const uint32_t *member = w->member + w->first[i];
        uint32_t n = w->first[i + 1] - w->first[i];
        for (size_t b = 0; b < e->images; b++)
            for (uint32_t p = 0; p < step->top; p++) {
                uint32_t best = n;
                for (uint32_t m = 0; m < n; m++) {
                    bool taken = false;
                    for (uint32_t q = 0; q < p; q++)
                        taken = taken || (uint32_t)out[(i * step->top + q) * e->images + b] == m;
                    float v = in[member[m] * e->images + b];
                    if (!taken && (best == n || v > in[member[best] * e->images + b]))
                        best = m;
                }
                out[(i * step->top + p) * e->images + b] = (float)best;
            }
    }
}

static void eval_sum(const struct eval *e, const struct plan_step *step, float *out)
{
    const float *a = e->values[step->operands[0]], *b = e->values[step->operands[1]];
    float f = (float)(1u << step->shift[0]), g = (float)(1u << step->shift[1]);
    g = step->minus ? -g : g;
    for (size_t i = 0; i < step->count * e->images; i++)
        out[i] = f * a[i] + g * b[i];
}

static void eval_product(const struct eval *e, const struct plan_step *step, float *out)
{
    const float *a = e->values[step->operands[0]];
    const float *b = e->values[step->operands[step->n_operands - 1]];
    const struct mpc_windows *w = &step->windows;
    for (size_t i = 0; i < step->count; i++) {
        size_t from_a = w->count != 0 ? w->member[2 * i] : i;
        size_t from_b = w->count != 0 ? w->member[2 * i + 1] : i;
        for (size_t at = 0; at < e->images; at++)
            out[i * e->images + at] = a[from_a * e->images + at] * b[from_b * e->images + at];
    }
}

/* Maximum, or position of the first maximum, or sign of a single value. */
static void eval_windows(const struct eval *e, const struct plan_step *step, float *out,
                         const float *in)
{
    const struct mpc_windows *w = &step->windows;
    bool argmax = step->kind == STEP_ARGMAX;
    for (size_t i = 0; i < w->count; i++) {
        uint32_t from = w->first[i], n = w->first[i + 1] - from;
        for (size_t b = 0; b < e->images; b++) {
            float best = in[w->member[from] * e->images + b];
            uint32_t at = 0;
            for (uint32_t m = 1; m < n; m++) {
                float v = in[w->member[from + m] * e->images + b];
                if (v > best) {
                    best = v;
                    at = m;
                }
            }
            float index = n == 1 ? (float)(best >= 0) : (float)at;
            out[i * e->images + b] = argmax ? index : best;
        }
    }
}

static mp2ml_status eval_step(struct eval *e, unsigned s)
{
    const struct plan_step *step = &e->plan->pub.steps[s];
    size_t n = step->count * e->images;
    float *out = malloc((n != 0 ? n : 1) * sizeof *out);
    if (out == NULL)
        return MP2ML_ERR_MEMORY;
    e->values[s] = out;
    const float *in = step->n_operands != 0 ? e->values[step->operands[0]] : NULL;
    switch (step->kind) {
    case STEP_INPUT:
        transpose(out, e->inputs[step->tensor], e->images, step->count);
        break;
    case STEP_LINEAR:
        return eval_linear(e, step, out);
    case STEP_RELU:
        eval_relu(e, step, out, in);
        break;
    case STEP_SIGN:
        eval_sign(e, step, out, in);
        break;
    case STEP_MAX:
    case STEP_ARGMAX:
        if (step->top > 1)
            eval_top(e, step, out, in);
        else
            eval_windows(e, step, out, in);
        break;
    case STEP_PRODUCT:
    case STEP_SQUARE:
        eval_product(e, step, out);
        break;
    case STEP_SUM:
        eval_sum(e, step, out);
        break;
    default:        /* re-entry, output */
        if (n == 0) /* an output without values reads nothing */
            break;
        memcpy(out, in, n * sizeof *out);
        if (step->kind == STEP_OUTPUT && e->outputs != NULL && e->outputs[step->tensor] != NULL)
            transpose(e->outputs[step->tensor], in, step->count, e->images);
        break;
    }
    return MP2ML_OK;
}

static mp2ml_status eval_all(struct eval *e, plan_visit visit, void *context)
{
    const struct plan_public *pub = &e->plan->pub;
    for (unsigned s = 0; s < pub->n_steps; s++) {
        TRY(eval_step(e, s));
        if (visit != NULL && visit(context, s, e->values[s], e->images) != 0)
            return MP2ML_OK;
        for (unsigned i = 0; i < pub->steps[s].n_operands; i++) {
            unsigned o = pub->steps[s].operands[i];
            if (!plan_is_read_after(pub, o, s)) {
                free(e->values[o]);
                e->values[o] = NULL;
            }
        }
    }
    return MP2ML_OK;
}

mp2ml_status plan_eval_float(const struct plan *plan, size_t images, const float *const *inputs,
                             float *const *outputs, plan_visit visit, void *context)
{
    unsigned n = plan->pub.n_steps;
    struct eval e = {plan, images, inputs, outputs, calloc(n + 1, sizeof(float *))};
    mp2ml_status status = e.values != NULL ? eval_all(&e, visit, context) : MP2ML_ERR_MEMORY;
    for (unsigned s = 0; e.values != NULL && s < n; s++)
        free(e.values[s]);
    free(e.values);
    return status;
}
