/* SPDX-License-Identifier: Apache-2.0
 *
 * The module, and what its three types share: errors, options, buffers. */
#include <string.h>

#include "_core.h"

/* ---- errors -------------------------------------------------------------------------------- */

PyObject *core_text(const char *text)
{
    return PyUnicode_DecodeUTF8(text, (Py_ssize_t)strlen(text), "replace");
}

static const char *const origins[] = {
    [CORE_FROM_NETWORK] = "network",
    [CORE_FROM_MODEL] = "model",
    [CORE_FROM_FILE] = "file",
};

static PyObject *raise_error(const struct core_state *state, mp2ml_status status,
                             const mp2ml_error *error, enum core_origin origin)
{
    const char *words = error->text[0] != '\0' ? error->text : mp2ml_status_text(status);
    PyObject *text = core_text(words);
    if (!text)
        return NULL;
    PyObject *exception = PyObject_CallFunction(state->make_error, "sNs", mp2ml_status_name(status),
                                                text, origins[origin]);
    if (!exception)
        return NULL;
    PyErr_SetObject((PyObject *)Py_TYPE(exception), exception);
    Py_DECREF(exception);
    return NULL;
}

PyObject *core_raise(PyTypeObject *type, mp2ml_status status, const mp2ml_error *error,
                     enum core_origin origin)
{
    const struct core_state *state = PyType_GetModuleState(type);
    return state ? raise_error(state, status, error, origin) : NULL;
}

/* ---- options ------------------------------------------------------------------------------- */

static int set_option(PyTypeObject *type, mp2ml_options *options, PyObject *pair,
                      enum core_origin origin)
{
    const char *name, *value;
    mp2ml_error error = {MP2ML_OK, ""};
    if (!PyArg_ParseTuple(pair, "ss:option", &name, &value))
        return -1;
    mp2ml_status status = mp2ml_options_set(options, name, value, &error);
    if (status == MP2ML_OK)
        return 0;
    core_raise(type, status, &error, origin);
    return -1;
}

mp2ml_options *core_options(PyTypeObject *type, PyObject *pairs, enum core_origin origin)
{
    Py_ssize_t n = PySequence_Size(pairs);
    if (n < 0)
        return NULL;
    mp2ml_options *options = mp2ml_options_new();
    if (!options) {
        PyErr_NoMemory();
        return NULL;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *pair = PySequence_GetItem(pairs, i);
        int failed = pair ? set_option(type, options, pair, origin) : -1;
        Py_XDECREF(pair);
        if (failed) {
            mp2ml_options_free(options);
            return NULL;
        }
    }
    return options;
}

/* ---- tensors and buffers ------------------------------------------------------------------- */

int core_append(PyObject *list, PyObject *item)
{
    int failed = item ? PyList_Append(list, item) : -1;
    Py_XDECREF(item);
    return failed;
}

static PyObject *shape_tuple(const size_t *dims, unsigned rank)
{
    PyObject *shape = PyTuple_New((Py_ssize_t)rank);
    for (unsigned i = 0; shape && i < rank; i++) {
        PyObject *dim = PyLong_FromSize_t(dims[i]);
        if (!dim || PyTuple_SetItem(shape, (Py_ssize_t)i, dim) != 0)
            Py_CLEAR(shape);
    }
    return shape;
}

PyObject *core_tensor(const mp2ml_tensor *tensor)
{
    PyObject *shape = shape_tuple(tensor->dims, tensor->rank);
    if (!shape)
        return NULL;
    PyObject *name = core_text(tensor->name);
    if (!name) {
        Py_DECREF(shape);
        return NULL;
    }
    return Py_BuildValue("(NNddO)", name, shape, tensor->low, tensor->high,
                         tensor->integers ? Py_True : Py_False);
}

/* One array; its length is checked in bytes. */
static int take_buffer(struct core_buffers *b, PyObject *list, bool writable, size_t images,
                       const mp2ml_tensor *tensor)
{
    Py_buffer *view = &b->views[b->n];
    size_t values;
    PyObject *item = PySequence_GetItem(list, (Py_ssize_t)b->n);
    if (!item)
        return -1;
    int failed = PyObject_GetBuffer(item, view, writable ? PyBUF_WRITABLE : PyBUF_SIMPLE);
    Py_DECREF(item); /* the view holds it */
    if (failed)
        return -1;
    b->values[b->n++] = view->buf;
    if (__builtin_mul_overflow(images, tensor->count, &values) || view->len < 0 ||
        (size_t)view->len / sizeof(float) != values || (size_t)view->len % sizeof(float) != 0 ||
        (uintptr_t)view->buf % _Alignof(float) != 0) {
        PyErr_SetString(PyExc_ValueError, "a buffer has another size than its tensor");
        return -1;
    }
    return 0;
}

