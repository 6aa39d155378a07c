/* SPDX-License-Identifier: Apache-2.0
 *
 * mp2ml._core: the public C interface as three Python types, over CPython's stable ABI. This module
 * only moves bytes, releases the GIL and turns statuses into exceptions; everything that is
 * convenient (arrays, names, defaults) is Python, in mp2ml/. Read _core.c, then the three types.
 *
 * Arrays come as buffers of float32 in C order; the types here check nothing but their lengths. */
#ifndef CORE_H
#define CORE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mp2ml.h"

/* ISO C does not convert functions to void pointers; Python's slots need it, POSIX allows it. */
#define CORE_SLOT(function) (__extension__(void *)(function))

struct core_state {       /* of one module object */
    PyObject *make_error; /* mp2ml._errors.make(name, text, origin) -> exception */
    PyObject *model;      /* what a Server is made from */
};

/* Where an error came from: decides what a failed read or write means. */
enum core_origin { CORE_FROM_NETWORK, CORE_FROM_MODEL, CORE_FROM_FILE };

/* Raises the exception for `status`, with the text of *error if it has one. Returns NULL. */
PyObject *core_raise(PyTypeObject *type, mp2ml_status status, const mp2ml_error *error,
                     enum core_origin origin);

/* Options from a sequence of (name, value) pairs of strings; NULL with an exception. */
mp2ml_options *core_options(PyTypeObject *type, PyObject *pairs, enum core_origin origin);

/* A str from bytes that may come from a peer: what is not UTF-8 is replaced. */
PyObject *core_text(const char *text);

/* (name, shape, low, high, integers) */
PyObject *core_tensor(const mp2ml_tensor *tensor);

/* Takes a new reference to `item` (or NULL, an error) into the list; 0, or -1 with an exception. */
int core_append(PyObject *list, PyObject *item);

struct core_buffers { /* float32 arrays of a call */
    size_t n;
    Py_buffer *views;
    float **values;
};
/* Array i of `list` must hold images * tensors(handle, i)->count values, one array a tensor. */
typedef const mp2ml_tensor *(*core_tensor_fn)(const void *handle, size_t i);
int core_buffers_init(struct core_buffers *b, PyObject *list, bool writable, size_t images,
                      core_tensor_fn tensors, const void *handle);
void core_buffers_wipe(struct core_buffers *b);

extern PyType_Spec core_client_spec, core_model_spec, core_server_spec;

/* The handle inside a Model object; alive as long as the object. */
const mp2ml_model *core_model_handle(PyObject *model);

#endif
