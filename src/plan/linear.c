/* SPDX-License-Identifier: Apache-2.0
 *
 * Linear maps of dense blocks with gathered inputs: making and freeing. */
#include "plan/linear.h"

#include <stdlib.h>
#include <string.h>

#include "plan/linear_build.h"

void linear_wipe(struct linear *lin)
{
    free(lin->groups);
    free(lin->index);
    free(lin->w);
    free(lin->b);
    free(lin->wi);
    free(lin->bi);
    free(lin->norm2);
    free(lin->negative);
    free(lin->lost);
    memset(lin, 0, sizeof *lin);
}

uint64_t linear_products(const struct linear *lin)
{
    uint64_t sum = 0;
    for (size_t g = 0; g < lin->n_groups; g++)
        sum += (uint64_t)lin->groups[g].rows * lin->groups[g].cols;
    return sum;
}

static uint64_t hash_bytes(uint64_t h, const void *data, size_t n)
{
    const uint8_t *p = data;
    for (; n >= 8; n -= 8, p += 8) {
        uint64_t v;
        memcpy(&v, p, 8);
        h = (h ^ v) * 0x9e3779b97f4a7c15u;
        h ^= h >> 29;
    }
    for (; n > 0; n--)
        h = (h ^ *p++) * 0x100000001b3u;
    return h ^ (h >> 32);
}

static bool same_weights(const struct linear_group *a, const struct linear_group *b)
{
    return a->weights_at == b->weights_at && a->col_at == b->col_at && a->cols == b->cols &&
           a->rows == b->rows;
}

uint32_t *linear_owners(const struct linear *lin)
{
    size_t n = 64;
    while (n < 2 * lin->n_groups)
        n *= 2;
    uint32_t *owner = malloc((lin->n_groups + 1) * sizeof *owner);
    uint32_t *slots = calloc(n, sizeof *slots); /* open addressing, group + 1 */
    for (size_t g = 0; owner != NULL && slots != NULL && g < lin->n_groups; g++) {
        const struct linear_group *group = &lin->groups[g];
        uint64_t key = (uint64_t)group->weights_at ^ (uint64_t)group->col_at << 32;
        size_t at = (size_t)(key * 0x9e3779b97f4a7c15u >> 20) & (n - 1);
        while (slots[at] != 0 && !same_weights(&lin->groups[slots[at] - 1], group))
            at = (at + 1) & (n - 1);
        if (slots[at] == 0)
            slots[at] = (uint32_t)g + 1;
        owner[g] = slots[at] - 1;
    }
    if (slots == NULL) {
        free(owner);
        owner = NULL;
    }
    free(slots);
    return owner;
}

/* ---- constants of rows ------------------------------------------------------------------------ */

struct row_table { /* groups that have rows of their own: open addressing, group + 1 */
    uint32_t *slots;
    size_t n_slots;
    double *list; /* constants of the group at hand */
};

static bool same_rows(const struct linear *lin, const struct linear_group *old,
                      const struct linear_group *group, const double *list)
{
    return same_weights(old, group) &&
           memcmp(lin->b + old->rows_at, list, group->rows * sizeof *list) == 0;
}

/* Where the rows of a group are; they are put there when they are new, and room is there. */
static size_t find_rows(struct linear *lin, struct row_table *table, size_t g)
{
    const struct linear_group *group = &lin->groups[g];
    const uint64_t key[2] = {group->weights_at, group->col_at};
    uint64_t hash = hash_bytes(group->rows, key, sizeof key);
    hash = hash_bytes(hash, table->list, group->rows * sizeof *table->list);
    size_t at = hash & (table->n_slots - 1);
    for (; table->slots[at] != 0; at = (at + 1) & (table->n_slots - 1)) {
        const struct linear_group *old = &lin->groups[table->slots[at] - 1];
        if (same_rows(lin, old, group, table->list))
            return old->rows_at;
    }
    table->slots[at] = (uint32_t)g + 1;
    if (group->rows != 0)
        memcpy(lin->b + lin->n_rows, table->list, group->rows * sizeof *table->list);
    lin->n_rows += group->rows;
    return lin->n_rows - group->rows;
}

