/* SPDX-License-Identifier: Apache-2.0
 *
 * TensorFlow Lite files. What lies between inputs and outputs is marked from the end, then imported
 * in the order of the file; each node settles as it is appended. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/import_tflite_internal.h"

/* The budget of constants, per byte of the file: a quantised weight is one byte there and four here. */
#define CONSTANT_FACTOR 6
#define CONSTANT_EXTRA ((size_t)64 << 20)
#define SCHEMA_VERSION 3

enum { /* fields of the schema's tables */
       MODEL_VERSION = 0,
       MODEL_OPERATOR_CODES = 1,
       MODEL_SUBGRAPHS = 2,
       MODEL_BUFFERS = 4,
       MODEL_SIGNATURES = 7,
       SUBGRAPH_TENSORS = 0,
       SUBGRAPH_INPUTS = 1,
       SUBGRAPH_OUTPUTS = 2,
       SUBGRAPH_OPERATORS = 3,
       SIGNATURE_INPUTS = 0,
       SIGNATURE_OUTPUTS = 1,
       CODE_OLD = 0, /* one byte; codes from 127 on are in CODE alone */
       CODE_CUSTOM = 1,
       CODE = 3,
       OPERATOR_CODE = 0,
       OPERATOR_INPUTS = 1,
       OPERATOR_OUTPUTS = 2,
       OPERATOR_OPTIONS = 4
};

static const char damaged[] = "a damaged TensorFlow Lite file";

bool import_tflite_is(const void *data, size_t size)
{
    return size >= 8 && memcmp((const uint8_t *)data + 4, "TFL3", 4) == 0;
}

static mp2ml_status open_model(struct tflite_model *m, const struct model_file *file,
                               mp2ml_error *err)
{
    memset(m, 0, sizeof *m);
    m->file = (struct flatbuffer){file->data, file->size, false};
    const struct flatbuffer_table root = flatbuffer_root(&m->file);
    const int32_t version = flatbuffer_i32(&root, MODEL_VERSION, 0);
    const struct flatbuffer_vector subgraphs = flatbuffer_list(&root, MODEL_SUBGRAPHS, 4);
    m->codes = flatbuffer_list(&root, MODEL_OPERATOR_CODES, 4);
    m->buffers = flatbuffer_list(&root, MODEL_BUFFERS, 4);
    if (m->file.failed || subgraphs.count == 0)
        return status_fail(err, MP2ML_ERR_MODEL, damaged);
    if (version != SCHEMA_VERSION)
        return status_fail(err, MP2ML_ERR_UNSUPPORTED,
                           "a TensorFlow Lite file of version %ld, known is %d", (long)version,
                           SCHEMA_VERSION);
    if (subgraphs.count != 1)
        return status_fail(err, MP2ML_ERR_UNSUPPORTED,
                           "has %zu graphs (conditions, loops, or several signatures); convert one "
                           "function without control flow",
                           subgraphs.count);
    const struct flatbuffer_table graph = flatbuffer_table_at(&subgraphs, 0);
    m->tensors = flatbuffer_list(&graph, SUBGRAPH_TENSORS, 4);
    m->operators = flatbuffer_list(&graph, SUBGRAPH_OPERATORS, 4);
    m->inputs = flatbuffer_list(&graph, SUBGRAPH_INPUTS, 4);
    m->outputs = flatbuffer_list(&graph, SUBGRAPH_OUTPUTS, 4);
    const struct flatbuffer_vector signatures = flatbuffer_list(&root, MODEL_SIGNATURES, 4);
    if (signatures.count == 1) {
        const struct flatbuffer_table signature = flatbuffer_table_at(&signatures, 0);
        m->input_names = flatbuffer_list(&signature, SIGNATURE_INPUTS, 4);
        m->output_names = flatbuffer_list(&signature, SIGNATURE_OUTPUTS, 4);
    }
    if (m->operators.count > GRAPH_MAX_NODES || m->tensors.count > INT32_MAX)
        return status_fail(err, MP2ML_ERR_MODEL, "more than %d operators", GRAPH_MAX_NODES);
    return m->file.failed ? status_fail(err, MP2ML_ERR_MODEL, damaged) : MP2ML_OK;
}

/* Operators ----------------------------------------------------------------------------------- */

