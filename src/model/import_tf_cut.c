/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a network starts and ends: the nodes that the user names, or those that the file leaves no
 * doubt about. A node named as input becomes one, and what stands before it is dropped; its shape
 * is the one given, or the one that what stands before it would have. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/import_tf_internal.h"

void tf_bounds_wipe(struct tf_bounds *bounds)
{
    free(bounds->starts);
    free(bounds->ends);
    memset(bounds, 0, sizeof *bounds);
}

/* A node by a name from outside. An exact match wins over one that differs by prefix or suffix. */
static mp2ml_status find_named(int *node, const struct tf_model *m, const char *asked,
                               size_t length, const char *flag, mp2ml_error *err)
{
    *node = tf_find(m, asked, length);
    if (*node >= 0)
        return MP2ML_OK;
    char *name = strndup(asked, length);
    if (name == NULL)
        return status_fail(err, MP2ML_ERR_MEMORY, "out of memory");
    for (int k = 0; k < m->n_nodes && *node < 0; k++)
        if (graph_name_matches(m->nodes[k]->name, name))
            *node = k;
    free(name);
    if (*node >= 0)
        return MP2ML_OK;
    (void)status_fail(err, MP2ML_ERR_ARGUMENT, "%s: the model has no node '%.*s'", flag,
                      (int)(length > 200 ? 200 : length), asked);
    graph_clean_text(err);
    return MP2ML_ERR_ARGUMENT;
}

static mp2ml_status parse_start(struct tf_start *start, const struct tf_model *m, const char *text,
                                mp2ml_error *err)
{
    memset(start, 0, sizeof *start);
    const char *colon = strchr(text, ':');
    const size_t length = colon != NULL ? (size_t)(colon - text) : strlen(text);
    TRY(find_named(&start->node, m, text, length, "--input-node", err));
    if (colon == NULL || strcmp(colon, ":0") == 0)
        return MP2ML_OK;
    if (strncmp(colon, ":0:", 3) == 0)
        colon += 2;
    start->has_shape = true;
    if (!graph_parse_shape(&start->rank, start->dims, colon + 1)) {
        (void)status_fail(err, MP2ML_ERR_ARGUMENT,
                          "--input-node %.200s: the shape after the colon must be sizes of one "
                          "sample, as in NAME:28,28,1",
                          text);
        graph_clean_text(err);
        return MP2ML_ERR_ARGUMENT;
    }
    return MP2ML_OK;
}

/* A Reshape to constants says its shape itself, even where nothing before it can be read. */
static bool shape_of_reshape(struct tf_start *start, struct tf_model *m)
{
    const tf_node *def = m->nodes[start->node];
    const size_t first = m->first[start->node];
    if (strcmp(def->op, "Reshape") != 0 || m->first[start->node + 1] - first != 2 ||
        m->edges[first + 1].from < 0)
        return false;
    tf_node *shape = m->nodes[m->edges[first + 1].from];
    const ModelTf__AttrValue *a = tf_attr(shape, "value");
    if (strcmp(shape->op, "Const") != 0 || a == NULL ||
        a->value_case != MODEL_TF__ATTR_VALUE__VALUE_TENSOR)
        return false;
    struct tf_import t = {m, {.budget = 1 << 16}, false};
    struct graph_tensor want = {0};
    bool known = tf_tensor_read(&t, &want, a->tensor, shape) == MP2ML_OK && want.i != NULL &&
                 want.rank == 1 && want.count >= 1 && want.count <= GRAPH_MAX_RANK &&
                 (want.i[0] == -1 || want.i[0] == 1);
    start->rank = (unsigned)want.count;
    start->dims[0] = GRAPH_BATCH;
    for (unsigned d = 1; known && d < start->rank; d++) {
        start->dims[d] = want.i[d];
        known = want.i[d] >= 1;
    }
    graph_tensor_wipe(&want);
    return known;
}

