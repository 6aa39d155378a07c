/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory of protobuf-c's readers, bounded in proportion to the file: they keep a small record for
 * each field while they read; eight bytes for one are enough for honest files, and stop those that
 * are made to blow up. */
#ifndef MODEL_PROTO_ALLOC_H
#define MODEL_PROTO_ALLOC_H

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>

struct proto_alloc {
    ProtobufCAllocator allocator; /* hand this to the readers */
    size_t allowance;             /* bytes that may still be allocated; never given back */
};

/* Must stay where it is while it is used. */
void proto_alloc_init(struct proto_alloc *a, size_t file_size);

#endif
