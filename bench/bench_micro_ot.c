/* SPDX-License-Identifier: Apache-2.0
 *
 * Kernels of ot, on a strip of tiles (256 KiB, the second-level cache). */
#include <stdlib.h>
#include <string.h>

#include "bench_micro.h"
#include "crypto/crypto_kernels.h"
#include "ot/ot_kernels.h"

enum { BITS = 4, BLOCKS = OT_STRIP * OT_WIDTH };

static void bench_table(struct bench *b, const struct ot_kernels *k,
                        const struct crypto_kernels *crypto, enum limits_level level,
                        struct block *m[3], const uint64_t *mask)
{
    struct block(*acc)[2] = bench_alloc(OT_WIDTH, sizeof *acc);
    struct bench_row row = {.group = "ot", .table = k->name, .level = level, .unit = "block"};
    row.name = "fold";
    row.elements = (1 << BITS) * OT_STRIP;
    row.bytes = 16.0 * OT_STRIP * ((1 << BITS) + 2 * BITS + 1);
    BENCH(b, &row, k->fold(m[0], m[0] + BITS * OT_STRIP, m[1], OT_STRIP, BITS));
    row.name = "place";
    row.elements = BITS * OT_STRIP;
    row.bytes = 16.0 * OT_STRIP * (2 * BITS + 1);
    BENCH(b, &row, k->place(m[0], m[1], m[2], mask, OT_STRIP, BITS));
    row.elements = BLOCKS;
    row.name = "hash";
    row.bytes = 16.0 * BLOCKS;
    BENCH(b, &row, k->hash(acc, m[0], m[1], OT_STRIP, crypto));
    row.bytes = 32.0 * BLOCKS;
    row.name = "transpose";
    BENCH(b, &row, k->transpose(m[0], OT_STRIP));
    row.name = "copy";
    BENCH(b, &row, k->copy(m[0], m[1], OT_STRIP));
    free(acc);
}

void bench_micro_ot(struct bench *b)
{
    const struct ot_kernels *tables[] = {ot_kernels_portable(), ot_kernels_avx2(),
                                         ot_kernels_avx512()};
    struct block *m[3];
    uint64_t mask[BITS] = {0, UINT64_MAX, UINT64_MAX, 0};
    const struct crypto_kernels *crypto[] = {crypto_kernels_portable(), crypto_kernels_avx2(),
                                             crypto_kernels_avx512()};
    for (int i = 0; i < 3; i++) {
        m[i] = bench_alloc(BLOCKS, sizeof *m[i]);
        bench_fill(m[i], BLOCKS * sizeof *m[i]);
    }
    for (int i = 0; i < 3; i++)
        if (tables[i] != NULL && crypto[i] != NULL)
            bench_table(b, tables[i], crypto[i], (enum limits_level)i, m, mask);
    for (int i = 0; i < 3; i++)
        free(m[i]);
}