/* The number of operator k's kind, and the name of one that is not of TensorFlow Lite. */
static int64_t code_of(struct tflite_model *m, const struct flatbuffer_table *operator,
                       const char ** custom)
{
    const uint32_t index = (uint32_t)flatbuffer_i32(operator, OPERATOR_CODE, 0);
    *custom = "";
    if (index >= m->codes.count) {
        m->file.failed = true;
        return -1;
    }
    const struct flatbuffer_table code = flatbuffer_table_at(&m->codes, index);
    const int32_t old = (int8_t)flatbuffer_u8(&code, CODE_OLD, 0),
                  now = flatbuffer_i32(&code, CODE, 0);
    *custom = flatbuffer_string(&code, CODE_CUSTOM);
    return old > now ? old : now;
}

static struct tflite_op read_op(struct tflite_model *m, size_t k)
{
    const struct flatbuffer_table operator= flatbuffer_table_at(&m->operators, k);
    const char *custom;
    struct tflite_op op = {.row = tflite_row_at(code_of(m, &operator, & custom))};
    op.inputs = flatbuffer_list(&operator, OPERATOR_INPUTS, 4);
    op.outputs = flatbuffer_list(&operator, OPERATOR_OUTPUTS, 4);
    op.options = flatbuffer_child(&operator, OPERATOR_OPTIONS);
    return op;
}

static const char *op_name(const struct tflite_op *op)
{
    return op->row != NULL ? op->row->name : "?";
}

mp2ml_status tflite_fail(const struct tflite_import *t, const struct tflite_op *op,
                         mp2ml_status status, const char *fmt, ...)
{
    char text[600], name[TFLITE_NAME] = "";
    va_list args;
    va_start(args, fmt);
    if (vsnprintf(text, sizeof text, fmt, args) < 0)
        text[0] = '\0';
    va_end(args);
    if (op->part < op->outputs.count)
        tflite_tensor_name(name, t->model, flatbuffer_i32_at(&op->outputs, op->part));
    (void)status_fail(t->build.err, status, "node '%.200s' (%s): %s", name, op_name(op), text);
    graph_clean_text(t->build.err);
    return status;
}

/* Why operator k, which has no rule, cannot be imported. */
static mp2ml_status unsupported(struct tflite_import *t, size_t k, const struct tflite_op *op)
{
    const struct flatbuffer_table operator= flatbuffer_table_at(&t->model->operators, k);
    const char *custom;
    char name[TFLITE_NAME] = "";
    const int64_t code = code_of(t->model, &operator, & custom);
    if (strncmp(custom, "Flex", 4) == 0)
        return tflite_fail(
            t, op, MP2ML_ERR_UNSUPPORTED,
            "'%.100s' is an operator of TensorFlow in a TensorFlow Lite file, which is "
            "not supported; convert without SELECT_TF_OPS, or give the frozen graph",
            custom);
    if (custom[0] != '\0')
        return tflite_fail(
            t, op, MP2ML_ERR_UNSUPPORTED,
            "the custom operator '%.100s' is not supported; cut the network before it "
            "with --output-node",
            custom);
    if (op->row == NULL)
        return tflite_fail(t, op, MP2ML_ERR_UNSUPPORTED, "operator %lld is not known here",
                           (long long)code);
    if (op->outputs.count != 0)
        tflite_tensor_name(name, t->model, flatbuffer_i32_at(&op->outputs, 0));
    return graph_unknown_op(&t->build, name, op->row->name);
}

/* Operands ------------------------------------------------------------------------------------ */

bool tflite_has_input(const struct tflite_op *op, size_t k)
{
    return k < op->inputs.count && flatbuffer_i32_at(&op->inputs, k) != TFLITE_NO_TENSOR;
}

static bool is_constant(const struct tflite_place *place)
{
    return place->constant != TFLITE_NO_TENSOR || (place->maker < 0 && !place->start);
}

/* The tensor of input k, behind a DEQUANTIZE of a constant. */
static mp2ml_status operand(struct tflite_import *t, const struct tflite_op *op, size_t k,
                            int *tensor)
{
    char name[TFLITE_NAME];
    if (!tflite_has_input(op, k))
        return tflite_fail(t, op, MP2ML_ERR_MODEL, "has no input %zu", k);
    *tensor = flatbuffer_i32_at(&op->inputs, k);
    const struct tflite_place *place = &t->places[*tensor];
    if (place->constant != TFLITE_NO_TENSOR)
        *tensor = place->constant;
    if (is_constant(place) || place->node != TFLITE_NO_NODE)
        return MP2ML_OK;
    tflite_tensor_name(name, t->model, *tensor);
    return tflite_fail(t, op, MP2ML_ERR_MODEL, "reads '%.200s' before it is computed", name);
}

