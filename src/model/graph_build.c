/* SPDX-License-Identifier: Apache-2.0
 *
 * A graph under construction: nodes, tensors, error texts, and the pass that gives every node its
 * shape and computes what is constant. */
#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/graph_internal.h"

void graph_clean_text(mp2ml_error *err)
{
    if (err == NULL)
        return;
    for (char *c = err->text; *c != '\0'; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?';
}

const char *graph_node_op(const struct graph_node *n)
{
    return n->file_op != NULL ? n->file_op : graph_op_name(n->op);
}

mp2ml_status graph_node_fail(const struct graph_build *b, const struct graph_node *n,
                             mp2ml_status status, const char *fmt, ...)
{
    char text[700];
    va_list args;
    va_start(args, fmt);
    if (vsnprintf(text, sizeof text, fmt, args) < 0)
        text[0] = '\0';
    va_end(args);
    (void)status_fail(b->err, status, "node '%.200s' (%s): %s", n->name, graph_node_op(n), text);
    graph_clean_text(b->err);
    return status;
}

bool graph_parse_shape(unsigned *rank, int64_t *dims, const char *text)
{
    *rank = 1;
    dims[0] = GRAPH_BATCH;
    for (;;) {
        if (*rank == GRAPH_MAX_RANK || *text < '0' || *text > '9')
            return false;
        char *end;
        errno = 0;
        const long long size = strtoll(text, &end, 10);
        if (errno != 0 || size < 1 || size > (long long)GRAPH_MAX_COUNT)
            return false;
        dims[(*rank)++] = size;
        if (*end == '\0')
            return true;
        if (*end != ',')
            return false;
        text = end + 1;
    }
}

mp2ml_status graph_new(struct graph **out)
{
    *out = calloc(1, sizeof **out);
    return *out != NULL ? MP2ML_OK : MP2ML_ERR_MEMORY;
}

static mp2ml_status make_room(struct graph_build *b)
{
    if (b->g->n_nodes < b->capacity)
        return MP2ML_OK;
    if (b->capacity >= GRAPH_MAX_NODES)
        return status_fail(b->err, MP2ML_ERR_MODEL, "more than %d nodes", GRAPH_MAX_NODES);
    int capacity = b->capacity == 0 ? 64 : 2 * b->capacity;
    struct graph_node *nodes = realloc(b->g->nodes, (size_t)capacity * sizeof *nodes);
    if (nodes == NULL)
        return status_fail(b->err, MP2ML_ERR_MEMORY, "out of memory");
    b->g->nodes = nodes;
    b->capacity = capacity;
    return MP2ML_OK;
}

mp2ml_status graph_add_node(struct graph_build *b, const char *name, enum graph_op op,
                            size_t n_inputs, struct graph_node **out)
{
    if (n_inputs > GRAPH_MAX_INPUTS)
        return status_fail(b->err, MP2ML_ERR_MODEL, "a node has more than %d inputs",
                           GRAPH_MAX_INPUTS);
    TRY(make_room(b));
    struct graph_node n;
    memset(&n, 0, sizeof n);
    n.op = op;
    n.file_node = b->file_node;
    n.name = strdup(name);
    n.inputs = calloc(n_inputs + 1, sizeof *n.inputs);
    n.n_inputs = (unsigned)n_inputs;
    if (n.name == NULL || n.inputs == NULL) {
        graph_node_wipe(&n);
        return status_fail(b->err, MP2ML_ERR_MEMORY, "out of memory");
    }
    struct graph_node *slot = &b->g->nodes[b->g->n_nodes++];
    *slot = n;
    *out = slot;
    return MP2ML_OK;
}

void graph_tensor_wipe(struct graph_tensor *t)
{
    free(t->f);
    free(t->i);
    memset(t, 0, sizeof *t);
}

void graph_node_wipe(struct graph_node *n)
{
    free(n->name);
    free(n->inputs);
    graph_tensor_wipe(&n->value);
    memset(n, 0, sizeof *n);
}

bool graph_count(size_t *count, const int64_t *dims, unsigned rank)
{
    size_t product = 1;
    bool zero = false;
    for (unsigned d = 0; d < rank; d++) {
        if (dims[d] < 0 || (uint64_t)dims[d] > GRAPH_MAX_COUNT)
            return false;
        if (dims[d] == 0)
            zero = true;
        else if (!size_mul(&product, product, (size_t)dims[d]) || product > GRAPH_MAX_COUNT)
            return false;
    }
    *count = zero ? 0 : product;
    return true;
}

mp2ml_status graph_tensor_alloc(struct graph_build *b, struct graph_tensor *t, bool integers)
{
    if (!graph_count(&t->count, t->dims, t->rank))
        return status_fail(b->err, MP2ML_ERR_MODEL, "a constant with an impossible shape");
    size_t bytes = t->count * (integers ? sizeof *t->i : sizeof *t->f); /* < 2^34 */
    if (bytes > b->budget)
        return status_fail(b->err, MP2ML_ERR_MODEL,
                           "the constants need far more memory than the file has bytes");
    void *values = calloc(bytes + 1, 1); /* never NULL for an empty tensor */
    if (values == NULL)
        return status_fail(b->err, MP2ML_ERR_MEMORY, "out of memory");
    b->budget -= bytes;
    if (integers)
        t->i = values;
    else
        t->f = values;
    return MP2ML_OK;
}

static bool any_batched(const struct graph_build *b, const struct graph_node *n)
{
    for (unsigned k = 0; k < n->n_inputs; k++)
        if (graph_input(b, n, k)->batched)
            return true;
    return false;
}

static mp2ml_status check_result(const struct graph_build *b, const struct graph_node *n)
{
    size_t count;
    const bool may_be_empty = n->op == GRAPH_GATHER || n->op == GRAPH_IDENTITY;
    if (!graph_count(&count, n->dims + (n->batched ? 1 : 0), n->rank - (n->batched ? 1 : 0)) ||
        (n->batched && count == 0 && !may_be_empty))
        return graph_node_fail(b, n, MP2ML_ERR_MODEL, "impossible shape %s", shape_print(n).text);
    if (n->batched && count > GRAPH_MAX_SAMPLE)
        return graph_node_fail(b, n, MP2ML_ERR_UNSUPPORTED,
                               "a sample has %zu values here, more than %zu", count,
                               GRAPH_MAX_SAMPLE);
    return MP2ML_OK;
}

/* Data without values can be joined with others, cut, and be an output. */
static mp2ml_status check_empty(const struct graph_build *b, const struct graph_node *n)
{
    for (unsigned k = 0; n->batched && k < n->n_inputs; k++)
        if (graph_is_empty(graph_input(b, n, k)) && n->op != GRAPH_GATHER &&
            n->op != GRAPH_IDENTITY && n->op != GRAPH_CONCAT)
            return graph_node_fail(b, n, MP2ML_ERR_UNSUPPORTED,
                                   "reads data of shape %s, which has no values",
                                   shape_print(graph_input(b, n, k)).text);
    return MP2ML_OK;
}

void graph_skip_identities(struct graph_build *b, struct graph_node *n)
{
    for (unsigned k = 0; k < n->n_inputs; k++) {
        const struct graph_node *from = graph_input(b, n, k);
        if (from->op == GRAPH_IDENTITY)
            n->inputs[k] = from->inputs[0];
    }
}

static bool any_random(const struct graph_build *b, const struct graph_node *n)
{
    for (unsigned k = 0; k < n->n_inputs; k++)
        if (graph_input(b, n, k)->random)
            return true;
    return false;
}

static bool any_dead(const struct graph_build *b, const struct graph_node *n)
{
    for (unsigned k = 0; n->op != GRAPH_MERGE && k < n->n_inputs; k++)
        if (graph_input(b, n, k)->dead)
            return true;
    return false;
}

/* What is batched, and not a source or an identity. */
static mp2ml_status settle_data(struct graph_build *b, struct graph_node *n)
{
    const struct graph_row row = graph_row(n->op);
    if (n->random) { /* refused later, unless it turns out to be a dropout or not to be needed */
        n->random = !fold_dropout(b, n);
        return MP2ML_OK;
    }
    if (row.kind != 'F' || row.expand != NULL || n->op == GRAPH_CAST)
        return MP2ML_OK;
    return graph_node_fail(b, n, MP2ML_ERR_UNSUPPORTED,
                           "is supported on shapes and constants only, not on data of shape %s",
                           n->n_inputs != 0 ? shape_print(graph_input(b, n, 0)).text : "()");
}

mp2ml_status graph_settle_node(struct graph_build *b, struct graph_node *n)
{
    const struct graph_row row = graph_row(n->op);
    assert(row.kind != 'C');
    if (n->n_inputs < row.min_inputs || n->n_inputs > row.max_inputs)
        return graph_node_fail(b, n, MP2ML_ERR_MODEL, "has %u inputs, must have %u to %u",
                               n->n_inputs, row.min_inputs, row.max_inputs);
    n->refused = n->refused || graph_any_refused(b, n->inputs, n->n_inputs);
    if (n->refused)
        return MP2ML_OK;
    graph_skip_identities(b, n);
    n->dead = any_dead(b, n);
    if (n->dead)
        return MP2ML_OK;
    const bool source = n->op == GRAPH_INPUT || n->op == GRAPH_RANDOM;
    const bool about_shape = n->op == GRAPH_SHAPE || n->op == GRAPH_RANK;
    n->batched = source || (!about_shape && any_batched(b, n));
    n->random = n->op == GRAPH_RANDOM || (n->batched && any_random(b, n));
    TRY(check_empty(b, n));
    TRY(row.shape(b, n)); /* turns SWITCH and MERGE into identities, or dead */
    if (n->dead)
        return MP2ML_OK;
    TRY(check_result(b, n));
    TRY(shape_blocks(b, n));
    TRY(shape_rows(b, n));
    if (n->op == GRAPH_CONST || n->op == GRAPH_IDENTITY)
        return MP2ML_OK;
    if (n->batched)
        return settle_data(b, n);
    if (!row.folds)
        return graph_node_fail(b, n, MP2ML_ERR_UNSUPPORTED, "does not depend on an input");
    return fold_node(b, n);
}
