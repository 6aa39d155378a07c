/* SPDX-License-Identifier: Apache-2.0 */
#include "steps/value_memory.h"

#define ALIGN 64

static size_t set_bytes(const struct plan_step *step, size_t images)
{
    size_t n;
    if (!size_mul(&n, step->count, images) || !size_mul(&n, n, sizeof(uint64_t)) ||
        !size_add(&n, n, ALIGN - 1))
        return SIZE_MAX;
    return n & ~(size_t)(ALIGN - 1);
}

/* The lowest offset at which `bytes` fit beside all earlier sets that are still alive at step s.
 * The candidates are 0 and the ends of those sets. */
static size_t first_fit(const size_t *offset, const uint32_t *last_use,
                        const struct plan_public *pub, size_t images, unsigned s, size_t bytes)
{
    size_t best = SIZE_MAX;
    for (unsigned c = 0; c <= s; c++) {
        if (c < s && last_use[c] < s)
            continue;
        size_t at = c == s ? 0 : offset[c] + set_bytes(&pub->steps[c], images);
        bool free_here = at < best;
        for (unsigned o = 0; o < s && free_here; o++) {
            if (last_use[o] < s)
                continue;
            size_t o_end = offset[o] + set_bytes(&pub->steps[o], images);
            free_here = at + bytes <= offset[o] || at >= o_end;
        }
        if (free_here)
            best = at;
    }
    return best;
}

size_t value_memory_layout(size_t *offset, uint32_t *last_use, const struct plan_public *pub,
                           size_t images)
{
    size_t total = 0;
    for (unsigned s = 0; s < pub->n_steps; s++)
        last_use[s] = s;
    for (unsigned s = 0; s < pub->n_steps; s++)
        for (unsigned o = 0; o < pub->steps[s].n_operands; o++)
            last_use[pub->steps[s].operands[o]] = s;
    for (unsigned s = 0; s < pub->n_steps; s++) {
        size_t bytes = set_bytes(&pub->steps[s], images);
        if (bytes > SIZE_MAX / 4 / (pub->n_steps + 1))
            return SIZE_MAX;
        offset[s] = first_fit(offset, last_use, pub, images, s, bytes);
        if (offset[s] + bytes > total)
            total = offset[s] + bytes;
    }
    return total;
}
