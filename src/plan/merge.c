/* SPDX-License-Identifier: Apache-2.0
 *
 * Multiplying linear maps out. Per group of the outer map the result is one dense block: its rows
 * times the union of the inner rows' columns. A block is made once for every distinct way in which
 * a group meets the inner map (positions of a convolution meet it alike), known by a key. */
#include <stdlib.h>
#include <string.h>

#include "plan/lower.h"

struct merge { /* scratch of one product or sum */
    struct linear_builder b;
    size_t ends[PLAN_MAX_OPERANDS]; /* of the bases of the result */
    unsigned n_bases;
    uint32_t *stamp, *pos; /* [n_base]: the group that saw a base value last, and its column */
    uint32_t epoch;
    uint32_t *cols; /* base values of the group at hand */
    size_t n_cols, cap_cols;
    uint32_t *key;
    size_t n_key, cap_key;
    size_t tail; /* of the key: rows and operands alone, for blocks that are known by content */
    double *block;
    float *rounded;
    size_t cap_block, cap_rounded;
};

static mp2ml_status merge_init(struct merge *m, const struct plan *plan, const struct rep *bases,
                               size_t n_out)
{
    memset(m, 0, sizeof *m);
    m->n_bases = bases->n_bases;
    rep_base_ends(plan, bases, m->ends);
    linear_builder_init(&m->b, bases->n_base, n_out);
    m->stamp = calloc(bases->n_base + 1, sizeof *m->stamp);
    m->pos = calloc(bases->n_base + 1, sizeof *m->pos);
    return m->stamp != NULL && m->pos != NULL ? MP2ML_OK : MP2ML_ERR_MEMORY;
}

static void merge_wipe(struct merge *m)
{
    linear_builder_wipe(&m->b);
    free(m->stamp);
    free(m->pos);
    free(m->cols);
    free(m->key);
    free(m->block);
    free(m->rounded);
}

static void key_push(struct merge *m, uint32_t v)
{
    if (!linear_grow(&m->key, &m->cap_key, m->n_key + 1, sizeof *m->key)) {
        m->b.failed = true;
        return;
    }
    m->key[m->n_key++] = v;
}

static void key_push_float(struct merge *m, float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    key_push(m, bits);
}

/* Blocks are scaled per operand later (scales.c): a shared block reads the same operands. */
static void key_push_operands(struct merge *m)
{
    for (size_t c = 0; m->n_bases > 1 && c < m->n_cols; c++) {
        uint32_t op = 0;
        while (m->cols[c] >= m->ends[op])
            op++;
        key_push(m, op);
    }
}

static void group_begin(struct merge *m)
{
    m->epoch++;
    m->n_cols = 0;
    m->n_key = 0;
}

/* The column of a base value in the group at hand. */
static uint32_t column(struct merge *m, uint32_t base)
{
    if (m->stamp[base] != m->epoch) {
        if (!linear_grow(&m->cols, &m->cap_cols, m->n_cols + 1, sizeof *m->cols)) {
            m->b.failed = true;
            return 0;
        }
        m->stamp[base] = m->epoch;
        m->pos[base] = (uint32_t)m->n_cols;
        m->cols[m->n_cols++] = base;
    }
    return m->pos[base];
}

/* A zeroed block of rows x n_cols, or NULL. */
static double *block_begin(struct merge *m, size_t rows)
{
    size_t n;
    if (m->b.failed || !size_mul(&n, rows, m->n_cols) ||
        !linear_grow(&m->block, &m->cap_block, n + 1, sizeof *m->block)) {
        m->b.failed = true;
        return NULL;
    }
    memset(m->block, 0, n * sizeof *m->block);
    return m->block;
}

/* ---- a map of a representation ------------------------------------------------------------- */

