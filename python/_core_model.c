/* SPDX-License-Identifier: Apache-2.0
 *
 * Model: a loaded and planned network. Read-only after loading, so any number of threads may use
 * it; the GIL is released while the library works. */
#include "_core.h"

struct model {
    PyObject ob_base; /* must be first: what Python sees */
    mp2ml_model *handle;
};

const mp2ml_model *core_model_handle(PyObject *model)
{
    return ((struct model *)model)->handle;
}

/* ---- life ---------------------------------------------------------------------------------- */

/* From `path`, or, when that is NULL, from *data. */
static int load(struct model *m, const char *path, const Py_buffer *data, const char *name,
                PyObject *pairs)
{
    mp2ml_error error = {MP2ML_OK, ""};
    mp2ml_status status;
    PyTypeObject *type = Py_TYPE((PyObject *)m);
    mp2ml_options *options = core_options(type, pairs, CORE_FROM_MODEL);
    if (!options)
        return -1;
    Py_BEGIN_ALLOW_THREADS if (path) status = mp2ml_model_load(&m->handle, path, options, &error);
    else status =
        mp2ml_model_parse(&m->handle, data->buf, (size_t)data->len, name, options, &error);
    mp2ml_options_free(options);
    Py_END_ALLOW_THREADS if (status == MP2ML_OK) return 0;
    core_raise(type, status, &error, CORE_FROM_MODEL);
    return -1;
}

static PyObject *load_new(PyTypeObject *type, PyObject *path, const Py_buffer *data,
                          const char *name, PyObject *pairs)
{
    const char *path_bytes = path ? PyBytes_AsString(path) : NULL;
    if (path && !path_bytes)
        return NULL;
    struct model *m = (struct model *)PyType_GenericAlloc(type, 0);
    if (m && load(m, path_bytes, data, name, pairs) != 0)
        Py_CLEAR(m);
    return (PyObject *)m;
}

/* Model(path, option_pairs) or Model(bytes, option_pairs, name) */
static PyObject *model_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    PyObject *source, *pairs, *path = NULL, *result = NULL;
    const char *name = "model";
    Py_buffer data;
    (void)kwargs;
    if (!PyArg_ParseTuple(args, "OO|s:Model", &source, &pairs, &name))
        return NULL;
    if (PyUnicode_Check(source)) {
        if (PyUnicode_FSConverter(source, &path))
            result = load_new(type, path, NULL, name, pairs);
        Py_XDECREF(path);
    } else if (PyObject_GetBuffer(source, &data, PyBUF_SIMPLE) == 0) {
        result = load_new(type, NULL, &data, name, pairs);
        PyBuffer_Release(&data);
    }
    return result;
}

static void model_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    mp2ml_model_free(((struct model *)self)->handle);
    PyObject_Free(self);
    Py_DECREF(type);
}

/* ---- questions ----------------------------------------------------------------------------- */

static const mp2ml_tensor *input_of(const void *handle, size_t i)
{
    return mp2ml_model_input(handle, i);
}

static const mp2ml_tensor *output_of(const void *handle, size_t i)
{
    return mp2ml_model_output(handle, i);
}

static PyObject *list_tensors(PyObject *self, core_tensor_fn tensors)
{
    const mp2ml_model *handle = core_model_handle(self);
    PyObject *list = PyList_New(0);
    const mp2ml_tensor *tensor;
    for (size_t i = 0; list && (tensor = tensors(handle, i)); i++)
        if (core_append(list, core_tensor(tensor)) != 0)
            Py_CLEAR(list);
    return list;
}

static PyObject *model_inputs(PyObject *self, PyObject *unused)
{
    (void)unused;
    return list_tensors(self, input_of);
}

static PyObject *model_outputs(PyObject *self, PyObject *unused)
{
    (void)unused;
    return list_tensors(self, output_of);
}

