/* SPDX-License-Identifier: Apache-2.0
 *
 * The small rest of the public interface. */
#include <stdlib.h>

#include "session/session.h"

mp2ml_status mp2ml_array_read(mp2ml_array *out, const char *path, mp2ml_error *error)
{
    return array_read(out, path, error);
}

mp2ml_status mp2ml_array_write(const char *path, const float *values, const size_t *dims,
                               unsigned rank, mp2ml_error *error)
{
    return npy_write(path, values, dims, rank, error);
}

void mp2ml_array_wipe(mp2ml_array *array)
{
    array_wipe(array);
}

void mp2ml_free(void *p)
{
    free(p);
}
