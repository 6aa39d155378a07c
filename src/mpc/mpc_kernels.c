/* SPDX-License-Identifier: Apache-2.0
 *
 * The choice of a table. */
#include "mpc/mpc_kernels.h"

const struct mpc_kernels *mpc_kernels_pick(void)
{
    const struct mpc_kernels *k = mpc_kernels_avx512();
    return k != NULL ? k : mpc_kernels_portable();
}
