/* SPDX-License-Identifier: Apache-2.0
 *
 * Functions of TensorFlow's files. Each call is replaced by copies of the function's nodes, called
 * CALL/NODE, and by an Identity called CALL that gives the results on, so that nothing else has to
 * know of functions. Copies are paid from the reader's bounded memory, nodes are counted, and a
 * function that calls itself is refused: small files cannot become large ones.
 *
 * In a function's body an input is ARGUMENT, or NODE:RESULT:INDEX with the name of a result of that
 * node's operator; outside it is NODE or NODE:OUTPUT. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/import_tf_internal.h"

#define MOST_DEPTH 64        /* of calls in calls */
#define MOST_ATTRIBUTES 1000 /* of a call, and of a node in a function */

struct named {
    const char *name;
    size_t at; /* its place before sorting */
};

struct function {
    const ModelTf__FunctionDef *def;
    struct named *arguments, *outputs, *body, *results; /* by name */
};

struct inliner {
    struct tf_model *m;
    struct function *functions; /* by name */
    size_t n_functions, capacity, visited;
    mp2ml_error *err;
};

/* A call that is being replaced. */
struct scope {
    const struct function *f;
    const tf_node *call; /* its inputs are names outside */
    const struct scope *outer;
    unsigned depth;
};

static mp2ml_status no_memory(const struct inliner *in)
{
    return status_fail(in->err, MP2ML_ERR_MODEL,
                       "the functions' calls need far more memory than the file has bytes");
}

/* Names ----------------------------------------------------------------------------------------- */

static int by_name(const void *x, const void *y)
{
    return strcmp(((const struct named *)x)->name, ((const struct named *)y)->name);
}