mp2ml_status tflite_input(struct tflite_import *t, const struct tflite_op *op, size_t k, int *node)
{
    int tensor;
    TRY(operand(t, op, k, &tensor));
    return tflite_constant(t, tensor, node);
}

bool tflite_constant_input(const struct tflite_import *t, const struct tflite_op *op, size_t k,
                           int *tensor)
{
    if (!tflite_has_input(op, k))
        return false;
    *tensor = flatbuffer_i32_at(&op->inputs, k);
    const struct tflite_place *place = &t->places[*tensor];
    if (place->constant != TFLITE_NO_TENSOR)
        *tensor = place->constant;
    return is_constant(place);
}

mp2ml_status tflite_weights(struct tflite_import *t, const struct tflite_op *op, size_t k,
                            const unsigned *order, unsigned rank, int *node)
{
    int tensor;
    if (tflite_constant_input(t, op, k, &tensor))
        return tflite_constant_turned(t, tensor, order, rank, node);
    TRY(tflite_input(t, op, k, node)); /* computed from constants */
    const struct graph_node *n = tflite_node(t, *node);
    if (n->op != GRAPH_CONST || n->integers || n->rank != rank)
        return tflite_fail(t, op, MP2ML_ERR_UNSUPPORTED,
                           "input %zu ('%.200s') must be constant weights with %u axes", k, n->name,
                           rank);
    int64_t axes[GRAPH_MAX_RANK];
    for (unsigned d = 0; d < rank; d++)
        axes[d] = order[d];
    return expand_transpose(&t->expand, node, "weights", *node, axes, rank);
}

mp2ml_status tflite_integers(struct tflite_import *t, const struct tflite_op *op, size_t k,
                             struct graph_tensor *out)
{
    int node;
    TRY(tflite_input(t, op, k, &node));
    const struct graph_node *n = tflite_node(t, node);
    if (n->op != GRAPH_CONST || !n->integers)
        return tflite_fail(t, op, MP2ML_ERR_UNSUPPORTED,
                           "input %zu ('%.200s') must be a constant of integers", k, n->name);
    *out = n->value;
    return MP2ML_OK;
}

/* From the ends to the starts ------------------------------------------------------------------ */

static bool are_tensors(const struct tflite_model *m, const struct flatbuffer_vector *list,
                        int32_t least)
{
    for (size_t k = 0; k < list->count; k++) {
        const int32_t tensor = flatbuffer_i32_at(list, k);
        if (tensor < least || (tensor >= 0 && (size_t)tensor >= m->tensors.count))
            return false;
    }
    return true;
}

/* What is computed has no values in the file. */
static mp2ml_status check_made(const struct tflite_import *t, const struct tflite_op *op, size_t o)
{
    const int tensor = flatbuffer_i32_at(&op->outputs, o);
    if (t->places[tensor].maker >= 0)
        return tflite_fail(t, op, MP2ML_ERR_MODEL, "output %zu has been computed before", o);
    return tflite_has_values(t->model, tensor)
               ? tflite_fail(t, op, MP2ML_ERR_MODEL, "output %zu is a constant", o)
               : MP2ML_OK;
}

/* Who computes what. Lists may lie on one another in hostile files: together they must not be longer
 * than an honest file has room for. */
static mp2ml_status find_makers(struct tflite_import *t)
{
    struct tflite_model *m = t->model;
    size_t entries = 0;
    for (size_t k = 0; k < m->operators.count; k++) {
        const struct tflite_op op = read_op(m, k);
        entries += op.inputs.count + op.outputs.count; /* <= 2^18 * 2^30 */
        if (m->file.failed || entries > m->file.size || op.inputs.count > GRAPH_MAX_INPUTS ||
            op.outputs.count > GRAPH_MAX_INPUTS || !are_tensors(m, &op.inputs, TFLITE_NO_TENSOR) ||
            !are_tensors(m, &op.outputs, 0))
            return status_fail(t->build.err, MP2ML_ERR_MODEL, "%s: operator %zu", damaged, k);
        for (size_t o = 0; o < op.outputs.count; o++) {
            TRY(check_made(t, &op, o));
            t->places[flatbuffer_i32_at(&op.outputs, o)].maker = (int)k;
        }
    }
    return MP2ML_OK;
}