/* Rows of all groups, each counted. */
static size_t count_rows(const struct linear *lin)
{
    size_t n = 0;
    for (size_t g = 0; g < lin->n_groups; g++)
        n += lin->groups[g].rows;
    return n;
}

mp2ml_status linear_set_constants(struct linear *lin, const double *constants)
{
    const size_t all = count_rows(lin);
    struct row_table table = {.n_slots = 64};
    while (table.n_slots < 2 * lin->n_groups)
        table.n_slots *= 2;
    free(lin->b);
    lin->n_rows = 0;
    lin->b = malloc((all + 1) * sizeof *lin->b);
    table.slots = calloc(table.n_slots, sizeof *table.slots);
    table.list = malloc((all + 1) * sizeof *table.list);
    const bool done = lin->b != NULL && table.slots != NULL && table.list != NULL;
    for (size_t g = 0; done && g < lin->n_groups; g++) {
        for (size_t r = 0; r < lin->groups[g].rows; r++)
            table.list[r] = constants[linear_out(lin, &lin->groups[g], r)];
        lin->groups[g].rows_at = find_rows(lin, &table, g);
    }
    free(table.slots);
    free(table.list);
    double *smaller = done ? realloc(lin->b, (lin->n_rows + 1) * sizeof *smaller) : NULL;
    lin->b = smaller != NULL ? smaller : lin->b;
    return done ? MP2ML_OK : MP2ML_ERR_MEMORY;
}

void linear_get_constants(const struct linear *lin, double *constants)
{
    for (size_t g = 0; g < lin->n_groups; g++)
        for (size_t r = 0; r < lin->groups[g].rows; r++)
            constants[linear_out(lin, &lin->groups[g], r)] = lin->b[lin->groups[g].rows_at + r];
}

/* A copy of what is kept of rows, with those of all groups one after the other. */
static void *spread_rows(const struct linear *lin, const void *rows, size_t all, size_t size)
{
    uint8_t *out = malloc((all + 1) * size), *to = out;
    for (size_t g = 0; out != NULL && g < lin->n_groups; g++) {
        const size_t bytes = lin->groups[g].rows * size;
        if (bytes != 0)
            memcpy(to, (const uint8_t *)rows + lin->groups[g].rows_at * size, bytes);
        to += bytes;
    }
    return out;
}

mp2ml_status linear_own_rows(struct linear *lin)
{
    const size_t all = count_rows(lin);
    if (lin->n_rows == all)
        return MP2ML_OK;
    double *b = spread_rows(lin, lin->b, all, sizeof *b);
    uint64_t *bi = lin->bi != NULL ? spread_rows(lin, lin->bi, all, sizeof *bi) : NULL;
    float *norm2 = lin->norm2 != NULL ? spread_rows(lin, lin->norm2, all, sizeof *norm2) : NULL;
    if (b == NULL || (lin->bi != NULL && bi == NULL) || (lin->norm2 != NULL && norm2 == NULL)) {
        free(b);
        free(bi);
        free(norm2);
        return MP2ML_ERR_MEMORY;
    }
    free(lin->b);
    free(lin->bi);
    free(lin->norm2);
    lin->b = b;
    lin->bi = bi;
    lin->norm2 = norm2;
    lin->n_rows = 0;
    for (size_t g = 0; g < lin->n_groups; g++) {
        lin->groups[g].rows_at = lin->n_rows;
        lin->n_rows += lin->groups[g].rows;
    }
    return MP2ML_OK;
}

/* ---- making --------------------------------------------------------------------------------- */

bool linear_grow(void *array, size_t *capacity, size_t need, size_t size)
{
    if (need <= *capacity)
        return true;
    size_t room = *capacity < 16 ? 16 : *capacity;
    while (room < need) {
        if (room > SIZE_MAX / 2 / size)
            return false;
        room *= 2;
    }
    void *old;
    memcpy(&old, array, sizeof old); /* array is the address of some T * */
    void *bigger = realloc(old, room * size);
    if (bigger == NULL)
        return false;
    memcpy(array, &bigger, sizeof bigger);
    *capacity = room;
    return true;
}

