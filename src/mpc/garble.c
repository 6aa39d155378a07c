/* SPDX-License-Identifier: Apache-2.0
 *
 * Frames, inputs, gates and rows of garbled circuits; the server's half of each function above the
 * client's. The algebra is in the kernels, the order of tweaks and tables here.
 *
 * Security: labels are hashed by MITCCRH under R of 127 random bits, each lane of each hash under a
 * tweak of its own, so that a tweak meets two labels at most, X and X ^ R [eprint 2019/1168,
 * section 7]. The key domain is not that of the transfers, so a row that is a label has no hash in
 * common with rows that are hashed. */
#include "mpc/garble.h"

#include <assert.h>
#include <string.h>

#define PART ((size_t)128) /* lanes hashed together */

mp2ml_status garble_begin(struct garble *g, struct mpc *m, uint16_t step, size_t frame_room)
{
    memset(g, 0, sizeof *g);
    g->m = m;
    g->step = step;
    g->garbler = m->party == PARTY_SERVER;
    g->hash = ot_garbling_hash(m->ot);
    g->kernels = garble_kernels_pick();
    g->hashed = arena_take(m->arena, 4 * PART, sizeof *g->hashed);
    g->ones = arena_take(m->arena, mpc_words(GARBLE_LANES), sizeof *g->ones);
    g->word = arena_take(m->arena, GARBLE_LANES, sizeof *g->word);
    g->choice = arena_take(m->arena, GARBLE_GROUP_BITS / 8 + 8, 1);
    g->frame = arena_take(m->arena, frame_room, 1);
    g->frame_room = frame_room;
    if (g->hashed == NULL || g->ones == NULL || g->word == NULL || g->choice == NULL ||
        g->frame == NULL)
        return MP2ML_ERR_MEMORY;
    if (g->garbler)
        g->offset = ot_offset(m->ot);
    memset(g->ones, 0xff, mpc_words(GARBLE_LANES) * sizeof *g->ones);
    return MP2ML_OK;
}

void garble_end(struct garble *g)
{
    secret_wipe(&g->offset, sizeof g->offset);
}

/* ---- inputs --------------------------------------------------------------------------------- */

mp2ml_status garble_choices_begin(struct garble *g, size_t bits)
{
    assert(bits <= GARBLE_GROUP_BITS);
    TRY(ot_reserve(g->m->ot, g->step, g->garbler ? bits : 0, g->garbler ? 0 : bits));
    g->choice_bits = bits;
    g->choice_at = 0;
    return MP2ML_OK;
}

void garble_choices_add(struct garble *g, const uint64_t *plane, size_t n)
{
    assert(!g->garbler && g->choice_at + n <= g->choice_bits);
    mpc_plane_pack(g->choice, &g->choice_at, plane, n);
}

/* CT: leaks the number of bits. */
static void mask_choices(struct garble *g)
{
    for (size_t done = 0; done < g->choice_bits; done += 64 * GARBLE_LANES) {
        const size_t left = g->choice_bits - done;
        const size_t n = left < 64 * GARBLE_LANES ? left : 64 * GARBLE_LANES;
        ot_next_choices(g->m->ot, done, g->word, n);
#ifdef MP2ML_TEST_HOOKS
        if (g->m->control & MPC_CONTROL_KEYS)
            memset(g->word, 0, GARBLE_LANES * sizeof *g->word);
#endif
        for (size_t i = 0; i < bits_size(n, 1); i++)
            g->choice[done / 8 + i] ^= (uint8_t)(g->word[i / 8] >> 8 * (i % 8));
    }
}

mp2ml_status garble_choices_end(struct garble *g)
{
    const size_t bytes = bits_size(g->choice_bits, 1);
    g->choice_at = g->garbler ? 0 : g->choice_at;
    if (g->garbler) {
        TRY(frame_recv(g->m->link, FRAME_OT_CHOICE, g->step, g->choice, bytes));
        return bits_padding_is_zero(g->choice, g->choice_bits) ? MP2ML_OK : MP2ML_ERR_PROTOCOL;
    }
    assert(g->choice_at == g->choice_bits);
    mask_choices(g);
    return frame_send(g->m->link, FRAME_OT_CHOICE, g->step, g->choice, bytes);
}

