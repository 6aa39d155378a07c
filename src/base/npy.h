/* SPDX-License-Identifier: Apache-2.0
 *
 * numpy's .npy files, versions 1 to 3: any real dtype is read as double and kept as float. */
#ifndef BASE_NPY_H
#define BASE_NPY_H

#include "base/status.h"

/* Reads a file in memory (bool, u1..u8, i1..i8, f2, f4, f8, either byte order, C or Fortran order).
 * `name` is for messages only. The caller wipes *out. */
MUST_CHECK mp2ml_status npy_parse(mp2ml_array *out, const void *data, size_t size, const char *name,
                                  mp2ml_error *err);
/* Writes float32, version 1.0, first to a temporary name and then renamed. */
MUST_CHECK mp2ml_status npy_write(const char *path, const float *values, const size_t *dims,
                                  unsigned rank, mp2ml_error *err);

#endif
