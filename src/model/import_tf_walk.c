/* SPDX-License-Identifier: Apache-2.0
 *
 * The walk over a decoded file, from its ends to its starts: each node of the file becomes one or
 * more of the graph, settled at once, so that all inputs of a node have their shapes. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/import_tf_internal.h"

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

/* The node of the graph that an edge comes from; refused nodes stand for all their outputs. */
static int place_of(const struct walk *w, struct tf_edge e)
{
    const int place = w->place[e.from];
    return w->import.build.g->nodes[place].refused ? place : place + (int)e.output;
}

/* One output of a node of the file. A cut node is an input, and has no inputs. */
static mp2ml_status import_part(struct walk *w, int node, bool cut, unsigned part, int64_t parts)
{
    struct tf_model *m = w->import.model;
    tf_node *def = m->nodes[node];
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
    for (size_t k = 0; k < n_inputs; k++)
        n->inputs[k] = place_of(w, m->edges[first + k]);
    n->file_op = cut ? NULL : row->name;
    n->part = part;
    n->parts = row != NULL && row->parts != NULL ? (unsigned)parts : 0;
    if (start != NULL && start->has_shape) {
        n->rank = start->rank;
        memcpy(n->dims, start->dims, sizeof n->dims);
    }
    if (!cut)
        TRY(row->import(&w->import, def, n));
    return graph_settle_node(&w->import.build, n);
}

static mp2ml_status count_parts(int64_t *parts, const struct walk *w, int node, mp2ml_error *err)
{
    const tf_node *def = w->import.model->nodes[node];
    const struct tf_row *row = tf_row_find(def->op);
    *parts = 1;
    if (row == NULL || row->parts == NULL || find_start(w->bounds, node) != NULL)
        return MP2ML_OK;
    return row->parts(parts, def, err);
}

static bool is_unknown(const struct walk *w, int node)
{
    const char *op = w->import.model->nodes[node]->op;
    return tf_row_find(op) == NULL && tf_composed_find(op) == NULL &&
           find_start(w->bounds, node) == NULL;
}

/* The nodes (first outputs) that a node of the file reads, but for those of a loop; *all says whether that is all
 * of them. To be freed. */
static int *list_places(const struct walk *w, int node, size_t *count, bool *all)
{
    const struct tf_model *m = w->import.model;
    const size_t first = m->first[node], last = starts_here(w, node) ? first : m->first[node + 1];
    int *places = malloc((last - first + 1) * sizeof *places);
    *count = 0;
    for (size_t k = first; places != NULL && k < last; k++)
        if (w->place[m->edges[k].from] >= 0)
            places[(*count)++] = w->place[m->edges[k].from];
    *all = *count == last - first;
    return places;
}

/* Of each node that is read, only outputs that are known here. */
static mp2ml_status check_outputs(const struct walk *w, int node)
{
    const struct tf_model *m = w->import.model;
    mp2ml_error *err = w->import.build.err;
    for (size_t k = m->first[node]; !starts_here(w, node) && k < m->first[node + 1]; k++) {
        const struct tf_edge e = m->edges[k];
        int64_t parts = 1;
        if (e.output != 0)
            TRY(count_parts(&parts, w, e.from, err));
        if (e.output >= parts)
            return tf_fail(err, m->nodes[node], MP2ML_ERR_UNSUPPORTED,
                           "input %zu is another than the first output of node '%.200s'",
                           k - m->first[node], m->nodes[e.from]->name);
    }
    return MP2ML_OK;
}

/* An operator of several nodes, the last of which has its value. What reads a dead node is dead. */
static mp2ml_status compose(struct walk *w, int node, const struct tf_composed *row, int *inputs,
                            size_t n_inputs)
{
    const struct tf_model *m = w->import.model;
    tf_node *def = m->nodes[node];
    struct tf_call c = {.t = &w->import, .def = def, .op = row->op};
    int out;
    if (n_inputs < row->min_inputs || n_inputs > row->max_inputs)
        return tf_fail(w->import.build.err, def, MP2ML_ERR_MODEL, "has %zu inputs", n_inputs);
    for (size_t k = 0; k < n_inputs; k++)
        inputs[k] = place_of(w, m->edges[m->first[node] + k]);
    c.named = (struct graph_node){
        .name = def->name, .file_op = row->name, .inputs = inputs, .n_inputs = (unsigned)n_inputs};
    graph_skip_identities(&w->import.build, &c.named);
    c.x = (struct graph_expand){&w->import.build, &c.named};
    for (size_t k = 0; k < n_inputs; k++)
        if (w->import.build.g->nodes[inputs[k]].dead)
            return expand_unary(&c.x, &out, GRAPH_IDENTITY, NULL, inputs[k]);
    TRY(row->compose(&c, &out));
    assert(out == w->import.build.g->n_nodes - 1);
    return MP2ML_OK;
}

