/* SPDX-License-Identifier: Apache-2.0
 *
 * Client: one connection. The GIL is released while the library connects or predicts; its progress
 * calls take the GIL back at most every PULSE_MS, and at the end, to see Ctrl-C, close() from another
 * thread, and to report. An exception that shows up there cancels the call and is what the caller gets.
 *
 * All fields are read and written with the GIL held, except `last_pulse` and `stopped`, which only
 * the thread inside the call touches. */
#include <time.h>

#include "_core.h"

#define PULSE_MS 100

struct client {
    PyObject ob_base;      /* must be first: what Python sees */
    mp2ml_client *handle;  /* NULL: closed */
    bool busy;             /* a call is running, perhaps without the GIL */
    bool closing;          /* close() came during that call */
    PyThreadState *thread; /* of the call, while it has no GIL */
    PyObject *report;      /* borrowed from the caller of predict; NULL: none */
    int64_t last_pulse;    /* ms */
    bool stopped;          /* this call was told to end */
};

/* ---- calls without the GIL ----------------------------------------------------------------- */

static int64_t clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void enter(struct client *c, PyObject *report)
{
    c->busy = true;
    c->report = report;
    c->stopped = false;
    c->last_pulse = clock_ms();
    c->thread = PyEval_SaveThread();
}

/* Takes the GIL back; closes if that was asked for meanwhile. */
static void leave(struct client *c)
{
    PyEval_RestoreThread(c->thread);
    c->thread = NULL;
    c->report = NULL;
    c->busy = false;
}

/* Signals, close(), report; true when the call must end. With the GIL. */
static bool pulse(struct client *c, double fraction)
{
    if (c->closing || PyErr_CheckSignals() != 0)
        return true;
    if (!c->report || fraction < 0)
        return false;
    PyObject *result = PyObject_CallFunction(c->report, "d", fraction);
    Py_XDECREF(result);
    return !result;
}

/* mp2ml_progress_fn; comes from the thread inside the call. */
static int on_progress(void *context, double fraction)
{
    struct client *c = context;
    int64_t now = clock_ms();
    if (c->stopped || (now - c->last_pulse < PULSE_MS && fraction < 1))
        return c->stopped;
    c->last_pulse = now;
    PyEval_RestoreThread(c->thread);
    c->stopped = pulse(c, fraction);
    c->thread = PyEval_SaveThread();
    return c->stopped;
}

/* ---- life ---------------------------------------------------------------------------------- */

static void drop_handle(struct client *c)
{
    mp2ml_client *handle = c->handle;
    c->handle = NULL;
    Py_BEGIN_ALLOW_THREADS mp2ml_client_free(handle);
    Py_END_ALLOW_THREADS
}

static int connect_to(struct client *c, const char *host, uint16_t port, PyObject *pairs)
{
    mp2ml_error error = {MP2ML_OK, ""};
    PyTypeObject *type = Py_TYPE((PyObject *)c);
    mp2ml_options *options = core_options(type, pairs, CORE_FROM_NETWORK);
    if (!options)
        return -1;
    enter(c, NULL);
    mp2ml_status status = mp2ml_client_new(&c->handle, host, port, options, on_progress, c, &error);
    leave(c);
    mp2ml_options_free(options);
    if (PyErr_Occurred())
        return -1;
    if (status == MP2ML_OK)
        return 0;
    core_raise(type, status, &error, CORE_FROM_NETWORK);
    return -1;
}

/* Client(host, port, option_pairs) */
static PyObject *client_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    const char *host;
    int port;
    PyObject *pairs;
    (void)kwargs;
    if (!PyArg_ParseTuple(args, "siO:Client", &host, &port, &pairs))
        return NULL;
    if (port < 0 || port > 65535) {
        PyErr_Format(PyExc_ValueError, "port %d: expected 0 to 65535", port);
        return NULL;
    }
    struct client *c = (struct client *)PyType_GenericAlloc(type, 0);
    if (c && connect_to(c, host, (uint16_t)port, pairs) != 0)
        Py_CLEAR(c);
    return (PyObject *)c;
}

static void client_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    drop_handle((struct client *)self);
    PyObject_Free(self);
    Py_DECREF(type);
}

/* The client when it may be called now, NULL with an exception otherwise. */
static struct client *ready(PyObject *self)
{
    struct client *c = (struct client *)self;
    if (c->busy)
        PyErr_SetString(PyExc_RuntimeError, "the client is busy; one thread at a time");
    else if (!c->handle)
        PyErr_SetString(PyExc_ValueError, "the client is closed");
    return c->busy || !c->handle ? NULL : c;
}