static bool any_needed(const struct tflite_import *t, const struct tflite_op *op)
{
    for (size_t o = 0; o < op->outputs.count; o++) {
        const struct tflite_place *place = &t->places[flatbuffer_i32_at(&op->outputs, o)];
        if (place->needed && !place->start)
            return true;
    }
    return false;
}

static mp2ml_status mark_used(struct tflite_import *t, const struct tflite_bounds *bounds)
{
    struct tflite_model *m = t->model;
    for (size_t k = 0; k < bounds->n_ends; k++)
        t->places[bounds->ends[k]].needed = true;
    for (size_t k = m->operators.count; k-- > 0;) {
        const struct tflite_op op = read_op(m, k);
        t->used[k] = any_needed(t, &op);
        for (size_t i = 0; t->used[k] && i < op.inputs.count; i++)
            if (tflite_has_input(&op, i))
                t->places[flatbuffer_i32_at(&op.inputs, i)].needed = true;
    }
    return MP2ML_OK;
}

static bool has_rule(const struct tflite_op *op)
{
    return op->row != NULL && op->row->import != NULL;
}

/* Without a list of refusals, this is said before constants are read and others are refused. */
static mp2ml_status check_rules(struct tflite_import *t)
{
    char name[TFLITE_NAME] = "";
    for (size_t k = 0; t->build.refusals == NULL && k < t->model->operators.count; k++) {
        const struct tflite_op op = read_op(t->model, k);
        if (t->used[k] && !has_rule(&op))
            return graph_note(&t->build, name, op_name(&op), unsupported(t, k, &op));
    }
    return MP2ML_OK;
}

/* Starts --------------------------------------------------------------------------------------- */

/* All starts must have the same number of samples. */
static mp2ml_status note_batch(struct tflite_import *t, int tensor, const struct tflite_tensor *s)
{
    char text[160];
    const int64_t batch = s->rank != 0 && s->dims[0] > 0 ? s->dims[0] : 1;
    if (t->batch != 0 && t->batch != batch) {
        (void)snprintf(text, sizeof text,
                       "is an input with %lld on its first axis, which must be the batch; another "
                       "input has %lld there",
                       (long long)batch, (long long)t->batch);
        return tflite_tensor_fail(t->model, tensor, MP2ML_ERR_UNSUPPORTED, text, t->build.err);
    }
    t->batch = batch;
    return MP2ML_OK;
}

static mp2ml_status check_start(struct tflite_import *t, const struct tflite_start *start,
                                const struct tflite_tensor *s, bool named)
{
    const char *wrong = NULL;
    if (s->type == ELEMENT_NONE || s->type == ELEMENT_BOOL)
        wrong = "is an input that has no numbers as values: start the network behind it with "
                "--input-node NAME:SHAPE";
    else if (s->data != NULL)
        wrong = "is a constant and cannot be an input";
    else if (t->places[start->tensor].node != TFLITE_NO_NODE)
        wrong = "is named twice as an input";
    else if (!named && t->places[start->tensor].maker >= 0)
        wrong = "is an input, but also computed by an operator";
    for (unsigned d = 1; wrong == NULL && start->rank == 0 && d < s->rank; d++)
        if (s->dims[d] < 1)
            wrong = "is an input whose shape is not all known: give it as --input-node "
                    "NAME:D1,D2,..., the sizes of one sample";
    if (wrong == NULL && start->rank == 0 && s->rank == 0)
        wrong = "is an input without a batch axis: give its shape as --input-node NAME:D1,D2,..., "
                "the sizes of one sample";
    return wrong == NULL ? MP2ML_OK
                         : tflite_tensor_fail(t->model, start->tensor, MP2ML_ERR_UNSUPPORTED, wrong,
                                              t->build.err);
}

