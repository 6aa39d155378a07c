/* SPDX-License-Identifier: Apache-2.0
 *
 * Triples from two random OTs [Gilboa's product on bits] without a message: a party that sends
 * (r, r ^ a) to the choice b of the other shares the cross term a & b as r at the sender and r ^ (a
 * & b) at the receiver. One random OT in each direction gives both cross terms, and the random
 * choices and messages are themselves the random a and b. */
#include "mpc/triples.h"

#include <string.h>

/* One plane of OTs in each direction; the server sends first. */
static void take_plane(struct mpc *m, uint64_t *m0, uint64_t *m1, uint64_t *got, uint64_t *choice,
                       size_t n)
{
    if (m->party == PARTY_SERVER)
        ot_take_send_bits(m->ot, m0, m1, n);
    ot_take_recv_bits(m->ot, got, choice, n);
    if (m->party == PARTY_CLIENT)
        ot_take_send_bits(m->ot, m0, m1, n);
#ifdef MP2ML_TEST_HOOKS
    if (m->control & MPC_CONTROL_TRIPLES) {
        memset(m0, 0, mpc_words(n) * sizeof *m0);
        memset(m1, 0, mpc_words(n) * sizeof *m1);
        memset(got, 0, mpc_words(n) * sizeof *got);
        memset(choice, 0, mpc_words(n) * sizeof *choice);
    }
#endif
}

mp2ml_status triples_take(struct mpc *m, struct triples *t, size_t n, unsigned count)
{
    const size_t words = mpc_words(n);
    t->a = arena_take(m->arena, count, words * sizeof *t->a);
    t->b = arena_take(m->arena, count, words * sizeof *t->b);
    t->c = arena_take(m->arena, count, words * sizeof *t->c);
    const size_t mark = arena_mark(m->arena);
    TRACE(m->trace, HASH, 2 * count * n);
    uint64_t *sent = arena_take(m->arena, words, sizeof *sent);
    uint64_t *got = arena_take(m->arena, words, sizeof *got);
    if (t->a == NULL || t->b == NULL || t->c == NULL || sent == NULL || got == NULL)
        return MP2ML_ERR_MEMORY;
    for (size_t p = 0; p < count; p++) {
        uint64_t *a = t->a + p * words;
        uint64_t *b = t->b + p * words;
        uint64_t *c = t->c + p * words;
        take_plane(m, sent, a, got, b, n);
        for (size_t i = 0; i < words; i++) {
            a[i] ^= sent[i];
            c[i] = (a[i] & b[i]) ^ sent[i] ^ got[i];
        }
    }
    arena_rewind(m->arena, mark);
    return MP2ML_OK;
}
