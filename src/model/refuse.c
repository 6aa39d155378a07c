/* SPDX-License-Identifier: Apache-2.0
 *
 * Refusals: nodes of a file that have no private form. Without a list the first one ends the work;
 * with one, a node that is refused is put down and replaced by one that is marked, whatever depends
 * on it is marked as well, and the rest goes on. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/graph_internal.h"

void graph_refusals_wipe(struct graph_refusals *r)
{
    for (size_t k = 0; k < r->count; k++) {
        free(r->list[k].node);
        free(r->list[k].op);
        free(r->list[k].why);
    }
    free(r->list);
    memset(r, 0, sizeof *r);
}

/* A copy that a terminal can be given. */
static char *clean_copy(const char *text)
{
    char *copy = strdup(text);
    for (char *c = copy; copy != NULL && *c != '\0'; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?';
    return copy;
}

mp2ml_status graph_refusals_add(struct graph_refusals *r, const char *node, const char *op,
                                const char *why, const char *rewrite, int at)
{
    if (r->count == GRAPH_MAX_REFUSALS)
        return MP2ML_ERR_UNSUPPORTED;
    struct graph_refusal *list = realloc(r->list, (r->count + 1) * sizeof *list);
    if (list == NULL)
        return MP2ML_ERR_MEMORY;
    r->list = list;
    struct graph_refusal new = {clean_copy(node), clean_copy(op), clean_copy(why), rewrite, at};
    if (new.node == NULL || new.op == NULL || new.why == NULL) {
        free(new.node);
        free(new.op);
        free(new.why);
        return MP2ML_ERR_MEMORY;
    }
    size_t place = r->count++; /* in the order of the file */
    for (; place != 0 && list[place - 1].at > at; place--)
        list[place] = list[place - 1];
    list[place] = new;
    return MP2ML_OK;
}

mp2ml_status graph_unknown_op(const struct graph_build *b, const char *node, const char *op)
{
    const struct graph_hint hint = graph_hint(op);
    (void)status_fail(b->err, MP2ML_ERR_UNSUPPORTED,
                      "node '%.200s' (%.60s): this operator has no private form%s%s", node, op,
                      hint.why != NULL ? ": " : "; docs/models.md lists those that have one",
                      hint.why != NULL ? hint.why : "");
    graph_clean_text(b->err);
    return MP2ML_ERR_UNSUPPORTED;
}

/* The text behind "node 'NAME' (OP): ". */
static const char *reason_of(const mp2ml_error *err, const char *op)
{
    char mark[80];
    (void)snprintf(mark, sizeof mark, "' (%.60s): ", op);
    const char *found = strncmp(err->text, "node '", 6) == 0 ? strstr(err->text, mark) : NULL;
    return found != NULL ? found + strlen(mark) : err->text;
}

static void append(mp2ml_error *err, const char *rewrite)
{
    const size_t used = strlen(err->text);
    (void)snprintf(err->text + used, sizeof err->text - used, "%s%s " GRAPH_LISTING,
                   rewrite != NULL ? "; " : "", rewrite != NULL ? rewrite : "");
}

mp2ml_status graph_note(struct graph_build *b, const char *node, const char *op,
                        mp2ml_status status)
{
    if (status != MP2ML_ERR_UNSUPPORTED || b->err == NULL)
        return status;
    if (b->refusals == NULL) {
        append(b->err, graph_hint(op).rewrite);
        return status;
    }
    status = graph_refusals_add(b->refusals, node, op, reason_of(b->err, op),
                                graph_hint(op).rewrite, b->file_node);
    if (status == MP2ML_ERR_UNSUPPORTED)
        return graph_check_refusals(b); /* the list is full: that is enough */
    *b->err = (mp2ml_error){MP2ML_OK, ""};
    return status == MP2ML_OK ? status : status_fail(b->err, status, "out of memory");
}

mp2ml_status graph_add_refused(struct graph_build *b, const char *name, const int *inputs,
                               size_t n_inputs)
{
    struct graph_node *n;
    TRY(graph_add_node(b, name, GRAPH_INPUT, n_inputs, &n));
    if (n_inputs != 0)
        memcpy(n->inputs, inputs, n_inputs * sizeof *inputs);
    n->refused = true;
    return MP2ML_OK;
}

mp2ml_status graph_refuse(struct graph_build *b, int first, const char *name, const char *op,
                          const int *inputs, size_t n_inputs, mp2ml_status status)
{
    TRY(graph_note(b, name, op, status));
    while (b->g->n_nodes > first)
        graph_node_wipe(&b->g->nodes[--b->g->n_nodes]);
    return graph_add_refused(b, name, inputs, n_inputs);
}

bool graph_any_refused(const struct graph_build *b, const int *inputs, size_t n_inputs)
{
    for (size_t k = 0; k < n_inputs; k++)
        if (b->g->nodes[inputs[k]].refused)
            return true;
    return false;
}

mp2ml_status graph_check_refusals(const struct graph_build *b)
{
    if (b->refusals == NULL || b->refusals->count == 0)
        return MP2ML_OK;
    const struct graph_refusal *r = &b->refusals->list[0];
    return status_fail(b->err, MP2ML_ERR_UNSUPPORTED, "node '%.200s' (%.60s): %.600s", r->node,
                       r->op, r->why);
}
