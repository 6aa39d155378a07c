/* SPDX-License-Identifier: Apache-2.0
 *
 * The messages of an ONNX file are decoded with a bound on memory in proportion to the file, and
 * each name is resolved once. A network starts at the inputs that have no initialiser, and ends at
 * the outputs of the file, unless the user names others. */
#include "model/import_onnx_names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void onnx_model_wipe(struct onnx_model *m)
{
    if (m->def != NULL)
        onnx__model__free_unpacked(m->def, &m->memory.allocator);
    free(m->values);
    free(m->first_in);
    free(m->first_out);
    free(m->in);
    free(m->out);
    m->def = NULL;
    m->values = NULL;
    m->first_in = m->first_out = NULL;
    m->in = m->out = NULL;
}

/* Names --------------------------------------------------------------------------------------- */

static int by_name(const void *x, const void *y)
{
    return strcmp(((const struct onnx_value *)x)->name, ((const struct onnx_value *)y)->name);
}

static int find(const struct onnx_model *m, const char *name)
{
    const struct onnx_value key = {.name = name};
    const struct onnx_value *v = bsearch(&key, m->values, m->n_values, sizeof key, by_name);
    return v != NULL ? (int)(v - m->values) : -1;
}

static const struct onnx_value nobody = {
    .maker = -1, .initializer = -1, .input = -1, .at = -1, .real = -1};

static struct onnx_value *new_value(struct onnx_model *m, const char *name)
{
    struct onnx_value *v = &m->values[m->n_values++];
    *v = nobody;
    v->name = name;
    return v;
}

/* An initialiser may be listed as an input, too (old files do so); everything else has one maker. */
static mp2ml_status merge_values(struct onnx_model *m, mp2ml_error *err)
{
    size_t kept = 0;
    qsort(m->values, m->n_values, sizeof *m->values, by_name);
    for (size_t k = 0; k < m->n_values; k++) {
        if (m->values[k].name[0] == '\0')
            return status_fail(err, MP2ML_ERR_MODEL, "an input or initialiser has no name");
        struct onnx_value *v = &m->values[k], *last = kept != 0 ? &m->values[kept - 1] : NULL;
        if (last == NULL || strcmp(last->name, v->name) != 0) {
            m->values[kept++] = *v;
            continue;
        }
        const bool both = (last->initializer >= 0 && v->input >= 0 && last->input < 0) ||
                          (last->input >= 0 && v->initializer >= 0 && last->initializer < 0);
        if (!both || last->maker >= 0 || v->maker >= 0)
            return status_fail(err, MP2ML_ERR_MODEL, "two values have the name '%.200s'", v->name);
        last->initializer = last->initializer >= 0 ? last->initializer : v->initializer;
        last->input = last->input >= 0 ? last->input : v->input;
    }
    m->n_values = kept;
    return MP2ML_OK;
}

static mp2ml_status collect_values(struct onnx_model *m, mp2ml_error *err)
{
    const Onnx__Graph *g = m->def->graph;
    size_t n = g->n_initializer + g->n_input;
    for (size_t k = 0; k < g->n_node; k++)
        n += g->node[k]->n_output;
    m->values = malloc((n + 1) * sizeof *m->values);
    if (m->values == NULL || n > INT32_MAX)
        return status_fail(err, MP2ML_ERR_MEMORY, "out of memory");
    for (size_t k = 0; k < g->n_initializer; k++)
        new_value(m, g->initializer[k]->name)->initializer = (int)k;
    for (size_t k = 0; k < g->n_input; k++)
        new_value(m, g->input[k]->name)->input = (int)k;
    for (size_t k = 0; k < g->n_node; k++)
        for (size_t i = 0; i < g->node[k]->n_output; i++) {
            if (g->node[k]->output[i][0] == '\0')
                continue; /* not wanted */
            struct onnx_value *v = new_value(m, g->node[k]->output[i]);
            v->maker = (int)k;
            v->output = (unsigned)i;
        }
    return merge_values(m, err);
}