uint64_t merge_products(const struct linear *map, const struct rep *in)
{
    uint32_t *stamp = calloc(in->n_base + 1, sizeof *stamp);
    if (stamp == NULL)
        return UINT64_MAX;
    uint64_t sum = 0;
    for (size_t g = 0; g < map->n_groups; g++) {
        const struct linear_group *group = &map->groups[g];
        uint64_t cols = 0;
        for (size_t c = 0; c < group->cols; c++) {
            struct rep_row row = rep_row(in, linear_in(map, group, c));
            for (size_t i = 0; i < row.n; i++) {
                uint32_t *seen = &stamp[rep_row_base(&row, i)];
                cols += *seen != (uint32_t)g + 1;
                *seen = (uint32_t)g + 1;
            }
        }
        sum += cols * group->rows;
    }
    free(stamp);
    return sum;
}

/* Columns and key of one group. */
static void meet(struct merge *m, const struct linear *map, const struct linear_group *group,
                 const struct rep *in)
{
    group_begin(m);
    key_push(m, (uint32_t)group->weights_at);
    key_push(m, (uint32_t)((uint64_t)group->weights_at >> 32));
    key_push(m, (uint32_t)group->col_at);
    key_push(m, group->rows);
    for (size_t c = 0; c < group->cols && !m->b.failed; c++) {
        struct rep_row row = rep_row(in, linear_in(map, group, c));
        key_push(m, (uint32_t)row.n);
        key_push_float(m, row.scale);
        if (row.n != 0 && in->lin != NULL) {
            uint64_t at = (uint64_t)(row.weight - in->lin->lin.w);
            key_push(m, (uint32_t)at);
            key_push(m, (uint32_t)(at >> 32));
            key_push(m, (uint32_t)(row.column - in->lin->lin.index));
        }
        for (size_t i = 0; i < row.n; i++)
            key_push(m, column(m, rep_row_base(&row, i)));
    }
    key_push_operands(m);
}

static void fill_product(struct merge *m, const struct linear *map,
                         const struct linear_group *group, const struct rep *in, float *out)
{
    double *block = block_begin(m, group->rows);
    if (block == NULL)
        return;
    for (size_t c = 0; c < group->cols; c++) {
        struct rep_row row = rep_row(in, linear_in(map, group, c));
        for (size_t r = 0; r < group->rows; r++) {
            double f = (double)map->w[linear_weight(map, group, r, c)] * (double)row.scale;
            double *sum = block + r * m->n_cols;
            for (size_t i = 0; i < row.n; i++)
                sum[m->pos[rep_row_base(&row, i)]] += f * (double)rep_row_weight(&row, i);
        }
    }
    for (size_t i = 0; i < group->rows * m->n_cols; i++)
        out[i] = (float)block[i];
}

/* w: the map's weights, wherever they are. */
static void add_constants(struct merge *m, const struct linear *map,
                          const struct linear_group *group, const struct rep *in, const float *w)
{
    for (size_t r = 0; r < group->rows; r++)
        m->b.constants[linear_out(map, group, r)] = map->b[group->rows_at + r];
    for (size_t c = 0; c < group->cols; c++) {
        double constant = rep_row(in, linear_in(map, group, c)).constant;
        if (!(constant < 0 || constant > 0))
            continue;
        for (size_t r = 0; r < group->rows; r++)
            m->b.constants[linear_out(map, group, r)] +=
                constant * (double)w[linear_weight(map, group, r, c)];
    }
}

/* Whether every column of every group is one base value, as it is and once, or none, and those of
 * a column of a block belong to one operand: then the blocks stay as they are. */