/* The shape that a freezing tool wrote beside the node. */
static bool shape_of_attribute(struct tf_start *start, const tf_node *def)
{
    const ModelTf__AttrValue *a = tf_attr(def, "_output_shapes");
    return a != NULL && a->value_case == MODEL_TF__ATTR_VALUE__VALUE_LIST &&
           a->list->n_shape != 0 &&
           tf_batched_shape(&start->rank, start->dims, a->list->shape[0], def, NULL) == MP2ML_OK;
}

static mp2ml_status infer_start(struct tf_start *start, struct tf_model *m, mp2ml_error *err)
{
    tf_node *def = m->nodes[start->node];
    start->has_shape = true;
    if (shape_of_attribute(start, def) || shape_of_reshape(start, m))
        return MP2ML_OK;
    struct tf_edge end = {start->node, 0};
    struct tf_bounds bounds = {NULL, 0, &end, 1};
    struct graph_build build = {.budget = ((size_t)64 << 20) + m->file_size, .err = err};
    struct graph *g = NULL;
    const mp2ml_status status = tf_build(&g, m, &bounds, false, &build);
    if (status == MP2ML_OK) {
        const struct graph_node *n = &g->nodes[g->outputs[0]];
        const bool batched = n->batched;
        start->rank = n->rank;
        memcpy(start->dims, n->dims, sizeof start->dims);
        graph_free(g);
        return batched ? MP2ML_OK
                       : tf_fail(err, def, MP2ML_ERR_ARGUMENT, "a constant cannot be an input");
    }
    (void)status_within(err, status,
                        "the shape of '%.100s' cannot be inferred, give it as "
                        "--input-node %.100s:D1,D2,...",
                        def->name, def->name);
    graph_clean_text(err);
    return status;
}

static mp2ml_status make_starts(struct tf_bounds *bounds, struct tf_model *m,
                                const struct graph_cut *cut, mp2ml_error *err)
{
    if (cut->inputs == NULL || cut->n_inputs == 0)
        return MP2ML_OK;
    bounds->starts = calloc(cut->n_inputs, sizeof *bounds->starts);
    if (bounds->starts == NULL)
        return status_fail(err, MP2ML_ERR_MEMORY, "out of memory");
    for (size_t k = 0; k < cut->n_inputs; k++) {
        struct tf_start *start = &bounds->starts[k];
        TRY(parse_start(start, m, cut->inputs[k], err));
        for (size_t before = 0; before < k; before++)
            if (bounds->starts[before].node == start->node)
                return tf_fail(err, m->nodes[start->node], MP2ML_ERR_ARGUMENT,
                               "named twice with --input-node");
        if (!start->has_shape && !tf_is_placeholder(m->nodes[start->node]))
            TRY(infer_start(start, m, err));
    }
    bounds->n_starts = cut->n_inputs;
    return MP2ML_OK;
}

/* Marks what depends on an input, against the direction of the edges. */
struct spread {
    size_t *first; /* readers of node k: readers[first[k]] to readers[first[k + 1] - 1] */
    int *readers;
    int *queue;
    bool *reached;
};

static void spread_wipe(struct spread *s)
{
    free(s->first);
    free(s->readers);
    free(s->queue);
    free(s->reached);
}

static mp2ml_status spread_init(struct spread *s, const struct tf_model *m, mp2ml_error *err)
{
    const size_t n = (size_t)m->n_nodes, edges = m->first[n];
    s->first = calloc(n + 2, sizeof *s->first);
    s->readers = malloc((edges + 1) * sizeof *s->readers);
    s->queue = malloc((n + 1) * sizeof *s->queue);
    s->reached = calloc(n + 1, sizeof *s->reached);
    if (s->first == NULL || s->readers == NULL || s->queue == NULL || s->reached == NULL)
        return status_fail(err, MP2ML_ERR_MEMORY, "out of memory");
    for (size_t e = 0; e < edges; e++)
        if (m->edges[e].from >= 0)
            s->first[m->edges[e].from + 2]++;
    for (size_t k = 2; k < n + 2; k++)
        s->first[k] += s->first[k - 1];
    for (size_t k = 0; k < n; k++)
        for (size_t e = m->first[k]; e < m->first[k + 1]; e++)
            if (m->edges[e].from >= 0)
                s->readers[s->first[m->edges[e].from + 1]++] = (int)k;
    return MP2ML_OK;
}

