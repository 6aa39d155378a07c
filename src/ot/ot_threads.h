/* SPDX-License-Identifier: Apache-2.0
 *
 * Threads inside the loops over trees and over transfers: those of OpenMP, as many as whoever made
 * the ot had set. The results do not depend on their number. One thread alone stays out of OpenMP:
 * these loops are short, and there are many. */
#ifndef OT_OT_THREADS_H
#define OT_OT_THREADS_H

#include <stddef.h>
#ifdef _OPENMP
#include <omp.h>
#endif

/* Some of the work: `n` things from `at` on, by thread number `thread`. */
typedef void (*ot_part)(void *context, int thread, size_t at, size_t n);

static inline int ot_threads(void)
{
#ifdef _OPENMP
    return omp_get_max_threads();
#else
    return 1;
#endif
}

/* n things in parts of at most `part`, by up to `threads` threads. */
static inline void ot_in_parts(int threads, size_t n, size_t part, ot_part work, void *context)
{
#ifdef _OPENMP
    if (threads > 1 && n > part) {
#pragma omp parallel for schedule(static) num_threads(threads)
        for (size_t at = 0; at < n; at += part)
            work(context, omp_get_thread_num(), at, n - at < part ? n - at : part);
        return;
    }
#endif
    for (size_t at = 0; at < n; at += part)
        work(context, 0, at, n - at < part ? n - at : part);
}

#endif