/* plan(images, as_json) -> str */
static PyObject *model_plan(PyObject *self, PyObject *args)
{
    const mp2ml_model *handle = core_model_handle(self);
    mp2ml_error error = {MP2ML_OK, ""};
    mp2ml_status status;
    Py_ssize_t images;
    char *out = NULL;
    int as_json;
    if (!PyArg_ParseTuple(args, "np:plan", &images, &as_json))
        return NULL;
    Py_BEGIN_ALLOW_THREADS status =
        mp2ml_model_plan(handle, images > 0 ? (size_t)images : 0, as_json, &out, &error);
    Py_END_ALLOW_THREADS if (status != MP2ML_OK) return core_raise(Py_TYPE(self), status, &error,
                                                                   CORE_FROM_MODEL);
    PyObject *text = core_text(out);
    mp2ml_free(out);
    return text;
}

/* expected_error(output) -> float */
static PyObject *model_expected_error(PyObject *self, PyObject *args)
{
    const mp2ml_model *handle = core_model_handle(self);
    Py_ssize_t output;
    if (!PyArg_ParseTuple(args, "n:expected_error", &output))
        return NULL;
    if (output < 0 || !mp2ml_model_output(handle, (size_t)output)) {
        PyErr_SetString(PyExc_IndexError, "the model has no such output");
        return NULL;
    }
    return PyFloat_FromDouble(mp2ml_model_expected_error(handle, (size_t)output));
}

/* ---- runs without privacy ------------------------------------------------------------------ */

static PyObject *run_eval(PyObject *self, size_t images, const struct core_buffers *in,
                          const struct core_buffers *out, bool fixed, uint64_t seed)
{
    const mp2ml_model *handle = core_model_handle(self);
    const float *const *inputs = (const float *const *)in->values;
    mp2ml_error error = {MP2ML_OK, ""};
    mp2ml_status status;
    Py_BEGIN_ALLOW_THREADS if (fixed) status =
        mp2ml_model_eval_fixed(handle, images, inputs, out->values, seed, &error);
    else status = mp2ml_model_eval_float(handle, images, inputs, out->values, &error);
    Py_END_ALLOW_THREADS if (status != MP2ML_OK) return core_raise(Py_TYPE(self), status, &error,
                                                                   CORE_FROM_MODEL);
    Py_RETURN_NONE;
}

/* eval(fixed, images, inputs, outputs, seed) */
static PyObject *model_eval(PyObject *self, PyObject *args)
{
    const mp2ml_model *handle = core_model_handle(self);
    struct core_buffers in = {0}, out = {0};
    PyObject *inputs, *outputs, *result = NULL;
    unsigned long long seed;
    Py_ssize_t images;
    int fixed;
    if (!PyArg_ParseTuple(args, "pnOOK:eval", &fixed, &images, &inputs, &outputs, &seed))
        return NULL;
    if (images < 0) {
        PyErr_SetString(PyExc_ValueError, "a negative number of images");
        return NULL;
    }
    if (core_buffers_init(&in, inputs, false, (size_t)images, input_of, handle) == 0 &&
        core_buffers_init(&out, outputs, true, (size_t)images, output_of, handle) == 0)
        result = run_eval(self, (size_t)images, &in, &out, fixed != 0, seed);
    core_buffers_wipe(&in);
    core_buffers_wipe(&out);
    return result;
}

static PyMethodDef methods[] = {
    {"inputs", model_inputs, METH_NOARGS, "[(name, shape, low, high, integers)]"},
    {"outputs", model_outputs, METH_NOARGS, "[(name, shape, low, high, integers)]"},
    {"plan", model_plan, METH_VARARGS, "plan(images, as_json) -> str"},
    {"expected_error", model_expected_error, METH_VARARGS, "expected_error(output) -> float"},
    {"eval", model_eval, METH_VARARGS, "eval(fixed, images, inputs, outputs, seed)"},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_new, CORE_SLOT(model_new)},
    {Py_tp_dealloc, CORE_SLOT(model_dealloc)},
    {Py_tp_methods, methods},
    {0, NULL},
};

PyType_Spec core_model_spec = {"mp2ml._core.Model", (int)sizeof(struct model), 0,
                               Py_TPFLAGS_DEFAULT, slots};
