/* SPDX-License-Identifier: Apache-2.0
 *
 * ot: oblivious transfer. A sender holds two messages, a receiver a choice bit; the receiver gets
 * the message of its choice and nothing else, the sender learns nothing. Many random transfers are
 * stretched from 128 base transfers.
 *
 * Words.
 *   direction   who sends. Both directions run in every session; each has its own pool
 *   base OT     Masny-Rindal [eprint 2019/706] over ristretto255; base_ot.c
 *   extension   SoftSpokenOT [eprint 2022/192] with k_ss in {2, 4, 8} and its malicious-receiver
 *               check, one per at most 2^20 transfers; softspoken.c
 *   pool        correlated transfers q = t ^ c*Delta, checked but not yet hashed
 *   random OT   two pseudorandom blocks (k0, k1) at the sender; (c, k_c) at the receiver, c random
 *   row         a transfer of the pool as it is: q at the sender, t = q ^ c*Delta at the receiver
 *
 * The ladder: ot_reserve extends (with I/O); ot_take_* hash transfers out of the pool into random
 * OTs (no I/O); the inline functions below make correlated and 1-of-4 transfers of short integers
 * out of random ones, and leave the sending of corrections and messages to the caller, who puts
 * many of them in one frame. Every transfer is used once.
 *
 * Both parties make the same calls in the same order with sender and receiver swapped. */
#ifndef OT_OT_H
#define OT_OT_H

#include "base/cost.h"
#include "base/status.h"
#include "crypto/crypto.h"
#include "net/frame.h"

enum party { PARTY_SERVER = 0, PARTY_CLIENT = 1 };

struct ot;

/* k_ss = 2, 4 or 8: each step halves traffic and doubles the hashing, roughly. No I/O. Keeps link
 * and prg. */
MUST_CHECK mp2ml_status ot_new(struct ot **out, struct link *link, enum party party, struct prg *g,
                               unsigned k_ss);
/* Wipes and frees; NULL is accepted. */
void ot_free(struct ot *ot);

/* Frames BASE_OT and OT_SETUP: 128 base OTs (the server receives with its Delta, so the server is
 * the first direction's sender), then one extension whose checked outputs are the base OTs of the
 * other direction. sid binds it to the session (H0). begin is the start of the server's BASE_OT, which
 * needs nothing from the client: other frames of either party may follow before end. */
MUST_CHECK mp2ml_status ot_setup_begin(struct ot *ot, const uint8_t sid[32]);
MUST_CHECK mp2ml_status ot_setup_end(struct ot *ot);
/* Takes the hash keys of both directions from T, the hash of the whole set-up. After ot_setup_end,
 * before the first ot_reserve. No I/O. */
MUST_CHECK mp2ml_status ot_start(struct ot *ot, const uint8_t t[32]);

/* Whether the peer's frames take long to come, however little they hold: extensions then send all of
 * their own before they wait. Each party may say what it likes; false at first. */
void ot_set_far(struct ot *ot, bool far);

/* Makes sure that the pools hold at least this many transfers in each direction: one exchange of
 * OT_EXTEND frames (both parties send, then receive) for every 2^20, none where the pools suffice.
 */
MUST_CHECK mp2ml_status ot_reserve(struct ot *ot, uint16_t step, size_t as_sender,
                                   size_t as_receiver);

/* n random OTs out of the pool (ERR_PROTOCOL never; taking more than reserved is a caller's bug).
 * CT: leak n only. */
void ot_take_send(struct ot *ot, struct block *k0, struct block *k1, size_t n);
/* choice: bit i of choice[i / 64] at i % 64; unused bits of the last word are zero. */
void ot_take_recv(struct ot *ot, struct block *kc, uint64_t *choice, size_t n);
/* The same where one bit of each message is enough (Boolean triples): bit-packed like choice. */
void ot_take_send_bits(struct ot *ot, uint64_t *m0, uint64_t *m1, size_t n);
void ot_take_recv_bits(struct ot *ot, uint64_t *mc, uint64_t *choice, size_t n);

/* ---- labels of garbled circuits: the server garbles, with its Delta as the offset -------------- */