void garble_input(struct garble *g, struct block *label, size_t n)
{
    if (g->garbler)
        ot_take_send_rows(g->m->ot, label, n);
    else
        ot_take_recv_rows(g->m->ot, label, n);
#ifdef MP2ML_TEST_HOOKS
    if (g->m->control & MPC_CONTROL_KEYS)
        memset(label, 0, n * sizeof *label);
#endif
    if (!g->garbler)
        return;
    mpc_plane_unpack(g->word, g->choice, &g->choice_at, n);
    g->kernels->flip(label, g->word, &g->offset, n);
}

/* ---- frames --------------------------------------------------------------------------------- */

size_t garble_frame_bytes(size_t blocks, size_t row_bits)
{
    return blocks * sizeof(struct block) + bits_size(row_bits, 1);
}

mp2ml_status garble_frame_begin(struct garble *g, size_t blocks, size_t row_bits)
{
    const size_t bytes = garble_frame_bytes(blocks, row_bits);
    assert(bytes <= g->frame_room);
    g->blocks = blocks;
    g->block_at = 0;
    g->row_at = blocks * 8 * sizeof(struct block);
    g->bits = g->row_at + row_bits;
    if (g->garbler)
        return MP2ML_OK;
    TRY(frame_recv(g->m->link, FRAME_GARBLED, g->step, g->frame, bytes));
    return bits_padding_is_zero(g->frame, g->bits) ? MP2ML_OK : MP2ML_ERR_PROTOCOL;
}

mp2ml_status garble_frame_end(struct garble *g)
{
    assert(g->block_at == g->blocks && g->row_at == g->bits);
    if (!g->garbler)
        return MP2ML_OK;
    return frame_send(g->m->link, FRAME_GARBLED, g->step, g->frame, bits_size(g->bits, 1));
}

mp2ml_status garble_group_end(struct garble *g)
{
    return g->garbler ? channel_flush(link_channel(g->m->link)) : MP2ML_OK;
}

/* The place of the next n blocks of tables. */
static struct block *next_table(struct garble *g, size_t n)
{
    assert(g->block_at + n <= g->blocks);
    struct block *table = (struct block *)(void *)g->frame + g->block_at; /* 64-byte aligned */
    g->block_at += n;
    return table;
}

/* ---- gates ---------------------------------------------------------------------------------- */

void garble_constant(const struct garble *g, struct block *label, unsigned value, size_t n)
{
    const struct block none = {0, 0};
    for (size_t i = 0; i < n; i++)
        label[i] = value != 0 ? g->offset : none; /* value is public */
}

void garble_xor(const struct garble *g, struct block *out, const struct block *a,
                const struct block *b, unsigned value, size_t n)
{
    const struct block none = {0, 0};
    g->kernels->add(out, a, b, value != 0 ? &g->offset : &none, n);
}

void garble_not(const struct garble *g, struct block *label, size_t n)
{
    if (g->garbler)
        g->kernels->flip(label, g->ones, &g->offset, n);
}

void garble_xor_known(const struct garble *g, struct block *label, const uint64_t *plane, size_t n)
{
    if (g->garbler)
        g->kernels->flip(label, plane, &g->offset, n);
}

static uint64_t take_tweaks(struct garble *g, size_t n)
{
#ifdef MP2ML_TEST_HOOKS
    if (g->m->control & MPC_CONTROL_TWEAKS)
        return 0;
#endif
    return ot_garbling_tweaks(g->m->ot, n);
}

/* Of n labels: out, and at the garbler those of the labels of 1 behind, `apart` further on. */
static struct garble_hash hash_labels(struct garble *g, struct block *out, size_t apart,
                                      const struct block *label, uint64_t tweak, size_t n)
{
    const struct garble_hash h = {out, g->garbler ? out + apart : NULL};
    if (g->garbler)
        tccr_hash_pair(g->hash, out, out + apart, label, &g->offset, tweak, n);
    else
        tccr_hash(g->hash, out, label, tweak, n, 1);
#ifdef MP2ML_TEST_HOOKS
    if (g->m->control & MPC_CONTROL_PADS) {
        memset(out, 0, n * sizeof *out);
        memset(out + apart, 0, (g->garbler ? n : 0) * sizeof *out);
    }
#endif
    return h;
}