/* Inputs that the file lists and no output needs are left out. */
static mp2ml_status add_start(struct tflite_import *t, const struct tflite_start *start, bool named)
{
    struct tflite_tensor s;
    struct graph_node *n;
    char name[TFLITE_NAME];
    struct tflite_place *place = &t->places[start->tensor];
    if (!place->needed)
        return named ? tflite_tensor_fail(t->model, start->tensor, MP2ML_ERR_ARGUMENT,
                                          "is named as an input, but no output depends on it",
                                          t->build.err)
                     : MP2ML_OK;
    TRY(tflite_tensor_read(&s, t->model, start->tensor, t->build.err));
    TRY(check_start(t, start, &s, named));
    TRY(note_batch(t, start->tensor, &s));
    tflite_tensor_name(name, t->model, start->tensor);
    TRY(graph_add_node(&t->build, name, GRAPH_INPUT, 0, &n));
    n->rank = start->rank != 0 ? start->rank : s.rank;
    memcpy(n->dims, start->rank != 0 ? start->dims : s.dims, sizeof n->dims);
    n->dims[0] = GRAPH_BATCH;
    place->node = t->build.g->n_nodes - 1;
    t->build.g->inputs[t->build.g->n_inputs++] = place->node;
    return graph_settle_node(&t->build, n);
}

static mp2ml_status add_starts(struct tflite_import *t, const struct tflite_bounds *bounds)
{
    const struct flatbuffer_vector *inputs = &t->model->inputs;
    t->build.g->inputs = calloc(bounds->n_starts + 1, sizeof *t->build.g->inputs);
    if (t->build.g->inputs == NULL)
        return status_fail(t->build.err, MP2ML_ERR_MEMORY, "out of memory");
    for (size_t k = 0; k < inputs->count; k++) {
        const int tensor = flatbuffer_i32_at(inputs, k);
        if (tensor >= 0 && (size_t)tensor < t->model->tensors.count && !t->places[tensor].start &&
            t->places[tensor].needed)
            return tflite_tensor_fail(t->model, tensor, MP2ML_ERR_ARGUMENT,
                                      "is an input that the outputs depend on, too: name it with "
                                      "--input-node",
                                      t->build.err);
    }
    for (size_t k = 0; k < bounds->n_starts; k++)
        TRY(add_start(t, &bounds->starts[k], bounds->named));
    return MP2ML_OK;
}

/* From the starts to the ends ------------------------------------------------------------------ */

/* Output by output. */
static mp2ml_status import_outputs(struct tflite_import *t, struct tflite_op *op)
{
    if (op->outputs.count != 1 && !op->row->parts)
        return tflite_fail(t, op, MP2ML_ERR_MODEL, "has %zu outputs", op->outputs.count);
    for (op->part = 0; op->part < op->outputs.count; op->part++) {
        const int tensor = flatbuffer_i32_at(&op->outputs, op->part);
        struct tflite_place *place = &t->places[tensor];
        char name[TFLITE_NAME];
        if (place->start)
            continue;
        tflite_tensor_name(name, t->model, tensor);
        const struct graph_node named = {.name = name, .op = op->row->op, .file_op = op->row->name};
        t->expand = (struct graph_expand){&t->build, &named};
        TRY(op->row->import(t, op, &place->node));
    }
    return MP2ML_OK;
}

/* Nodes from `first` on are gone: constants that were read for this operator may be among them. */
static void forget_nodes(struct tflite_import *t, const struct tflite_op *op, int first)
{
    for (size_t k = 0; k < op->inputs.count; k++) {
        int tensor;
        if (!tflite_constant_input(t, op, k, &tensor))
            continue;
        struct tflite_place *place = &t->places[tensor];
        place->node = place->node >= first ? TFLITE_NO_NODE : place->node;
        place->turned = place->turned >= first ? TFLITE_NO_NODE : place->turned;
    }
}

/* `inputs` has room for the nodes of the operator's inputs; those of constants are not made yet. */
static mp2ml_status import_op(struct tflite_import *t, size_t k, int *inputs)
{
    struct graph_build *b = &t->build;
    struct tflite_op op = read_op(t->model, k);
    const int first = b->g->n_nodes;
    size_t n = 0;
    char name[TFLITE_NAME] = "";
    for (size_t i = 0; i < op.inputs.count; i++)
        if (tflite_has_input(&op, i) &&
            t->places[flatbuffer_i32_at(&op.inputs, i)].node != TFLITE_NO_NODE)
            inputs[n++] = t->places[flatbuffer_i32_at(&op.inputs, i)].node;
    b->file_node = (int)k;
    if (op.outputs.count != 0)
        tflite_tensor_name(name, t->model, flatbuffer_i32_at(&op.outputs, 0));
    if (has_rule(&op) && graph_any_refused(b, inputs, n)) {
        TRY(graph_add_refused(b, name, inputs, n));
    } else {
        const mp2ml_status status = has_rule(&op) ? import_outputs(t, &op) : unsupported(t, k, &op);
        if (status == MP2ML_OK)
            return MP2ML_OK;
        forget_nodes(t, &op, first);
        TRY(graph_refuse(b, first, name, op_name(&op), inputs, n, status));
    }
    for (size_t o = 0; o < op.outputs.count; o++)
        if (!t->places[flatbuffer_i32_at(&op.outputs, o)].start)
            t->places[flatbuffer_i32_at(&op.outputs, o)].node = first;
    return MP2ML_OK;
}