int core_buffers_init(struct core_buffers *b, PyObject *list, bool writable, size_t images,
                      core_tensor_fn tensors, const void *handle)
{
    memset(b, 0, sizeof(*b));
    Py_ssize_t n = PySequence_Size(list);
    if (n < 0)
        return -1;
    b->views = PyMem_Calloc((size_t)n + 1, sizeof(*b->views));
    b->values = PyMem_Calloc((size_t)n + 1, sizeof(*b->values));
    if (!b->views || !b->values) {
        PyErr_NoMemory();
        return -1;
    }
    for (size_t i = 0; i < (size_t)n; i++) {
        const mp2ml_tensor *tensor = tensors(handle, i);
        if (!tensor) {
            PyErr_SetString(PyExc_ValueError, "more buffers than tensors");
            return -1;
        }
        if (take_buffer(b, list, writable, images, tensor) != 0)
            return -1;
    }
    if (tensors(handle, (size_t)n)) {
        PyErr_SetString(PyExc_ValueError, "fewer buffers than tensors");
        return -1;
    }
    return 0;
}

void core_buffers_wipe(struct core_buffers *b)
{
    for (size_t i = 0; i < b->n; i++)
        PyBuffer_Release(&b->views[i]);
    PyMem_Free(b->views);
    PyMem_Free(b->values);
    memset(b, 0, sizeof(*b));
}

/* ---- module -------------------------------------------------------------------------------- */

/* [(name, argument, default, help, users, repeatable)], None where there is none */
static PyObject *module_options(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    PyObject *list = PyList_New(0);
    const mp2ml_option_info *o;
    for (size_t i = 0; list && (o = mp2ml_option(i)); i++)
        if (core_append(list,
                        Py_BuildValue("(szzsIO)", o->name, o->argument, o->default_value, o->help,
                                      o->users, o->repeatable ? Py_True : Py_False)) != 0)
            Py_CLEAR(list);
    return list;
}

/* read_array(path) -> (shape, bytes of float32) */
static PyObject *module_read_array(PyObject *module, PyObject *args)
{
    const char *path;
    mp2ml_error error = {MP2ML_OK, ""};
    mp2ml_array array = {0};
    if (!PyArg_ParseTuple(args, "s:read_array", &path))
        return NULL;
    PyThreadState *thread = PyEval_SaveThread();
    mp2ml_status status = mp2ml_array_read(&array, path, &error);
    PyEval_RestoreThread(thread);
    if (status != MP2ML_OK)
        return raise_error(PyModule_GetState(module), status, &error, CORE_FROM_FILE);
    PyObject *shape = shape_tuple(array.dims, array.rank), *result = NULL;
    if (shape)
        result = Py_BuildValue("(Ny#)", shape, (const char *)array.values,
                               (Py_ssize_t)(array.count * sizeof(float)));
    mp2ml_array_wipe(&array);
    return result;
}

static PyMethodDef module_methods[] = {
    {"options", module_options, METH_NOARGS, "The table of options."},
    {"read_array", module_read_array, METH_VARARGS, "read_array(path) -> shape, float32 bytes"},
    {NULL, NULL, 0, NULL},
};

/* A new reference to the type made from *spec and added to the module. */
static PyObject *add_type(PyObject *module, PyType_Spec *spec)
{
    PyObject *type = PyType_FromModuleAndSpec(module, spec, NULL);
    if (type && PyModule_AddType(module, (PyTypeObject *)type) != 0)
        Py_CLEAR(type);
    return type;
}

static int module_exec(PyObject *module)
{
    struct core_state *state = PyModule_GetState(module);
    PyObject *errors = PyImport_ImportModule("mp2ml._errors");
    if (!errors)
        return -1;
    state->make_error = PyObject_GetAttrString(errors, "make");
    Py_DECREF(errors);
    state->model = add_type(module, &core_model_spec);
    PyObject *client = add_type(module, &core_client_spec);
    PyObject *server = add_type(module, &core_server_spec);
    bool done = state->make_error && state->model && client && server;
    Py_XDECREF(client);
    Py_XDECREF(server);
    if (!done || PyModule_AddStringConstant(module, "VERSION", MP2ML_VERSION) != 0 ||
        PyModule_AddIntConstant(module, "FOR_MODEL", MP2ML_FOR_MODEL) != 0 ||
        PyModule_AddIntConstant(module, "FOR_SERVER", MP2ML_FOR_SERVER) != 0 ||
        PyModule_AddIntConstant(module, "FOR_CLIENT", MP2ML_FOR_CLIENT) != 0)
        return -1;
    return 0;
}

static int module_traverse(PyObject *module, visitproc visit, void *arg)
{
    struct core_state *state = PyModule_GetState(module);
    Py_VISIT(state->make_error);
    Py_VISIT(state->model);
    return 0;
}

static int module_clear(PyObject *module)
{
    struct core_state *state = PyModule_GetState(module);
    Py_CLEAR(state->make_error);
    Py_CLEAR(state->model);
    return 0;
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, CORE_SLOT(module_exec)},
    {0, NULL},
};

/* Not const: Python keeps its own counters in it. */
static struct PyModuleDef module_def = {
    PyModuleDef_HEAD_INIT,
    .m_name = "mp2ml._core",
    .m_doc = "The C library as three types. Use the package mp2ml instead.",
    .m_size = (Py_ssize_t)sizeof(struct core_state),
    .m_methods = module_methods,
    .m_slots = module_slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
};

PyMODINIT_FUNC PyInit__core(void);

PyMODINIT_FUNC PyInit__core(void)
{
    return PyModuleDef_Init(&module_def);
}
