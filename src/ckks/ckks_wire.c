/* SPDX-License-Identifier: Apache-2.0
 *
 * Bodies of CT_IN and CT_OUT: fields packed without gaps over the whole body, padding zero.
 *   CT_IN   per ciphertext: `used` fields of c0 mod q1 [, `used` fields mod q2]
 *   CT_OUT  per ciphertext: N fields c1' of k+g bits, `used` fields c0' of k bits
 *   CT_OUT  in the layout image: N fields c1' of every ciphertext, then the c0' of all of them */
#include "ckks/ckks_context.h"

#include <string.h>

#include "base/bytes.h"

/* Bytes of count * bits_each bits; SIZE_MAX on overflow. */
static size_t body_bytes(size_t count, size_t bits_each)
{
    size_t bits;
    return size_mul(&bits, count, bits_each) ? bits_size(bits, 1) : SIZE_MAX;
}

size_t ckks_ct_in_bytes(const struct ckks_params *params, size_t count, size_t used)
{
    size_t bits = 0;
    for (unsigned p = 0; p < params->primes; p++)
        bits += used * params->q_bits[p];
    return body_bytes(count, bits);
}

void ckks_ct_in_write(const struct ckks_params *params, uint8_t *body, const uint64_t *c0,
                      size_t count, size_t used)
{
    size_t at = 0;
    for (size_t i = 0; i < count; i++)
        for (unsigned p = 0; p < params->primes; p++, c0 += used)
            bits_pack(body, &at, c0, used, params->q_bits[p]);
}

mp2ml_status ckks_ct_in_read(const struct ckks_params *params, uint64_t *c0, const uint8_t *body,
                             size_t count, size_t used)
{
    size_t at = 0;
    uint64_t bad = 0, *to = c0;
    for (size_t i = 0; i < count; i++)
        for (unsigned p = 0; p < params->primes; p++, to += used) {
            bits_unpack(to, body, &at, used, params->q_bits[p]);
            for (size_t j = 0; j < used; j++)
                bad |= to[j] >= params->q[p];
        }
    if (bad == 0 && bits_padding_is_zero(body, at))
        return MP2ML_OK;
    memset(c0, 0, count * params->primes * used * sizeof(*c0));
    return MP2ML_ERR_PROTOCOL;
}

size_t ckks_ct_out_bytes(const struct ckks_params *params, unsigned k, size_t count, size_t used)
{
    return body_bytes(count, params->n * (k + params->guard_bits) + used * k);
}

void ckks_ct_out_write(const struct ckks_params *params, uint8_t *body, const uint64_t *c1s,
                       const uint64_t *c0s, unsigned k, size_t count, size_t used)
{
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        bits_pack(body, &at, c1s + i * params->n, params->n, k + params->guard_bits);
        bits_pack(body, &at, c0s + i * used, used, k);
    }
}

mp2ml_status ckks_ct_out_read(const struct ckks_params *params, uint64_t *c1s, uint64_t *c0s,
                              const uint8_t *body, unsigned k, size_t count, size_t used)
{
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        bits_unpack(c1s + i * params->n, body, &at, params->n, k + params->guard_bits);
        bits_unpack(c0s + i * used, body, &at, used, k);
    }
    if (bits_padding_is_zero(body, at))
        return MP2ML_OK;
    memset(c1s, 0, count * params->n * sizeof(*c1s));
    memset(c0s, 0, count * used * sizeof(*c0s));
    return MP2ML_ERR_PROTOCOL;
}

size_t ckks_image_out_bytes(const struct ckks_params *params, unsigned k, size_t rows, size_t used)
{
    size_t c1, c0, bits;
    if (!size_mul(&c1, rows, params->n * (k + params->guard_bits)) || !size_mul(&c0, used, k) ||
        !size_add(&bits, c1, c0))
        return SIZE_MAX;
    return bits_size(bits, 1);
}

void ckks_image_out_write(const struct ckks_params *params, uint8_t *body, const uint64_t *c1s,
                          const uint64_t *c0s, unsigned k, size_t rows, size_t used)
{
    size_t at = 0;
    bits_pack(body, &at, c1s, rows * params->n, k + params->guard_bits);
    bits_pack(body, &at, c0s, used, k);
}

mp2ml_status ckks_image_out_read(const struct ckks_params *params, uint64_t *c1s, uint64_t *c0s,
                                 const uint8_t *body, unsigned k, size_t rows, size_t used)
{
    size_t at = 0;
    bits_unpack(c1s, body, &at, rows * params->n, k + params->guard_bits);
    bits_unpack(c0s, body, &at, used, k);
    if (bits_padding_is_zero(body, at))
        return MP2ML_OK;
    memset(c1s, 0, rows * params->n * sizeof(*c1s));
    memset(c0s, 0, used * sizeof(*c0s));
    return MP2ML_ERR_PROTOCOL;
}
