/* SPDX-License-Identifier: Apache-2.0
 *
 * Statuses and error texts. Three kinds of trouble, never mixed: a caller's bug is an assert; the
 * world (memory, I/O, randomness) and input from a peer or a file are statuses, checked in every
 * build. */
#ifndef BASE_STATUS_H
#define BASE_STATUS_H

#include <stdarg.h>
#include <stdbool.h>

#include "mp2ml.h"

#define MUST_CHECK MP2ML_MUST_CHECK

/* Returns from the enclosing function unless the call succeeds. Only while nothing is held. */
#define TRY(call)                                                                                  \
    do {                                                                                           \
        mp2ml_status try_status_ = (call);                                                         \
        if (try_status_ != MP2ML_OK)                                                               \
            return try_status_;                                                                    \
    } while (0)

/* Sets `status` and jumps to `out` unless the call succeeds. */
#define TRY_OUT(call)                                                                              \
    do {                                                                                           \
        status = (call);                                                                           \
        if (status != MP2ML_OK)                                                                    \
            goto out;                                                                              \
    } while (0)

/* Fills *err (may be NULL) with the status and a printf text; returns the status. */
mp2ml_status status_fail(mp2ml_error *err, mp2ml_status status, const char *fmt, ...)
    MP2ML_PRINTF(3, 4);

/* Puts "text: " before what *err already says; returns err->status. */
mp2ml_status status_within(mp2ml_error *err, mp2ml_status status, const char *fmt, ...)
    MP2ML_PRINTF(3, 4);

/* Checked size arithmetic, for factors that came from outside. False on overflow. */
static inline bool size_mul(size_t *out, size_t a, size_t b)
{
    return !__builtin_mul_overflow(a, b, out);
}
static inline bool size_add(size_t *out, size_t a, size_t b)
{
    return !__builtin_add_overflow(a, b, out);
}

#endif
