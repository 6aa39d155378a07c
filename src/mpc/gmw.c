/* SPDX-License-Identifier: Apache-2.0
 *
 * GMW with triples [Beaver]: to AND x and y the parties open d = x ^ a and e = y ^ b, which the
 * random a and b hide. A frame holds, for each AND of the layer, n bits of d and then n bits of e.
 */
#include "mpc/gmw.h"

#include <string.h>

#include "mpc/triples.h"

static mp2ml_status layer_take(struct mpc *m, struct gmw_layer *l, size_t n, unsigned ands)
{
    const size_t plane_bytes = mpc_words(n) * sizeof(uint64_t);
    bool complete = true;
    for (unsigned i = 0; i < 2; i++) {
        l->own[i] = arena_take(m->arena, ands, plane_bytes);
        l->peer[i] = arena_take(m->arena, ands, plane_bytes);
        complete = complete && l->own[i] != NULL && l->peer[i] != NULL;
    }
    l->bits = 2 * n * ands;
    l->sent = arena_take(m->arena, bits_size(l->bits, 1), 1);
    l->received = arena_take(m->arena, bits_size(l->bits, 1), 1);
    if (!complete || l->sent == NULL || l->received == NULL)
        return MP2ML_ERR_MEMORY;
    return MP2ML_OK;
}

/* Masks and sends the inputs of gates first .. first + ands - 1. */
static mp2ml_status layer_open(struct mpc *m, uint16_t step, const struct circuit *c,
                               unsigned first, unsigned ands, struct gmw_job *job)
{
    const size_t n = job->n, words = mpc_words(n);
    struct gmw_layer *l = &job->layer;
    TRACE(m->trace, AND, n * ands);
    TRY(layer_take(m, l, n, ands));
    size_t at = 0;
    for (size_t i = 0; i < ands; i++) {
        const struct circuit_gate *g = &c->gate[first + i];
        const size_t plane = i * words;
        const size_t triple = (job->used + i) * words;
        m->kernels->and_open(l->own[0] + plane, l->own[1] + plane, job->wires + g->left * words,
                             job->wires + g->right * words, job->triples.a + triple,
                             job->triples.b + triple, words);
        mpc_plane_pack(l->sent, &at, l->own[0] + plane, n);
        mpc_plane_pack(l->sent, &at, l->own[1] + plane, n);
    }
    return mpc_exchange_begin(m, FRAME_AND_OPEN, step, l->sent, l->bits);
}

static mp2ml_status layer_close(struct mpc *m, uint16_t step, const struct circuit *c,
                                unsigned first, unsigned ands, struct gmw_job *job)
{
    const size_t n = job->n, words = mpc_words(n);
    struct gmw_layer *l = &job->layer;
    TRACE(m->trace, AND, n * ands);
    TRY(mpc_exchange_end(m, FRAME_AND_OPEN, step, l->received, l->bits));
    size_t at = 0;
    for (size_t i = 0; i < ands; i++) {
        const size_t plane = i * words;
        const size_t triple = (job->used + i) * words;
        mpc_plane_unpack(l->peer[0] + plane, l->received, &at, n);
        mpc_plane_unpack(l->peer[1] + plane, l->received, &at, n);
        const uint64_t *d[2] = {l->own[0] + plane, l->peer[0] + plane};
        const uint64_t *e[2] = {l->own[1] + plane, l->peer[1] + plane};
        const uint64_t *abc[3] = {job->triples.a + triple, job->triples.b + triple,
                                  job->triples.c + triple};
        m->kernels->and_close(job->wires + (2 * c->bits + first + i) * words, d, e, abc,
                              m->party == PARTY_SERVER ? UINT64_MAX : 0, words);
    }
    job->used += ands;
    return MP2ML_OK;
}

static void run_local(const struct mpc *m, const struct circuit *c, unsigned gate, uint64_t *wires,
                      size_t words)
{
    const struct circuit_gate *g = &c->gate[gate];
    uint64_t *out = wires + (2 * c->bits + gate) * words;
    const uint64_t *left = wires + g->left * words;
    const uint64_t *right = wires + g->right * words;
    if (g->op == CIRCUIT_XOR) {
        for (size_t i = 0; i < words; i++)
            out[i] = left[i] ^ right[i];
    } else { /* NOT: one party flips its share */
        const uint64_t flip = m->party == PARTY_SERVER ? UINT64_MAX : 0;
        for (size_t i = 0; i < words; i++)
            out[i] = left[i] ^ flip;
    }
}

