/* SPDX-License-Identifier: Apache-2.0
 *
 * TensorFlow's frozen graphs. The messages are decoded with a bound on memory in proportion to the
 * file, names are resolved to edges once, and what lies between inputs and outputs is imported in
 * topological order. Control inputs (^name) order side effects only and are ignored. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/import_tf_internal.h"

#define CONSTANT_FACTOR                                                                            \
    4 /* the budget of computed and unpacked constants, per byte of the file                       \
       */
#define CONSTANT_EXTRA ((size_t)64 << 20)

static void free_model(struct tf_model *m)
{
    if (m->def != NULL)
        model_tf__graph_def__free_unpacked(m->def, &m->memory.allocator);
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
        const int c = compare_name(name, length, m->def->node[m->sorted[middle]]->name);
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
        names[k] = (struct named){m->def->node[k]->name, (int)k};
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
        total += m->def->node[k]->n_input;
    m->first = malloc((n + 1) * sizeof *m->first);
    m->edges = malloc((total + 1) * sizeof *m->edges);
    if (m->first == NULL || m->edges == NULL)
        return status_fail(err, MP2ML_ERR_MEMORY, "out of memory");
    for (size_t k = 0; k < n; k++) {
        const tf_node *def = m->def->node[k];
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
    if (m->def->n_node > GRAPH_MAX_NODES)
        return status_fail(err, MP2ML_ERR_MODEL, "more than %d nodes", GRAPH_MAX_NODES);
    m->n_nodes = (int)m->def->n_node;
    for (int k = 0; k < m->n_nodes; k++)
        m->has_placeholder |= strcmp(m->def->node[k]->op, "Placeholder") == 0 && tf_is_input(m, k);
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

/* The walk from the ends to the starts. */
enum { UNSEEN = -1, OPEN = -2 }; /* else the node's number in the graph */

struct walk {
    struct tf_import import;
    const struct tf_bounds *bounds;
    int *place;   /* of each node of the file: UNSEEN, OPEN or a number */
    int *stack;   /* the open path; a node stands on it at most once */
    size_t *next; /* of each open node: its next edge */
};

static const struct tf_start *find_start(const struct tf_bounds *bounds, int node)
{
    for (size_t k = 0; k < bounds->n_starts; k++)
        if (bounds->starts[k].node == node)
            return &bounds->starts[k];
    return NULL;
}

static mp2ml_status unsupported(mp2ml_error *err, const tf_node *def)
{
    char list[512];
    if (graph_supported_ops(list, sizeof list) >= sizeof list)
        memcpy(list + sizeof list - 4, "...", 4);
    return tf_fail(err, def, MP2ML_ERR_UNSUPPORTED,
                   "this operator is not supported; supported are %s", list);
}

/* The name of a part: NAME, NAME:1, ... */
static mp2ml_status add_part(struct walk *w, const tf_node *def, enum graph_op op, size_t n_inputs,
                             unsigned part, struct graph_node **n)
{
    struct graph_build *b = &w->import.build;
    if (part == 0)
        return graph_add_node(b, def->name, op, n_inputs, n);
    const size_t size = strlen(def->name) + 16;
    char *name = malloc(size);
    if (name == NULL)
        return status_fail(b->err, MP2ML_ERR_MEMORY, "out of memory");
    (void)snprintf(name, size, "%s:%u", def->name, part);
    const mp2ml_status status = graph_add_node(b, name, op, n_inputs, n);
    free(name);
    return status;
}

/* What stands before it is not imported. */
static bool starts_here(const struct walk *w, int node)
{
    return find_start(w->bounds, node) != NULL ||
           (w->bounds->n_starts == 0 && tf_is_input(w->import.model, node));
}

/* One output of a node of the file. A cut node is an input, and has no inputs. */
static mp2ml_status import_part(struct walk *w, int node, bool cut, unsigned part, int64_t parts)
{
    struct tf_model *m = w->import.model;
    tf_node *def = m->def->node[node];
    const struct tf_start *start = find_start(w->bounds, node);
    const struct tf_row *row = tf_row_find(def->op);
    size_t first = m->first[node];
    size_t n_inputs = starts_here(w, node) ? 0 : m->first[node + 1] - first;
    if (row != NULL && row->parts != NULL && row->op == GRAPH_IDENTITY && n_inputs != 0) {
        first += part; /* IdentityN: part k is of input k */
        n_inputs = 1;
    }
    if (n_inputs > (cut ? 0 : graph_row(row->op).max_inputs)) /* before there is one a part */
        return tf_fail(w->import.build.err, def, MP2ML_ERR_MODEL, "has %zu inputs", n_inputs);
    struct graph_node *n;
    TRY(add_part(w, def, cut ? GRAPH_INPUT : row->op, n_inputs, part, &n));
    for (size_t k = 0; k < n_inputs; k++) {
        const struct tf_edge e = m->edges[first + k];
        n->inputs[k] = w->place[e.from] + (int)e.output;
    }
    n->part = part;
    n->parts = row != NULL && row->parts != NULL ? (unsigned)parts : 0;
    if (start != NULL && start->has_shape) {
        n->rank = start->rank;
        memcpy(n->dims, start->dims, sizeof n->dims);
    }
    return cut ? MP2ML_OK : row->import(&w->import, def, n);
}

static mp2ml_status count_parts(int64_t *parts, const struct walk *w, int node, mp2ml_error *err)
{
    const tf_node *def = w->import.model->def->node[node];
    const struct tf_row *row = tf_row_find(def->op);
    *parts = 1;
    if (row == NULL || row->parts == NULL || find_start(w->bounds, node) != NULL)
        return MP2ML_OK;
    return row->parts(parts, def, err);
}

static mp2ml_status add_node(struct walk *w, int node)
{
    struct tf_model *m = w->import.model;
    struct graph_build *b = &w->import.build;
    tf_node *def = m->def->node[node];
    const struct tf_start *start = find_start(w->bounds, node);
    const bool cut = start != NULL && !tf_is_placeholder(def);
    if (tf_row_find(def->op) == NULL && !cut)
        return unsupported(b->err, def);
    if (start == NULL && w->bounds->n_starts != 0 && tf_is_input(m, node) &&
        m->first[node + 1] == m->first[node])
        return tf_fail(b->err, def, MP2ML_ERR_ARGUMENT,
                       "the outputs depend on this input, too: name it with --input-node");
    const int place = b->g->n_nodes;
    int64_t parts;
    TRY(count_parts(&parts, w, node, b->err));
    for (int64_t part = 0; part < parts; part++)
        TRY(import_part(w, node, cut, (unsigned)part, parts));
    w->place[node] = place;
    return MP2ML_OK;
}

/* The next input of an open node that must be imported before it: opened, or *opened = false. */
static mp2ml_status step_down(struct walk *w, int node, size_t *depth, bool *opened)
{
    const struct tf_model *m = w->import.model;
    const tf_node *def = m->def->node[node];
    mp2ml_error *err = w->import.build.err;
    *opened = false;
    while (w->next[node] < m->first[node + 1]) {
        const size_t at = w->next[node]++;
        const struct tf_edge e = m->edges[at];
        if (e.from < 0)
            return tf_fail(err, def, MP2ML_ERR_MODEL, "input %zu is a node that does not exist",
                           at - m->first[node]);
        if (e.output != 0) {
            int64_t parts;
            TRY(count_parts(&parts, w, e.from, err));
            if (e.output >= parts)
                return tf_fail(err, def, MP2ML_ERR_UNSUPPORTED,
                               "input %zu is another than the first output of node '%.200s'",
                               at - m->first[node], m->def->node[e.from]->name);
        }
        if (w->place[e.from] == OPEN)
            return tf_fail(err, def, MP2ML_ERR_MODEL, "the node depends on itself (a cycle)");
        if (w->place[e.from] == UNSEEN) {
            w->stack[(*depth)++] = e.from;
            *opened = true;
            return MP2ML_OK;
        }
    }
    return MP2ML_OK;
}

static mp2ml_status walk_from(struct walk *w, int end)
{
    const struct tf_model *m = w->import.model;
    size_t depth = 0;
    if (w->place[end] == UNSEEN)
        w->stack[depth++] = end;
    while (depth != 0) {
        const int node = w->stack[depth - 1];
        if (w->place[node] == UNSEEN) {
            w->place[node] = OPEN;
            w->next[node] = starts_here(w, node) ? m->first[node + 1] : m->first[node];
            if (tf_row_find(m->def->node[node]->op) == NULL && find_start(w->bounds, node) == NULL)
                return unsupported(w->import.build.err, m->def->node[node]);
        }
        bool opened;
        TRY(step_down(w, node, &depth, &opened));
        if (opened)
            continue;
        TRY(add_node(w, node));
        depth--;
    }
    return MP2ML_OK;
}

/* Inputs in the order of the flags, or of the file. */
static mp2ml_status list_inputs(struct walk *w)
{
    struct graph *g = w->import.build.g;
    const struct tf_model *m = w->import.model;
    const struct tf_bounds *bounds = w->bounds;
    const size_t candidates = bounds->n_starts != 0 ? bounds->n_starts : (size_t)m->n_nodes;
    g->inputs = calloc((size_t)g->n_nodes + 1, sizeof *g->inputs);
    if (g->inputs == NULL)
        return status_fail(w->import.build.err, MP2ML_ERR_MEMORY, "out of memory");
    for (size_t k = 0; k < candidates; k++) {
        const int node = bounds->n_starts != 0 ? bounds->starts[k].node : (int)k;
        const int place = w->place[node];
        if (place >= 0 && g->nodes[place].op == GRAPH_INPUT)
            g->inputs[g->n_inputs++] = place;
        else if (bounds->n_starts != 0)
            return tf_fail(w->import.build.err, m->def->node[node], MP2ML_ERR_ARGUMENT,
                           "no output depends on this input");
    }
    return MP2ML_OK;
}

static mp2ml_status walk_to(struct walk *w, struct tf_edge end)
{
    int64_t parts;
    mp2ml_error *err = w->import.build.err;
    TRY(count_parts(&parts, w, end.from, err));
    if (end.output >= parts)
        return tf_fail(err, w->import.model->def->node[end.from], MP2ML_ERR_ARGUMENT,
                       "has no output %u that is known here", end.output);
    return walk_from(w, end.from);
}

static mp2ml_status walk_all(struct walk *w)
{
    struct graph *g = w->import.build.g;
    for (size_t k = 0; k < w->bounds->n_ends; k++)
        TRY(walk_to(w, w->bounds->ends[k]));
    TRY(list_inputs(w));
    g->outputs = calloc(w->bounds->n_ends + 1, sizeof *g->outputs);
    if (g->outputs == NULL)
        return status_fail(w->import.build.err, MP2ML_ERR_MEMORY, "out of memory");
    for (size_t k = 0; k < w->bounds->n_ends; k++)
        g->outputs[g->n_outputs++] =
            w->place[w->bounds->ends[k].from] + (int)w->bounds->ends[k].output;
    return graph_settle(&w->import.build);
}

mp2ml_status tf_build(struct graph **out, struct tf_model *m, const struct tf_bounds *bounds,
                      bool may_move, struct graph_build *build)
{
    const size_t n = (size_t)m->n_nodes;
    struct walk w = {.bounds = bounds};
    mp2ml_status status = MP2ML_OK;
    *out = NULL;
    build->capacity = 0;
    w.place = malloc((n + 1) * sizeof *w.place);
    w.stack = malloc((n + 1) * sizeof *w.stack);
    w.next = calloc(n + 1, sizeof *w.next);
    if (w.place == NULL || w.stack == NULL || w.next == NULL || graph_new(&build->g) != MP2ML_OK)
        TRY_OUT(status_fail(build->err, MP2ML_ERR_MEMORY, "out of memory"));
    for (size_t k = 0; k < n; k++)
        w.place[k] = UNSEEN;
    w.import = (struct tf_import){m, *build, may_move};
    status = walk_all(&w);
    *build = w.import.build;
    if (status == MP2ML_OK)
        *out = build->g;
    else
        graph_free(build->g);
out:
    free(w.place);
    free(w.stack);
    free(w.next);
    return status;
}

static mp2ml_status graph_of(struct graph **out, struct tf_model *m, const struct graph_cut *cut,
                             mp2ml_error *err)
{
    struct tf_bounds bounds = {NULL, 0, NULL, 0};
    struct graph_build build = {.budget = CONSTANT_EXTRA + CONSTANT_FACTOR * m->file_size,
                                .err = err};
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
        status = graph_of(out, &m, cut, err);
    free_model(&m);
    return status;
}