static bool keeps_blocks(struct merge *m, const struct linear *map, const struct rep *in)
{
    bool keeps = in->lin == NULL;
    uint8_t *operand = /* of the columns of blocks, plus 1, at their first weights */
        keeps && m->n_bases > 1 ? calloc(map->n_weights + 1, 1) : NULL;
    keeps = keeps && (m->n_bases == 1 || operand != NULL);
    for (const struct linear_group *g = map->groups; keeps && g < map->groups + map->n_groups;
         g++) {
        m->epoch++;
        for (size_t c = 0; keeps && c < g->cols; c++) {
            const struct rep_value *v = &in->values[linear_in(map, g, c)];
            if (v->src == REP_CONSTANT)
                continue;
            keeps = v->scale >= 1.0f && v->scale <= 1.0f && m->stamp[v->src] != m->epoch;
            m->stamp[v->src] = m->epoch;
            uint8_t op = 0;
            while (operand != NULL && v->src >= m->ends[op])
                op++;
            uint8_t *known = operand != NULL ? operand + linear_weight(map, g, 0, c) : NULL;
            keeps = keeps && (known == NULL || *known == 0 || *known == op + 1);
            if (known != NULL)
                *known = (uint8_t)(op + 1);
        }
    }
    free(operand);
    return keeps;
}

static void apply_to_values(struct merge *m, struct linear *map, const struct rep *in)
{
    m->b.lin.w = map->w;
    m->b.lin.n_weights = m->b.cap_w = map->n_weights;
    map->w = NULL;
    for (size_t g = 0; g < map->n_groups && !m->b.failed; g++) {
        const struct linear_group *group = &map->groups[g];
        linear_builder_begin(&m->b);
        for (size_t c = 0; c < group->cols; c++) {
            const struct rep_value *v = &in->values[linear_in(map, group, c)];
            if (v->src != REP_CONSTANT)
                linear_builder_column(&m->b, v->src, map->index[group->col_at + c]);
        }
        for (size_t r = 0; r < group->rows; r++)
            linear_builder_out(&m->b, linear_out(map, group, r));
        linear_builder_end(&m->b, group->weights_at, group->stride);
        if (!m->b.failed)
            add_constants(m, map, group, in, m->b.lin.w);
    }
}

static void apply_to_rows(struct merge *m, const struct linear *map, const struct rep *in)
{
    for (size_t g = 0; g < map->n_groups && !m->b.failed; g++) {
        const struct linear_group *group = &map->groups[g];
        meet(m, map, group, in);
        size_t n, at = 0;
        if (!size_mul(&n, group->rows, m->n_cols))
            m->b.failed = true;
        if (m->b.failed)
            break;
        if (!linear_builder_block(&m->b, m->key, m->n_key * sizeof *m->key, NULL, n, &at))
            fill_product(m, map, group, in, m->b.lin.w + at);
        linear_builder_begin(&m->b);
        for (size_t c = 0; c < m->n_cols; c++)
            linear_builder_in(&m->b, m->cols[c]);
        for (size_t r = 0; r < group->rows; r++)
            linear_builder_out(&m->b, linear_out(map, group, r));
        linear_builder_end(&m->b, at, 0);
        if (!m->b.failed)
            add_constants(m, map, group, in, map->w);
    }
}

mp2ml_status merge_apply(const struct plan *plan, struct rep *out, struct linear *map,
                         const struct rep *in)
{
    struct merge m;
    struct linear lin = {0};
    mp2ml_status status = merge_init(&m, plan, in, map->n_out);
    if (status == MP2ML_OK && keeps_blocks(&m, map, in))
        apply_to_values(&m, map, in);
    else if (status == MP2ML_OK)
        apply_to_rows(&m, map, in);
    if (status == MP2ML_OK)
        status = linear_builder_take(&m.b, &lin);
    if (status == MP2ML_OK)
        status = rep_of_linear(out, in, &lin);
    merge_wipe(&m);
    return status;
}

/* ---- rows in explicit form ------------------------------------------------------------------- */

struct term { /* one of the representations that are added */
    const struct rep *rep;
    const uint32_t *map;   /* element of the result -> element of rep; NULL: the same */
    const uint32_t *moved; /* base value of rep -> base value of the result; NULL: the same */
    double sign;
};

static struct rep_row term_row(const struct term *t, uint32_t element)
{
    return rep_row(t->rep, t->map != NULL ? t->map[element] : element);
}

static uint32_t term_base(const struct term *t, uint32_t base)
{
    return t->moved != NULL ? t->moved[base] : base;
}