static mp2ml_status translate(struct walk *w, int node, int *inputs, size_t n_inputs)
{
    struct tf_model *m = w->import.model;
    mp2ml_error *err = w->import.build.err;
    const tf_node *def = m->nodes[node];
    const struct tf_start *start = find_start(w->bounds, node);
    const bool cut = start != NULL && !tf_is_placeholder(def);
    if (start == NULL && w->bounds->n_starts != 0 && tf_is_input(m, node) &&
        m->first[node + 1] == m->first[node])
        return tf_fail(err, def, MP2ML_ERR_ARGUMENT,
                       "the outputs depend on this input, too: name it with --input-node");
    int64_t parts;
    const struct tf_composed *row = tf_composed_find(def->op);
    TRY(check_outputs(w, node));
    if (row != NULL && start == NULL)
        return compose(w, node, row, inputs, n_inputs);
    TRY(count_parts(&parts, w, node, err));
    for (int64_t part = 0; part < parts; part++)
        TRY(import_part(w, node, cut, (unsigned)part, parts));
    return MP2ML_OK;
}

/* All that a node of the file becomes, or one that is refused. */
static mp2ml_status add_places(struct walk *w, int node, int *places, size_t n, bool all)
{
    struct graph_build *b = &w->import.build;
    const tf_node *def = w->import.model->nodes[node];
    const bool known = !is_unknown(w, node);
    const int first = b->g->n_nodes;
    mp2ml_status status = MP2ML_OK;
    if (known && (!all || graph_any_refused(b, places, n)))
        return graph_add_refused(b, def->name, places, n);
    status = known ? translate(w, node, places, n) : graph_unknown_op(b, def->name, def->op);
    return status == MP2ML_OK ? status
                              : graph_refuse(b, first, def->name, def->op, places, n, status);
}

static mp2ml_status add_node(struct walk *w, int node)
{
    size_t n;
    bool all;
    const int place = w->import.build.g->n_nodes;
    int *places = list_places(w, node, &n, &all);
    if (places == NULL)
        return status_fail(w->import.build.err, MP2ML_ERR_MEMORY, "out of memory");
    w->import.build.file_node = node;
    const mp2ml_status status = add_places(w, node, places, n, all);
    free(places);
    const bool composed = tf_composed_find(w->import.model->nodes[node]->op) != NULL;
    w->place[node] = composed ? w->import.build.g->n_nodes - 1 : place; /* the last of them */
    return status;
}

/* A damaged file, or one with a loop; a list of refusals goes on without this edge. */
static mp2ml_status note_cycle(struct walk *w, int node)
{
    static const char text[] = "the node depends on itself (a cycle)";
    struct graph_build *b = &w->import.build;
    const tf_node *def = w->import.model->nodes[node];
    if (b->refusals == NULL)
        return tf_fail(b->err, def, MP2ML_ERR_MODEL, "%s", text);
    b->file_node = node;
    return graph_note(b, def->name, def->op,
                      tf_fail(b->err, def, MP2ML_ERR_UNSUPPORTED, "%s", text));
}

/* The next input of an open node that must be imported before it: opened, or *opened = false. */
static mp2ml_status step_down(struct walk *w, int node, size_t *depth, bool *opened)
{
    const struct tf_model *m = w->import.model;
    const tf_node *def = m->nodes[node];
    mp2ml_error *err = w->import.build.err;
    *opened = false;
    while (w->next[node] < m->first[node + 1]) {
        const size_t at = w->next[node]++;
        const struct tf_edge e = m->edges[at];
        if (e.from < 0)
            return tf_fail(err, def, MP2ML_ERR_MODEL, "input %zu is a node that does not exist",
                           at - m->first[node]);
        if (w->place[e.from] == OPEN) {
            TRY(note_cycle(w, node));
            continue;
        }
        if (w->place[e.from] == UNSEEN) {
            w->stack[(*depth)++] = e.from;
            *opened = true;
            return MP2ML_OK;
        }
    }
    return MP2ML_OK;
}

static mp2ml_status refuse_unknown(struct walk *w, int node)
{
    struct graph_build *b = &w->import.build;
    const tf_node *def = w->import.model->nodes[node];
    return graph_note(b, def->name, def->op, graph_unknown_op(b, def->name, def->op));
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
            if (w->import.build.refusals == NULL && is_unknown(w, node))
                return refuse_unknown(w, node); /* before what it depends on is looked at */
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
            return tf_fail(w->import.build.err, m->nodes[node], MP2ML_ERR_ARGUMENT,
                           "no output depends on this input");
    }
    return MP2ML_OK;
}

static mp2ml_status walk_to(struct walk *w, struct tf_edge end)
{
    int64_t parts;
    mp2ml_error *err = w->import.build.err;
    TRY(walk_from(w, end.from));
    if (w->import.build.g->nodes[w->place[end.from]].refused)
        return MP2ML_OK;
    TRY(count_parts(&parts, w, end.from, err));
    if (end.output >= parts)
        return tf_fail(err, w->import.model->nodes[end.from], MP2ML_ERR_ARGUMENT,
                       "has no output %u that is known here", end.output);
    return MP2ML_OK;
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
        g->outputs[g->n_outputs++] = place_of(w, w->bounds->ends[k]);
    return MP2ML_OK;
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
    tf_skip_index_wraps(m);
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
