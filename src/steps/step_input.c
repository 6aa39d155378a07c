/* SPDX-License-Identifier: Apache-2.0
 *
 * Input: integer = round-half-up(value * S_in), two's complement in the ring (docs/protocol.md,
 * "Numbers"). A private input stays with the client, shares (0, x). An input that the client asked
 * to send in the clear travels here as float32, shares (x, 0). */
#include "steps/steps.h"

#include <math.h>

mp2ml_status input_check(const struct plan_tensor *tensor, const float *values, size_t images,
                         mp2ml_error *err)
{
    double low = INFINITY, high = -INFINITY;
    for (size_t i = 0; i < images * tensor->count; i++) {
        if (!isfinite(values[i]))
            return status_fail(err, MP2ML_ERR_INPUT, "input '%s': sample %zu has the value %f",
                               tensor->name, i / tensor->count, (double)values[i]);
        low = fmin(low, (double)values[i]);
        high = fmax(high, (double)values[i]);
    }
    /* A float that was rounded to the declared border is not outside of it. */
    double slack = 1e-6 * fmax(fabs(tensor->low), fabs(tensor->high));
    if (low < tensor->low - slack || high > tensor->high + slack)
        return status_fail(err, MP2ML_ERR_INPUT,
                           "input '%s': values from %g to %g, but the server declared %g:%g "
                           "(scale the data, or have the server say --input-range, or --preprocess "
                           "scale=1/255 for pixels)",
                           tensor->name, low, high, tensor->low, tensor->high);
    return MP2ML_OK;
}

/* Clamped, so that no float, not even one that changed since it was checked, overflows the integer.
 * CT: leaks nothing; floor, fmin, fmax and the conversion have no data-dependent branch. */
static uint64_t quantise(double value, double scale, unsigned bits)
{
    int64_t v = (int64_t)fmin(fmax(floor(value * scale + 0.5), -0x1p52), 0x1p52);
    return (uint64_t)v & (((uint64_t)1 << bits) - 1);
}

/* [image][value] floats to [value][image] integers. */
static void quantise_all(uint64_t *out, const float *in, const struct plan_tensor *tensor,
                         size_t images, unsigned bits)
{
    for (size_t v = 0; v < tensor->count; v++)
        for (size_t b = 0; b < images; b++)
            out[v * images + b] = quantise((double)in[b * tensor->count + v], tensor->scale, bits);
}

static bool input_is_plain(const struct run *run, const struct plan_step *step)
{
    return run->plain >> step->tensor & 1;
}

mp2ml_status step_input_client(struct run *run, unsigned s)
{
    const struct plan_step *step = &run->pub->steps[s];
    const struct plan_tensor *tensor = &run->pub->inputs[step->tensor];
    const float *in = run->inputs[step->tensor];
    size_t n = (size_t)step->count * run->images;
    if (!input_is_plain(run, step)) {
        quantise_all(run->values[s], in, tensor, run->images, step->out_bits);
        return MP2ML_OK;
    }
    memset(run->values[s], 0, n * sizeof(uint64_t));
    uint8_t *body = arena_take(run->arena, n, 4);
    if (!body)
        return MP2ML_ERR_MEMORY;
    for (size_t i = 0; i < n; i++) {
        uint32_t raw;
        memcpy(&raw, &in[i], 4);
        store_u32(body + 4 * i, raw);
    }
    return frame_send(run->link, FRAME_PLAIN_IN, (uint16_t)s, body, 4 * n);
}

/* Every float is checked before it becomes an integer: finite and within the declared range. */
static mp2ml_status read_plain(uint64_t *out, const uint8_t *body, const struct plan_tensor *tensor,
                               size_t images, unsigned bits)
{
    double slack = 1e-6 * fmax(fabs(tensor->low), fabs(tensor->high));
    for (size_t b = 0; b < images; b++)
        for (size_t v = 0; v < tensor->count; v++) {
            uint32_t raw = load_u32(body + 4 * (b * tensor->count + v));
            float value;
            memcpy(&value, &raw, 4);
            if (!isfinite(value) || (double)value < tensor->low - slack ||
                (double)value > tensor->high + slack)
                return MP2ML_ERR_PROTOCOL;
            out[v * images + b] = quantise((double)value, tensor->scale, bits);
        }
    return MP2ML_OK;
}

mp2ml_status step_input_server(struct run *run, unsigned s)
{
    const struct plan_step *step = &run->pub->steps[s];
    size_t n = (size_t)step->count * run->images;
    memset(run->values[s], 0, n * sizeof(uint64_t));
    if (!input_is_plain(run, step))
        return MP2ML_OK;
    uint8_t *body = arena_take(run->arena, n, 4);
    if (!body)
        return MP2ML_ERR_MEMORY;
    TRY(frame_recv(run->link, FRAME_PLAIN_IN, (uint16_t)s, body, 4 * n));
    return read_plain(run->values[s], body, &run->pub->inputs[step->tensor], run->images,
                      step->out_bits);
}

mp2ml_status step_input_clear(struct clear_run *run, unsigned s)
{
    const struct plan_step *step = &run->plan->pub.steps[s];
    quantise_all(run->values[s], run->inputs[step->tensor], &run->plan->pub.inputs[step->tensor],
                 run->images, step->out_bits);
    return MP2ML_OK;
}