static bool same_list(const struct rep_row *a, const struct rep_row *b)
{
    return a->n == b->n && a->base == b->base && a->index == b->index && a->column == b->column;
}

/* Columns, constants and key of a group: blocks of rows that take the same weights to the same
 * columns are the same. */
static void meet_terms(struct merge *m, const struct term *terms, unsigned n_terms,
                       const uint32_t *elements, size_t rows)
{
    group_begin(m);
    for (unsigned t = 0; t < n_terms; t++) {
        const struct rep *rep = terms[t].rep;
        struct rep_row last = {.n = SIZE_MAX};
        for (size_t r = 0; r < rows && !m->b.failed; r++) {
            const struct rep_row row = term_row(&terms[t], elements[r]);
            const bool known = same_list(&row, &last);
            const uint64_t at =
                row.n != 0 && rep->lin != NULL ? (uint64_t)(row.weight - rep->lin->lin.w) : 0;
            m->b.constants[elements[r]] =
                (t > 0 ? m->b.constants[elements[r]] : 0) + terms[t].sign * row.constant;
            key_push_float(m, row.scale);
            key_push(m, (uint32_t)at);
            key_push(m, (uint32_t)(at >> 32));
            key_push(m, known);
            last = row;
            if (known)
                continue;
            key_push(m, (uint32_t)row.n);
            key_push(m, row.n != 0 && rep->lin != NULL
                            ? (uint32_t)(row.column - rep->lin->lin.index)
                            : 0);
            for (size_t i = 0; i < row.n; i++)
                key_push(m, column(m, term_base(&terms[t], rep_row_base(&row, i))));
        }
    }
    m->tail = m->n_key;
    key_push(m, (uint32_t)rows);
    key_push_operands(m);
}

/* The sums of the terms' weights, or NULL. */
static float *fill_terms(struct merge *m, const struct term *terms, unsigned n_terms,
                         const uint32_t *elements, size_t rows)
{
    double *block = block_begin(m, rows);
    size_t n = rows * m->n_cols;
    if (block == NULL || !linear_grow(&m->rounded, &m->cap_rounded, n + 1, sizeof *m->rounded)) {
        m->b.failed = true;
        return NULL;
    }
    for (size_t r = 0; r < rows; r++) {
        for (unsigned t = 0; t < n_terms; t++) {
            struct rep_row row = term_row(&terms[t], elements[r]);
            double f = terms[t].sign * (double)row.scale;
            for (size_t i = 0; i < row.n; i++)
                block[r * m->n_cols + m->pos[term_base(&terms[t], rep_row_base(&row, i))]] +=
                    f * (double)rep_row_weight(&row, i);
        }
    }
    for (size_t i = 0; i < n; i++)
        m->rounded[i] = (float)block[i];
    return m->rounded;
}

/* One group whose rows are these elements, each the sum of the terms. Its block is known by the
 * places of its weights, or else by what they are. */
static void explicit_group(struct merge *m, const struct term *terms, unsigned n_terms,
                           const uint32_t *elements, size_t rows)
{
    meet_terms(m, terms, n_terms, elements, rows);
    const size_t n = rows * m->n_cols, word = sizeof *m->key;
    size_t at = 0;
    if (!linear_builder_known(&m->b, m->key, m->n_key * word, n, &at)) {
        const float *content = fill_terms(m, terms, n_terms, elements, rows);
        if (content == NULL)
            return;
        (void)linear_builder_block(&m->b, m->key + m->tail, (m->n_key - m->tail) * word, content, n,
                                   &at);
        linear_builder_also(&m->b, m->key, m->n_key * word, n, at);
    }
    linear_builder_begin(&m->b);
    for (size_t c = 0; c < m->n_cols; c++)
        linear_builder_in(&m->b, m->cols[c]);
    for (size_t r = 0; r < rows; r++)
        linear_builder_out(&m->b, elements[r]);
    linear_builder_end(&m->b, at, 0);
}