static void spread_run(struct spread *s, const struct tf_model *m, const struct tf_bounds *bounds)
{
    size_t head = 0, tail = 0;
    for (size_t k = 0; k < bounds->n_starts; k++)
        s->reached[bounds->starts[k].node] = true;
    for (int k = 0; k < m->n_nodes; k++) {
        if (bounds->n_starts == 0 && tf_is_input(m, k))
            s->reached[k] = true;
        if (s->reached[k])
            s->queue[tail++] = k;
    }
    while (head < tail) {
        const int node = s->queue[head++];
        for (size_t e = s->first[node]; e < s->first[node + 1]; e++)
            if (!s->reached[s->readers[e]]) {
                s->reached[s->readers[e]] = true;
                s->queue[tail++] = s->readers[e];
            }
    }
}

static mp2ml_status choose_output(struct tf_bounds *bounds, const struct spread *s,
                                  const struct tf_model *m, mp2ml_error *err)
{
    char list[600] = "";
    size_t used = 0, found = 0;
    for (int k = 0; k < m->n_nodes; k++) {
        if (!s->reached[k] || s->first[k] != s->first[k + 1] || tf_is_placeholder(m->nodes[k]) ||
            tf_is_side_effect(m->nodes[k]))
            continue;
        bounds->ends[0] = (struct tf_edge){k, 0};
        if (found++ != 0 && used < sizeof list)
            used += (size_t)snprintf(list + used, sizeof list - used, ", ");
        if (used < sizeof list)
            used += (size_t)snprintf(list + used, sizeof list - used, "%.200s", m->nodes[k]->name);
    }
    if (found == 1) {
        bounds->n_ends = 1;
        return MP2ML_OK;
    }
    if (found == 0)
        return status_fail(err, MP2ML_ERR_MODEL,
                           "no output found: no unread node depends on an input (Placeholder)");
    (void)status_fail(err, MP2ML_ERR_ARGUMENT,
                      "%zu nodes could be the output; choose with --output-node NAME: %s%s", found,
                      list, used < sizeof list ? "" : "...");
    graph_clean_text(err);
    return MP2ML_ERR_ARGUMENT;
}

/* NAME, or NAME:K for another output than the first. */
static mp2ml_status find_end(struct tf_edge *end, const struct tf_model *m, const char *asked,
                             mp2ml_error *err)
{
    *end = tf_resolve(m, asked);
    if (end->from >= 0)
        return MP2ML_OK;
    end->output = 0;
    return find_named(&end->from, m, asked, strlen(asked), "--output-node", err);
}

static mp2ml_status make_ends(struct tf_bounds *bounds, const struct tf_model *m,
                              const struct graph_cut *cut, mp2ml_error *err)
{
    const bool named = cut->outputs != NULL && cut->n_outputs != 0;
    bounds->ends = calloc(named ? cut->n_outputs : 1, sizeof *bounds->ends);
    if (bounds->ends == NULL)
        return status_fail(err, MP2ML_ERR_MEMORY, "out of memory");
    for (size_t k = 0; named && k < cut->n_outputs; k++)
        TRY(find_end(&bounds->ends[k], m, cut->outputs[k], err));
    if (named) {
        bounds->n_ends = cut->n_outputs;
        return MP2ML_OK;
    }
    struct spread s = {NULL, NULL, NULL, NULL};
    mp2ml_status status;
    TRY_OUT(spread_init(&s, m, err));
    spread_run(&s, m, bounds);
    status = choose_output(bounds, &s, m, err);
out:
    spread_wipe(&s);
    return status;
}

mp2ml_status tf_bounds_make(struct tf_bounds *bounds, struct tf_model *m,
                            const struct graph_cut *cut, mp2ml_error *err)
{
    memset(bounds, 0, sizeof *bounds);
    TRY(make_starts(bounds, m, cut, err)); /* on failure the caller wipes */
    return make_ends(bounds, m, cut, err);
}