void linear_builder_init(struct linear_builder *b, size_t n_in, size_t n_out)
{
    memset(b, 0, sizeof *b);
    b->lin.n_in = n_in;
    b->lin.n_out = n_out;
    b->constants = calloc(n_out != 0 ? n_out : 1, sizeof *b->constants);
    b->failed = b->constants == NULL;
}

void linear_builder_wipe(struct linear_builder *b)
{
    linear_wipe(&b->lin);
    free(b->constants);
    free(b->in);
    free(b->out);
    free(b->col);
    free(b->lists);
    free(b->list_slots);
    free(b->blocks);
    free(b->slots);
    free(b->keys);
    memset(b, 0, sizeof *b);
}

mp2ml_status linear_builder_take(struct linear_builder *b, struct linear *out)
{
    if (b->failed || linear_set_constants(&b->lin, b->constants) != MP2ML_OK) {
        linear_builder_wipe(b);
        return MP2ML_ERR_MEMORY;
    }
    *out = b->lin;
    memset(&b->lin, 0, sizeof b->lin);
    /* Gives back what doubling took too much of the largest arrays; failing is harmless. */
    float *w = out->n_weights != 0 && b->cap_w > out->n_weights
                   ? realloc(out->w, out->n_weights * sizeof *w)
                   : NULL;
    if (w != NULL)
        out->w = w;
    uint32_t *index = out->n_index != 0 ? realloc(out->index, out->n_index * sizeof *index) : NULL;
    if (index != NULL)
        out->index = index;
    linear_builder_wipe(b);
    return MP2ML_OK;
}

static bool block_is(const struct linear_builder *b, const struct linear_block *block,
                     uint64_t hash, const void *key, size_t key_bytes, const float *content,
                     size_t n)
{
    if (block->hash != hash || block->n != n || block->key_bytes != key_bytes ||
        block->by_content != (content != NULL))
        return false;
    if (key_bytes != 0 && memcmp(b->keys + block->key_at, key, key_bytes) != 0)
        return false;
    return content == NULL || n == 0 ||
           memcmp(b->lin.w + block->weights_at, content, n * sizeof *content) == 0;
}

/* Makes room in the table so that at most half of the slots are taken. */
static bool slots_grow(struct linear_builder *b)
{
    if (2 * (b->n_blocks + 1) <= b->n_slots)
        return true;
    size_t n = b->n_slots != 0 ? 2 * b->n_slots : 64;
    uint32_t *slots = calloc(n, sizeof *slots);
    if (slots == NULL || b->n_blocks >= UINT32_MAX - 1) {
        free(slots);
        return false;
    }
    for (size_t i = 0; i < b->n_blocks; i++) {
        size_t at = b->blocks[i].hash & (n - 1);
        while (slots[at] != 0)
            at = (at + 1) & (n - 1);
        slots[at] = (uint32_t)i + 1;
    }
    free(b->slots);
    b->slots = slots;
    b->n_slots = n;
    return true;
}

/* The block, or NULL and the slot where it belongs. */
static const struct linear_block *find_block(const struct linear_builder *b, size_t *slot,
                                             uint64_t hash, const void *key, size_t key_bytes,
                                             const float *content, size_t n)
{
    *slot = hash & (b->n_slots - 1);
    for (; b->slots[*slot] != 0; *slot = (*slot + 1) & (b->n_slots - 1)) {
        const struct linear_block *block = &b->blocks[b->slots[*slot] - 1];
        if (block_is(b, block, hash, key, key_bytes, content, n))
            return block;
    }
    return NULL;
}

/* Notes a block in a free slot. */
static bool add_block(struct linear_builder *b, size_t slot, struct linear_block block,
                      const void *key)
{
    if (!linear_grow(&b->blocks, &b->cap_blocks, b->n_blocks + 1, sizeof *b->blocks) ||
        !linear_grow(&b->keys, &b->cap_keys, b->n_keys + block.key_bytes, 1))
        return false;
    block.key_at = b->n_keys;
    if (block.key_bytes != 0)
        memcpy(b->keys + b->n_keys, key, block.key_bytes);
    b->n_keys += block.key_bytes;
    b->blocks[b->n_blocks] = block;
    b->slots[slot] = (uint32_t)++b->n_blocks;
    return true;
}