static mp2ml_status resolve_list(const struct onnx_model *m, int *to, char *const *names, size_t n,
                                 const onnx_node *def, mp2ml_error *err)
{
    for (size_t k = 0; k < n; k++) {
        to[k] = names[k][0] == '\0' ? ONNX_ABSENT : find(m, names[k]);
        if (to[k] < 0 && names[k][0] != '\0')
            return onnx_fail(err, def, MP2ML_ERR_MODEL, "input '%.200s' does not exist", names[k]);
    }
    return MP2ML_OK;
}

static mp2ml_status resolve(struct onnx_model *m, mp2ml_error *err)
{
    const Onnx__Graph *g = m->def->graph;
    size_t in = 0, out = 0;
    for (size_t k = 0; k < g->n_node; k++) {
        in += g->node[k]->n_input;
        out += g->node[k]->n_output;
    }
    m->first_in = malloc((g->n_node + 1) * sizeof *m->first_in);
    m->first_out = malloc((g->n_node + 1) * sizeof *m->first_out);
    m->in = malloc((in + 1) * sizeof *m->in);
    m->out = malloc((out + 1) * sizeof *m->out);
    if (m->first_in == NULL || m->first_out == NULL || m->in == NULL || m->out == NULL)
        return status_fail(err, MP2ML_ERR_MEMORY, "out of memory");
    in = out = 0;
    for (size_t k = 0; k < g->n_node; k++) {
        const onnx_node *def = g->node[k];
        m->first_in[k] = in;
        m->first_out[k] = out;
        TRY(resolve_list(m, m->in + in, def->input, def->n_input, def, err));
        TRY(resolve_list(m, m->out + out, def->output, def->n_output, def, err));
        in += def->n_input;
        out += def->n_output;
    }
    m->first_in[g->n_node] = in;
    m->first_out[g->n_node] = out;
    for (size_t k = 0; k < in; k++)
        if (m->in[k] != ONNX_ABSENT)
            m->values[m->in[k]].uses++;
    return MP2ML_OK;
}

/* Of ONNX's own operators. */
static mp2ml_status read_opset(struct onnx_model *m, mp2ml_error *err)
{
    bool said = false;
    m->opset = 1; /* what no entry means in files from before there were any */
    for (size_t k = 0; k < m->def->n_opset_import; k++) {
        const Onnx__OperatorSet *set = m->def->opset_import[k];
        if (set->domain[0] != '\0' && strcmp(set->domain, "ai.onnx") != 0)
            continue;
        if (said && set->version != m->opset)
            return status_fail(err, MP2ML_ERR_MODEL, "imports opsets %lld and %lld",
                               (long long)m->opset, (long long)set->version);
        m->opset = set->version;
        said = true;
    }
    if (!said && m->def->ir_version >= 3)
        return status_fail(err, MP2ML_ERR_MODEL, "does not say which opset its operators are of");
    return MP2ML_OK;
}

/* Which of the two counts is for the runtime to say. */
static mp2ml_status check_functions(const struct onnx_model *m, mp2ml_error *err)
{
    for (size_t k = 0; k < m->def->n_functions; k++) {
        const Onnx__Function *f = m->def->functions[k];
        if (onnx_row_find(f->domain, f->name) != NULL) {
            (void)status_fail(err, MP2ML_ERR_MODEL,
                              "function '%.200s' of the file has the name of an operator: call it "
                              "something else, or inline it with onnx.inliner",
                              f->name);
            graph_clean_text(err);
            return MP2ML_ERR_MODEL;
        }
    }
    return MP2ML_OK;
}

mp2ml_status onnx_model_decode(struct onnx_model *m, const void *data, size_t size,
                               mp2ml_error *err)
{
    m->file_size = size;
    proto_alloc_init(&m->memory, size);
    m->def = onnx__model__unpack(&m->memory.allocator, size, data);
    if (m->def == NULL)
        return status_fail(err, MP2ML_ERR_MODEL, "not an ONNX file, or a damaged one");
    if (m->def->graph == NULL)
        return status_fail(err, MP2ML_ERR_UNSUPPORTED,
                           "no ONNX graph in it; if this is a SavedModel, convert its folder with "
                           "`mp2ml convert`");
    if (m->def->graph->n_node > GRAPH_MAX_NODES)
        return status_fail(err, MP2ML_ERR_MODEL, "more than %d nodes", GRAPH_MAX_NODES);
    m->n_nodes = (int)m->def->graph->n_node;
    TRY(read_opset(m, err));
    if (m->opset < 1 || m->opset > ONNX_MOST_OPSET)
        return status_fail(err, MP2ML_ERR_UNSUPPORTED,
                           "opset %lld is not known, 1 to %d are: export the model with one of "
                           "them, or convert it with onnx.version_converter",
                           (long long)m->opset, ONNX_MOST_OPSET);
    TRY(check_functions(m, err));
    TRY(collect_values(m, err));
    return resolve(m, err);
}

