/* SPDX-License-Identifier: Apache-2.0
 *
 * ONNX files: what lies between inputs and outputs is imported in topological order, whatever the
 * order of the file; each node settles at once, so that all shapes are known where they are needed.
 * What the batch is, import_onnx_internal.h says; names are resolved in import_onnx_names.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/import_onnx_names.h"

#define CONSTANT_FACTOR 4 /* the budget of computed and unpacked constants, per byte of the file */
#define CONSTANT_EXTRA ((size_t)64 << 20)

/* The fields of a GraphDef that come first are others (0x0a); those of a SavedModel begin as ONNX's
 * do, and have no graph. */
bool import_onnx_is(const void *data, size_t size)
{
    const uint8_t *first = data;
    return size >= 2 && (first[0] == 0x08 || first[0] == 0x3a || first[0] == 0x42);
}

struct walk {
    struct onnx_import import;
    const struct onnx_bounds *bounds;
    bool *open;   /* [n_nodes] on the path */
    bool *done;   /* [n_nodes] */
    int *stack;   /* the open path; a node stands on it at most once */
    size_t *next; /* of each open node: its next input */
    int imported; /* nodes of the file */
};

/* Values that no node makes ------------------------------------------------------------------- */

static mp2ml_status add_constant(struct walk *w, struct onnx_value *v)
{
    struct onnx_import *t = &w->import;
    struct graph_node *n;
    struct graph_tensor value = {0};
    bool integers;
    TRY(onnx_tensor_read(t, &value, &integers, t->model->def->graph->initializer[v->initializer]));
    const mp2ml_status status = graph_add_node(&t->build, v->name, GRAPH_CONST, 0, &n);
    if (status != MP2ML_OK) {
        graph_tensor_wipe(&value);
        return status;
    }
    n->value = value;
    n->integers = integers;
    v->at = t->build.g->n_nodes - 1;
    v->type = onnx_element(t->model->def->graph->initializer[v->initializer]->data_type);
    return graph_settle_node(&t->build, n);
}

static mp2ml_status input_fail(const struct walk *w, const struct onnx_value *v,
                               mp2ml_status status, const char *text)
{
    (void)status_fail(w->import.build.err, status, "input '%.200s' %s", v->name, text);
    graph_clean_text(w->import.build.err);
    return status;
}

/* The graph's shape of an input. */
static mp2ml_status input_shape(const struct walk *w, const struct onnx_value *v,
                                const struct onnx_start *start, struct graph_node *n)
{
    const struct onnx_shape *s = &start->shape;
    const unsigned hidden = w->import.whole ? 1 : 0;
    if (!start->known)
        return input_fail(w, v, MP2ML_ERR_UNSUPPORTED,
                          "has no shape in the file: give that of one sample with --input-node "
                          "NAME:SHAPE");
    if (s->rank + hidden > GRAPH_MAX_RANK || s->rank + hidden == 0)
        return input_fail(w, v, MP2ML_ERR_UNSUPPORTED,
                          s->rank == 0 ? "is a single number without a batch axis"
                                       : "has too many axes");
    n->rank = s->rank + hidden;
    n->dims[0] = GRAPH_BATCH;
    for (unsigned d = 0; d < s->rank; d++)
        if (d != 0 || hidden != 0)
            n->dims[d + hidden] = s->dims[d];
    for (unsigned d = 1; d < n->rank; d++)
        if (n->dims[d] < 1)
            return input_fail(w, v, MP2ML_ERR_UNSUPPORTED,
                              "has an axis of unknown size beside the batch: give the shape of one "
                              "sample with --input-node NAME:SHAPE");
    return MP2ML_OK;
}

static mp2ml_status add_input(struct walk *w, struct onnx_value *v)
{
    struct onnx_import *t = &w->import;
    const struct onnx_start *start = onnx_start_find(w->bounds, w->import.model, v);
    struct graph_node *n;
    if (start == NULL)
        return input_fail(w, v, MP2ML_ERR_ARGUMENT,
                          "is needed for the outputs, too: name it with --input-node");
    if (start->type != 0 &&
        (onnx_element(start->type) == ELEMENT_NONE || onnx_element(start->type) == ELEMENT_BOOL))
        return input_fail(w, v, MP2ML_ERR_UNSUPPORTED,
                          "is not made of numbers: start the network behind it with --input-node");
    TRY(graph_add_node(&t->build, v->name, GRAPH_INPUT, 0, &n));
    v->type = onnx_element(start->type);
    v->integers = element_is_integer(v->type);
    TRY(input_shape(w, v, start, n));
    v->at = t->build.g->n_nodes - 1;
    return graph_settle_node(&t->build, n);
}