bool linear_builder_block(struct linear_builder *b, const void *key, size_t key_bytes,
                          const float *content, size_t n, size_t *weights_at)
{
    *weights_at = 0;
    if (b->failed || !slots_grow(b)) {
        b->failed = true;
        return true; /* nothing to fill */
    }
    uint64_t hash = hash_bytes(n, key, key_bytes);
    if (content != NULL)
        hash = hash_bytes(hash, content, n * sizeof *content);
    size_t slot;
    const struct linear_block *old = find_block(b, &slot, hash, key, key_bytes, content, n);
    if (old != NULL) {
        *weights_at = old->weights_at;
        return true;
    }
    const struct linear_block block = {hash, 0, key_bytes, b->lin.n_weights, n, content != NULL};
    const size_t room = n != 0 ? n : 1; /* so that there is an array, which blocks lie in */
    if (!linear_grow(&b->lin.w, &b->cap_w, b->lin.n_weights + room, sizeof *b->lin.w) ||
        !add_block(b, slot, block, key)) {
        b->failed = true;
        return true;
    }
    *weights_at = b->lin.n_weights;
    b->lin.n_weights += n;
    if (content != NULL && n != 0)
        memcpy(b->lin.w + *weights_at, content, n * sizeof *content);
    return false;
}

bool linear_builder_known(const struct linear_builder *b, const void *key, size_t key_bytes,
                          size_t n, size_t *weights_at)
{
    size_t slot;
    const struct linear_block *block =
        b->n_slots != 0
            ? find_block(b, &slot, hash_bytes(n, key, key_bytes), key, key_bytes, NULL, n)
            : NULL;
    if (block != NULL)
        *weights_at = block->weights_at;
    return block != NULL;
}

void linear_builder_also(struct linear_builder *b, const void *key, size_t key_bytes, size_t n,
                         size_t weights_at)
{
    if (b->failed || !slots_grow(b)) {
        b->failed = true;
        return;
    }
    const uint64_t hash = hash_bytes(n, key, key_bytes);
    size_t slot;
    const struct linear_block block = {hash, 0, key_bytes, weights_at, n, false};
    if (find_block(b, &slot, hash, key, key_bytes, NULL, n) == NULL)
        b->failed = !add_block(b, slot, block, key);
}

/* ---- lists ----------------------------------------------------------------------------------- */

static bool list_slots_grow(struct linear_builder *b)
{
    if (2 * (b->n_lists + 1) <= b->n_list_slots)
        return true;
    size_t n = b->n_list_slots != 0 ? 2 * b->n_list_slots : 64;
    uint32_t *slots = calloc(n, sizeof *slots);
    if (slots == NULL || b->n_lists >= UINT32_MAX - 1) {
        free(slots);
        return false;
    }
    for (size_t i = 0; i < b->n_lists; i++) {
        size_t at = b->lists[i].hash & (n - 1);
        while (slots[at] != 0)
            at = (at + 1) & (n - 1);
        slots[at] = (uint32_t)i + 1;
    }
    free(b->list_slots);
    b->list_slots = slots;
    b->n_list_slots = n;
    return true;
}

/* Where this list is in lin.index; it is put there when it is new. */
static size_t find_list(struct linear_builder *b, const uint32_t *list, size_t n)
{
    struct linear *lin = &b->lin;
    if (b->failed || !list_slots_grow(b)) {
        b->failed = true;
        return 0;
    }
    const uint64_t hash = hash_bytes(n, list, n * sizeof *list);
    size_t at = hash & (b->n_list_slots - 1);
    for (; b->list_slots[at] != 0; at = (at + 1) & (b->n_list_slots - 1)) {
        const struct linear_list *old = &b->lists[b->list_slots[at] - 1];
        if (old->hash == hash && old->n == n &&
            memcmp(lin->index + old->at, list, n * sizeof *list) == 0)
            return old->at;
    }
    if (!linear_grow(&b->lists, &b->cap_lists, b->n_lists + 1, sizeof *b->lists) ||
        !linear_grow(&lin->index, &b->cap_index, lin->n_index + n, sizeof *lin->index)) {
        b->failed = true;
        return 0;
    }
    b->lists[b->n_lists] = (struct linear_list){hash, lin->n_index, n};
    b->list_slots[at] = (uint32_t)++b->n_lists;
    memcpy(lin->index + lin->n_index, list, n * sizeof *list);
    lin->n_index += n;
    return lin->n_index - n;
}