/* Where a network starts and ends ------------------------------------------------------------- */

void onnx_bounds_wipe(struct onnx_bounds *bounds)
{
    free(bounds->starts);
    free(bounds->ends);
    memset(bounds, 0, sizeof *bounds);
}

const struct onnx_start *onnx_start_find(const struct onnx_bounds *bounds,
                                         const struct onnx_model *m, const struct onnx_value *v)
{
    for (size_t k = 0; k < bounds->n_starts; k++)
        if (&m->values[bounds->starts[k].value] == v)
            return &bounds->starts[k];
    return NULL;
}

/* Two names that fit as well leave open which one is meant. */
static mp2ml_status candidate(int *value, const struct onnx_model *m, int one, const char *flag,
                              const char *asked, mp2ml_error *err)
{
    if (*value >= 0 && *value != one) {
        (void)status_fail(err, MP2ML_ERR_ARGUMENT, "%s: '%.200s' fits both '%.200s' and '%.200s'",
                          flag, asked, m->values[*value].name, m->values[one].name);
        graph_clean_text(err);
        return MP2ML_ERR_ARGUMENT;
    }
    *value = one;
    return MP2ML_OK;
}

/* A value by its own name, or by that of the node that makes it first; an exact match wins over one
 * that differs by prefix or suffix. *value is -1 where there is none. */
static mp2ml_status find_named(int *value, const struct onnx_model *m, const char *flag,
                               const char *asked, mp2ml_error *err)
{
    const Onnx__Graph *g = m->def->graph;
    *value = find(m, asked);
    for (size_t k = 0, n = *value < 0 ? m->n_values : 0; k < n; k++)
        if (graph_name_matches(m->values[k].name, asked))
            TRY(candidate(value, m, (int)k, flag, asked, err));
    for (int loose = 0; loose < 2 && *value < 0; loose++)
        for (size_t k = 0; k < g->n_node; k++)
            if ((loose != 0 ? graph_name_matches(g->node[k]->name, asked)
                            : strcmp(g->node[k]->name, asked) == 0) &&
                m->first_out[k] < m->first_out[k + 1] && m->out[m->first_out[k]] != ONNX_ABSENT)
                TRY(candidate(value, m, m->out[m->first_out[k]], flag, asked, err));
    return MP2ML_OK;
}

static mp2ml_status not_found(const char *flag, const char *asked, mp2ml_error *err)
{
    (void)status_fail(err, MP2ML_ERR_ARGUMENT, "%s: the model has no value or node '%.200s'", flag,
                      asked);
    graph_clean_text(err);
    return MP2ML_ERR_ARGUMENT;
}

/* What the file says of an input. */
static void declared(struct onnx_start *start, const struct onnx_model *m)
{
    const struct onnx_value *v = &m->values[start->value];
    const Onnx__Type *type = v->input >= 0 ? m->def->graph->input[v->input]->type : NULL;
    const Onnx__TensorType *tensor = type != NULL ? type->tensor_type : NULL;
    start->type = tensor != NULL && tensor->elem_type != 0 ? tensor->elem_type
                  : v->input >= 0                          ? -1
                                                           : 0;
    start->known =
        tensor != NULL && tensor->shape != NULL && tensor->shape->n_dim <= GRAPH_MAX_RANK;
    start->shape.rank = start->known ? (unsigned)tensor->shape->n_dim : 0;
    for (unsigned d = 0; d < start->shape.rank; d++) {
        const Onnx__Dimension *dim = tensor->shape->dim[d];
        const bool fixed =
            dim->value_case == ONNX__DIMENSION__VALUE_DIM_VALUE && dim->dim_value > 0;
        start->shape.dims[d] = fixed ? dim->dim_value : ONNX_UNKNOWN;
    }
}

