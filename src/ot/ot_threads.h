/* SPDX-License-Identifier: Apache-2.0
 *
 * Threads inside the loops over trees and over transfers: those of OpenMP, as many as whoever made
 * the ot had set. The results do not depend on their number. */
#ifndef OT_OT_THREADS_H
#define OT_OT_THREADS_H

#ifdef _OPENMP
#include <omp.h>

#define OT_PRAGMA(text) _Pragma(#text)
#define OT_PARALLEL_FOR(threads)                                                                   \
    OT_PRAGMA(omp parallel for schedule(static) num_threads(threads))

static inline int ot_threads(void)
{
    return omp_get_max_threads();
}
/* The number of this thread, for use inside of such a loop only. */
static inline int ot_thread(void)
{
    return omp_get_thread_num();
}
#else
#define OT_PARALLEL_FOR(threads)

static inline int ot_threads(void)
{
    return 1;
}
static inline int ot_thread(void)
{
    return 0;
}
#endif

#endif
