/* SPDX-License-Identifier: Apache-2.0
 *
 * Public keys that are none: b = 0, a constant, small values at every point, -1. What
 * a client that sends one reads from one reply: nothing of the weights from c1', which b does not
 * enter, nothing from c0', which r hides. Each protection is then taken away alone, and the weights
 * are there. Last, what is not promised: opened values of a chosen query are the weights.
 * Structured c1, a = 0 and one shared encryption of zero: test_ckks_privacy.c. */
#include <math.h>

#include "base/bytes.h"
#include "ckks_fixture.h"
#include "privacy_report.h"
#include "ring/ring.h"

enum { ROWS = 6, K = 12, L = 24 };
static const int16_t secret[ROWS] = {0, 1, -1, 777, -1023, 1023};

enum key { HONEST, ZERO, CONSTANT, SMALL, ALL_Q_MINUS_1, KEYS };

/* Bytes of b, as a client would send them; the reader takes them all. */
static void replace_key(struct fixture *f, enum key kind)
{
    const struct ckks_params *p = f->params;
    uint64_t *b = fixture_alloc(p->primes * p->n, sizeof *b);
    for (unsigned j = 0; j < p->primes; j++)
        for (size_t i = 0; i < p->n; i++) {
            uint64_t *at = b + j * p->n + i;
            /* at the points of the transform, where a constant is the same everywhere */
            *at = kind == CONSTANT        ? p->q[j] / 2
                  : kind == SMALL         ? (i % 2 == 0 ? 3 : p->q[j] - 3)
                  : kind == ALL_Q_MINUS_1 ? p->q[j] - 1
                                          : 0;
        }
    if (kind != HONEST) {
        uint8_t *wire = fixture_alloc(ckks_public_key_bytes(p), 1);
        size_t at = 0;
        for (unsigned j = 0; j < p->primes; j++)
            bits_pack(wire, &at, b + j * p->n, p->n, p->q_bits[j]);
        ckks_public_key_free(f->pk);
        assert_int_equal(ckks_public_key_new(&f->pk, f->ck, f->h0, wire), MP2ML_OK);
        free(wire);
    }
    free(b);
}

/* One reply to one input, a row for each secret weight. `masked` false: r = 0. */
static void reply(struct fixture *f, struct linear *s, bool masked)
{
    linear_init(s, f, 1, ROWS, f->params->n, L, K);
    memcpy(s->weights, secret, sizeof secret);
    for (size_t i = 0; i < f->params->n; i++)
        s->client_x[i] = fixture_draw(f, L);
    if (masked)
        linear_masks(s, f);
    linear_run(s, f, NULL);
}

/* ---- from c1' ------------------------------------------------------------------------------- */

/* The c1 of the only input, in coefficients, from the session's public stream. */
static uint64_t *c1_of(const struct fixture *f, struct ring *ring)
{
    const struct ckks_params *p = f->params;
    uint64_t *c1 = fixture_alloc(p->primes * p->n, sizeof *c1);
    assert_int_equal(ckks_expand_c1(f->ck, f->server_stream, f->counter - 1, f->arena, c1, 1),
                     MP2ML_OK);
    for (unsigned j = 0; j < p->primes; j++)
        ring_intt(ring, j, c1 + j * p->n);
    return c1;
}

static bool close_mod(uint64_t a, uint64_t b, unsigned bits)
{
    const uint64_t mask = ((uint64_t)1 << bits) - 1, d = (a - b) & mask;
    return d <= 1 || d == mask;
}

/* For each row the weight whose multiple of c1, switched, agrees with c1' in most coefficients; how
 * many of those are right. What agrees by chance is 3 of 2^(k+g). */
static size_t weights_in_c1(const struct fixture *f, const struct linear *s)
{
    const struct ckks_params *p = f->params;
    enum { LOOK = 16 };
    struct ring *ring;
    size_t right = 0;
    assert_int_equal(ring_new(&ring, p->log_n, p->q, p->primes), MP2ML_OK);
    uint64_t *c1 = c1_of(f, ring), part[CKKS_MAX_PRIMES * LOOK], switched[LOOK];
    for (size_t row = 0; row < ROWS; row++) {
        unsigned most = 0;
        int best = INT16_MAX;
        for (int w = -CKKS_MAX_WEIGHT; w <= CKKS_MAX_WEIGHT; w++) {
            unsigned agree = 0;
            for (unsigned j = 0; j < p->primes; j++)
                for (size_t i = 0; i < LOOK; i++) {
                    const uint64_t q = p->q[j];
                    const ring_u128 product =
                        (ring_u128)(w < 0 ? q - (uint64_t)-w : (uint64_t)w) * c1[j * p->n + i];
                    part[j * LOOK + i] = (uint64_t)(product % q);
                }
            ckks_switch_residues(f->ck, switched, part, s->k + p->guard_bits, LOOK);
            for (size_t i = 0; i < LOOK; i++)
                agree += close_mod(switched[i], s->c1s[row * p->n + i], s->k + p->guard_bits);
            if (agree > most) {
                most = agree;
                best = w;
            }
        }
        right += most > LOOK / 2 && best == secret[row];
    }
    ring_free(ring);
    free(c1);
    return right;
}