/* Takes the least off all numbers of the list. */
static uint32_t take_base(uint32_t *list, size_t n)
{
    uint32_t base = n != 0 ? list[0] : 0;
    for (size_t i = 0; i < n; i++)
        base = list[i] < base ? list[i] : base;
    for (size_t i = 0; i < n; i++)
        list[i] -= base;
    return base;
}

mp2ml_status linear_renumber(struct linear *lin, const uint32_t *number)
{
    struct linear_builder b = {.lin = *lin, .cap_index = lin->n_index};
    for (size_t g = 0; g < lin->n_groups && !b.failed; g++) {
        struct linear_group *group = &lin->groups[g];
        if (!linear_grow(&b.out, &b.cap_out, (size_t)group->rows + 1, sizeof *b.out)) {
            b.failed = true;
            break;
        }
        for (size_t r = 0; r < group->rows; r++)
            b.out[r] = number[linear_out(&b.lin, group, r)];
        group->out_base = take_base(b.out, group->rows);
        group->out_at = find_list(&b, b.out, group->rows);
    }
    *lin = b.lin; /* its index may have moved */
    memset(&b.lin, 0, sizeof b.lin);
    mp2ml_status status = b.failed ? MP2ML_ERR_MEMORY : MP2ML_OK;
    linear_builder_wipe(&b);
    return status;
}

/* ---- groups ---------------------------------------------------------------------------------- */

void linear_builder_begin(struct linear_builder *b)
{
    struct linear *lin = &b->lin;
    if (b->failed ||
        !linear_grow(&lin->groups, &b->cap_groups, lin->n_groups + 1, sizeof *lin->groups)) {
        b->failed = true;
        return;
    }
    lin->groups[lin->n_groups++] = (struct linear_group){0};
}

static struct linear_group *last_group(struct linear_builder *b)
{
    return &b->lin.groups[b->lin.n_groups - 1];
}

void linear_builder_in(struct linear_builder *b, uint32_t index)
{
    linear_builder_column(b, index, b->failed ? 0 : last_group(b)->cols);
}

void linear_builder_column(struct linear_builder *b, uint32_t index, uint32_t column)
{
    const size_t n = b->failed ? 0 : last_group(b)->cols;
    if (b->failed || !linear_grow(&b->in, &b->cap_in, n + 1, sizeof *b->in) ||
        !linear_grow(&b->col, &b->cap_col, n + 1, sizeof *b->col)) {
        b->failed = true;
        return;
    }
    b->in[n] = index;
    b->col[n] = column;
    last_group(b)->cols++;
}

void linear_builder_out(struct linear_builder *b, uint32_t index)
{
    const size_t n = b->failed ? 0 : last_group(b)->rows;
    if (b->failed || !linear_grow(&b->out, &b->cap_out, n + 1, sizeof *b->out)) {
        b->failed = true;
        return;
    }
    b->out[n] = index;
    last_group(b)->rows++;
}

void linear_builder_end(struct linear_builder *b, size_t weights_at, size_t stride)
{
    if (b->failed)
        return;
    if (last_group(b)->cols == 0) {
        static const char key[] = "no columns";
        const size_t rows = last_group(b)->rows;
        stride = 1;
        linear_builder_in(b, 0);
        if (!linear_builder_block(b, key, sizeof key, NULL, rows, &weights_at))
            memset(b->lin.w + weights_at, 0, rows * sizeof *b->lin.w);
    }
    if (b->failed)
        return;
    struct linear_group *group = last_group(b);
    group->stride = stride != 0 ? (uint32_t)stride : group->cols;
    group->weights_at = weights_at;
    group->in_base = take_base(b->in, group->cols);
    group->out_base = take_base(b->out, group->rows);
    group->in_at = find_list(b, b->in, group->cols);
    group->out_at = find_list(b, b->out, group->rows);
    group->col_at = find_list(b, b->col, group->cols);
}
