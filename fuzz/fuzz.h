/* SPDX-License-Identifier: Apache-2.0
 *
 * What the fuzz targets share. A target is one function over bytes; with libFuzzer it is searched,
 * with replay.c it runs over the files of a corpus. Targets use the test build of the layers, with
 * seeded generators, so that one input always does the same. */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/crypto.h"
#include "net/net.h"

/* The target. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A broken promise of the code under test: a finding, in every build. */
#define FUZZ_CHECK(condition)                                                                      \
    do {                                                                                           \
        if (!(condition))                                                                          \
            abort();                                                                               \
    } while (0)

/* A link whose peer has sent these bytes and nothing more, and reads nothing. */
struct fuzz_link {
    struct channel *channel;
    struct link *link;
    int peer;
};
void fuzz_link_new(struct fuzz_link *l, const uint8_t *wire, size_t size);
void fuzz_link_free(struct fuzz_link *l);

/* One frame, malloced: header and a body of `length` bytes that starts with data[size], cut or
 * filled up with zeros. */
uint8_t *fuzz_frame(enum frame_type type, uint16_t step, uint32_t sequence, const uint8_t *data,
                    size_t size, size_t length);

/* to ^= data over both lengths; true when something changed. */
bool fuzz_xor(uint8_t *to, size_t length, const uint8_t *data, size_t size);
/* A generator that gives the same in every run. */
struct prg *fuzz_prg(void);
/* The next byte of the input, 0 behind its end. */
uint8_t fuzz_take(const uint8_t **data, size_t *size);

#endif
