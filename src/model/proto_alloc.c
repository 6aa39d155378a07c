/* SPDX-License-Identifier: Apache-2.0
 *
 * An allocator with an allowance. */
#include "model/proto_alloc.h"

#include <stdint.h>
#include <stdlib.h>

#define FACTOR 8
#define EXTRA ((size_t)16 << 20)

static void *bounded_alloc(void *data, size_t size)
{
    size_t *allowance = data;
    if (size > *allowance)
        return NULL;
    *allowance -= size; /* never given back: it bounds the time, too */
    return malloc(size);
}

static void bounded_free(void *data, void *pointer)
{
    (void)data;
    free(pointer);
}

void proto_alloc_init(struct proto_alloc *a, size_t file_size)
{
    a->allowance = file_size > SIZE_MAX / FACTOR - EXTRA ? SIZE_MAX : file_size * FACTOR + EXTRA;
    a->allocator = (ProtobufCAllocator){
        .alloc = bounded_alloc, .free = bounded_free, .allocator_data = &a->allowance};
}
