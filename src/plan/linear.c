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
    free(lin->in_index);
    free(lin->out_index);
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

uint32_t *linear_owners(const struct linear *lin)
{
    size_t n = 64;
    while (n < 2 * lin->n_groups)
        n *= 2;
    uint32_t *owner = malloc((lin->n_groups + 1) * sizeof *owner);
    uint32_t *slots = calloc(n, sizeof *slots); /* open addressing, group + 1 */
    for (size_t g = 0; owner != NULL && slots != NULL && g < lin->n_groups; g++) {
        size_t block = lin->groups[g].weights_at;
        size_t at = (size_t)((uint64_t)block * 0x9e3779b97f4a7c15u >> 20) & (n - 1);
        while (slots[at] != 0 && lin->groups[slots[at] - 1].weights_at != block)
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
    b->lin.b = calloc(n_out != 0 ? n_out : 1, sizeof *b->lin.b);
    b->failed = b->lin.b == NULL;
}

void linear_builder_wipe(struct linear_builder *b)
{
    linear_wipe(&b->lin);
    free(b->blocks);
    free(b->slots);
    free(b->keys);
    memset(b, 0, sizeof *b);
}

mp2ml_status linear_builder_take(struct linear_builder *b, struct linear *out)
{
    if (b->failed) {
        linear_builder_wipe(b);
        return MP2ML_ERR_MEMORY;
    }
    *out = b->lin;
    memset(&b->lin, 0, sizeof b->lin);
    /* Gives back what doubling took too much of the largest array; failing is harmless. */
    float *w = out->n_weights != 0 ? realloc(out->w, out->n_weights * sizeof *w) : NULL;
    if (w != NULL)
        out->w = w;
    linear_builder_wipe(b);
    return MP2ML_OK;
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
    size_t at = hash & (b->n_slots - 1);
    for (; b->slots[at] != 0; at = (at + 1) & (b->n_slots - 1)) {
        const struct linear_block *block = &b->blocks[b->slots[at] - 1];
        if (block_is(b, block, hash, key, key_bytes, content, n)) {
            *weights_at = block->weights_at;
            return true;
        }
    }
    if (!linear_grow(&b->blocks, &b->cap_blocks, b->n_blocks + 1, sizeof *b->blocks) ||
        !linear_grow(&b->keys, &b->cap_keys, b->n_keys + key_bytes, 1) ||
        !linear_grow(&b->lin.w, &b->cap_w, b->lin.n_weights + n, sizeof *b->lin.w)) {
        b->failed = true;
        return true;
    }
    b->blocks[b->n_blocks] =
        (struct linear_block){hash, b->n_keys, key_bytes, b->lin.n_weights, n, content != NULL};
    b->slots[at] = (uint32_t)++b->n_blocks;
    if (key_bytes != 0)
        memcpy(b->keys + b->n_keys, key, key_bytes);
    b->n_keys += key_bytes;
    *weights_at = b->lin.n_weights;
    b->lin.n_weights += n;
    if (content != NULL && n != 0)
        memcpy(b->lin.w + *weights_at, content, n * sizeof *content);
    return false;
}

void linear_builder_begin(struct linear_builder *b)
{
    struct linear *lin = &b->lin;
    if (b->failed ||
        !linear_grow(&lin->groups, &b->cap_groups, lin->n_groups + 1, sizeof *lin->groups)) {
        b->failed = true;
        return;
    }
    lin->groups[lin->n_groups++] =
        (struct linear_group){0, 0, lin->n_in_index, lin->n_out_index, 0};
}

void linear_builder_in(struct linear_builder *b, uint32_t index)
{
    struct linear *lin = &b->lin;
    if (b->failed ||
        !linear_grow(&lin->in_index, &b->cap_in, lin->n_in_index + 1, sizeof *lin->in_index)) {
        b->failed = true;
        return;
    }
    lin->in_index[lin->n_in_index++] = index;
    lin->groups[lin->n_groups - 1].cols++;
}

void linear_builder_out(struct linear_builder *b, uint32_t index)
{
    struct linear *lin = &b->lin;
    if (b->failed ||
        !linear_grow(&lin->out_index, &b->cap_out, lin->n_out_index + 1, sizeof *lin->out_index)) {
        b->failed = true;
        return;
    }
    lin->out_index[lin->n_out_index++] = index;
    lin->groups[lin->n_groups - 1].rows++;
}

void linear_builder_end(struct linear_builder *b, size_t weights_at)
{
    if (b->failed)
        return;
    struct linear_group *group = &b->lin.groups[b->lin.n_groups - 1];
    if (group->cols == 0) {
        static const char key[] = "no columns";
        linear_builder_in(b, 0);
        if (!linear_builder_block(b, key, sizeof key, NULL, group->rows, &weights_at))
            memset(b->lin.w + weights_at, 0, group->rows * sizeof *b->lin.w);
    }
    if (!b->failed)
        b->lin.groups[b->lin.n_groups - 1].weights_at = weights_at;
}
