/* SPDX-License-Identifier: Apache-2.0
 *
 * Kernels: the main program, and packing of bits, which has no tables. */
#include <stdlib.h>

#include "base/bytes.h"
#include "bench_micro.h"
#include "crypto/crypto.h"

void bench_fill(void *out, size_t bytes)
{
    struct prg *g;
    MUST(prg_new(&g));
    MUST(prg_fill(g, out, bytes));
    prg_free(g);
}

static void bench_bits(struct bench *b)
{
    enum { N = 4096 };
    static const unsigned widths[] = {1, 14, 26, 41, 64};
    uint64_t *values = bench_alloc(N, sizeof *values);
    uint8_t *packed = bench_alloc(N, sizeof *values);
    for (unsigned i = 0; i < sizeof widths / sizeof *widths; i++) {
        struct bench_row row = {.group = "base",
                                .name = "bits_pack",
                                .table = "portable",
                                .unit = "value",
                                .elements = N,
                                .bytes = N * (8 + widths[i] / 8.0)};
        size_t at;
        snprintf(row.size, sizeof row.size, "%u bits", widths[i]);
        bench_fill(values, N * sizeof *values);
        BENCH(b, &row, (at = 0, bits_pack(packed, &at, values, N, widths[i])));
        row.name = "bits_unpack";
        BENCH(b, &row, (at = 0, bits_unpack(values, packed, &at, N, widths[i])));
    }
    free(values);
    free(packed);
}

int main(int argc, char **argv)
{
    struct bench b;
    bench_begin(&b, "micro", argc, argv);
    MUST(secret_init());
    bench_bits(&b);
    bench_micro_crypto(&b);
    bench_micro_ring(&b);
    bench_micro_ot(&b);
    bench_micro_mpc(&b);
    bench_end(&b);
    return 0;
}