/* Nodes --------------------------------------------------------------------------------------- */

static const char *name_of(const onnx_node *def)
{
    return def->name[0] != '\0' || def->n_output == 0 ? def->name : def->output[0];
}

static mp2ml_status unknown(const struct walk *w, const onnx_node *def)
{
    const bool foreign = def->domain[0] != '\0' && strcmp(def->domain, "ai.onnx") != 0;
    const mp2ml_status status = graph_unknown_op(&w->import.build, name_of(def), def->op_type);
    const char *why = graph_hint(def->op_type).why;
    return foreign ? onnx_fail(w->import.build.err, def, status,
                               "this operator, of domain '%.100s', has no private form%s%s",
                               def->domain, why != NULL ? ": " : "", why != NULL ? why : "")
                   : status;
}

/* Data of a type of integers stay so, unless an operator says otherwise. */
static void pass_types(struct onnx_call *c)
{
    const struct onnx_model *m = c->t->model;
    bool integers = false;
    for (unsigned k = 0; k < c->n_in; k++)
        if (onnx_has(c, k) && onnx_in(c, k)->batched)
            integers = integers || onnx_value_in(c, k)->integers;
    for (size_t k = m->first_out[c->index]; k < m->first_out[c->index + 1]; k++)
        if (m->out[k] != ONNX_ABSENT)
            m->values[m->out[k]].integers = integers;
}

/* Operators that may read data without values: the others' arithmetic counts on some. */
static mp2ml_status check_empty(const struct onnx_call *c)
{
    static const char *const able[] = {"Concat", "Identity", "Shape", "Slice", "Split"};
    bool may = false;
    for (size_t k = 0; k < sizeof able / sizeof *able; k++)
        may = may || strcmp(c->def->op_type, able[k]) == 0;
    for (unsigned k = 0; k < c->n_in && !may; k++)
        if (onnx_has(c, k) && graph_is_empty(onnx_in(c, k)))
            return ONNX_FAIL(c, MP2ML_ERR_UNSUPPORTED,
                             "reads data of shape %s, which has no values",
                             shape_print(onnx_in(c, k)).text);
    return MP2ML_OK;
}

/* Optional outputs may have no name. */
static bool wants_output(const struct onnx_call *c, unsigned k)
{
    const struct onnx_model *m = c->t->model;
    return k < c->n_out && m->out[m->first_out[c->index] + k] != ONNX_ABSENT;
}

static mp2ml_status keep_outputs(struct onnx_call *c)
{
    for (unsigned k = 0; k < c->n_out; k++) {
        if (!wants_output(c, k))
            continue;
        if (c->out[k] != ONNX_ABSENT)
            onnx_value_out(c, k)->at = c->out[k];
        else if (onnx_value_out(c, k)->uses != 0)
            return ONNX_FAIL(c, MP2ML_ERR_UNSUPPORTED, "output %u ('%.200s') has no private form",
                             k, onnx_value_out(c, k)->name);
    }
    return MP2ML_OK;
}

