/* SPDX-License-Identifier: Apache-2.0
 *
 * TensorFlow's frozen graphs. The messages are decoded with a bound on memory in proportion to the
 * file, calls of functions are replaced by their bodies (import_tf_inline.c), names are resolved to
 * edges once, and what lies between inputs and outputs is imported in
 * topological order (import_tf_walk.c). Control inputs (^name) order side effects only and are
 * ignored. */
#include <stdlib.h>
#include <string.h>

#include "model/import_tf_internal.h"

#define CONSTANT_FACTOR                                                                            \
    4 /* the budget of computed and unpacked constants, per byte of the file                       \
       */
#define CONSTANT_EXTRA ((size_t)64 << 20)

static void free_model(struct tf_model *m)
{
    for (size_t k = 0; k < m->n_owned; k++)
        model_tf__node_def__free_unpacked(m->owned[k], &m->memory.allocator);
    if (m->def != NULL)
        model_tf__graph_def__free_unpacked(m->def, &m->memory.allocator);
    free(m->owned);
    free(m->nodes);
    free(m->sorted);
    free(m->first);
    free(m->edges);
}

/* strcmp for a name that is not terminated. */
static int compare_name(const char *name, size_t length, const char *with)
{
    const int c = strncmp(name, with, length);
    return c != 0 ? c : with[length] != '\0' ? -1 : 0;
}

int tf_find(const struct tf_model *m, const char *name, size_t length)
{
    size_t low = 0, high = (size_t)m->n_nodes;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const int c = compare_name(name, length, m->nodes[m->sorted[middle]]->name);
        if (c == 0)
            return m->sorted[middle];
        if (c < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return -1;
}

struct named {
    const char *name;
    int node;
};

static int by_name(const void *x, const void *y)
{
    return strcmp(((const struct named *)x)->name, ((const struct named *)y)->name);
}

static mp2ml_status sort_names(struct tf_model *m, mp2ml_error *err)
{
    const size_t n = (size_t)m->n_nodes;
    struct named *names = malloc((n + 1) * sizeof *names);
    m->sorted = malloc((n + 1) * sizeof *m->sorted);
    mp2ml_status status = MP2ML_OK;
    if (names == NULL || m->sorted == NULL)
        TRY_OUT(status_fail(err, MP2ML_ERR_MEMORY, "out of memory"));
    for (size_t k = 0; k < n; k++)
        names[k] = (struct named){m->nodes[k]->name, (int)k};
    qsort(names, n, sizeof *names, by_name);
    for (size_t k = 0; k < n; k++) {
        m->sorted[k] = names[k].node;
        if (names[k].name[0] == '\0')
            TRY_OUT(status_fail(err, MP2ML_ERR_MODEL, "a node has no name"));
        if (k != 0 && strcmp(names[k].name, names[k - 1].name) == 0)
            TRY_OUT(status_fail(err, MP2ML_ERR_MODEL, "two nodes have the name '%.200s'",
                                names[k].name));
    }
out:
    free(names);
    return status;
}

struct tf_edge tf_resolve(const struct tf_model *m, const char *text)
{
    const char *colon = strrchr(text, ':');
    const size_t length = colon != NULL ? (size_t)(colon - text) : strlen(text);
    struct tf_edge e = {-1, 0};
    for (const char *c = colon != NULL ? colon + 1 : ""; *c != '\0'; c++) {
        if (*c < '0' || *c > '9' || e.output > GRAPH_MAX_INPUTS)
            return e;
        e.output = 10 * e.output + (unsigned)(*c - '0');
    }
    e.from = tf_find(m, text, length);
    return e;
}

static mp2ml_status resolve_edges(struct tf_model *m, mp2ml_error *err)
{
    const size_t n = (size_t)m->n_nodes;
    size_t total = 0, used = 0;
    for (size_t k = 0; k < n; k++)
        total += m->nodes[k]->n_input;
    m->first = malloc((n + 1) * sizeof *m->first);
    m->edges = malloc((total + 1) * sizeof *m->edges);
    if (m->first == NULL || m->edges == NULL)
        return status_fail(err, MP2ML_ERR_MEMORY, "out of memory");
    for (size_t k = 0; k < n; k++) {
        const tf_node *def = m->nodes[k];
        m->first[k] = used;
        for (size_t i = 0; i < def->n_input; i++)
            if (def->input[i][0] != '^')
                m->edges[used++] = tf_resolve(m, def->input[i]);
    }
    m->first[n] = used;
    return MP2ML_OK;
}

static mp2ml_status decode(struct tf_model *m, const void *data, size_t size, mp2ml_error *err)
{
    m->file_size = size;
    proto_alloc_init(&m->memory, size);
    m->def = model_tf__graph_def__unpack(&m->memory.allocator, size, data);
    if (m->def == NULL)
        return status_fail(err, MP2ML_ERR_MODEL, "not a TensorFlow GraphDef, or a damaged one");
    if (m->def->n_node == 0)
        return status_fail(err, MP2ML_ERR_MODEL, "the graph has no nodes");
    TRY(tf_inline(m, err));
    for (int k = 0; k < m->n_nodes; k++)
        m->has_placeholder |= strcmp(m->nodes[k]->op, "Placeholder") == 0 && tf_is_input(m, k);
    TRY(sort_names(m, err));
    return resolve_edges(m, err);
}

/* From binary or text form. */
static mp2ml_status decode_file(struct tf_model *m, struct model_file *file, mp2ml_error *err)
{
    if (!import_text_is(file->data, file->size))
        return decode(m, file->data, file->size, err);
    uint8_t *binary;
    size_t size;
    TRY(import_text_binary(&binary, &size, file->data, file->size, err));
    const mp2ml_status status = decode(m, binary, size, err);
    free(binary);
    return status;
}

static mp2ml_status graph_of(struct graph **out, struct tf_model *m, const struct graph_cut *cut,
                             struct graph_refusals *refusals, mp2ml_error *err)
{
    struct tf_bounds bounds = {NULL, 0, NULL, 0};
    struct graph_build build = {.budget = CONSTANT_EXTRA + CONSTANT_FACTOR * m->file_size,
                                .err = err,
                                .refusals = refusals};
    struct graph *g = NULL;
    mp2ml_status status;
    TRY_OUT(tf_bounds_make(&bounds, m, cut, err));
    TRY_OUT(tf_build(&g, m, &bounds, true, &build));
    TRY_OUT(graph_simplify(&build));
    *out = g;
    g = NULL;
out:
    graph_free(g);
    tf_bounds_wipe(&bounds);
    return status;
}

mp2ml_status import_tf(struct graph **out, struct model_file *file, const struct graph_cut *cut,
                       mp2ml_error *err)
{
    struct tf_model m = {0};
    *out = NULL;
    mp2ml_status status = decode_file(&m, file, err);
    model_file_drop(file); /* the messages are a copy */
    if (status == MP2ML_OK)
        status = graph_of(out, &m, cut, file->refusals, err);
    free_model(&m);
    return status;
}
