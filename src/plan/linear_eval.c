/* SPDX-License-Identifier: Apache-2.0
 *
 * A linear map in floats. Products are never fused with their sums, so that all instruction sets give
 * the same bits and a plan does not depend on the machine that made it. */
#include <string.h>

#include "base/cpu.h"
#include "plan/linear_build.h"
#include "plan/linear_panel.h"

struct eval {
    const struct linear *lin;
    float *out;
    const float *in;
    size_t images;
};

PANEL_KERNEL(kernel_portable, , float, w, 16, 2, 4)
#if defined(__x86_64__)
PANEL_KERNEL(kernel_avx2, __attribute__((target("avx2"))), float, w, 32, 2, 4)
PANEL_KERNEL(kernel_avx512, __attribute__((target("avx512f"))), float, w, 64, 2, 8)
#endif

static void gather(void *context, uint32_t *out, size_t v, size_t at, size_t width)
{
    const struct eval *e = context;
    memcpy(out, e->in + v * e->images + at, width * sizeof *out);
}

static void finish(void *context, const struct linear_panel *p, const uint32_t *sum)
{
    const struct eval *e = context;
    for (size_t r = 0; r < p->rows; r++)
        for (size_t g = 0; g < p->n_groups; g++) {
            const size_t o = linear_out(p->lin, p->groups[g], p->row + r);
            float *out = e->out + o * e->images + p->at;
            memcpy(out, sum + r * PANEL_LANES + g * p->width, p->width * sizeof *out);
            for (size_t i = 0; i < p->width; i++)
                out[i] += (float)p->lin->b[o];
        }
}

mp2ml_status linear_eval_float(const struct linear *lin, float *out, const float *in, size_t images)
{
    struct eval e = {lin, out, in, images};
    struct linear_product product = {lin, images, &e, gather, kernel_portable, finish};
#if defined(__x86_64__)
    if (cpu_level() >= CPU_AVX2)
        product.kernel = kernel_avx2;
    if (cpu_level() >= CPU_AVX512)
        product.kernel = kernel_avx512;
#endif
    return linear_multiply(&product);
}
