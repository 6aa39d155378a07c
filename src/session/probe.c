/* SPDX-License-Identifier: Apache-2.0
 *
 * How fast this machine is beside the one that the cost functions were measured on. */
#include <math.h>
#include <time.h>

#include "session/session.h"

double session_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

double probe_speed(void)
{
    struct ckks *ck = NULL;
    if (ckks_new(&ck, ckks_params(CKKS_S1)) != MP2ML_OK)
        return 1;
    const double speed = ckks_speed(ck);
    ckks_free(ck);
    return fmin(fmax(speed, 0.05), 50);
}