/* The place of a name that ends at `length`, or `count`. */
static size_t find(const struct named *list, size_t count, const char *name, size_t length)
{
    size_t low = 0, high = count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        int c = strncmp(name, list[middle].name, length);
        c = c != 0 ? c : list[middle].name[length] != '\0' ? -1 : 0;
        if (c == 0)
            return list[middle].at;
        if (c < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return count;
}

static const struct function *find_function(const struct inliner *in, const char *name)
{
    size_t low = 0, high = in->n_functions;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const int c = strcmp(name, in->functions[middle].def->signature->name);
        if (c == 0)
            return &in->functions[middle];
        if (c < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

static mp2ml_status index_function(struct function *f, const ModelTf__FunctionDef *def,
                                   mp2ml_error *err)
{
    f->def = def;
    const size_t n_args = def->signature->n_input_arg, n_outputs = def->signature->n_output_arg;
    f->arguments = calloc(n_args + 1, sizeof *f->arguments);
    f->outputs = calloc(n_outputs + 1, sizeof *f->outputs);
    f->body = calloc(def->n_node_def + 1, sizeof *f->body);
    f->results = calloc(def->n_ret + 1, sizeof *f->results);
    if (f->arguments == NULL || f->outputs == NULL || f->body == NULL || f->results == NULL)
        return status_fail(err, MP2ML_ERR_MEMORY, "out of memory");
    for (size_t k = 0; k < n_args; k++)
        f->arguments[k] = (struct named){def->signature->input_arg[k]->name, k};
    for (size_t k = 0; k < n_outputs; k++)
        f->outputs[k] = (struct named){def->signature->output_arg[k]->name, k};
    for (size_t k = 0; k < def->n_node_def; k++)
        f->body[k] = (struct named){def->node_def[k]->name, k};
    for (size_t k = 0; k < def->n_ret; k++)
        f->results[k] = (struct named){def->ret[k]->key, k};
    qsort(f->arguments, n_args, sizeof *f->arguments, by_name);
    qsort(f->outputs, n_outputs, sizeof *f->outputs, by_name);
    qsort(f->body, def->n_node_def, sizeof *f->body, by_name);
    qsort(f->results, def->n_ret, sizeof *f->results, by_name);
    return MP2ML_OK;
}

static int by_signature(const void *x, const void *y)
{
    return strcmp(((const struct function *)x)->def->signature->name,
                  ((const struct function *)y)->def->signature->name);
}

static mp2ml_status index_library(struct inliner *in, const ModelTf__FunctionLibrary *library)
{
    in->functions = calloc(library->n_function + 1, sizeof *in->functions);
    if (in->functions == NULL)
        return status_fail(in->err, MP2ML_ERR_MEMORY, "out of memory");
    for (size_t k = 0; k < library->n_function; k++)
        if (library->function[k]->signature != NULL) {
            struct function *f = &in->functions[in->n_functions++];
            TRY(index_function(f, library->function[k], in->err));
        }
    qsort(in->functions, in->n_functions, sizeof *in->functions, by_signature);
    for (size_t k = 1; k < in->n_functions; k++)
        if (by_signature(&in->functions[k - 1], &in->functions[k]) == 0)
            return status_fail(in->err, MP2ML_ERR_MODEL, "two functions have the name '%.200s'",
                               in->functions[k].def->signature->name);
    return MP2ML_OK;
}

/* The function that a node calls, or NULL. */
static const struct function *called(const struct inliner *in, const tf_node *def)
{
    if (strcmp(def->op, "PartitionedCall") == 0 ||
        strcmp(def->op, "StatefulPartitionedCall") == 0) {
        const ModelTf__AttrValue *a = tf_attr(def, "f");
        return a != NULL && a->value_case == MODEL_TF__ATTR_VALUE__VALUE_FUNC
                   ? find_function(in, a->func->name)
                   : NULL;
    }
    return tf_row_find(def->op) == NULL && tf_composed_find(def->op) == NULL
               ? find_function(in, def->op)
               : NULL;
}

/* Texts and copies, paid from the reader's memory ----------------------------------------------- */

static void *take(const struct inliner *in, size_t size)
{
    ProtobufCAllocator *a = &in->m->memory.allocator;
    return a->alloc(a->allocator_data, size);
}

static void give(const struct inliner *in, void *p)
{
    ProtobufCAllocator *a = &in->m->memory.allocator;
    a->free(a->allocator_data, p);
}

/* Takes `text` (may be NULL: no memory). */
static mp2ml_status set_text(const struct inliner *in, char **to, char *text)
{
    if (text == NULL)
        return no_memory(in);
    if (*to != NULL && *to != protobuf_c_empty_string)
        give(in, *to);
    *to = text;
    return MP2ML_OK;
}

static char *copy_text(const struct inliner *in, const char *text)
{
    const size_t size = strlen(text) + 1;
    char *copy = take(in, size);
    return copy != NULL ? memcpy(copy, text, size) : NULL;
}

/* CALL/NAME, or CALL/NAME:OUTPUT */
static char *inner_name(const struct inliner *in, const struct scope *s, const char *name,
                        size_t length, size_t output)
{
    const size_t size = strlen(s->call->name) + length + 32;
    char *text = take(in, size);
    if (text == NULL)
        return NULL;
    (void)snprintf(text, size, "%s/%.*s", s->call->name, (int)length, name);
    const size_t used = strlen(text);
    if (output != 0)
        (void)snprintf(text + used, size - used, ":%zu", output);
    return text;
}

static tf_node *copy_node(const struct inliner *in, const tf_node *def)
{
    const size_t size = model_tf__node_def__get_packed_size(def);
    uint8_t *bytes = malloc(size + 1);
    if (bytes == NULL)
        return NULL;
    (void)model_tf__node_def__pack(def, bytes);
    tf_node *copy = model_tf__node_def__unpack(&in->m->memory.allocator, size, bytes);
    free(bytes);
    return copy;
}

/* References -------------------------------------------------------------------------------------- */

/* The first output that belongs to a result of this name, of operators that have several. */
static size_t output_of(const struct inliner *in, const tf_node *def, const char *name,
                        size_t length)
{
    static const struct {
        const char *name;
        size_t output;
    } later[] = {{"output_true", 1},     {"value_index", 1},     {"batch_mean", 1},
                 {"batch_variance", 2},  {"reserve_space_1", 3}, {"reserve_space_2", 4},
                 {"reserve_space_3", 5}, {"indices", 1},         {"argmax", 1}};
    const struct function *f = tf_attr(def, "f") == NULL ? called(in, def) : NULL;
    if (f != NULL) {
        const size_t count = f->def->signature->n_output_arg;
        const size_t k = find(f->outputs, count, name, length);
        return k < count ? k : 0;
    }
    for (size_t k = 0; k < sizeof later / sizeof later[0]; k++)
        if (strlen(later[k].name) == length && memcmp(later[k].name, name, length) == 0)
            return later[k].output;
    return 0;
}

static mp2ml_status bad_reference(const struct inliner *in, const struct scope *s, const char *text)
{
    return tf_fail(in->err, s->call, MP2ML_ERR_MODEL,
                   "function '%.100s' refers to '%.200s', which it does not have",
                   s->f->def->signature->name, text);
}

/* The name outside of what a function's body calls `text`. */
static mp2ml_status resolve(const struct inliner *in, const struct scope *s, const char *text,
                            char **to)
{
    const ModelTf__FunctionDef *f = s->f->def;
    const size_t length = strcspn(text, ":");
    if (text[length] == '\0') {
        const size_t k = find(s->f->arguments, f->signature->n_input_arg, text, length);
        if (k == f->signature->n_input_arg)
            return bad_reference(in, s, text);
        return set_text(in, to, copy_text(in, s->call->input[k]));
    }
    const size_t node = find(s->f->body, f->n_node_def, text, length);
    if (node == f->n_node_def)
        return bad_reference(in, s, text);
    const char *result = text + length + 1;
    const size_t name = strcspn(result, ":");
    size_t index = 0;
    for (const char *c = result + name + (result[name] != '\0'); *c != '\0'; c++) {
        if (*c < '0' || *c > '9' || index > GRAPH_MAX_INPUTS)
            return bad_reference(in, s, text);
        index = 10 * index + (size_t)(*c - '0');
    }
    index += output_of(in, f->node_def[node], result, name);
    return set_text(in, to, inner_name(in, s, text, length, index));
}

/* The attribute of that name which the call gives to the function; *value is NULL without one, else
 * to be freed as a message. */
static mp2ml_status given_attribute(const struct inliner *in, const struct scope *s,
                                    const char *name, ModelTf__AttrValue **value)
{
    ProtobufCAllocator *allocator = &in->m->memory.allocator;
    *value = NULL;
    const ModelTf__AttrValue *f = tf_attr(s->call, "f");
    if (f != NULL && f->value_case == MODEL_TF__ATTR_VALUE__VALUE_FUNC) {
        for (size_t k = 0; k < f->func->n_attr; k++)
            if (strcmp(f->func->attr[k]->key, name) == 0) {
                const ProtobufCBinaryData *bytes = &f->func->attr[k]->packed;
                *value = model_tf__attr_value__unpack(allocator, bytes->len, bytes->data);
                return *value != NULL ? MP2ML_OK : no_memory(in);
            }
        return MP2ML_OK;
    }
    const ModelTf__AttrValue *own = tf_attr(s->call, name);
    if (own == NULL)
        return MP2ML_OK;
    const size_t size = model_tf__attr_value__get_packed_size(own);
    uint8_t *bytes = malloc(size + 1);
    if (bytes == NULL)
        return status_fail(in->err, MP2ML_ERR_MEMORY, "out of memory");
    (void)model_tf__attr_value__pack(own, bytes);
    *value = model_tf__attr_value__unpack(allocator, size, bytes);
    free(bytes);
    return *value != NULL ? MP2ML_OK : no_memory(in);
}

static mp2ml_status fill_placeholders(const struct inliner *in, const struct scope *s, tf_node *def)
{
    if (def->n_attr > MOST_ATTRIBUTES || s->call->n_attr > MOST_ATTRIBUTES)
        return tf_fail(in->err, s->call, MP2ML_ERR_MODEL, "more than %d attributes",
                       MOST_ATTRIBUTES);
    for (size_t k = 0; k < def->n_attr; k++) {
        ModelTf__AttrValue **a = &def->attr[k]->value, *given;
        if (*a == NULL || (*a)->value_case != MODEL_TF__ATTR_VALUE__VALUE_PLACEHOLDER)
            continue;
        TRY(given_attribute(in, s, (*a)->placeholder, &given));
        if (given == NULL)
            return tf_fail(in->err, s->call, MP2ML_ERR_MODEL,
                           "does not give attribute '%.100s', which the function needs",
                           (*a)->placeholder);
        model_tf__attr_value__free_unpacked(*a, &in->m->memory.allocator);
        *a = given;
    }
    return MP2ML_OK;
}

/* The walk ---------------------------------------------------------------------------------------- */

/* Control inputs order side effects only. */
static void drop_control(const struct inliner *in, tf_node *def)
{
    size_t kept = 0;
    for (size_t k = 0; k < def->n_input; k++) {
        if (def->input[k][0] != '^')
            def->input[kept++] = def->input[k];
        else if (def->input[k] != protobuf_c_empty_string)
            give(in, def->input[k]);
    }
    def->n_input = kept;
}

static mp2ml_status append(struct inliner *in, tf_node *def)
{
    struct tf_model *m = in->m;
    if (++in->visited > GRAPH_MAX_NODES)
        return status_fail(in->err, MP2ML_ERR_MODEL, "more than %d nodes", GRAPH_MAX_NODES);
    if ((size_t)m->n_nodes == in->capacity) {
        in->capacity = 2 * in->capacity + 64;
        tf_node **nodes = realloc(m->nodes, in->capacity * sizeof *nodes);
        if (nodes == NULL)
            return status_fail(in->err, MP2ML_ERR_MEMORY, "out of memory");
        m->nodes = nodes;
    }
    m->nodes[m->n_nodes++] = def;
    return MP2ML_OK;
}

/* A copy belongs to the model from here on. */
static mp2ml_status own(struct inliner *in, tf_node *copy)
{
    struct tf_model *m = in->m;
    if (copy == NULL)
        return no_memory(in);
    tf_node **owned = (m->n_owned & (m->n_owned - 1)) == 0
                          ? realloc(m->owned, (2 * m->n_owned + 1) * sizeof *owned)
                          : m->owned;
    if (owned == NULL) {
        model_tf__node_def__free_unpacked(copy, &m->memory.allocator);
        return status_fail(in->err, MP2ML_ERR_MEMORY, "out of memory");
    }
    m->owned = owned;
    m->owned[m->n_owned++] = copy;
    return MP2ML_OK;
}

/* The call itself becomes what gives the results on. */
static mp2ml_status become_identity(const struct inliner *in, const struct scope *s, tf_node *call)
{
    const ModelTf__FunctionDef *f = s->f->def;
    const size_t n = f->signature->n_output_arg;
    char **results = take(in, (n + 1) * sizeof *results);
    if (results == NULL)
        return no_memory(in);
    memset(results, 0, (n + 1) * sizeof *results);
    mp2ml_status status = MP2ML_OK;
    for (size_t k = 0; k < n && status == MP2ML_OK; k++) {
        const char *name = f->signature->output_arg[k]->name;
        const size_t at = find(s->f->results, f->n_ret, name, strlen(name));
        status = at == f->n_ret ? bad_reference(in, s, name)
                                : resolve(in, s, f->ret[at]->value, &results[k]);
    }
    if (status == MP2ML_OK)
        status = set_text(in, &call->op,
                          copy_text(in, n == 1   ? "Identity"
                                        : n == 0 ? "NoOp"
                                                 : "IdentityN"));
    char **old = status == MP2ML_OK ? call->input : results;
    const size_t n_old = status == MP2ML_OK ? call->n_input : n;
    for (size_t k = 0; k < n_old; k++)
        if (old[k] != NULL && old[k] != protobuf_c_empty_string)
            give(in, old[k]);
    give(in, old);
    if (status == MP2ML_OK) {
        call->input = results;
        call->n_input = n;
    }
    return status;
}

static mp2ml_status check_call(const struct inliner *in, const struct scope *s)
{
    const ModelTf__Signature *signature = s->f->def->signature;
    for (const struct scope *o = s->outer; o != NULL; o = o->outer)
        if (o->f == s->f)
            return tf_fail(in->err, s->call, MP2ML_ERR_MODEL, "function '%.200s' calls itself",
                           signature->name);
    if (s->depth > MOST_DEPTH)
        return tf_fail(in->err, s->call, MP2ML_ERR_MODEL, "more than %d calls in one another",
                       MOST_DEPTH);
    if (s->call->n_input != signature->n_input_arg)
        return tf_fail(in->err, s->call, MP2ML_ERR_MODEL,
                       "has %zu inputs, function '%.200s' takes %zu", s->call->n_input,
                       signature->name, signature->n_input_arg);
    for (size_t k = 0; k < signature->n_input_arg; k++)
        if (signature->input_arg[k]->number_attr[0] != '\0' ||
            signature->input_arg[k]->type_list_attr[0] != '\0')
            return tf_fail(in->err, s->call, MP2ML_ERR_UNSUPPORTED,
                           "argument '%.200s' of its function is a list of tensors",
                           signature->input_arg[k]->name);
    return MP2ML_OK;
}

static mp2ml_status inline_call(struct inliner *in, const struct scope *outer,
                                const struct function *f, tf_node *call);

/* One node of a body: a copy with its names as they are outside. */
static mp2ml_status add_inner(struct inliner *in, const struct scope *s, const tf_node *def)
{
    tf_node *copy = copy_node(in, def);
    TRY(own(in, copy));
    drop_control(in, copy);
    TRY(set_text(in, &copy->name, inner_name(in, s, def->name, strlen(def->name), 0)));
    for (size_t k = 0; k < copy->n_input; k++) {
        char *outside = NULL;
        TRY(resolve(in, s, copy->input[k], &outside));
        TRY(set_text(in, &copy->input[k], outside));
    }
    TRY(fill_placeholders(in, s, copy));
    const struct function *f = called(in, copy);
    return f != NULL ? inline_call(in, s, f, copy) : append(in, copy);
}

/* `call` is owned, and has no control inputs. */
static mp2ml_status inline_call(struct inliner *in, const struct scope *outer,
                                const struct function *f, tf_node *call)
{
    const struct scope s = {f, call, outer, outer != NULL ? outer->depth + 1 : 1};
    TRY(check_call(in, &s));
    for (size_t k = 0; k < f->def->n_node_def; k++)
        TRY(add_inner(in, &s, f->def->node_def[k]));
    TRY(become_identity(in, &s, call));
    return append(in, call);
}

static mp2ml_status add_outer(struct inliner *in, tf_node *def)
{
    const struct function *f = called(in, def);
    if (f == NULL)
        return append(in, def);
    tf_node *copy = copy_node(in, def);
    TRY(own(in, copy));
    drop_control(in, copy);
    return inline_call(in, NULL, f, copy);
}

mp2ml_status tf_inline(struct tf_model *m, mp2ml_error *err)
{
    struct inliner in = {.m = m, .err = err};
    mp2ml_status status = MP2ML_OK;
    if (m->def->library != NULL)
        status = index_library(&in, m->def->library);
    for (size_t k = 0; k < m->def->n_node && status == MP2ML_OK; k++)
        status = add_outer(&in, m->def->node[k]);
    for (size_t k = 0; k < in.n_functions; k++) {
        free(in.functions[k].arguments);
        free(in.functions[k].outputs);
        free(in.functions[k].body);
        free(in.functions[k].results);
    }
    free(in.functions);
    return status;
}
