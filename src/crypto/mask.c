/* SPDX-License-Identifier: Apache-2.0
 *
 * Comparison without early exit. */
#include "crypto/mask.h"

/* CT: leaks n only. */
int mask_bytes_equal(const void *a, const void *b, size_t n)
{
    const uint8_t *x = a;
    const uint8_t *y = b;
    uint64_t difference = 0;
    for (size_t i = 0; i < n; i++)
        difference |= (uint64_t)(x[i] ^ y[i]);
    return (int)(mask_equal(difference, 0) & 1);
}
