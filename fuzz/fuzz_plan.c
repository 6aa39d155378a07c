/* SPDX-License-Identifier: Apache-2.0
 *
 * The public plan as a client reads it: bytes that pass are written back the same, and a run of
 * that plan has a place for every value set, apart from all others that live at the same time.
 * Input: u16 images, u8 inputs in the clear, plan. */
#include "base/bytes.h"
#include "fuzz.h"
#include "steps/steps.h"
#include "steps/value_memory.h"

#define MAX_MEMORY ((size_t)1 << 22)

static void check_same_bytes(const struct plan_public *pub, const uint8_t *data, size_t size)
{
    struct writer w;
    writer_init(&w);
    FUZZ_CHECK(plan_public_write(&w, pub) == MP2ML_OK);
    FUZZ_CHECK(w.size == size && memcmp(w.data, data, size) == 0);
    writer_wipe(&w);
}

/* Byte offsets of two value sets that live at the same time do not overlap. */
static void check_layout(const struct plan_public *pub, size_t images)
{
    size_t *offset = calloc(pub->n_steps, sizeof *offset);
    uint32_t *last_use = calloc(pub->n_steps, sizeof *last_use);
    FUZZ_CHECK(offset != NULL && last_use != NULL);
    const size_t total = value_memory_layout(offset, last_use, pub, images);
    for (unsigned s = 0; total != SIZE_MAX && s < pub->n_steps; s++) {
        const size_t end = offset[s] + (size_t)pub->steps[s].count * images * sizeof(uint64_t);
        FUZZ_CHECK(offset[s] < end && end <= total && last_use[s] >= s);
        for (unsigned o = 0; o < s; o++) {
            const size_t other = (size_t)pub->steps[o].count * images * sizeof(uint64_t);
            FUZZ_CHECK(last_use[o] < s || end <= offset[o] || offset[o] + other <= offset[s]);
        }
    }
    free(offset);
    free(last_use);
}

/* Every value set lies inside of the arena: the sanitizer watches its ends. */
static void check_run(const struct plan_public *pub, size_t images, uint64_t plain)
{
    struct run *run = NULL;
    struct run_keys keys = {0};
    const size_t memory = run_memory(pub, PARTY_CLIENT, plain, images);
    FUZZ_CHECK(run_memory(pub, PARTY_SERVER, plain, images) > 0);
    if (memory > MAX_MEMORY)
        return;
    FUZZ_CHECK(run_new(&run, PARTY_CLIENT, NULL, NULL, NULL, &keys, pub, NULL, plain, images) ==
               MP2ML_OK);
    for (unsigned s = 0; s < pub->n_steps; s++)
        memset(run->values[s], 0x5a, (size_t)pub->steps[s].count * images * sizeof(uint64_t));
    run_free(run);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t images = fuzz_take(&data, &size);
    images = (images | (size_t)fuzz_take(&data, &size) << 8) % PLAN_BLOCK_IMAGES + 1;
    const uint64_t plain = fuzz_take(&data, &size);
    struct plan_public *pub = calloc(1, sizeof *pub);
    struct plan_limits limits;
    struct reader r = reader_init(data, size);
    mp2ml_error err = {MP2ML_OK, ""};
    FUZZ_CHECK(pub != NULL);
    plan_limits_init(&limits);
    mp2ml_status status = plan_public_read(pub, &r, &limits, &err);
    FUZZ_CHECK(status == MP2ML_OK || err.text[0] != '\0');
    if (status == MP2ML_OK) {
        check_same_bytes(pub, data, (size_t)(r.at - data));
        check_layout(pub, images);
        check_run(pub, images, plain);
        plan_public_wipe(pub);
    }
    free(pub);
    return 0;
}