static mp2ml_status import_ops(struct tflite_import *t)
{
    int *inputs = malloc((GRAPH_MAX_INPUTS + 1) * sizeof *inputs);
    mp2ml_status status = MP2ML_OK;
    if (inputs == NULL)
        return status_fail(t->build.err, MP2ML_ERR_MEMORY, "out of memory");
    for (size_t k = 0; status == MP2ML_OK && k < t->model->operators.count; k++)
        if (t->used[k])
            status = import_op(t, k, inputs);
    free(inputs);
    return status;
}

static mp2ml_status add_ends(struct tflite_import *t, const struct tflite_bounds *bounds)
{
    struct graph *g = t->build.g;
    g->outputs = calloc(bounds->n_ends, sizeof *g->outputs);
    if (g->outputs == NULL)
        return status_fail(t->build.err, MP2ML_ERR_MEMORY, "out of memory");
    for (size_t k = 0; k < bounds->n_ends; k++) {
        const int node = t->places[bounds->ends[k]].node;
        if (node == TFLITE_NO_NODE)
            return tflite_tensor_fail(t->model, bounds->ends[k], MP2ML_ERR_MODEL,
                                      "is an output that depends on no input", t->build.err);
        g->outputs[g->n_outputs++] = node;
    }
    return MP2ML_OK;
}

static mp2ml_status build(struct tflite_import *t, const struct tflite_bounds *bounds)
{
    struct tflite_model *m = t->model;
    for (size_t k = 0; k < m->tensors.count; k++)
        t->places[k] = (struct tflite_place){.node = TFLITE_NO_NODE,
                                             .turned = TFLITE_NO_NODE,
                                             .constant = TFLITE_NO_TENSOR,
                                             .maker = -1};
    for (size_t k = 0; k < bounds->n_starts; k++)
        t->places[bounds->starts[k].tensor].start = true;
    TRY(find_makers(t));
    TRY(mark_used(t, bounds));
    TRY(check_rules(t));
    TRY(add_starts(t, bounds));
    TRY(import_ops(t));
    TRY(add_ends(t, bounds));
    return m->file.failed ? status_fail(t->build.err, MP2ML_ERR_MODEL, damaged) : MP2ML_OK;
}

static mp2ml_status import_between(struct graph **out, struct model_file *file,
                                   struct tflite_model *m, const struct tflite_bounds *bounds,
                                   mp2ml_error *err)
{
    struct tflite_import t = {.model = m};
    mp2ml_status status = MP2ML_OK;
    t.build = (struct graph_build){.budget = CONSTANT_EXTRA + CONSTANT_FACTOR * file->size,
                                   .err = err,
                                   .refusals = file->refusals}; /* at most 2 GiB * 6 */
    t.places = malloc((m->tensors.count + 1) * sizeof *t.places);
    t.used = calloc(m->operators.count + 1, sizeof *t.used);
    if (t.places == NULL || t.used == NULL || graph_new(&t.build.g) != MP2ML_OK)
        TRY_OUT(status_fail(err, MP2ML_ERR_MEMORY, "out of memory"));
    TRY_OUT(build(&t, bounds));
    model_file_drop(file); /* the graph has its own copy of what it needs */
    TRY_OUT(graph_simplify(&t.build));
    *out = t.build.g;
    t.build.g = NULL;
out:
    graph_free(t.build.g);
    free(t.places);
    free(t.used);
    return status;
}

mp2ml_status import_tflite(struct graph **out, struct model_file *file, const struct graph_cut *cut,
                           mp2ml_error *err)
{
    struct tflite_model m;
    struct tflite_bounds bounds = {0};
    *out = NULL;
    TRY(open_model(&m, file, err));
    mp2ml_status status = tflite_bounds_make(&bounds, &m, cut, err);
    if (status == MP2ML_OK)
        status = import_between(out, file, &m, &bounds, err);
    tflite_bounds_wipe(&bounds);
    return status;
}