/* Ends a call that runs in another thread. */
static PyObject *client_close(PyObject *self, PyObject *unused)
{
    struct client *c = (struct client *)self;
    (void)unused;
    if (c->busy) {
        c->closing = true;
        if (c->handle)
            mp2ml_client_cancel(c->handle);
    } else if (c->handle) {
        drop_handle(c);
    }
    Py_RETURN_NONE;
}

/* ---- predict ------------------------------------------------------------------------------- */

static const mp2ml_tensor *input_of(const void *handle, size_t i)
{
    return mp2ml_client_input(handle, i);
}

static const mp2ml_tensor *output_of(const void *handle, size_t i)
{
    return mp2ml_client_output(handle, i);
}

static PyObject *run_predict(struct client *c, size_t images, const struct core_buffers *in,
                             const struct core_buffers *out, PyObject *report)
{
    mp2ml_error error = {MP2ML_OK, ""};
    enter(c, report);
    mp2ml_status status = mp2ml_client_predict(c->handle, images, (const float *const *)in->values,
                                               out->values, &error);
    leave(c);
    if (c->closing) {
        c->closing = false;
        drop_handle(c);
    }
    if (PyErr_Occurred()) /* Ctrl-C, or the report failed */
        return NULL;
    if (status != MP2ML_OK)
        return core_raise(Py_TYPE((PyObject *)c), status, &error, CORE_FROM_NETWORK);
    Py_RETURN_NONE;
}

/* predict(images, inputs, outputs, report or None) */
static PyObject *client_predict(PyObject *self, PyObject *args)
{
    struct core_buffers in = {0}, out = {0};
    PyObject *inputs, *outputs, *report, *result = NULL;
    Py_ssize_t images;
    struct client *c = ready(self);
    if (!c || !PyArg_ParseTuple(args, "nOOO:predict", &images, &inputs, &outputs, &report))
        return NULL;
    if (images < 0) {
        PyErr_SetString(PyExc_ValueError, "a negative number of images");
        return NULL;
    }
    c->busy = true; /* the buffers may run Python code that closes this client */
    bool good = core_buffers_init(&in, inputs, false, (size_t)images, input_of, c->handle) == 0 &&
                core_buffers_init(&out, outputs, true, (size_t)images, output_of, c->handle) == 0;
    c->busy = false;
    if (c->closing) {
        c->closing = false;
        drop_handle(c);
        good = good && ready(self) != NULL;
    }
    if (good)
        result = run_predict(c, (size_t)images, &in, &out, report == Py_None ? NULL : report);
    core_buffers_wipe(&in);
    core_buffers_wipe(&out);
    return result;
}

/* prepare(requests, images) -> requests prepared */
static PyObject *client_prepare(PyObject *self, PyObject *args)
{
    mp2ml_error error = {MP2ML_OK, ""};
    Py_ssize_t requests, images;
    size_t prepared = 0;
    struct client *c = ready(self);
    if (!c || !PyArg_ParseTuple(args, "nn:prepare", &requests, &images))
        return NULL;
    if (requests < 0 || images < 0) {
        PyErr_SetString(PyExc_ValueError, "a negative number of requests or images");
        return NULL;
    }
    enter(c, NULL);
    mp2ml_status status =
        mp2ml_client_prepare(c->handle, (size_t)requests, (size_t)images, &prepared, &error);
    leave(c);
    if (c->closing) {
        c->closing = false;
        drop_handle(c);
    }
    if (PyErr_Occurred())
        return NULL;
    if (status != MP2ML_OK)
        return core_raise(Py_TYPE(self), status, &error, CORE_FROM_NETWORK);
    return PyLong_FromSize_t(prepared);
}

/* set_plain(i, plain) */
static PyObject *client_set_plain(PyObject *self, PyObject *args)
{
    mp2ml_error error = {MP2ML_OK, ""};
    Py_ssize_t i;
    int plain;
    struct client *c = ready(self);
    if (!c || !PyArg_ParseTuple(args, "np:set_plain", &i, &plain))
        return NULL;
    mp2ml_status status = mp2ml_client_set_plain(c->handle, (size_t)i, plain, &error);
    if (status != MP2ML_OK)
        return core_raise(Py_TYPE(self), status, &error, CORE_FROM_NETWORK);
    Py_RETURN_NONE;
}

/* ---- questions ----------------------------------------------------------------------------- */