static mp2ml_status call_row(struct walk *w, struct onnx_call *c)
{
    const struct onnx_row *row = onnx_row_find(c->def->domain, c->def->op_type);
    if (row == NULL)
        return unknown(w, c->def);
    const int64_t opset = c->t->model->opset;
    if (row->domain == NULL && opset < row->least)
        return ONNX_FAIL(
            c, MP2ML_ERR_UNSUPPORTED,
            "is not in opset %lld, or means something else there; from %lld on it is supported: "
            "convert the model with onnx.version_converter",
            (long long)opset, (long long)row->least);
    TRY(onnx_attr_check(c));
    unsigned given = c->n_in;
    while (given != 0 && c->in[given - 1] == ONNX_ABSENT)
        given--; /* absent ones at the end */
    bool complete =
        given >= row->min_inputs && c->n_in <= row->max_inputs && c->n_out <= onnx_most_outputs(c);
    const unsigned needed = row->max_inputs == GRAPH_MAX_INPUTS ? c->n_in : row->min_inputs;
    for (unsigned k = 0; k < needed && complete; k++)
        complete = c->in[k] != ONNX_ABSENT;
    if (!complete || !wants_output(c, 0))
        return ONNX_FAIL(c, MP2ML_ERR_MODEL, "has %u inputs and %u outputs", c->n_in, c->n_out);
    c->n_in = given;
    TRY(check_empty(c));
    TRY(onnx_types_check(c));
    pass_types(c);
    const mp2ml_status status = row->import(c, row->op);
    if (status != MP2ML_OK) {
        mp2ml_error *err = w->import.build.err;
        char own[32];
        (void)snprintf(own, sizeof own, "(%.20s): ", c->def->op_type);
        if (err != NULL && strstr(err->text, own) == NULL) {
            (void)status_within(err, status, "node '%.200s' (%.60s)", name_of(c->def),
                                c->def->op_type);
        }
        return status;
    }
    onnx_types_settle(c);
    return keep_outputs(c);
}

/* The operator, or a node that stands for it as refused. */
static mp2ml_status call_or_refuse(struct walk *w, struct onnx_call *c)
{
    struct graph_build *b = &w->import.build;
    const int first = b->g->n_nodes;
    const char *name = name_of(c->def);
    mp2ml_status status = MP2ML_OK;
    unsigned n = 0;
    int *there = calloc(c->n_in + 1, sizeof *there); /* c->in is changed on the way */
    if (there == NULL)
        return status_fail(b->err, MP2ML_ERR_MEMORY, "out of memory");
    for (unsigned k = 0; k < c->n_in; k++)
        if (c->in[k] != ONNX_ABSENT)
            there[n++] = c->in[k];
    b->file_node = c->index;
    bool refused =
        graph_any_refused(b, there, n) && onnx_row_find(c->def->domain, c->def->op_type) != NULL;
    if (refused)
        status = graph_add_refused(b, name, there, n);
    else if ((status = call_row(w, c)) != MP2ML_OK) {
        refused = true;
        status = graph_refuse(b, first, name, c->def->op_type, there, n, status);
    }
    for (unsigned k = 0; refused && status == MP2ML_OK && k < c->n_out; k++)
        if (wants_output(c, k))
            onnx_value_out(c, k)->at = b->g->n_nodes - 1;
    w->imported += !refused;
    free(there);
    return status;
}

static mp2ml_status add_node(struct walk *w, int index)
{
    struct onnx_model *m = w->import.model;
    onnx_node *def = m->def->graph->node[index];
    const size_t n_in = m->first_in[index + 1] - m->first_in[index];
    const size_t n_out = m->first_out[index + 1] - m->first_out[index];
    if (n_in > GRAPH_MAX_INPUTS || n_out > GRAPH_MAX_INPUTS)
        return onnx_fail(w->import.build.err, def, MP2ML_ERR_MODEL,
                         "has %zu inputs and %zu outputs", n_in, n_out);
    int *room = malloc((n_in + n_out + 1) * sizeof *room);
    if (room == NULL)
        return status_fail(w->import.build.err, MP2ML_ERR_MEMORY, "out of memory");
    struct onnx_call c = {.t = &w->import,
                          .def = def,
                          .index = index,
                          .n_in = (unsigned)n_in,
                          .n_out = (unsigned)n_out,
                          .in = room,
                          .out = room + n_in};
    const struct onnx_row *row = onnx_row_find(def->domain, def->op_type);
    c.named.name = n_out != 0 ? def->output[0] : def->name;
    c.named.file_op = row != NULL ? row->name : NULL;
    c.x = (struct graph_expand){&w->import.build, &c.named};
    for (size_t k = 0; k < n_in; k++) {
        const int value = m->in[m->first_in[index] + k];
        room[k] = value == ONNX_ABSENT ? ONNX_ABSENT : m->values[value].at;
    }
    for (size_t k = 0; k < n_out; k++)
        c.out[k] = ONNX_ABSENT;
    const mp2ml_status status = call_or_refuse(w, &c);
    free(room);
    return status;
}

/* What lies before an end, depth first ------------------------------------------------------- */