/* n rows out of the pool: q at the sender, t = q ^ c*Delta at the receiver. They are used up like
 * any transfers, so a row is either hashed by ot_take_* or a label, never both. Not hashed here:
 * garbling hashes labels under a key domain and tweaks of its own. CT: leaks n only. */
void ot_take_send_rows(struct ot *ot, struct block *q, size_t n);
void ot_take_recv_rows(struct ot *ot, struct block *t, size_t n);
/* The choice bits of n transfers that this party receives, after the next `skip`, packed like
 * choice above; nothing is taken. */
void ot_next_choices(const struct ot *ot, size_t skip, uint64_t *choice, size_t n);
/* Delta of the transfers that this party sends. The server's has bit 0 set, so that the two labels
 * of a wire differ there; the other 127 bits are uniform. Secret: wipe what is copied out. */
struct block ot_offset(const struct ot *ot);
/* The hash of the server's garbling; both parties have it, after ot_start. */
const struct tccr *ot_garbling_hash(const struct ot *ot);
/* The first of n tweaks for it that this session has not used. Both parties ask for the same. */
uint64_t ot_garbling_tweaks(struct ot *ot, uint64_t n);

/* Integers out of a block of a random OT; disjoint slices of one block are independent. */
static inline uint64_t ot_slice(const struct block *key, unsigned at_bit, unsigned bits)
{
    /* at_bit < 128 is public; the shifts below never reach 64. */
    uint64_t low = at_bit < 64 ? key->lo >> at_bit : key->hi >> (at_bit - 64);
    if (at_bit > 0 && at_bit < 64)
        low |= key->hi << (64 - at_bit);
    return bits >= 64 ? low : low & (((uint64_t)1 << bits) - 1);
}

/* The mask of pair (i, j), i and j 0 or 1, in a 1-of-4 transfer out of two random OTs: a is a block
 * of the first (sender: a_i), b of the second (b_j). Slices of `bits` <= 64 bits from at_bit on,
 * at_bit + 2*bits <= 128. The indices enter the pseudorandom function by its output position: pair
 * (i, j) alone uses slice j of a_i and slice i of b_j, so the three masks that a receiver lacks are
 * independent (a_0 ^ b_0 ^ a_0 ^ b_1 ^ ... of plain XORs cancels, and leaks).
 * CT: i and j may be secret. */
static inline uint64_t ot_mask4(const struct block *a, const struct block *b, unsigned i,
                                unsigned j, unsigned at_bit, unsigned bits)
{
    uint64_t of_a =
        mask_select(mask_from_bit(j), ot_slice(a, at_bit + bits, bits), ot_slice(a, at_bit, bits));
    uint64_t of_b =
        mask_select(mask_from_bit(i), ot_slice(b, at_bit + bits, bits), ot_slice(b, at_bit, bits));
    return of_a ^ of_b;
}

#ifdef MP2ML_TEST_HOOKS
/* From now on this party, as a receiver, adds error to the correction of a tree (> 0) at a tile of
 * every extension, and is honest about everything else. tree = 0 ends it. */
void ot_test_cheat(struct ot *ot, unsigned tree, size_t tile, struct block error);
/* From now on this party, as a sender, ignores the outcome of its checks: a control. */
void ot_test_skip_check(struct ot *ot);
#endif

/* ---- cost --------------------------------------------------------------------------------- */

/* What is left in the pools, for exact prediction. Starts at zero after ot_start. */
struct ot_ledger {
    uint64_t from_server, from_client; /* transfers left, by direction of sending */
    unsigned k_ss;
    enum cost_way last; /* way of the last frame of all: the next one may go on with its flight */
};
/* Adds the frames and work of ot_reserve for this many transfers to *sum and updates the ledger. */
void ot_cost_reserve(struct cost *sum, struct ot_ledger *ledger, uint64_t from_server,
                     uint64_t from_client);
/* Takes transfers out of the ledger. */
void ot_cost_take(struct ot_ledger *ledger, uint64_t from_server, uint64_t from_client);
/* The set-up's own frames and work. */
struct cost ot_cost_setup(unsigned k_ss);

#endif
