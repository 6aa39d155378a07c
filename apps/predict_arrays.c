/* SPDX-License-Identifier: Apache-2.0
 *
 * Arrays of mp2ml predict: which file is which input, whether it fits, where outputs go. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compare.h"
#include "predict.h"

#define LABELS_MAX 1e6F /* floats count exactly so far */

/* ---- reading ------------------------------------------------------------------------------- */

static bool same_name(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

/* Adds images to those for the same input that came before; false when out of memory. */
static bool join_images(struct predict *p, struct predict_file *f)
{
    struct predict_file *first = f;
    for (size_t i = 0; i < p->n_files; i++)
        if (p->files[i].images && same_name(p->files[i].name, f->name))
            first = &p->files[i];
    const char **grown = realloc(first->images, (first->n_images + 1) * sizeof(*grown));
    if (!grown)
        return false;
    first->images = grown;
    first->images[first->n_images++] = f->path;
    p->n_files += first == f;
    if (first != f) {
        free(f->name);
        f->name = NULL;
    }
    return true;
}

/* text: PATH or NAME=PATH; a file whose own name has "=" in it is taken as it is. */
static int read_input(struct predict *p, const char *text)
{
    struct predict_file *f = &p->files[p->n_files];
    mp2ml_error error = {MP2ML_OK, ""};
    const char *equals = strchr(text, '=');
    f->path = text;
    if (equals && equals > text && access(text, F_OK) != 0) {
        f->name = strndup(text, (size_t)(equals - text));
        f->path = equals + 1;
        if (!f->name)
            return app_fail("out of memory");
    }
    if (predict_is_image(f->path)) {
        if (access(f->path, R_OK) != 0)
            return app_fail("--input %s: %s", f->path, strerror(errno));
        return join_images(p, f) ? APP_DONE : app_fail("out of memory");
    }
    p->n_files++;
    if (mp2ml_array_read(&f->array, f->path, &error) != MP2ML_OK)
        return app_fail("--input %s", error.text);
    return APP_DONE;
}

int predict_read(struct predict *p)
{
    mp2ml_error error = {MP2ML_OK, ""};
    const char *text, *labels = cli_last(p->cli, "labels");
    int result = APP_DONE;
    size_t n = 0;
    while (cli_nth(p->cli, "input", n))
        n++;
    p->files = calloc(n + 1, sizeof(*p->files));
    if (!p->files)
        return app_fail("out of memory");
    for (size_t i = 0; result == APP_DONE && (text = cli_nth(p->cli, "input", i)); i++)
        result = read_input(p, text);
    if (result == APP_DONE && labels && mp2ml_array_read(&p->labels, labels, &error) != MP2ML_OK)
        result = app_fail("--labels %s", error.text);
    return result;
}

/* ---- matching ------------------------------------------------------------------------------ */

/* How many of the sizes are n. */
static unsigned times(const size_t *dims, unsigned rank, size_t n)
{
    unsigned count = 0;
    for (unsigned i = 0; i < rank; i++)
        count += dims[i] == n;
    return count;
}

/* True for the same sizes in another order, as pictures with the channels first or last; axes of
 * size 1 do not matter. `dims`: of one sample, whose values are as many as t has. */
static bool is_transposed(const size_t *dims, unsigned rank, const mp2ml_tensor *t)
{
    bool differ = false;
    unsigned j = 0, long_axes = rank - times(dims, rank, 1);
    if (long_axes != t->rank - times(t->dims, t->rank, 1))
        return false;
    for (unsigned i = 0; i < rank; i++) {
        if (times(dims, rank, dims[i]) != times(t->dims, t->rank, dims[i]) && dims[i] != 1)
            return false;
        while (j < t->rank && t->dims[j] == 1)
            j++;
        if (dims[i] != 1)
            differ |= dims[i] != t->dims[j++];
    }
    return differ;
}

static int check_shape(struct predict *p, const mp2ml_tensor *t, const struct predict_file *f)
{
    char came[256], wanted[256];
    const mp2ml_array *a = &f->array;
    app_shape(came, sizeof(came), NULL, a->dims, a->rank);
    app_shape(wanted, sizeof(wanted), "n", t->dims, t->rank);
    size_t rest = 1; /* its product divides the array's count, or is 0 */
    for (unsigned i = 1; i < a->rank; i++)
        rest *= a->dims[i];
    if (a->rank == 0 || rest != t->count)
        return app_fail("%s: shape %s, but input '%s' takes %s: %zu values per sample%s", f->path,
                        came, t->name, wanted, t->count,
                        a->count == t->count   ? " behind a first axis for the samples"
                        : rest == t->count + 1 ? "; is one of the columns a label?"
                                               : "");
    if (is_transposed(a->dims + 1, a->rank - 1, t))
        return app_fail("%s: shape %s has its axes in another order than input '%s' takes, %s: "
                        "transpose it",
                        f->path, came, t->name, wanted);
    if (a->dims[0] == 0)
        return app_fail("%s: shape %s holds no samples, but a request needs at least 1", f->path,
                        came);
    if (p->images != 0 && a->dims[0] != p->images)
        return app_fail("%s: %zu samples, but %zu for the inputs before", f->path, a->dims[0],
                        p->images);
    p->images = a->dims[0];
    return APP_DONE;
}

/* The file for input i: the one with its name, else the first one without a name. */
static struct predict_file *file_of(struct predict *p, size_t i)
{
    for (size_t f = 0; f < p->n_files; f++)
        if (p->files[f].name && mp2ml_client_find_input(p->client, p->files[f].name) == (int)i)
            return &p->files[f];
    for (size_t f = 0; f < p->n_files; f++)
        if (!p->files[f].name && !p->files[f].used)
            return &p->files[f];
    return NULL;
}

static int check_names(const struct predict *p)
{
    char names[512] = "";
    const mp2ml_tensor *t;
    for (size_t i = 0, n = 0; (t = mp2ml_client_input(p->client, i)) && n < sizeof(names); i++)
        n += (size_t)snprintf(names + n, sizeof(names) - n, "%s%s", i ? ", " : "", t->name);
    for (size_t f = 0; f < p->n_files; f++)
        if (p->files[f].name && mp2ml_client_find_input(p->client, p->files[f].name) < 0)
            return app_fail("--input %s=%s: the model's inputs are: %s", p->files[f].name,
                            p->files[f].path, names);
    return APP_DONE;
}

int predict_match(struct predict *p)
{
    const mp2ml_tensor *t;
    int result = check_names(p);
    while (mp2ml_client_input(p->client, p->n_inputs))
        p->n_inputs++;
    p->inputs = calloc(p->n_inputs + 1, sizeof(*p->inputs));
    if (!p->inputs)
        return app_fail("out of memory");
    for (size_t i = 0; (t = mp2ml_client_input(p->client, i)) && result == APP_DONE; i++) {
        struct predict_file *f = file_of(p, i);
        if (!f)
            return app_fail("input '%s' got no array: give --input %s=FILE", t->name, t->name);
        f->used = true;
        if (f->images)
            result = predict_read_images(p, f, t);
        if (result == APP_DONE)
            result = check_shape(p, t, f);
        p->inputs[i] = f->array.values;
    }
    for (size_t f = 0; f < p->n_files && result == APP_DONE; f++)
        if (!p->files[f].used)
            return app_fail("--input %s is one too many: the model has %zu inputs",
                            p->files[f].path, p->n_inputs);
    return result;
}

int predict_match_labels(const struct predict *p)
{
    const mp2ml_tensor *t = mp2ml_client_output(p->client, 0);
    const mp2ml_array *a = &p->labels;
    const char *path = cli_last(p->cli, "labels");
    char came[256];
    size_t classes = compare_classes(t), rows = p->images * t->count / classes;
    if (!a->values)
        return APP_DONE;
    if (!t->integers && classes == 1)
        return app_fail("--labels %s: output '%s' is one value per sample, which gives no label",
                        path, t->name);
    app_shape(came, sizeof(came), NULL, a->dims, a->rank);
    if (a->rank == 0 || a->dims[0] != p->images)
        return app_fail("--labels %s: shape %s, but there are %zu samples", path, came, p->images);
    size_t last = a->dims[a->rank - 1];
    bool one_hot =
        a->rank >= 2 && last > 1 && a->count == rows * last && (t->integers || last == classes);
    if (a->count != rows && !one_hot)
        return app_fail("--labels %s: shape %s, but output '%s' gives %zu labels for %zu samples: "
                        "expected as many integers, or as many rows with one 1",
                        path, came, t->name, rows, p->images);
    for (size_t i = 0; i < a->count; i++)
        if (!(a->values[i] >= 0 && a->values[i] < LABELS_MAX) ||
            a->values[i] < floorf(a->values[i]) || a->values[i] > floorf(a->values[i]))
            return app_fail("--labels %s: value %zu is %g, but labels are whole numbers from 0",
                            path, i, (double)a->values[i]);
    return APP_DONE;
}

int predict_allocate(struct predict *p)
{
    const mp2ml_tensor *t;
    while (mp2ml_client_output(p->client, p->n_outputs))
        p->n_outputs++;
    p->outputs = calloc(p->n_outputs + 1, sizeof(*p->outputs));
    for (size_t o = 0; p->outputs && (t = mp2ml_client_output(p->client, o)); o++) {
        if (t->count <= SIZE_MAX / sizeof(float))
            p->outputs[o] = calloc(p->images, t->count * sizeof(float));
        if (!p->outputs[o])
            return app_fail("no memory for %zu times %zu values of output '%s'", p->images,
                            t->count, t->name);
    }
    return p->outputs ? APP_DONE : app_fail("out of memory");
}

/* ---- writing ------------------------------------------------------------------------------- */

static int write_output(const struct predict *p, size_t o, const char *path)
{
    const mp2ml_tensor *t = mp2ml_client_output(p->client, o);
    mp2ml_error error = {MP2ML_OK, ""};
    size_t dims[MP2ML_MAX_RANK] = {p->images, t->count};
    unsigned rank = 2;
    if (t->rank < MP2ML_MAX_RANK) {
        memcpy(dims + 1, t->dims, t->rank * sizeof(*dims));
        rank = t->rank + 1;
    }
    if (mp2ml_array_write(path, p->outputs[o], dims, rank, &error) != MP2ML_OK)
        return app_fail("--output %s", error.text);
    return APP_DONE;
}

/* Where the path begins in NAME=PATH, if the output has this name (whose ":0" may be left out). */
static const char *path_for(const char *text, const mp2ml_tensor *t)
{
    size_t length = strlen(t->name);
    if (strncmp(text, t->name, length) == 0 && text[length] == '=')
        return text + length + 1;
    if (length > 2 && strcmp(t->name + length - 2, ":0") == 0 &&
        strncmp(text, t->name, length - 2) == 0 && text[length - 2] == '=')
        return text + length - 1;
    return NULL;
}

/* text: NAME=PATH, or PATH for the only output. Returns the output's number, -1 for none. */
static int output_of(const struct predict *p, const char *text, const char **path)
{
    for (size_t o = 0; o < p->n_outputs; o++) {
        *path = path_for(text, mp2ml_client_output(p->client, o));
        if (*path)
            return (int)o;
    }
    *path = text;
    return p->n_outputs == 1 ? 0 : -1;
}

int predict_match_outputs(const struct predict *p)
{
    char names[512] = "";
    const char *text, *path;
    for (size_t o = 0, n = 0; o < p->n_outputs && n < sizeof(names); o++)
        n += (size_t)snprintf(names + n, sizeof(names) - n, "%s%s", o ? ", " : "",
                              mp2ml_client_output(p->client, o)->name);
    for (size_t i = 0; (text = cli_nth(p->cli, "output", i)); i++)
        if (output_of(p, text, &path) < 0)
            return app_fail("--output %s: the model has %zu outputs, so give NAME=FILE: %s", text,
                            p->n_outputs, names);
    return APP_DONE;
}

int predict_write(struct predict *p)
{
    const char *receipt = cli_last(p->cli, "receipt"), *text, *path;
    mp2ml_error error = {MP2ML_OK, ""};
    char *json = NULL;
    int result = APP_DONE;
    for (size_t i = 0; result == APP_DONE && (text = cli_nth(p->cli, "output", i)); i++) {
        const int o = output_of(p, text, &path);
        result = write_output(p, (size_t)o, path);
    }
    if (!receipt || result != APP_DONE)
        return result;
    if (mp2ml_client_receipt(p->client, &json, &error) != MP2ML_OK)
        return app_fail("--receipt %s: %s", receipt, error.text);
    result = app_write_file(receipt, json);
    mp2ml_free(json);
    return result;
}

void predict_wipe(struct predict *p)
{
    for (size_t f = 0; f < p->n_files; f++) {
        mp2ml_array_wipe(&p->files[f].array);
        free(p->files[f].images);
        free(p->files[f].name);
    }
    for (size_t o = 0; p->outputs && o < p->n_outputs; o++)
        free(p->outputs[o]);
    if (p->labels.values)
        mp2ml_array_wipe(&p->labels);
    free(p->files);
    free(p->inputs);
    free(p->outputs);
}
