/* SPDX-License-Identifier: Apache-2.0
 *
 * Signs block by block: the exchanges of a group's blocks hide behind the work on the others. */
#include "mpc/signs.h"

#include "mpc/gmw.h"

/* Reserves for block after block, so that the rows of one are used while the caches hold them;
 * those of `use` wait in the pool. */
static mp2ml_status group_signs(struct mpc *m, uint16_t step, uint64_t *const *d,
                                const struct signs_job *jobs, unsigned count, unsigned k,
                                unsigned blind, const struct signs_use *use)
{
    const bool server = m->party == PARTY_SERVER;
    const size_t mark = arena_mark(m->arena), ands = k - 1 - blind;
    struct gmw_job gmw[MPC_GROUP_BLOCKS];
    size_t values = 0;
    for (unsigned j = 0; j < count; j++) {
        values += jobs[j].n;
        const size_t now = jobs[j].n * ands;
        const size_t from_server = now + values * use->from_server;
        const size_t from_client = now + values * use->from_client;
        TRY(ot_reserve(m->ot, step, server ? from_server : from_client,
                       server ? from_client : from_server));
        TRY(gmw_sign_begin(m, &gmw[j], jobs[j].in, jobs[j].n, k, blind));
    }
    TRY(gmw_signs(m, step, d, gmw, count, k, blind));
    for (unsigned j = 0; j < count; j++)
        for (size_t i = 0; i < mpc_words(jobs[j].n); i++)
            d[j][i] ^= jobs[j].flip[i];
    arena_rewind(m->arena, mark);
    return MP2ML_OK;
}

static mp2ml_status group_run(struct mpc *m, uint16_t step, const struct signs_job *whole,
                              unsigned k, unsigned blind, const struct signs_use *use)
{
    const size_t mark = arena_mark(m->arena);
    struct signs_job jobs[MPC_GROUP_BLOCKS];
    uint64_t *d[MPC_GROUP_BLOCKS];
    unsigned count = 0;
    const uint64_t *none = arena_take(m->arena, mpc_words(whole->n), sizeof *none); /* zeros */
    const uint64_t *flip = whole->flip != NULL ? whole->flip : none;
    if (none == NULL)
        return MP2ML_ERR_MEMORY;
    for (size_t done = 0; done < whole->n; done += MPC_BLOCK, count++) {
        jobs[count] = (struct signs_job){whole->out + done, whole->in + done, flip + done / 64,
                                         mpc_block(whole->n, done)};
        d[count] = arena_take(m->arena, mpc_words(jobs[count].n), sizeof *d[count]);
        if (d[count] == NULL)
            return MP2ML_ERR_MEMORY;
    }
    TRY(group_signs(m, step, d, jobs, count, k, blind, use));
    for (unsigned j = 0; j < count; j++) {
        const size_t block = arena_mark(m->arena);
        TRY(use->block(m, step, &jobs[j], d[j], use->context));
        arena_rewind(m->arena, block);
    }
    arena_rewind(m->arena, mark);
    return MP2ML_OK;
}

mp2ml_status signs_run(struct mpc *m, uint16_t step, const struct signs_job *whole, unsigned k,
                       unsigned blind, const struct signs_use *use)
{
    mp2ml_status status = MP2ML_OK;
    for (size_t done = 0; done < whole->n && status == MP2ML_OK; done += MPC_GROUP) {
        const size_t left = whole->n - done;
        const struct signs_job group = {whole->out + done, whole->in + done,
                                        whole->flip != NULL ? whole->flip + done / 64 : NULL,
                                        left < MPC_GROUP ? left : MPC_GROUP};
        status = group_run(m, step, &group, k, blind, use);
    }
    return mpc_end(m, status, whole->out, whole->n);
}