/* True when v is there; else makes it when no node must be imported for it, or sets *node. */
static mp2ml_status reach(struct walk *w, int value, int *node)
{
    struct onnx_value *v = &w->import.model->values[value];
    *node = -1;
    if (v->at >= 0)
        return MP2ML_OK;
    if (onnx_start_find(w->bounds, w->import.model, v) != NULL)
        return add_input(w, v);
    if (v->initializer >= 0)
        return add_constant(w, v);
    if (v->maker < 0)
        return v->input >= 0 ? add_input(w, v)
                             : input_fail(w, v, MP2ML_ERR_MODEL, "is made by no node of the file");
    *node = v->maker;
    return MP2ML_OK;
}

static mp2ml_status step_down(struct walk *w, int index, size_t *depth, bool *opened)
{
    const struct onnx_model *m = w->import.model;
    *opened = false;
    while (w->next[index] < m->first_in[index + 1]) {
        const int value = m->in[w->next[index]++];
        int node;
        if (value == ONNX_ABSENT)
            continue;
        TRY(reach(w, value, &node));
        if (node < 0)
            continue;
        if (w->open[node])
            return onnx_fail(w->import.build.err, m->def->graph->node[index], MP2ML_ERR_MODEL,
                             "the node depends on itself (a cycle)");
        if (w->done[node])
            return onnx_fail(w->import.build.err, m->def->graph->node[index], MP2ML_ERR_UNSUPPORTED,
                             "input '%.200s' has no private form", m->values[value].name);
        w->stack[(*depth)++] = node;
        w->next[index]--; /* to look at the value again */
        *opened = true;
        return MP2ML_OK;
    }
    return MP2ML_OK;
}

static mp2ml_status walk_from(struct walk *w, int value)
{
    const struct onnx_model *m = w->import.model;
    size_t depth = 0;
    int node;
    TRY(reach(w, value, &node));
    if (node >= 0 && !w->done[node])
        w->stack[depth++] = node;
    while (depth != 0) {
        const int index = w->stack[depth - 1];
        if (!w->open[index]) {
            w->open[index] = true;
            w->next[index] = m->first_in[index];
            const onnx_node *def = m->def->graph->node[index];
            struct graph_build *b = &w->import.build;
            if (b->refusals == NULL &&
                onnx_row_find(def->domain, def->op_type) == NULL) /* before what is before it */
                return graph_note(b, name_of(def), def->op_type, unknown(w, def));
        }
        bool opened;
        TRY(step_down(w, index, &depth, &opened));
        if (opened)
            continue;
        TRY(add_node(w, index));
        w->open[index] = false;
        w->done[index] = true;
        depth--;
    }
    return MP2ML_OK;
}

/* Outputs and inputs -------------------------------------------------------------------------- */

/* An output that depends on shapes alone: zeros of an input, and the constant. */
static mp2ml_status constant_output(struct walk *w, struct onnx_call *c, int *at)
{
    const struct graph *g = w->import.build.g;
    int input = 0;
    while (input < g->n_nodes && g->nodes[input].op != GRAPH_INPUT)
        input++;
    const struct graph_node *n = &g->nodes[*at];
    if (input == g->n_nodes || !w->import.whole || n->value.count == 0)
        return input_fail(w, &w->import.model->values[w->bounds->ends[0]], MP2ML_ERR_UNSUPPORTED,
                          "is an output that depends on no input");
    if (n->rank + 1 > GRAPH_MAX_RANK)
        return status_fail(w->import.build.err, MP2ML_ERR_UNSUPPORTED, "too many axes");
    int64_t dims[GRAPH_MAX_RANK] = {GRAPH_BATCH};
    memcpy(dims + 1, n->dims, n->rank * sizeof *dims);
    const unsigned rank = n->rank + 1;
    int64_t *none = malloc(n->value.count * sizeof *none);
    if (none == NULL)
        return status_fail(w->import.build.err, MP2ML_ERR_MEMORY, "out of memory");
    for (size_t k = 0; k < n->value.count; k++)
        none[k] = -1;
    int zeros;
    const mp2ml_status status = onnx_gather(c, &zeros, "zeros", input, dims, rank, none);
    free(none);
    TRY(status);
    return onnx_binary(c, at, GRAPH_ADD, NULL, zeros, *at);
}