static void c1_shows_nothing(void **state)
{
    (void)state;
    const struct ckks_test_hooks bare = {.no_rerandomisation = true};
    size_t most = 0, least = ROWS;
    for (unsigned set = 1; set <= 2; set++)
        for (unsigned kind = HONEST; kind < KEYS; kind++)
            for (unsigned control = 0; control < 2; control++) {
                struct fixture f;
                struct linear s;
                fixture_init(&f, set, (uint8_t)(50 + kind));
                replace_key(&f, (enum key)kind);
                if (control)
                    ckks_set_test_hooks(f.ck, &bare);
                reply(&f, &s, true);
                const size_t right = weights_in_c1(&f, &s);
                if (control)
                    least = right < least ? right : least;
                else
                    most = right > most ? right : most;
                linear_wipe(&s);
                fixture_wipe(&f);
            }
    assert_int_equal(most, 0);
    assert_int_equal(least, ROWS);
    privacy_report(3, "weights of 6 read from c1' under a malformed public key", (double)most, 1,
                   (double)least);
}

/* ---- from c0' ------------------------------------------------------------------------------- */

/* With b = 0 the client knows the phase of c0 but for the weight: it guesses the weight, switches
 * and compares, as above. */
static size_t weights_in_c0(const struct fixture *f, const struct linear *s)
{
    const struct ckks_params *p = f->params;
    enum { LOOK = 16 };
    uint64_t *c0 = fixture_alloc(p->primes * s->used, sizeof *c0);
    uint64_t *c0s = fixture_alloc(ROWS * s->used, sizeof *c0s);
    uint64_t *c1s = fixture_alloc(ROWS * p->n, sizeof *c1s);
    uint64_t part[CKKS_MAX_PRIMES * LOOK], switched[LOOK];
    size_t right = 0;
    assert_int_equal(ckks_ct_in_read(p, c0, s->ct_in, 1, s->used), MP2ML_OK);
    assert_int_equal(ckks_ct_out_read(p, c1s, c0s, s->ct_out, s->k, ROWS, s->used), MP2ML_OK);
    for (size_t row = 0; row < ROWS; row++)
        for (int w = -CKKS_MAX_WEIGHT; w <= CKKS_MAX_WEIGHT; w++) {
            unsigned agree = 0;
            for (unsigned j = 0; j < p->primes; j++)
                for (size_t i = 0; i < LOOK; i++) {
                    const uint64_t q = p->q[j];
                    const ring_u128 product =
                        (ring_u128)(w < 0 ? q - (uint64_t)-w : (uint64_t)w) * c0[j * s->used + i];
                    part[j * LOOK + i] = (uint64_t)(product % q);
                }
            ckks_switch_residues(f->ck, switched, part, s->k, LOOK);
            for (size_t i = 0; i < LOOK; i++)
                agree += close_mod(switched[i], c0s[row * s->used + i], s->k);
            right += agree > LOOK / 2 && w == secret[row];
        }
    free(c0);
    free(c0s);
    free(c1s);
    return right;
}

static void c0_shows_nothing(void **state)
{
    (void)state;
    size_t masked = 0, bare = ROWS, honest_bare = 0;
    for (unsigned set = 1; set <= 2; set++)
        for (unsigned control = 0; control < 3; control++) {
            struct fixture f;
            struct linear s;
            fixture_init(&f, set, (uint8_t)(60 + control));
            replace_key(&f, control == 2 ? HONEST : ZERO);
            reply(&f, &s, control == 0);
            const size_t right = weights_in_c0(&f, &s);
            if (control == 0)
                masked = right > masked ? right : masked;
            else if (control == 1)
                bare = right < bare ? right : bare;
            else
                honest_bare += right;
            linear_wipe(&s);
            fixture_wipe(&f);
        }
    assert_int_equal(masked, 0);
    assert_int_equal(bare, ROWS);     /* control: without r */
    assert_int_equal(honest_bare, 0); /* an honest b adds b*u, which hides c0 too */
    privacy_report(3, "weights of 6 read from c0' under b = 0", (double)masked, 1, (double)bare);
}

/* ---- what is not promised ------------------------------------------------------------------- */

/* Where y - r is opened (policy logits, the last step), a chosen query shows the weights: x = 2^8
 * in Z_{2^24} comes back as w*2^8*2^(k-l) in Z_{2^20}. An honest key does as well. */
static void opened_values_are_weights(void **state)
{
    (void)state;
    struct fixture f;
    struct linear s;
    fixture_init(&f, CKKS_S2, 70);
    linear_init(&s, &f, 1, ROWS, 1, 24, 20);
    memcpy(s.weights, secret, sizeof secret);
    s.client_x[0] = 1 << 8;
    linear_masks(&s, &f);
    linear_run(&s, &f, NULL);
    for (size_t row = 0; row < ROWS; row++) {
        const uint64_t opened = (s.y[row] - s.r[row]) & 0xfffff;
        const double value = opened < 0x80000 ? (double)opened : (double)opened - 0x100000;
        assert_int_equal((int)lround(value / 16), secret[row]);
    }
    linear_wipe(&s);
    fixture_wipe(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(c1_shows_nothing),
        cmocka_unit_test(c0_shows_nothing),
        cmocka_unit_test(opened_values_are_weights),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
