/* SPDX-License-Identifier: Apache-2.0
 *
 * From the folder of a node test to a network with constants.
 *
 * Which inputs are data hangs on the operator: of most the first alone, of sums and the like all.
 * Outputs that depend on no data (Shape, Constant, the mask of a Dropout that does nothing) are no
 * work for two parties: to such an output an input of zeros is added, so that there is a network
 * that has it. For the shape of a tensor that is done once for each entry of the tensor's first
 * axis, which may be the batch. */
#include "conformance.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/element.h"
#include "onnx.pb-c.h"
#include "onnx_writer.h"

/* ---- tensors ------------------------------------------------------------------------------- */

static const enum element_type elements[] = {
    [ONNX_FLOAT] = ELEMENT_F32,     [ONNX_UINT8] = ELEMENT_U8,   [ONNX_INT8] = ELEMENT_I8,
    [ONNX_UINT16] = ELEMENT_U16,    [ONNX_INT16] = ELEMENT_I16,  [ONNX_INT32] = ELEMENT_I32,
    [ONNX_INT64] = ELEMENT_I64,     [ONNX_BOOL] = ELEMENT_BOOL,  [ONNX_FLOAT16] = ELEMENT_F16,
    [ONNX_DOUBLE] = ELEMENT_F64,    [ONNX_UINT32] = ELEMENT_U32, [ONNX_UINT64] = ELEMENT_U64,
    [ONNX_BFLOAT16] = ELEMENT_BF16,
};

static enum element_type element_of(int type)
{
    return type >= 0 && (size_t)type < sizeof elements / sizeof *elements ? elements[type]
                                                                          : ELEMENT_NONE;
}

/* Value k of a tensor, wherever it holds its values. */
static bool value_of(float *out, const Onnx__Tensor *t, size_t k)
{
    const enum element_type type = element_of(t->data_type);
    const size_t width = element_width(type);
    if (width != 0 && t->raw_data.len >= (k + 1) * width) {
        const uint8_t *at = t->raw_data.data + k * width;
        *out = element_is_real(type) ? element_real(at, type) : (float)element_integer(at, type);
    } else if (k < t->n_float_data) {
        *out = t->float_data[k];
    } else if (k < t->n_int32_data) { /* those of float16 are bits */
        *out = type == ELEMENT_F16 ? element_half((uint16_t)t->int32_data[k])
                                   : (float)t->int32_data[k];
    } else if (k < t->n_int64_data) {
        *out = (float)t->int64_data[k];
    } else if (k < t->n_double_data) {
        *out = (float)t->double_data[k];
    } else if (k < t->n_uint64_data) {
        *out = (float)t->uint64_data[k];
    } else {
        return false;
    }
    return true;
}

static bool take_tensor(struct case_tensor *out, const Onnx__Tensor *t, const char *name)
{
    size_t count = 1;
    if (t->n_dims > CASE_RANK || element_of(t->data_type) == ELEMENT_NONE)
        return false;
    for (size_t d = 0; d < t->n_dims; d++) {
        if (t->dims[d] < 0 || __builtin_mul_overflow(count, (size_t)t->dims[d], &count))
            return false;
        out->dims[d] = t->dims[d];
    }
    if (count > INT_MAX)
        return false;
    (void)snprintf(out->name, sizeof out->name, "%s", name);
    out->rank = (unsigned)t->n_dims;
    out->count = count;
    out->type = t->data_type;
    out->values = calloc(count + 1, sizeof *out->values);
    for (size_t k = 0; out->values != NULL && k < count; k++)
        if (!value_of(&out->values[k], t, k))
            return false;
    return out->values != NULL;
}

/* ---- files --------------------------------------------------------------------------------- */