/* The type that the file says of an output must be that of the value. */
static mp2ml_status check_output(const struct walk *w, int value)
{
    const struct onnx_value *v = &w->import.model->values[value];
    const Onnx__Graph *g = w->import.model->def->graph;
    for (size_t k = 0; k < g->n_output && v->type != ELEMENT_NONE; k++) {
        const Onnx__Type *type = g->output[k]->type;
        const int32_t said =
            type != NULL && type->tensor_type != NULL ? type->tensor_type->elem_type : 0;
        if (said != 0 && onnx_element(said) != v->type && strcmp(g->output[k]->name, v->name) == 0)
            return status_fail(w->import.build.err, MP2ML_ERR_MODEL,
                               "output '%.200s' is %s, but the file says %s", v->name,
                               element_name(v->type), onnx_type_name(said));
    }
    return MP2ML_OK;
}

/* The last node has the output's name. */
static mp2ml_status add_output(struct walk *w, int value, int *at)
{
    struct graph_build *b = &w->import.build;
    struct onnx_call c = {.t = &w->import};
    c.named.name = NULL;
    const char *name = w->import.model->values[value].name;
    char *copy = strdup(name);
    if (copy == NULL)
        return status_fail(b->err, MP2ML_ERR_MEMORY, "out of memory");
    c.named.name = copy;
    c.x = (struct graph_expand){b, &c.named};
    *at = w->import.model->values[value].at;
    const bool refused = b->g->nodes[*at].refused;
    mp2ml_status status = check_output(w, value);
    if (!refused && status == MP2ML_OK && !b->g->nodes[*at].batched)
        status = constant_output(w, &c, at);
    if (!refused && status == MP2ML_OK && strcmp(b->g->nodes[*at].name, name) != 0)
        status = expand_unary(&c.x, at, GRAPH_IDENTITY, NULL, *at);
    free(copy);
    return status;
}

static mp2ml_status list_inputs(struct walk *w)
{
    struct graph *g = w->import.build.g;
    const struct onnx_model *m = w->import.model;
    g->inputs = calloc(w->bounds->n_starts + 1, sizeof *g->inputs);
    if (g->inputs == NULL)
        return status_fail(w->import.build.err, MP2ML_ERR_MEMORY, "out of memory");
    for (size_t k = 0; k < w->bounds->n_starts; k++) {
        const struct onnx_value *v = &m->values[w->bounds->starts[k].value];
        if (v->at >= 0)
            g->inputs[g->n_inputs++] = v->at;
        else if (v->cut)
            return input_fail(w, v, MP2ML_ERR_ARGUMENT, "leads to no output");
    }
    return MP2ML_OK;
}

static mp2ml_status reach_end(struct walk *w, int value)
{
    TRY(walk_from(w, value));
    const struct onnx_value *v = &w->import.model->values[value];
    return v->at >= 0
               ? MP2ML_OK
               : input_fail(w, v, MP2ML_ERR_UNSUPPORTED, "is an output without private form");
}

static mp2ml_status walk_all(struct walk *w)
{
    struct graph *g = w->import.build.g;
    const struct onnx_bounds *bounds = w->bounds;
    for (size_t k = 0; k < bounds->n_ends; k++)
        TRY(reach_end(w, bounds->ends[k]));
    TRY(list_inputs(w));
    g->outputs = calloc(bounds->n_ends + 1, sizeof *g->outputs);
    if (g->outputs == NULL)
        return status_fail(w->import.build.err, MP2ML_ERR_MEMORY, "out of memory");
    for (size_t k = 0; k < bounds->n_ends; k++) {
        int at;
        TRY(add_output(w, bounds->ends[k], &at));
        g->outputs[g->n_outputs++] = at;
    }
    return MP2ML_OK;
}

mp2ml_status onnx_build(struct graph **out, struct onnx_model *m, const struct onnx_bounds *bounds,
                        struct onnx_try *how, struct graph_build *build)
{
    const size_t n = (size_t)m->n_nodes + 1;
    struct walk w = {.bounds = bounds};
    mp2ml_status status = MP2ML_OK;
    *out = NULL;
    build->capacity = 0;
    w.open = calloc(n, sizeof *w.open);
    w.done = calloc(n, sizeof *w.done);
    w.stack = malloc(n * sizeof *w.stack);
    w.next = calloc(n, sizeof *w.next);
    if (w.open == NULL || w.done == NULL || w.stack == NULL || w.next == NULL ||
        graph_new(&build->g) != MP2ML_OK)
        TRY_OUT(status_fail(build->err, MP2ML_ERR_MEMORY, "out of memory"));
    for (size_t k = 0; k < m->n_values; k++)
        m->values[k].at = m->values[k].real = -1;
    w.import = (struct onnx_import){m, *build, how->whole, how->may_move, how->batch};
    status = walk_all(&w);
    how->imported = w.imported;
    *build = w.import.build;
    if (status == MP2ML_OK)
        *out = build->g;
    else
        graph_free(build->g);
out:
    free(w.open);
    free(w.done);
    free(w.stack);
    free(w.next);
    return status;
}

