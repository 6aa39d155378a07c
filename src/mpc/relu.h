/* SPDX-License-Identifier: Apache-2.0
 *
 * ReLU and re-entry with ring extension, as numbers of transfers; the functions are in mpc.h. */
#ifndef MPC_RELU_H
#define MPC_RELU_H

/* Random OTs of one value. */
static inline unsigned relu_ots_from_server(unsigned k, unsigned l)
{
    return k - 1 + (l > k ? 2 : 1);
}
static inline unsigned relu_ots_from_client(unsigned k)
{
    return k - 1 + 1;
}

#endif