/* A layer of all jobs: the frames of the others are under way while one is worked on. */
static mp2ml_status run_layer(struct mpc *m, uint16_t step, const struct circuit *c, unsigned first,
                              unsigned ands, struct gmw_job *jobs, unsigned count)
{
    const size_t mark = arena_mark(m->arena);
    for (unsigned j = 0; j < count; j++)
        TRY(layer_open(m, step, c, first, ands, &jobs[j]));
    for (unsigned j = 0; j < count; j++)
        TRY(layer_close(m, step, c, first, ands, &jobs[j]));
    arena_rewind(m->arena, mark);
    return MP2ML_OK;
}

mp2ml_status gmw_run(struct mpc *m, uint16_t step, const struct circuit *c, struct gmw_job *jobs,
                     unsigned count)
{
    for (unsigned gate = 0; gate < c->gates;) {
        const unsigned ands = circuit_layer(c, gate);
        for (unsigned j = 0; ands == 0 && j < count; j++)
            run_local(m, c, gate, jobs[j].wires, mpc_words(jobs[j].n));
        if (ands > 0)
            TRY(run_layer(m, step, c, gate, ands, jobs, count));
        gate += ands > 0 ? ands : 1;
    }
    return MP2ML_OK;
}

/* The planes of (x + 2^(blind-1)) / 2^blind at the server, of x / 2^blind at the client, both
 * rounded down: with half a step added at one of them the rounding errs to both sides alike. */
static mp2ml_status slice_share(struct mpc *m, uint64_t *planes, const uint64_t *x, size_t n,
                                unsigned k, unsigned blind)
{
    if (blind > 0) {
        const uint64_t half = m->party == PARTY_SERVER ? (uint64_t)1 << (blind - 1) : 0;
        uint64_t *high = arena_take(m->arena, n, sizeof *high);
        if (high == NULL)
            return MP2ML_ERR_MEMORY;
        for (size_t i = 0; i < n; i++)
            high[i] = ((x[i] + half) & mpc_ring_mask(k)) >> blind;
        x = high;
    }
    m->kernels->slice(planes, mpc_words(n), x, n, k - blind);
    return MP2ML_OK;
}

mp2ml_status gmw_sign_begin(struct mpc *m, struct gmw_job *job, const uint64_t *x, size_t n,
                            unsigned k, unsigned blind)
{
    const size_t words = mpc_words(n);
    struct circuit c;
    circuit_sign(&c, k - blind);
    *job = (struct gmw_job){.n = n};
    job->wires = arena_take(m->arena, 2 * c.bits + c.gates, words * sizeof *job->wires);
    if (job->wires == NULL)
        return MP2ML_ERR_MEMORY;
    TRY(triples_take(m, &job->triples, n, c.ands));
    /* A party's share of the other's input bits is zero, as the arena's memory is. */
    const size_t mark = arena_mark(m->arena);
    uint64_t *own = m->party == PARTY_SERVER ? job->wires : job->wires + c.bits * words;
    TRY(slice_share(m, own, x, n, k, blind));
    arena_rewind(m->arena, mark);
    return MP2ML_OK;
}

mp2ml_status gmw_signs(struct mpc *m, uint16_t step, uint64_t *const *d, struct gmw_job *jobs,
                       unsigned count, unsigned k, unsigned blind)
{
    struct circuit c;
    circuit_sign(&c, k - blind);
    TRY(gmw_run(m, step, &c, jobs, count));
    for (unsigned j = 0; j < count; j++) {
        const size_t words = mpc_words(jobs[j].n);
        memcpy(d[j], jobs[j].wires + c.result * words, words * sizeof *d[j]);
    }
    return MP2ML_OK;
}

mp2ml_status gmw_sign(struct mpc *m, uint16_t step, uint64_t *d, const uint64_t *x, size_t n,
                      unsigned k)
{
    const size_t mark = arena_mark(m->arena);
    struct gmw_job job;
    TRY(gmw_sign_begin(m, &job, x, n, k, 0));
    TRY(gmw_signs(m, step, &d, &job, 1, k, 0));
    arena_rewind(m->arena, mark);
    return MP2ML_OK;
}
