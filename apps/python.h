/* SPDX-License-Identifier: Apache-2.0
 *
 * The Python with the package mp2ml, for what C does not do: converting models, reading images. */
#ifndef APPS_PYTHON_H
#define APPS_PYTHON_H

#include "app.h"

/* The Python that MP2ML_PYTHON names, that of the project's .venv when the program stands in its
 * build folder, else "python3"; NULL after having said that it lacks `module`. path[size] may hold
 * the result. `what` begins the message. */
const char *python_with(const char *module, const char *what, char *path, size_t size);

#endif
