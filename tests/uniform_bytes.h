/* SPDX-License-Identifier: Apache-2.0
 *
 * For tests of what bytes show: how far they are from uniform. */
#ifndef TESTS_UNIFORM_BYTES_H
#define TESTS_UNIFORM_BYTES_H

#include <math.h>

#include "base/bytes.h"
#include "ckks_fixture.h"

#define UNIFORM 6.0 /* deviations */

/* Chi-square of the byte values, 255 degrees of freedom: mean 255, deviation 22.6. How many
 * deviations it is off, to either side. */
static inline double distance(const uint8_t *bytes, size_t n)
{
    double count[256] = {0}, chi = 0;
    const double want = (double)n / 256;
    for (size_t i = 0; i < n; i++)
        count[bytes[i]]++;
    for (int v = 0; v < 256; v++)
        chi += (count[v] - want) * (count[v] - want) / want;
    return fabs(chi - 255) / sqrt(2 * 255);
}

static inline bool looks_uniform(const uint8_t *bytes, size_t n)
{
    return distance(bytes, n) < UNIFORM;
}

/* Are the bytes of a[i] - b[i] mod 2^bits, packed, uniform? */
static inline bool difference_uniform(const uint64_t *a, const uint64_t *b, size_t n, unsigned bits)
{
    uint64_t *d = fixture_alloc(n, sizeof *d);
    const size_t bytes = bits_size(n, bits);
    uint8_t *packed = fixture_alloc(bytes, 1);
    size_t at = 0;
    for (size_t i = 0; i < n; i++)
        d[i] = a[i] - b[i];
    bits_pack(packed, &at, d, n, bits);
    bool uniform = looks_uniform(packed, bytes);
    free(d);
    free(packed);
    return uniform;
}

#endif
