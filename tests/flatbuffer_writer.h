/* SPDX-License-Identifier: Apache-2.0
 *
 * Writes TensorFlow Lite files for tests, by hand, so that the reader is checked against something
 * else than itself. Tensors and operators are noted in order; tl_finish makes the file:
 *
 *   int x = tl_input(&w, "x", SHAPE(1, 3));
 *   int y = tl_node(&w, "y", TL_RELU, TL(x));  tl_byte(&w, FIELD, VALUE); ... (of its options)
 *   tl_output(&w, y);
 */
#ifndef FLATBUFFER_WRITER_H
#define FLATBUFFER_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TL_MAX 64 /* tensors, and operators */
#define TL_FIELDS 12

struct tl_bytes {
    unsigned char *data;
    size_t size, capacity;
};

struct tl_tensor {
    char name[64];
    int type;
    int32_t dims[9];
    int rank;
    int32_t signature[9];
    bool has_signature, variable, sparse;
    unsigned char *values; /* NULL: none */
    size_t bytes;
    float scale[8];
    int64_t zero[8];
    int n_scales, n_zeros, along, details;
    int shares; /* the tensor whose buffer this is; itself */
};

struct tl_op {
    int code;
    const char *custom; /* NULL: none */
    int32_t inputs[16], outputs[16];
    int n_inputs, n_outputs;
    unsigned char width[TL_FIELDS]; /* of options; 0: absent, 'v': a list */
    uint32_t value[TL_FIELDS];
    int32_t list[8];
    int n_list;
};

struct tl_writer {
    struct tl_tensor tensors[TL_MAX];
    struct tl_op ops[TL_MAX];
    int32_t inputs[8], outputs[8];
    int n_tensors, n_ops, n_inputs, n_outputs;
    const char *signature[2]; /* other names of the first input and output, or NULL */
    bool outside;             /* values of constants behind all tables */
    int version, subgraphs;   /* 0: as they should be */
    struct tl_bytes file;
};

enum { TL_FLOAT = 0, TL_HALF = 1, TL_INT32 = 2, TL_UINT8 = 3, TL_INT64 = 4, TL_STRING = 5 };
enum { TL_BOOL = 6, TL_INT16 = 7, TL_INT8 = 9 };

enum tl_code { /* of the public numbering */
               TL_ADD = 0,
               TL_AVERAGE_POOL_2D = 1,
               TL_CONCATENATION = 2,
               TL_CONV_2D = 3,
               TL_DEPTHWISE_CONV_2D = 4,
               TL_DEPTH_TO_SPACE = 5,
               TL_DEQUANTIZE = 6,
               TL_FULLY_CONNECTED = 9,
               TL_LOGISTIC = 14,
               TL_MAX_POOL_2D = 17,
               TL_MUL = 18,
               TL_RELU = 19,
               TL_RELU_N1_TO_1 = 20,
               TL_RELU6 = 21,
               TL_RESHAPE = 22,
               TL_RESIZE_BILINEAR = 23,
               TL_SOFTMAX = 25,
               TL_SPACE_TO_DEPTH = 26,
               TL_TANH = 28,
               TL_CUSTOM = 32,
               TL_PAD = 34,
               TL_GATHER = 36,
               TL_BATCH_TO_SPACE_ND = 37,
               TL_SPACE_TO_BATCH_ND = 38,
               TL_TRANSPOSE = 39,
               TL_MEAN = 40,
               TL_SUB = 41,
               TL_DIV = 42,
               TL_SQUEEZE = 43,
               TL_STRIDED_SLICE = 45,
               TL_EXP = 47,
               TL_SPLIT = 49,
               TL_LOG_SOFTMAX = 50,
               TL_CAST = 53,
               TL_PRELU = 54,
               TL_MAXIMUM = 55,
               TL_ARG_MAX = 56,
               TL_MINIMUM = 57,
               TL_NEG = 59,
               TL_PADV2 = 60,
               TL_SLICE = 65,
               TL_TRANSPOSE_CONV = 67,
               TL_TILE = 69,
               TL_EXPAND_DIMS = 70,
               TL_SUM = 74,
               TL_SHAPE = 77,
               TL_POW = 78,
               TL_REDUCE_MAX = 82,
               TL_PACK = 83,
               TL_UNPACK = 88,
               TL_REDUCE_MIN = 89,
               TL_SQUARE = 92,
               TL_FILL = 94,
               TL_RANGE = 96,
               TL_RESIZE_NEAREST_NEIGHBOR = 97,
               TL_LEAKY_RELU = 98,
               TL_SQUARED_DIFFERENCE = 99,
               TL_MIRROR_PAD = 100,
               TL_ABS = 101,
               TL_SPLIT_V = 102,
               TL_REVERSE_V2 = 105,
               TL_ADD_N = 106,
               TL_RANK = 110,
               TL_QUANTIZE = 114,
               TL_HARD_SWISH = 117,
               TL_BATCH_MATMUL = 126,
               TL_GELU = 150,
               TL_RELU_0_TO_1 = 152,
               TL_SIGN = 158
};

#define TL(...) ((const int32_t[]){__VA_ARGS__}), (int)(sizeof((const int32_t[]){__VA_ARGS__}) / 4)

/* All give the number of the tensor. */
int tl_tensor(struct tl_writer *w, const char *name, int type, const int64_t *dims, int rank);
int tl_input(struct tl_writer *w, const char *name, const int64_t *dims, int rank);
int tl_constant(struct tl_writer *w, const char *name, int type, const int64_t *dims, int rank,
                const void *values, size_t bytes);
int tl_floats(struct tl_writer *w, const float *values, const int64_t *dims, int rank);
int tl_ints(struct tl_writer *w, const int32_t *values, int count); /* of one axis */
int tl_int(struct tl_writer *w, int32_t value);                     /* a scalar */
/* Of the last tensor. */
void tl_quantise(struct tl_writer *w, const float *scale, const int64_t *zero, int count,
                 int along);

/* An operator with one output, or with those. */
int tl_node(struct tl_writer *w, const char *name, int code, const int32_t *inputs, int n);
void tl_op(struct tl_writer *w, int code, const int32_t *inputs, int n_inputs,
           const int32_t *outputs, int n_outputs);
/* Options of the last operator, by the field's number. */
void tl_byte(struct tl_writer *w, unsigned field, int value);
void tl_number(struct tl_writer *w, unsigned field, int32_t value);
void tl_real(struct tl_writer *w, unsigned field, float value);
void tl_list(struct tl_writer *w, unsigned field, const int32_t *values, int count);

void tl_output(struct tl_writer *w, int tensor);
/* Makes w->file. */
void tl_finish(struct tl_writer *w);
void tl_wipe(struct tl_writer *w);

#endif
