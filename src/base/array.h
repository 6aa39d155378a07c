/* SPDX-License-Identifier: Apache-2.0
 *
 * Arrays in files: .npy (npy.h) and CSV (csv.h). */
#ifndef BASE_ARRAY_H
#define BASE_ARRAY_H

#include "base/status.h"

/* Reads a file: .npy by its first bytes or its name, anything else as CSV; what is known to be
 * neither (pictures, archives) is refused by name. The caller wipes *out. */
MUST_CHECK mp2ml_status array_read(mp2ml_array *out, const char *path, mp2ml_error *err);
/* The same from memory. `name` is for messages and for its ending. */
MUST_CHECK mp2ml_status array_parse(mp2ml_array *out, const void *data, size_t size,
                                    const char *name, mp2ml_error *err);
/* Zeroes and frees the values. */
void array_wipe(mp2ml_array *array);

#endif