/* The file ------------------------------------------------------------------------------------ */

/* Why the first axis of the inputs cannot be the batch. */
static mp2ml_status no_batch(const struct onnx_model *m, const struct onnx_bounds *bounds,
                             mp2ml_error *err)
{
    for (size_t k = 0; k < bounds->n_starts; k++)
        if (!bounds->starts[k].known)
            return status_fail(err, MP2ML_ERR_UNSUPPORTED,
                               "input '%.200s' has no shape in the file, or is no tensor: give the "
                               "shape of one sample with --input-node NAME:SHAPE",
                               m->values[bounds->starts[k].value].name);
    return status_fail(err, MP2ML_ERR_UNSUPPORTED,
                       "the inputs have no axis in common that may be the batch");
}

/* One reading of the file: whole tensors as samples, or the first axis as the batch. */
static mp2ml_status read_as(struct graph **out, struct model_file *file,
                            const struct graph_cut *cut, struct onnx_try *how, mp2ml_error *err)
{
    struct onnx_model m = {.path = file->path};
    struct onnx_bounds bounds = {0};
    struct graph_build build = {.err = err, .refusals = how->refusals};
    struct graph *g = NULL;
    mp2ml_status status;
    TRY_OUT(model_file_again(file, err));
    TRY_OUT(onnx_model_decode(&m, file->data, file->size, err));
    model_file_drop(file); /* the messages are a copy */
    build.budget = CONSTANT_EXTRA + CONSTANT_FACTOR * m.file_size;
    TRY_OUT(onnx_bounds_make(&bounds, &m, cut, err));
    how->may_be_whole = onnx_bounds_batch(&bounds, &m, how);
    if (how->may_be_batch || how->whole)
        TRY_OUT(onnx_build(&g, &m, &bounds, how, &build));
    else
        TRY_OUT(no_batch(&m, &bounds, err));
    onnx_model_wipe(&m); /* what is not needed any more makes room */
    TRY_OUT(graph_simplify(&build));
    *out = g;
    g = NULL;
out:
    graph_free(g);
    onnx_bounds_wipe(&bounds);
    onnx_model_wipe(&m);
    return status;
}

/* Of two readings that failed, that one says more which came further; of two lists of refusals, the
 * shorter one. */
static bool second_is_better(const struct onnx_try *first, mp2ml_status status,
                             const struct onnx_try *second, mp2ml_status again)
{
    if (again == MP2ML_OK || !first->may_be_batch)
        return true;
    if (first->refusals != NULL && first->refusals->count != 0)
        return again == status && second->refusals->count < first->refusals->count;
    return second->imported > first->imported;
}

mp2ml_status import_onnx(struct graph **out, struct model_file *file, const struct graph_cut *cut,
                         mp2ml_error *err)
{
    struct graph_refusals lists[2] = {{0}};
    struct onnx_try first = {.may_move = true}, second = {.may_move = true, .whole = true};
    mp2ml_error other = {0};
    *out = NULL;
    if (file->refusals != NULL) {
        first.refusals = &lists[0];
        second.refusals = &lists[1];
    }
    mp2ml_status status = read_as(out, file, cut, &first, err);
    unsigned best = 0;
    if (first.may_be_whole && (status == MP2ML_ERR_UNSUPPORTED || status == MP2ML_ERR_MODEL)) {
        const mp2ml_status again = read_as(out, file, cut, &second, &other);
        if (second_is_better(&first, status, &second, again)) {
            best = 1;
            status = again;
            if (err != NULL)
                *err = other;
        }
    }
    if (file->refusals != NULL)
        *file->refusals = lists[best];
    graph_refusals_wipe(&lists[file->refusals != NULL ? 1 - best : best]);
    return status;
}