static PyObject *list_tensors(PyObject *self, core_tensor_fn tensors)
{
    struct client *c = ready(self);
    PyObject *list = c ? PyList_New(0) : NULL;
    const mp2ml_tensor *tensor;
    for (size_t i = 0; list && (tensor = tensors(c->handle, i)); i++)
        if (core_append(list, core_tensor(tensor)) != 0)
            Py_CLEAR(list);
    return list;
}

static PyObject *client_inputs(PyObject *self, PyObject *unused)
{
    (void)unused;
    return list_tensors(self, input_of);
}

static PyObject *client_outputs(PyObject *self, PyObject *unused)
{
    (void)unused;
    return list_tensors(self, output_of);
}

static PyObject *client_classes(PyObject *self, PyObject *unused)
{
    (void)unused;
    const char *name;
    struct client *c = ready(self);
    PyObject *list = c ? PyList_New(0) : NULL;
    for (size_t i = 0; list && (name = mp2ml_client_class(c->handle, i)); i++)
        if (core_append(list, core_text(name)) != 0)
            Py_CLEAR(list);
    return list;
}

/* find_input(name) -> number, or -1 */
static PyObject *client_find_input(PyObject *self, PyObject *args)
{
    const char *name;
    struct client *c = ready(self);
    if (!c || !PyArg_ParseTuple(args, "s:find_input", &name))
        return NULL;
    return PyLong_FromLong(mp2ml_client_find_input(c->handle, name));
}

static PyObject *client_stats(PyObject *self, PyObject *unused)
{
    (void)unused;
    struct client *c = ready(self);
    if (!c)
        return NULL;
    mp2ml_stats s = mp2ml_client_stats(c->handle);
    return Py_BuildValue(
        "(KKKKKKKKKddssssdKKKKKKKK)", (unsigned long long)s.images,
        (unsigned long long)s.bytes_to_server, (unsigned long long)s.bytes_to_client,
        (unsigned long long)s.setup_bytes_to_server, (unsigned long long)s.setup_bytes_to_client,
        (unsigned long long)s.asking_bytes_to_server, (unsigned long long)s.asking_bytes_to_client,
        (unsigned long long)s.flights, (unsigned long long)s.setup_flights, s.setup_seconds,
        s.predict_seconds, s.layout, s.engine, s.simulated_network, s.simulated_text,
        s.prepare_seconds, (unsigned long long)s.prepare_bytes_to_server,
        (unsigned long long)s.prepare_bytes_to_client, (unsigned long long)s.prepare_flights,
        (unsigned long long)s.requests, (unsigned long long)s.prepared,
        (unsigned long long)s.prepared_used, (unsigned long long)s.prepared_left,
        (unsigned long long)s.precomputed);
}

static PyObject *client_receipt(PyObject *self, PyObject *unused)
{
    mp2ml_error error = {MP2ML_OK, ""};
    char *json = NULL;
    (void)unused;
    struct client *c = ready(self);
    if (!c)
        return NULL;
    mp2ml_status status = mp2ml_client_receipt(c->handle, &json, &error);
    if (status != MP2ML_OK)
        return core_raise(Py_TYPE(self), status, &error, CORE_FROM_NETWORK);
    PyObject *text = core_text(json);
    mp2ml_free(json);
    return text;
}

static PyMethodDef methods[] = {
    {"predict", client_predict, METH_VARARGS, "predict(images, inputs, outputs, report)"},
    {"prepare", client_prepare, METH_VARARGS, "prepare(requests, images) -> requests prepared"},
    {"set_plain", client_set_plain, METH_VARARGS, "set_plain(i, plain)"},
    {"find_input", client_find_input, METH_VARARGS, "find_input(name) -> i or -1"},
    {"inputs", client_inputs, METH_NOARGS, "[(name, shape, low, high, integers)]"},
    {"outputs", client_outputs, METH_NOARGS, "[(name, shape, low, high, integers)]"},
    {"classes", client_classes, METH_NOARGS, "Names of the classes, if the server gave any."},
    {"stats", client_stats, METH_NOARGS, "The fields of mp2ml_stats, in order."},
    {"receipt", client_receipt, METH_NOARGS, "JSON."},
    {"close", client_close, METH_NOARGS, "Closes; ends a call in another thread."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_new, CORE_SLOT(client_new)},
    {Py_tp_dealloc, CORE_SLOT(client_dealloc)},
    {Py_tp_methods, methods},
    {0, NULL},
};

PyType_Spec core_client_spec = {"mp2ml._core.Client", (int)sizeof(struct client), 0,
                                Py_TPFLAGS_DEFAULT, slots};