/* inverse[output of the term's map] = element, when every output is read exactly once; else NULL
 * (with *status telling whether memory was short). Freed by the caller. */
static uint32_t *outputs_to_elements(const struct term *t, size_t count, mp2ml_status *status)
{
    if (t->rep->lin == NULL || t->rep->lin->lin.n_out != count)
        return NULL;
    uint32_t *inverse = malloc((count + 1) * sizeof *inverse);
    if (inverse == NULL) {
        *status = MP2ML_ERR_MEMORY;
        return NULL;
    }
    memset(inverse, 0xff, (count + 1) * sizeof *inverse);
    for (size_t i = 0; i < count; i++) {
        uint32_t src = t->rep->values[t->map != NULL ? t->map[i] : i].src;
        if (src == REP_CONSTANT || inverse[src] != UINT32_MAX) {
            free(inverse);
            return NULL;
        }
        inverse[src] = (uint32_t)i;
    }
    return inverse;
}

/* Groups follow those of the first term where that is possible, else one row a group. */
static mp2ml_status explicit_all(struct merge *m, const struct term *terms, unsigned n_terms,
                                 size_t count)
{
    mp2ml_status status = MP2ML_OK;
    uint32_t *inverse = outputs_to_elements(&terms[0], count, &status);
    if (status != MP2ML_OK)
        return status;
    if (inverse == NULL) {
        for (size_t i = 0; i < count && !m->b.failed; i++) {
            uint32_t element = (uint32_t)i;
            explicit_group(m, terms, n_terms, &element, 1);
        }
        return MP2ML_OK;
    }
    const struct linear *lead = &terms[0].rep->lin->lin;
    uint32_t *elements = malloc((count + 1) * sizeof *elements);
    for (size_t g = 0; elements != NULL && g < lead->n_groups && !m->b.failed; g++) {
        const struct linear_group *group = &lead->groups[g];
        for (size_t r = 0; r < group->rows; r++)
            elements[r] = inverse[linear_out(lead, group, r)];
        explicit_group(m, terms, n_terms, elements, group->rows);
    }
    status = elements != NULL ? MP2ML_OK : MP2ML_ERR_MEMORY;
    free(elements);
    free(inverse);
    return status;
}

/* ---- a sum of two ---------------------------------------------------------------------------- */

/* Bases of a, then those of b that are new; moved[] = where b's base values are now. */
static mp2ml_status join_bases(const struct plan *plan, struct rep *joint, const struct rep *a,
                               const struct rep *b, uint32_t **moved)
{
    *joint = (struct rep){.n_bases = a->n_bases, .n_base = a->n_base};
    memcpy(joint->bases, a->bases, sizeof joint->bases);
    *moved = malloc((b->n_base + 1) * sizeof **moved);
    if (*moved == NULL)
        return MP2ML_ERR_MEMORY;
    size_t from = 0;
    for (unsigned i = 0; i < b->n_bases; i++) {
        size_t count = plan->pub.steps[b->bases[i]].count, to = 0;
        unsigned j = 0;
        for (; j < joint->n_bases && joint->bases[j] != b->bases[i]; j++)
            to += plan->pub.steps[joint->bases[j]].count;
        if (j == PLAN_MAX_OPERANDS) {
            free(*moved);
            *moved = NULL;
            return MP2ML_ERR_PLAN;
        }
        if (j == joint->n_bases) {
            joint->bases[joint->n_bases++] = b->bases[i];
            joint->n_base += count;
        }
        for (size_t v = 0; v < count; v++)
            (*moved)[from + v] = (uint32_t)(to + v);
        from += count;
    }
    return MP2ML_OK;
}

