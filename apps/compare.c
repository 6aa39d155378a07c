/* SPDX-License-Identifier: Apache-2.0
 *
 * Largest difference and share of equal labels. */
#include "compare.h"

#include <math.h>

size_t compare_classes(const mp2ml_tensor *output)
{
    return output->integers || output->rank == 0 ? 1 : output->dims[output->rank - 1];
}

size_t compare_largest(const float *values, size_t n)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        if (values[i] > values[best])
            best = i;
    return best;
}

void compare_add(struct compare *c, const mp2ml_tensor *output, size_t images, const float *got,
                 const float *wanted)
{
    size_t classes = compare_classes(output), rows = images * output->count / classes;
    for (size_t i = 0; i < images * output->count; i++) {
        double error = fabs((double)got[i] - (double)wanted[i]);
        if (!(error <= c->max_error)) /* also when it is no number */
            c->max_error = isnan(error) ? (double)INFINITY : error;
    }
    c->has_labels = output->integers || classes > 1;
    c->rows += rows;
    for (size_t r = 0; r < rows; r++) {
        const float *a = got + r * classes, *b = wanted + r * classes;
        if (output->integers ? a[0] >= b[0] && a[0] <= b[0]
                             : compare_largest(a, classes) == compare_largest(b, classes))
            c->agree++;
    }
}

double compare_share(const struct compare *c)
{
    return c->has_labels && c->rows > 0 ? (double)c->agree / (double)c->rows : 1.0;
}