static void mark_needed(struct onnx_model *m, const struct onnx_bounds *bounds, int *stack)
{
    size_t depth = 0;
    for (size_t k = 0; k < bounds->n_ends; k++)
        if (!m->values[bounds->ends[k]].needed) {
            m->values[bounds->ends[k]].needed = true;
            stack[depth++] = bounds->ends[k];
        }
    while (depth != 0) {
        const struct onnx_value *v = &m->values[stack[--depth]];
        if (v->maker < 0 || v->cut)
            continue;
        for (size_t i = m->first_in[v->maker]; i < m->first_in[v->maker + 1]; i++)
            if (m->in[i] != ONNX_ABSENT && !m->values[m->in[i]].needed) {
                m->values[m->in[i]].needed = true;
                stack[depth++] = m->in[i];
            }
    }
}

/* The shape that what stands before it gives a value, where the batch is the first axis. */
static mp2ml_status infer(struct onnx_start *start, struct onnx_model *m, mp2ml_error *err)
{
    struct onnx_bounds bounds = {0};
    const char *end = m->values[start->value].name;
    const struct graph_cut cut = {NULL, 0, &end, 1};
    struct graph_build build = {.budget = ((size_t)64 << 20) + m->file_size, .err = err};
    struct onnx_try how = {0};
    struct graph *g = NULL;
    mp2ml_status status;
    TRY_OUT(onnx_bounds_make(&bounds, m, &cut, err));
    (void)onnx_bounds_batch(&bounds, m, &how);
    status = how.may_be_batch ? onnx_build(&g, m, &bounds, &how, &build) : MP2ML_ERR_UNSUPPORTED;
    if (status == MP2ML_OK && !g->nodes[g->outputs[0]].rows) {
        const struct graph_node *n = &g->nodes[g->outputs[0]];
        start->known = true;
        start->shape.rank = n->rank;
        memcpy(start->shape.dims, n->dims, sizeof n->dims);
    } else {
        (void)status_fail(err, MP2ML_ERR_ARGUMENT,
                          "--input-node %.200s: its shape does not follow from what stands before "
                          "it; give that of one sample, as in NAME:28,28,1",
                          end);
        status = MP2ML_ERR_ARGUMENT;
    }
out:
    graph_free(g);
    onnx_bounds_wipe(&bounds);
    for (size_t k = 0; k < m->n_values; k++)
        m->values[k].needed = false;
    return status;
}

/* "NAME" or "NAME:D1,D2,..."; names may have colons themselves. */
static mp2ml_status parse_start(struct onnx_start *start, struct onnx_model *m, const char *text,
                                mp2ml_error *err)
{
    memset(start, 0, sizeof *start);
    TRY(find_named(&start->value, m, "--input-node", text, err));
    const char *colon = strrchr(text, ':');
    if (start->value < 0 && colon != NULL) {
        char *name = strndup(text, (size_t)(colon - text));
        if (name == NULL)
            return status_fail(err, MP2ML_ERR_MEMORY, "out of memory");
        const mp2ml_status status = find_named(&start->value, m, "--input-node", name, err);
        free(name);
        TRY(status);
        start->sample = start->value >= 0;
    }
    if (start->value < 0)
        return not_found("--input-node", text, err);
    declared(start, m);
    if (!start->sample)
        return start->known ? MP2ML_OK : infer(start, m, err);
    start->known = true;
    if (graph_parse_shape(&start->shape.rank, start->shape.dims, colon + 1))
        return MP2ML_OK;
    (void)status_fail(err, MP2ML_ERR_ARGUMENT,
                      "--input-node %.200s: the shape after the colon must be sizes of one sample, "
                      "as in NAME:28,28,1",
                      text);
    graph_clean_text(err);
    return MP2ML_ERR_ARGUMENT;
}