void garble_and(struct garble *g, struct block *sum, const struct block *a, const struct block *b,
                size_t n)
{
    struct block *table = next_table(g, 2 * n);
    const uint64_t tweak = take_tweaks(g, 2 * n);
    for (size_t i = 0; i < n; i += PART) {
        const size_t part = n - i < PART ? n - i : PART;
        const struct garble_hash of_a = hash_labels(g, g->hashed, PART, a + i, tweak + i, part);
        const struct garble_hash of_b =
            hash_labels(g, g->hashed + 2 * PART, PART, b + i, tweak + n + i, part);
        if (g->garbler)
            g->kernels->garble_and(sum + i, table + i, table + n + i, a + i, b + i, &of_a, &of_b,
                                   &g->offset, part);
        else
            g->kernels->evaluate_and(sum + i, table + i, table + n + i, a + i, b + i, &of_a, &of_b,
                                     part);
    }
}

void garble_and_known(struct garble *g, struct block *out, const uint64_t *known,
                      const struct block *b, size_t n)
{
    struct block *table = next_table(g, n);
    const uint64_t tweak = take_tweaks(g, n);
    for (size_t i = 0; i < n; i += PART) { /* a multiple of 64: whole words of the plane */
        const size_t part = n - i < PART ? n - i : PART;
        const struct garble_hash of_b = hash_labels(g, g->hashed, PART, b + i, tweak + i, part);
        if (g->garbler)
            g->kernels->garble_known(out + i, table + i, known + i / 64, b + i, &of_b, &g->offset,
                                     part);
        else
            g->kernels->evaluate_known(out + i, table + i, b + i, &of_b, part);
    }
}

/* The carry c' = c ^ ((a ^ c) & (x ^ c)), a the known bit; nothing comes into bit 0, where c' = a &
 * x. */
void garble_sum(struct garble *g, struct block *sum, const struct block *x, size_t stride,
                const uint64_t *known, size_t words, size_t n, unsigned bits, bool whole,
                struct block *work)
{
    struct block *carry = work, *left = work + n, *right = work + 2 * n;
    for (unsigned i = 0; i < bits; i++, x += stride) {
        const uint64_t *plane = known + i * words;
        const bool top = i + 1 == bits;
        if (i == 0) {
            memcpy(right, x, n * sizeof *right);
            garble_and_known(g, carry, plane, x, n);
        } else {
            garble_xor(g, right, x, carry, 0, n);
            if (!top) {
                memcpy(left, carry, n * sizeof *left);
                garble_xor_known(g, left, plane, n);
                garble_and(g, carry, left, right, n);
            }
        }
        if (whole || top) {
            struct block *out = whole ? sum + i * stride : sum;
            memcpy(out, right, n * sizeof *out);
            garble_xor_known(g, out, plane, n);
        }
    }
}

/* ---- numbers -------------------------------------------------------------------------------- */

void garble_pads(struct garble *g, struct garble_pads *p, const struct block *label, size_t n)
{
    assert(n <= GARBLE_LANES);
    p->hash = hash_labels(g, p->memory, GARBLE_LANES, label, take_tweaks(g, n), n);
}

void garble_project(struct garble *g, uint64_t *number, const struct garble_pads *p,
                    const struct block *label, const uint64_t *factor, size_t n,
                    struct garble_slice slice)
{
    assert(n <= GARBLE_LANES && g->row_at + n * slice.bits <= g->bits);
    if (g->garbler) {
        g->kernels->project_send(number, g->word, label, &p->hash, factor, n, slice);
        bits_pack(g->frame, &g->row_at, g->word, n, slice.bits);
    } else {
        bits_unpack(g->word, g->frame, &g->row_at, n, slice.bits);
        g->kernels->project_recv(number, g->word, label, &p->hash, n, slice);
    }
}

void garble_transfer(struct garble *g, uint64_t *share, const struct garble_pads *p,
                     const uint64_t *z, const uint64_t *plane, size_t n, unsigned place,
                     struct garble_slice slice)
{
    assert(n <= GARBLE_LANES && g->row_at + n * slice.bits <= g->bits);
    if (g->garbler) {
        g->kernels->transfer_send(share, g->word, &p->hash, z, n, place, slice);
        bits_pack(g->frame, &g->row_at, g->word, n, slice.bits);
    } else {
        bits_unpack(g->word, g->frame, &g->row_at, n, slice.bits);
        g->kernels->transfer_recv(share, g->word, &p->hash, plane, n, place, slice);
    }
}