mp2ml_status merge_add(const struct plan *plan, struct rep *out, const struct rep *a,
                       const uint32_t *map_a, const struct rep *b, const uint32_t *map_b,
                       double sign, size_t count)
{
    struct rep joint;
    uint32_t *moved = NULL;
    TRY(join_bases(plan, &joint, a, b, &moved));
    struct term terms[2] = {{a, map_a, NULL, 1.0}, {b, map_b, moved, sign}};
    bool b_leads = a->lin == NULL || (b->lin != NULL && linear_products(&b->lin->lin) >
                                                            linear_products(&a->lin->lin));
    if (b_leads) {
        struct term first = terms[1];
        terms[1] = terms[0];
        terms[0] = first;
    }
    struct merge m;
    struct linear lin = {0};
    mp2ml_status status = merge_init(&m, plan, &joint, count);
    if (status == MP2ML_OK)
        status = explicit_all(&m, terms, 2, count);
    if (status == MP2ML_OK)
        status = linear_builder_take(&m.b, &lin);
    if (status == MP2ML_OK)
        status = rep_of_linear(out, &joint, &lin);
    merge_wipe(&m);
    free(moved);
    return status;
}

/* ---- a representation as a step's map -------------------------------------------------------- */

static bool unscaled(const struct rep *rep)
{
    for (size_t i = 0; i < rep->count; i++)
        if (rep->values[i].scale < 1.0f || rep->values[i].scale > 1.0f)
            return false;
    return true;
}

static void *copy_of(const void *data, size_t n, size_t size)
{
    void *copy = malloc((n != 0 ? n : 1) * size);
    if (copy != NULL && n != 0)
        memcpy(copy, data, n * size);
    return copy;
}

/* A copy of the map but for its constants. */
static mp2ml_status copy_map(struct linear *made, const struct linear *from)
{
    *made = *from;
    made->b = NULL;
    made->groups = copy_of(from->groups, from->n_groups, sizeof *made->groups);
    made->index = copy_of(from->index, from->n_index, sizeof *made->index);
    made->w = copy_of(from->w, from->n_weights, sizeof *made->w);
    if (made->groups != NULL && made->index != NULL && made->w != NULL)
        return MP2ML_OK;
    linear_wipe(made);
    return MP2ML_ERR_MEMORY;
}

/* The map itself, moved when nobody else holds it, with its outputs renumbered. */
static mp2ml_status renumber(struct linear *out, struct rep *in, const uint32_t *inverse)
{
    struct linear *from = &in->lin->lin, made = *from;
    double *own = calloc(2 * in->count + 1, sizeof *own), *b = own + in->count;
    if (own == NULL)
        return MP2ML_ERR_MEMORY;
    linear_get_constants(from, own);
    for (size_t o = 0; o < in->count; o++)
        b[inverse[o]] = own[o] + in->values[inverse[o]].offset;
    mp2ml_status status = MP2ML_OK;
    if (in->lin->refs == 1)
        memset(from, 0, sizeof *from);
    else
        status = copy_map(&made, from);
    bool same = true;
    for (size_t o = 0; o < in->count; o++)
        same = same && inverse[o] == o;
    if (status == MP2ML_OK && !same)
        status = linear_renumber(&made, inverse);
    if (status == MP2ML_OK)
        status = linear_set_constants(&made, b);
    free(own);
    if (status != MP2ML_OK)
        linear_wipe(&made);
    else
        *out = made;
    return status;
}

mp2ml_status merge_finish(const struct plan *plan, struct linear *out, struct rep *in)
{
    mp2ml_status status = MP2ML_OK;
    struct term term = {in, NULL, NULL, 1.0};
    if (in->lin != NULL && unscaled(in)) {
        uint32_t *inverse = outputs_to_elements(&term, in->count, &status);
        if (status != MP2ML_OK)
            return status;
        if (inverse != NULL) {
            status = renumber(out, in, inverse);
            free(inverse);
            return status;
        }
    }
    struct merge m;
    status = merge_init(&m, plan, in, in->count);
    if (status == MP2ML_OK)
        status = explicit_all(&m, &term, 1, in->count);
    if (status == MP2ML_OK)
        status = linear_builder_take(&m.b, out);
    merge_wipe(&m);
    return status;
}