static uint8_t *read_file(size_t *size, const char *folder, const char *name)
{
    char path[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    uint8_t *data = NULL;
    *size = 0;
    if (file == NULL)
        return NULL;
    if (fseek(file, 0, SEEK_END) == 0) {
        const long end = ftell(file);
        rewind(file);
        data = end >= 0 ? malloc((size_t)end + 1) : NULL;
        if (data != NULL)
            *size = fread(data, 1, (size_t)end, file);
    }
    (void)fclose(file);
    return data;
}

/* test_data_set_0/KIND_NUMBER.pb, or NULL: not there, or not a tensor. */
static Onnx__Tensor *read_tensor(const char *folder, const char *kind, unsigned number)
{
    char name[64];
    size_t size;
    (void)snprintf(name, sizeof name, "test_data_set_0/%s_%u.pb", kind, number);
    uint8_t *data = read_file(&size, folder, name);
    Onnx__Tensor *t = data != NULL ? onnx__tensor__unpack(NULL, size, data) : NULL;
    free(data);
    return t;
}

/* ---- what is data -------------------------------------------------------------------------- */

static bool is_one_of(const char *name, const char *const *list)
{
    while (*list != NULL && strcmp(*list, name) != 0)
        list++;
    return *list != NULL;
}

static bool all_operands(const char *op)
{
    static const char *const ops[] = {"Add", "Sub",    "Mul",  "Min", "Max",
                                      "Sum", "Concat", "Mean", NULL};
    return is_one_of(op, ops);
}

static bool is_data(const Onnx__Graph *g, const char *name, enum case_variant variant)
{
    for (size_t n = 0; n < g->n_node; n++) {
        const Onnx__Node *node = g->node[n];
        for (size_t k = 0; k < node->n_input; k++) {
            if (strcmp(node->input[k], name) != 0)
                continue;
            if (all_operands(node->op_type)
                    ? variant == CASE_ALL || (variant == CASE_FIRST) == (k == 0)
                    : k == 0)
                return true;
        }
    }
    return false;
}

static bool is_initializer(const Onnx__Graph *g, const char *name)
{
    for (size_t i = 0; i < g->n_initializer; i++)
        if (strcmp(g->initializer[i]->name, name) == 0)
            return true;
    return false;
}

static char *copy_text(const char *text)
{
    char *copy = malloc(strlen(text) + 1);
    if (copy != NULL)
        strcpy(copy, text);
    return copy;
}

static void take_initializer(Onnx__Graph *g, Onnx__Tensor *t, const char *name)
{
    Onnx__Tensor **more = realloc(g->initializer, (g->n_initializer + 1) * sizeof *more);
    if (more == NULL)
        abort();
    if (t->name != protobuf_c_empty_string)
        free(t->name);
    t->name = copy_text(name);
    g->initializer = more;
    g->initializer[g->n_initializer++] = t;
}

static void drop_input(Onnx__Graph *g, size_t i)
{
    onnx__value_info__free_unpacked(g->input[i], NULL);
    memmove(g->input + i, g->input + i + 1, (g->n_input - i - 1) * sizeof *g->input);
    g->n_input--;
}

/* Data to c->inputs, the rest to initialisers, which in old files are `listed` as inputs too. */
static bool part_inputs(struct case_file *c, Onnx__Graph *g, const char *folder,
                        enum case_variant variant, bool listed)
{
    bool any = false;
    for (size_t i = 0; i < g->n_input; i++)
        any = any ||
              (!is_initializer(g, g->input[i]->name) && is_data(g, g->input[i]->name, variant));
    for (size_t i = 0, file = 0; i < g->n_input; i++) {
        const char *name = g->input[i]->name;
        if (is_initializer(g, name))
            continue;
        Onnx__Tensor *t = read_tensor(folder, "input", (unsigned)file++);
        if (t == NULL)
            continue; /* a sequence: the importer shall say so */
        if (any && !is_data(g, name, variant)) {
            take_initializer(g, t, name);
            if (!listed)
                drop_input(g, i--);
            continue;
        }
        const bool good =
            c->n_inputs < CASE_TENSORS && take_tensor(&c->inputs[c->n_inputs++], t, name);
        onnx__tensor__free_unpacked(t, NULL);
        if (!good)
            return false;
    }
    return true;
}

/* ---- outputs that depend on nothing -------------------------------------------------------- */

/* Moves the parts of a graph that was written to another. */
static void join_graphs(Onnx__Graph *to, const struct onnx_writer *w)
{
    Onnx__Model *m = onnx__model__unpack(NULL, w->file.size, w->file.data);
    if (m == NULL)
        abort();
    Onnx__Node **nodes = realloc(to->node, (to->n_node + m->graph->n_node) * sizeof *nodes);
    Onnx__ValueInfo **inputs = realloc(to->input, (to->n_input + 1) * sizeof *inputs);
    if (nodes == NULL || inputs == NULL)
        abort();
    memcpy(nodes + to->n_node, m->graph->node, m->graph->n_node * sizeof *nodes);
    to->n_node += m->graph->n_node;
    to->node = nodes;
    inputs[to->n_input++] = m->graph->input[0];
    to->input = inputs;
    m->graph->n_node = m->graph->n_input = 0;
    onnx__model__free_unpacked(m, NULL);
}

/* Output o becomes itself as floats plus zeros of shape [repeats] + its own, or of its own where
 * repeats is 0. */
static void anchor_output(struct case_file *c, Onnx__Graph *g, unsigned o, size_t repeats)
{
    const struct case_tensor *out = &c->outputs[o];
    struct case_tensor *zeros = &c->inputs[c->n_inputs++];
    struct onnx_writer w = {0};
    char cast[80], operands[160], sum[80];
    Onnx__ValueInfo *info = g->output[o];
    zeros->rank = out->rank + (repeats != 0);
    zeros->dims[0] = (int64_t)repeats;
    memcpy(zeros->dims + (repeats != 0), out->dims, out->rank * sizeof *out->dims);
    zeros->count = out->count * (repeats != 0 ? repeats : 1);
    zeros->type = ONNX_FLOAT;
    zeros->values = calloc(zeros->count + 1, sizeof *zeros->values);
    (void)snprintf(zeros->name, sizeof zeros->name, "zeros%u", o);
    (void)snprintf(cast, sizeof cast, "cast%u", o);
    (void)snprintf(sum, sizeof sum, "sum%u", o);
    (void)snprintf(operands, sizeof operands, "%s %s", cast, zeros->name);
    ow_input(&w, zeros->name, ONNX_FLOAT, zeros->dims, (int)zeros->rank);
    ow_node(&w, "Cast", info->name, cast);
    ow_attr_int(&w, "to", ONNX_FLOAT);
    ow_node(&w, "Add", operands, sum);
    ow_finish(&w, 13);
    join_graphs(g, &w);
    ow_wipe(&w);
    free(info->name);
    info->name = copy_text(sum);
    if (info->type != NULL && info->type->tensor_type != NULL) {
        if (info->type->tensor_type->shape != NULL)
            onnx__shape__free_unpacked(info->type->tensor_type->shape, NULL);
        info->type->tensor_type->shape = NULL;
        info->type->tensor_type->elem_type = ONNX_FLOAT;
    }
    c->repeats = repeats != 0 ? repeats : 1;
}

static void anchor_outputs(struct case_file *c, Onnx__Graph *g)
{
    const char *op = g->node[0]->op_type;
    const size_t first =
        c->n_inputs > 0 && c->inputs[0].rank > 0 ? (size_t)c->inputs[0].dims[0] : 1;
    if (strcmp(op, "Shape") == 0 || strcmp(op, "Constant") == 0)
        anchor_output(c, g, 0, first);
    if (strcmp(op, "Dropout") == 0 && c->n_outputs == 2)
        anchor_output(c, g, 1, 0);
}

/* ---- the whole ----------------------------------------------------------------------------- */

static const Onnx__Attribute *attribute(const Onnx__Node *node, const char *name)
{
    for (size_t a = 0; a < node->n_attribute; a++)
        if (strcmp(node->attribute[a]->name, name) == 0)
            return node->attribute[a];
    return NULL;
}

/* How the outputs are to be read. */
static void describe_outputs(struct case_file *c, const Onnx__Graph *g)
{
    static const char *const quantised[] = {"QuantizeLinear", "QLinearConv", "QLinearMatMul", NULL};
    const Onnx__Node *node = g->node[g->n_node - 1];
    const Onnx__Attribute *axis = attribute(node, "axis");
    c->repeats = 1;
    c->quantum = is_one_of(node->op_type, quantised) ? 1 : 0;
    c->labels = strcmp(node->op_type, "ArgMax") == 0 && c->n_inputs == 1;
    c->axis = axis != NULL ? axis->i : 0;
    if (c->labels && c->axis < 0)
        c->axis += c->inputs[0].rank;
    for (size_t n = 0; n < g->n_node; n++)
        if (all_operands(g->node[n]->op_type) && g->node[n]->n_input > 1)
            c->operands = c->n_inputs;
}

static bool read_outputs(struct case_file *c, const Onnx__Graph *g, const char *folder)
{
    for (size_t o = 0; o < g->n_output; o++) {
        Onnx__Tensor *t = read_tensor(folder, "output", (unsigned)o);
        const bool good = t != NULL && c->n_outputs < CASE_TENSORS &&
                          take_tensor(&c->outputs[c->n_outputs++], t, g->output[o]->name);
        if (t != NULL)
            onnx__tensor__free_unpacked(t, NULL);
        if (!good)
            return false;
    }
    return true;
}

/* Sequences and optionals: the model alone, which shall be refused. */
static bool only_tensors(const Onnx__Graph *g)
{
    for (size_t i = 0; i < g->n_input; i++)
        if (g->input[i]->type == NULL || g->input[i]->type->tensor_type == NULL)
            return false;
    return true;
}

bool case_read(struct case_file *c, const char *folder, enum case_variant variant,
               char error[CASE_TEXT])
{
    size_t size;
    bool good = false;
    memset(c, 0, sizeof *c);
    uint8_t *data = read_file(&size, folder, "model.onnx");
    Onnx__Model *m = data != NULL ? onnx__model__unpack(NULL, size, data) : NULL;
    free(data);
    (void)snprintf(error, CASE_TEXT, "cannot be read");
    if (m == NULL || m->graph == NULL || m->graph->n_node == 0)
        goto out;
    if (only_tensors(m->graph)) {
        if (!read_outputs(c, m->graph, folder) ||
            !part_inputs(c, m->graph, folder, variant, m->ir_version < 4))
            goto out;
        describe_outputs(c, m->graph);
        anchor_outputs(c, m->graph);
    }
    c->size = onnx__model__get_packed_size(m);
    c->model = malloc(c->size + 1);
    good = c->model != NULL && onnx__model__pack(m, c->model) == c->size;
out:
    if (m != NULL)
        onnx__model__free_unpacked(m, NULL);
    return good;
}

void case_wipe(struct case_file *c)
{
    for (unsigned i = 0; i < CASE_TENSORS; i++) {
        free(c->inputs[i].values);
        free(c->outputs[i].values);
    }
    free(c->model);
    memset(c, 0, sizeof *c);
}
