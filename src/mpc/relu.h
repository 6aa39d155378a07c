/* SPDX-License-Identifier: Apache-2.0
 *
 * ReLU with ring extension: its transfers and where their masks lie; mpc_relu itself is in mpc.h.
 */
#ifndef MPC_RELU_H
#define MPC_RELU_H

#include "mpc/mpc_kernels.h"

/* Random OTs of one value's multiplexers that the server sends; the client sends one. */
static inline unsigned relu_muxes_from_server(unsigned k, unsigned l)
{
    return l > k ? 2 : 1;
}

/* Slices of the 1-of-4 transfer from Z_{2^k} to Z_{2^l}: within 128 bits and disjoint. */
static inline struct mpc_extension relu_extension(unsigned k, unsigned l)
{
    const unsigned h = l - k;
    const struct mpc_extension e = {k, h, {k, k + h}, {0, h}};
    return e;
}

#endif
