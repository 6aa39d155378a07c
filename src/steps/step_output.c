/* SPDX-License-Identifier: Apache-2.0
 *
 * Output: the server's shares of the result go to the client, which turns integers into floats and
 * does the post-operation of the tail (docs/protocol.md, "Edges and output"). Of an output that
 * the client knows nothing travels. */
#include "steps/steps.h"

#include <math.h>

static float to_float(uint64_t x, unsigned bits, double scale)
{
    uint64_t sign = (uint64_t)1 << (bits - 1);
    int64_t v = (int64_t)(x ^ sign) - (int64_t)sign;
    return (float)((double)v / scale);
}

/* Of n values, `step` apart; `logs`: their logarithms. */
static void softmax(float *v, size_t n, size_t step, bool logs)
{
    float top = v[0];
    double sum = 0;
    for (size_t i = 1; i < n; i++)
        top = v[i * step] > top ? v[i * step] : top;
    for (size_t i = 0; i < n; i++)
        sum += exp((double)v[i * step] - (double)top);
    double base = log(sum);
    for (size_t i = 0; i < n; i++) {
        double d = (double)v[i * step] - (double)top;
        v[i * step] = (float)(logs ? d - base : exp(d) / sum);
    }
}

/* What may end a network and needs no secret, on [image][value] floats. */
static void post_operation(float *v, const struct plan_tensor *tensor, size_t n)
{
    const size_t row = tensor->row, step = tensor->step;
    switch (tensor->post) {
    case PLAN_POST_SOFTMAX:
    case PLAN_POST_LOG_SOFTMAX:
        for (size_t at = 0; at < n; at += row * step)
            for (size_t i = 0; i < step; i++)
                softmax(v + at + i, row, step, tensor->post == PLAN_POST_LOG_SOFTMAX);
        break;
    case PLAN_POST_SIGMOID:
        for (size_t i = 0; i < n; i++)
            v[i] = (float)(1 / (1 + exp(-(double)v[i])));
        break;
    case PLAN_POST_TANH:
        for (size_t i = 0; i < n; i++)
            v[i] = tanhf(v[i]);
        break;
    default:
        break;
    }
}

/* [value][image] integers to [image][value] floats. An index is not negative; all else is signed.
 */
static void to_floats(float *out, const uint64_t *in, const struct plan_public *pub,
                      const struct plan_step *step, size_t images)
{
    const struct plan_tensor *tensor = &pub->outputs[step->tensor];
    size_t n = tensor->count;
    for (size_t v = 0; v < n; v++)
        for (size_t b = 0; b < images; b++) {
            uint64_t x = in[v * images + b];
            out[b * n + v] =
                tensor->dtype == PLAN_I64 ? (float)x : to_float(x, step->out_bits, tensor->scale);
        }
    post_operation(out, tensor, n * images);
}

/* An output that the client knows (plan_output_is_known): its own floats, or no values. */
static void show_known(float *const *outputs, const float *const *inputs,
                       const struct plan_public *pub, const struct plan_step *step, size_t images)
{
    const size_t n = (size_t)step->count * images;
    if (n == 0)
        return;
    float *out = outputs[step->tensor];
    memcpy(out, inputs[pub->steps[step->operands[0]].tensor], n * sizeof(*out));
    post_operation(out, &pub->outputs[step->tensor], n);
}

mp2ml_status step_output_client(struct run *run, unsigned s)
{
    const struct plan_step *step = &run->pub->steps[s];
    const size_t n = (size_t)step->count * run->images;
    if (plan_output_is_known(run->pub, step)) {
        memset(run->values[s], 0, n * sizeof(uint64_t));
        show_known(run->outputs, run->inputs, run->pub, step, run->images);
        return MP2ML_OK;
    }
    TRY(mpc_open_to_client(run->mpc, (uint16_t)s, run->values[s], run->values[step->operands[0]], n,
                           step->out_bits));
    to_floats(run->outputs[step->tensor], run->values[s], run->pub, step, run->images);
    return MP2ML_OK;
}

mp2ml_status step_output_server(struct run *run, unsigned s)
{
    const struct plan_step *step = &run->pub->steps[s];
    const size_t n = (size_t)step->count * run->images;
    if (plan_output_is_known(run->pub, step)) {
        memset(run->values[s], 0, n * sizeof(uint64_t));
        return MP2ML_OK;
    }
    return mpc_open_to_client(run->mpc, (uint16_t)s, run->values[s], run->values[step->operands[0]],
                              n, step->out_bits);
}

mp2ml_status step_output_clear(struct clear_run *run, unsigned s)
{
    const struct plan_public *pub = &run->plan->pub;
    const struct plan_step *step = &pub->steps[s];
    const size_t n = (size_t)step->count * run->images;
    if (plan_output_is_known(pub, step)) {
        memset(run->values[s], 0, n * sizeof(uint64_t));
        show_known(run->outputs, run->inputs, pub, step, run->images);
        return MP2ML_OK;
    }
    memcpy(run->values[s], run->values[step->operands[0]], n * sizeof(uint64_t));
    to_floats(run->outputs[step->tensor], run->values[s], pub, step, run->images);
    return MP2ML_OK;
}
