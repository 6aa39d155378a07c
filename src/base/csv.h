/* SPDX-License-Identifier: Apache-2.0
 *
 * Tables of numbers in text: one sample a line, fields separated by commas, semicolons or tabs. */
#ifndef BASE_CSV_H
#define BASE_CSV_H

#include "base/status.h"

/* Reads a table to *out, of shape (lines, fields).
 *
 * The first line decides the separator: tabs if it has any, else semicolons, else commas. It is a
 * header, and skipped, when none of its fields is a number, or when they are 0, 1, 2, 3 ..., four at
 * least. Lines end with LF or CRLF; empty ones are skipped, as are blanks around fields and a byte order mark. A field may stand in double
 * quotes. Refused, with line and field: what is no decimal number with a point, NaN, infinities,
 * empty fields, lines of different lengths. `name` is for messages. The caller wipes *out. */
MUST_CHECK mp2ml_status csv_parse(mp2ml_array *out, const void *data, size_t size, const char *name,
                                  mp2ml_error *err);

#endif
