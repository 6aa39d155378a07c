/* SPDX-License-Identifier: Apache-2.0
 *
 * The choice of a table. */
#include "ot/ot_kernels.h"

const struct ot_kernels *ot_kernels_pick(void)
{
    const struct ot_kernels *k = ot_kernels_avx512();
    if (k == NULL)
        k = ot_kernels_avx2();
    return k != NULL ? k : ot_kernels_portable();
}
