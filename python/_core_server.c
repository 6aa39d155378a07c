/* SPDX-License-Identifier: Apache-2.0
 *
 * Server: listens from the start, serves inside run(), which has no GIL. Log lines come from the
 * library's threads and take the GIL for themselves; nobody here waits for those threads with the
 * GIL held. */
#include "_core.h"

struct server {
    PyObject ob_base; /* must be first: what Python sees */
    mp2ml_server *handle;
    PyObject *model; /* must outlive the handle */
    PyObject *log;   /* called with each line; NULL: none */
    bool running;
};

/* mp2ml_log_fn; from any thread. */
static void on_line(void *context, const char *line)
{
    struct server *s = context;
    PyGILState_STATE gil = PyGILState_Ensure();
    PyObject *text = core_text(line);
    PyObject *result = text ? PyObject_CallFunctionObjArgs(s->log, text, NULL) : NULL;
    if (!result)
        PyErr_WriteUnraisable(s->log);
    Py_XDECREF(result);
    Py_XDECREF(text);
    PyGILState_Release(gil);
}

/* ---- life ---------------------------------------------------------------------------------- */

static int listen_for(struct server *s, PyObject *model, PyObject *pairs, PyObject *log)
{
    mp2ml_error error = {MP2ML_OK, ""};
    mp2ml_status status;
    PyTypeObject *type = Py_TYPE((PyObject *)s);
    mp2ml_options *options = core_options(type, pairs, CORE_FROM_NETWORK);
    if (!options)
        return -1;
    Py_BEGIN_ALLOW_THREADS status =
        mp2ml_server_new(&s->handle, core_model_handle(model), options, &error);
    mp2ml_options_free(options);
    Py_END_ALLOW_THREADS if (status != MP2ML_OK)
    {
        core_raise(type, status, &error, CORE_FROM_NETWORK);
        return -1;
    }
    s->model = Py_NewRef(model);
    if (log != Py_None) {
        s->log = Py_NewRef(log);
        mp2ml_server_set_log(s->handle, on_line, s);
    }
    return 0;
}

/* Server(model, option_pairs, log or None) */
static PyObject *server_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    const struct core_state *state = PyType_GetModuleState(type);
    PyObject *model, *pairs, *log;
    (void)kwargs;
    if (!state || !PyArg_ParseTuple(args, "O!OO:Server", state->model, &model, &pairs, &log))
        return NULL;
    struct server *s = (struct server *)PyType_GenericAlloc(type, 0);
    if (s && listen_for(s, model, pairs, log) != 0)
        Py_CLEAR(s);
    return (PyObject *)s;
}

static void server_dealloc(PyObject *self)
{
    struct server *s = (struct server *)self;
    PyTypeObject *type = Py_TYPE(self);
    mp2ml_server *handle = s->handle;
    Py_BEGIN_ALLOW_THREADS mp2ml_server_free(handle);
    Py_END_ALLOW_THREADS Py_XDECREF(s->model);
    Py_XDECREF(s->log);
    PyObject_Free(self);
    Py_DECREF(type);
}

/* The handle, NULL with an exception after close(). */
static mp2ml_server *open_handle(PyObject *self)
{
    mp2ml_server *handle = ((struct server *)self)->handle;
    if (!handle)
        PyErr_SetString(PyExc_ValueError, "the server is closed");
    return handle;
}

/* Frees the port; not while run() is running. */
static PyObject *server_close(PyObject *self, PyObject *unused)
{
    struct server *s = (struct server *)self;
    mp2ml_server *handle = s->handle;
    (void)unused;
    if (s->running) {
        PyErr_SetString(PyExc_RuntimeError, "the server is running");
        return NULL;
    }
    s->handle = NULL;
    Py_BEGIN_ALLOW_THREADS mp2ml_server_free(handle);
    Py_END_ALLOW_THREADS Py_RETURN_NONE;
}

/* ---- serving ------------------------------------------------------------------------------- */

/* Serves until stop(). */
static PyObject *server_run(PyObject *self, PyObject *unused)
{
    struct server *s = (struct server *)self;
    mp2ml_error error = {MP2ML_OK, ""};
    mp2ml_status status;
    (void)unused;
    mp2ml_server *handle = open_handle(self);
    if (!handle)
        return NULL;
    if (s->running) {
        PyErr_SetString(PyExc_RuntimeError, "the server is running already");
        return NULL;
    }
    s->running = true;
    Py_BEGIN_ALLOW_THREADS status = mp2ml_server_run(handle, &error);
    Py_END_ALLOW_THREADS s->running = false;
    if (status != MP2ML_OK)
        return core_raise(Py_TYPE(self), status, &error, CORE_FROM_NETWORK);
    Py_RETURN_NONE;
}

static PyObject *server_stop(PyObject *self, PyObject *unused)
{
    (void)unused;
    mp2ml_server *handle = open_handle(self);
    if (!handle)
        return NULL;
    mp2ml_server_stop(handle);
    Py_RETURN_NONE;
}

static PyObject *server_port(PyObject *self, PyObject *unused)
{
    (void)unused;
    const mp2ml_server *handle = open_handle(self);
    return handle ? PyLong_FromLong(mp2ml_server_port(handle)) : NULL;
}

static PyObject *server_pin(PyObject *self, PyObject *unused)
{
    (void)unused;
    const mp2ml_server *handle = open_handle(self);
    return handle ? core_text(mp2ml_server_pin(handle)) : NULL;
}

static PyObject *server_images(PyObject *self, PyObject *unused)
{
    (void)unused;
    const mp2ml_server *handle = open_handle(self);
    return handle ? PyLong_FromUnsignedLongLong(mp2ml_server_images(handle)) : NULL;
}

static PyMethodDef methods[] = {
    {"run", server_run, METH_NOARGS, "Serves until stop()."},
    {"stop", server_stop, METH_NOARGS, "Ends run() and all sessions; from any thread."},
    {"port", server_port, METH_NOARGS, "The port that it listens on."},
    {"pin", server_pin, METH_NOARGS, "64 hex digits, or \"\" without TLS."},
    {"close", server_close, METH_NOARGS, "Frees the port."},
    {"images", server_images, METH_NOARGS, "Images answered so far."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_new, CORE_SLOT(server_new)},
    {Py_tp_dealloc, CORE_SLOT(server_dealloc)},
    {Py_tp_methods, methods},
    {0, NULL},
};

PyType_Spec core_server_spec = {"mp2ml._core.Server", (int)sizeof(struct server), 0,
                                Py_TPFLAGS_DEFAULT, slots};