static mp2ml_status make_starts(struct onnx_bounds *bounds, struct onnx_model *m,
                                const struct graph_cut *cut, mp2ml_error *err)
{
    const Onnx__Graph *g = m->def->graph;
    bounds->starts =
        calloc((cut->n_inputs != 0 ? cut->n_inputs : g->n_input) + 1, sizeof *bounds->starts);
    if (bounds->starts == NULL)
        return status_fail(err, MP2ML_ERR_MEMORY, "out of memory");
    for (size_t k = 0; k < cut->n_inputs; k++) {
        struct onnx_start *start = &bounds->starts[k];
        TRY(parse_start(start, m, cut->inputs[k], err));
        for (size_t i = 0; i < k; i++)
            if (bounds->starts[i].value == start->value)
                return status_fail(err, MP2ML_ERR_ARGUMENT, "--input-node %.200s: named twice",
                                   cut->inputs[k]);
    }
    bounds->n_starts = cut->n_inputs;
    for (size_t k = 0; k < cut->n_inputs; k++)
        m->values[bounds->starts[k].value].cut = true;
    for (size_t k = 0; cut->n_inputs == 0 && k < g->n_input; k++) {
        const int value = find(m, g->input[k]->name);
        if (value < 0 || m->values[value].initializer >= 0)
            continue;
        struct onnx_start *start = &bounds->starts[bounds->n_starts++];
        start->value = value;
        declared(start, m);
    }
    return MP2ML_OK;
}

static mp2ml_status make_ends(struct onnx_bounds *bounds, struct onnx_model *m,
                              const struct graph_cut *cut, mp2ml_error *err)
{
    const Onnx__Graph *g = m->def->graph;
    const size_t n = cut->n_outputs != 0 ? cut->n_outputs : g->n_output;
    if (n == 0)
        return status_fail(err, MP2ML_ERR_MODEL, "the file names no output: use --output-node");
    bounds->ends = malloc(n * sizeof *bounds->ends);
    if (bounds->ends == NULL)
        return status_fail(err, MP2ML_ERR_MEMORY, "out of memory");
    for (size_t k = 0; k < n; k++) {
        const char *name = cut->n_outputs != 0 ? cut->outputs[k] : g->output[k]->name;
        int value = find(m, name);
        if (cut->n_outputs != 0)
            TRY(find_named(&value, m, "--output-node", name, err));
        if (value < 0 && cut->n_outputs != 0)
            return not_found("--output-node", name, err);
        if (value < 0)
            return status_fail(err, MP2ML_ERR_MODEL, "output '%.200s' is made by no node", name);
        bounds->ends[bounds->n_ends++] = value;
        m->values[value].uses++;
        m->values[value].is_output = true;
    }
    return MP2ML_OK;
}

mp2ml_status onnx_bounds_make(struct onnx_bounds *bounds, struct onnx_model *m,
                              const struct graph_cut *cut, mp2ml_error *err)
{
    TRY(make_starts(bounds, m, cut, err));
    TRY(make_ends(bounds, m, cut, err));
    int *stack = malloc((m->n_values + 1) * sizeof *stack);
    if (stack == NULL)
        return status_fail(err, MP2ML_ERR_MEMORY, "out of memory");
    mark_needed(m, bounds, stack);
    free(stack);
    return MP2ML_OK;
}

bool onnx_bounds_batch(const struct onnx_bounds *bounds, const struct onnx_model *m,
                       struct onnx_try *how)
{
    bool whole = true, any = false;
    how->may_be_batch = true;
    how->batch = ONNX_UNKNOWN;
    for (size_t k = 0; k < bounds->n_starts; k++) {
        const struct onnx_start *start = &bounds->starts[k];
        if (!m->values[start->value].needed)
            continue;
        const int64_t first = start->shape.rank != 0 ? start->shape.dims[0] : 0;
        how->may_be_batch = how->may_be_batch && first != 0 && first <= (int64_t)GRAPH_MAX_COUNT &&
                            (!any || first == how->batch);
        how->batch = first != 0 ? first : ONNX_UNKNOWN;
        any = true;
        whole = whole && start->known && start->shape.rank < GRAPH_MAX_RANK;
        for (unsigned d = 0; d < start->shape.rank; d++) /* what mixes samples, mixes any number */
            whole = whole && start->shape.dims[d] != ONNX_UNKNOWN;
    }
    return whole;
}
