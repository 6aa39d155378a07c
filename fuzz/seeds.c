/* SPDX-License-Identifier: Apache-2.0
 *
 * Seeds of the corpora, from real data: small models and their plans, honest frames and bodies.
 * Usage: fuzz_seeds CORPUS_FOLDER (its folders must be there). */
#include <stdio.h>

#include "base/bytes.h"
#include "flatbuffer_writer.h"
#include "fuzz.h"
#include "graphdef_writer.h"
#include "onnx_writer.h"
#include "plan/choose.h"
#include "session/session.h"

static const char *corpus;

/* prefix, then data */
static void put(const char *folder, const char *name, const void *prefix, size_t prefix_size,
                const void *data, size_t size)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s/seed-%s", corpus, folder, name);
    FILE *file = fopen(path, "wb");
    FUZZ_CHECK(file != NULL && fwrite(prefix, 1, prefix_size, file) == prefix_size &&
               fwrite(data, 1, size, file) == size && fclose(file) == 0);
}

/* ---- models and plans ----------------------------------------------------------------------- */

static void floats(struct gd_writer *w, const char *name, const int64_t *dims, int rank)
{
    float v[256];
    size_t count = 1;
    for (int d = 0; d < rank; d++)
        count *= (size_t)dims[d];
    FUZZ_CHECK(count <= 256);
    for (size_t i = 0; i < count; i++)
        v[i] = (float)((int)(i * 37 % 19) - 9) / 8;
    gd_floats(w, name, v, dims, rank);
}

static void dense(struct gd_writer *w, const char *name, const char *from, int64_t in, int64_t out)
{
    char weights[32], inputs[64];
    snprintf(weights, sizeof weights, "%s_w", name);
    snprintf(inputs, sizeof inputs, "%s %s", from, weights);
    floats(w, weights, (const int64_t[]){in, out}, 2);
    gd_node(w, name, "MatMul", inputs);
}

static void pool(struct gd_writer *w, const char *name, const char *op, const char *from)
{
    static const int64_t two[4] = {1, 2, 2, 1};
    gd_node(w, name, op, from);
    gd_attr_list(w, "ksize", two, 4);
    gd_attr_list(w, "strides", two, 4);
    gd_attr_text(w, "padding", "VALID");
}

static void flat(struct gd_writer *w, const char *name, const char *from, int32_t count)
{
    const int32_t shape[2] = {-1, count};
    char list[32], inputs[64];
    snprintf(list, sizeof list, "%s_shape", name);
    snprintf(inputs, sizeof inputs, "%s %s", from, list);
    gd_int_list(w, list, shape, 2);
    gd_node(w, name, "Reshape", inputs);
}

/* Convolution, bias, ReLU, a pool, dense layer. */
static void write_conv(struct gd_writer *w, const char *pool_op)
{
    static const int64_t one[4] = {1, 1, 1, 1};
    gd_input(w, "a", (const int64_t[]){-1, 4, 4, 1}, 4);
    floats(w, "k", (const int64_t[]){3, 3, 1, 2}, 4);
    gd_node(w, "b", "Conv2D", "a k");
    gd_attr_list(w, "strides", one, 4);
    gd_attr_text(w, "padding", "SAME");
    floats(w, "bias", (const int64_t[]){2}, 1);
    gd_node(w, "c", "BiasAdd", "b bias");
    gd_node(w, "d", "Relu", "c");
    pool(w, "e", pool_op, "d");
    flat(w, "f", "e", 8);
    dense(w, "g", "f", 8, 3);
}

static void write_dense(struct gd_writer *w)
{
    gd_input(w, "a", (const int64_t[]){-1, 5}, 2);
    dense(w, "b", "a", 5, 4);
    gd_node(w, "c", "Relu", "b");
    dense(w, "d", "c", 4, 3);
    dense(w, "e", "c", 4, 3);
    gd_node(w, "f", "Add", "d e");
    gd_node(w, "g", "Softmax", "f");
}

/* A square, and an addition of what came in. */
static void write_square(struct gd_writer *w)
{
    gd_input(w, "a", (const int64_t[]){-1, 3}, 2);
    dense(w, "b", "a", 3, 4);
    gd_node(w, "c", "Mul", "b b");
    dense(w, "d", "c", 4, 3);
    gd_node(w, "e", "Add", "d a");
}

/* A node with a list of integers as its second input. */
static void with_list(struct gd_writer *w, const char *name, const char *op, const char *from,
                      const int32_t *v, size_t n)
{
    char list[32], inputs[64];
    snprintf(list, sizeof list, "%s_list", name);
    snprintf(inputs, sizeof inputs, "%s %s", from, list);
    gd_int_list(w, list, v, n);
    gd_node(w, name, op, inputs);
}

/* Many operators in a row, most of which fold into others. */
static void write_many(struct gd_writer *w)
{
    static const char *const plain[] = {"Relu6", "LeakyRelu", "Abs", "Neg", "Square"};
    static const int32_t axis[1] = {1}, tile[4] = {1, 1, 1, 2}, axes[2] = {1, 2};
    static const int64_t one[4] = {1, 1, 1, 1};
    char name[2] = "a", from[2];
    gd_input(w, name, (const int64_t[]){-1, 4, 4, 1}, 4);
    for (unsigned i = 0; i < 5; i++) {
        memcpy(from, name, 2);
        name[0]++;
        gd_node(w, name, plain[i], from);
    }
    gd_node(w, "g", "SpaceToDepth", "f");
    gd_attr_int(w, "block_size", 2);
    gd_node(w, "h", "DepthToSpace", "g");
    gd_attr_int(w, "block_size", 2);
    with_list(w, "i", "ReverseV2", "h", axis, 1);
    with_list(w, "j", "Tile", "i", tile, 4);
    floats(w, "k", (const int64_t[]){2, 2, 2, 1}, 4);
    gd_node(w, "l", "DepthwiseConv2dNative", "j k");
    gd_attr_list(w, "strides", one, 4);
    gd_attr_text(w, "padding", "SAME");
    with_list(w, "m", "Mean", "l", axes, 2);
    dense(w, "n", "m", 2, 3);
    gd_node(w, "o", "LogSoftmax", "n");
}

static void plan_seed(const char *name, struct gd_writer *w, const char *reveal)
{
    mp2ml_error err = {MP2ML_OK, ""};
    mp2ml_model *model = NULL;
    mp2ml_options *o = mp2ml_options_new();
    struct writer plan;
    FUZZ_CHECK(mp2ml_options_set(o, "reveal", reveal, &err) == MP2ML_OK);
    FUZZ_CHECK(mp2ml_options_set(o, "bits", "12", &err) == MP2ML_OK);
    if (mp2ml_model_parse(&model, w->file.data, w->file.size, name, o, &err) != MP2ML_OK) {
        fprintf(stderr, "%s: %s\n", name, err.text);
        abort();
    }
    for (unsigned layout = PLAN_BATCH; layout < PLAN_LAYOUT_COUNT; layout++) {
        struct plan_situation situation;
        struct plan_public chosen;
        char file[64];
        plan_situation_init(&situation);
        situation.layout = 1 + layout;
        FUZZ_CHECK(plan_choose(&chosen, model->plan, &situation) == MP2ML_OK);
        snprintf(file, sizeof file, "%s%s", name, layout == PLAN_IMAGE ? "-image" : "");
        writer_init(&plan);
        FUZZ_CHECK(plan_public_write(&plan, &chosen) == MP2ML_OK);
        put("plan", file, "\x03\x00\x00", 3, plan.data, plan.size);
        put("session", file, "\x03\x01\x00\x00\x00", 5, plan.data, plan.size);
        writer_wipe(&plan);
        plan_public_wipe(&chosen);
    }
    mp2ml_model_free(model);
    mp2ml_options_free(o);
}

static void models(void)
{
    static const char *const ops[] = {"MaxPool", "AvgPool"};
    static const char *const names[] = {"maxpool", "avgpool", "dense", "square", "many"};
    static const char *const reveal[] = {"argmax", "logits", "top:2", "logits", "argmax"};
    for (unsigned i = 0; i < 5; i++) {
        struct gd_writer w = {0};
        const char *name = names[i];
        if (i < 2)
            write_conv(&w, ops[i]);
        else if (i == 2)
            write_dense(&w);
        else if (i == 3)
            write_square(&w);
        else
            write_many(&w);
        gd_finish(&w);
        put("graph", name, "", 1, w.file.data, w.file.size);
        if (i < 3) {
            static const char *const cuts[] = {"cut-output", "cut-input", "cut-both"};
            const uint8_t which = (uint8_t)(i + 1);
            put("graph", cuts[i], &which, 1, w.file.data, w.file.size);
        }
        plan_seed(name, &w, reveal[i]);
        gd_wipe(&w);
    }
    static const char text[] =
        "# a model as text\n"
        "node { name: \"a\" op: \"Placeholder\" attr { key: \"dtype\" value {"
        " type: DT_FLOAT } } attr { key: \"shape\" value { shape { dim { size:"
        " -1 } dim { size: 2 } } } } }\n"
        "node { name: \"b\" op: \"Relu\" input: \"a\" }\n";
    put("graph", "text", "", 1, text, sizeof text - 1);
}

/* A function of one argument whose body is `body` of it, and whatever `body` is twice. */
static void function(struct gd_writer *w, const char *name, const char *body)
{
    gd_function(w, name, "v");
    gd_node(w, "p", body, "v ^v");
    gd_attr_placeholder(w, "alpha", "slope");
    gd_node(w, "q", body, "p:r:0");
    gd_attr_placeholder(w, "alpha", "slope");
    gd_function_end(w, "r=q:r:0");
}

/* Files with functions: as they should be, in a circle, calling each other to the power of two, with
 * a name that is taken; and one with several operators that are refused, read for all of them. */
static void functions(void)
{
    static const char *const names[] = {"functions", "circle", "doubling", "taken", "refused"};
    static const char *const next[] = {"LeakyRelu", "f", "h", "LeakyRelu", "Elu"};
    for (unsigned i = 0; i < 5; i++) {
        struct gd_writer w = {0};
        const uint8_t which = i == 4 ? 4 : 0;
        gd_input(&w, "x", (const int64_t[]){-1, 2}, 2);
        gd_node(&w, i == 3 ? "y/p" : "z", "Relu", "x");
        gd_node(&w, "y", "PartitionedCall", i == 3 ? "y/p" : "z");
        gd_attr_function(&w, "f", "g");
        gd_node(&w, "a", "f", "y");
        gd_attr_float(&w, "slope", 0.5F);
        function(&w, "f", next[i]);
        gd_function(&w, "g", "v");
        gd_node(&w, "p", "f", "v");
        gd_attr_float(&w, "slope", 0.25F);
        gd_function_end(&w, "r=p:r:0");
        for (char level = 'h'; i == 2 && level <= 'z'; level++)
            function(&w, (const char[]){level, '\0'},
                     level == 'z' ? "Relu" : (const char[]){(char)(level + 1), '\0'});
        gd_finish(&w);
        put("graph", names[i], &which, 1, w.file.data, w.file.size);
        gd_wipe(&w);
    }
}

static void composed(void)
{
    static const int64_t strides[4] = {1, 2, 2, 1};
    static const int32_t pads[8] = {0, 0, 1, 1, 0, 1, 0, 0}, size[2] = {5, 3};
    static const int32_t sizes[4] = {1, 10, 6, 2};
    const float low = 0, high = 6;
    struct gd_writer w = {0};
    gd_input(&w, "x", (const int64_t[]){-1, 3, 3, 1}, 4);
    gd_ints(&w, "pads", pads, (const int64_t[]){4, 2}, 2);
    gd_node(&w, "b", "MirrorPad", "x pads");
    gd_attr_text(&w, "mode", "REFLECT");
    with_list(&w, "c", "ResizeNearestNeighbor", "b", size, 2);
    gd_int_list(&w, "sizes", sizes, 4);
    floats(&w, "k", (const int64_t[]){3, 3, 2, 1}, 4);
    gd_node(&w, "d", "Conv2DBackpropInput", "sizes k c");
    gd_attr_list(&w, "strides", strides, 4);
    gd_attr_text(&w, "padding", "SAME");
    gd_floats(&w, "low", &low, NULL, 0);
    gd_floats(&w, "high", &high, NULL, 0);
    gd_node(&w, "e", "ClipByValue", "d low high");
    floats(&w, "w", (const int64_t[]){2, 2, 2, 2}, 4);
    floats(&w, "v", (const int64_t[]){2}, 1);
    gd_node(&w, "a", "_FusedConv2D", "e w v");
    gd_attr_list(&w, "strides", strides, 4);
    gd_attr_text(&w, "padding", "VALID");
    gd_attr_texts(&w, "fused_ops", "BiasAdd Relu6");
    gd_finish(&w);
    put("graph", "composed", "", 1, w.file.data, w.file.size);
    gd_wipe(&w);
}

/* ---- TensorFlow Lite ------------------------------------------------------------------------ */

#define DIMS(...)                                                                                  \
    ((const int64_t[]){__VA_ARGS__}), (int)(sizeof((const int64_t[]){__VA_ARGS__}) / 8)

/* Layers with weights of int8 and half precision. */
static void write_tflite_layers(struct tl_writer *w)
{
    static const int8_t kernel[18] = {1, -2, 3, 4, 5, 6, -7, 8};
    static const uint16_t half[54] = {0x3c00, 0xc000};
    w->signature[0] = "picture";
    w->signature[1] = "kind";
    const int x = tl_input(w, "a", DIMS(1, 3, 3, 1));
    const int k = tl_constant(w, "k", TL_INT8, DIMS(2, 3, 3, 1), kernel, 18);
    tl_quantise(w, (const float[]){0.5F, 0.25F}, (const int64_t[]){0, 1}, 2, 0);
    const int bias = tl_floats(w, (const float[]){1, 2}, DIMS(2));
    int y = tl_node(w, "b", TL_CONV_2D, TL(x, k, bias));
    tl_number(w, 1, 1);
    tl_number(w, 2, 1);
    tl_byte(w, 3, 3);
    y = tl_node(w, "c", TL_MAX_POOL_2D, TL(y));
    for (unsigned field = 1; field < 5; field++)
        tl_number(w, field, field < 3 ? 1 : 2);
    y = tl_node(w, "d", TL_RESHAPE, TL(y, tl_ints(w, TL(1, 18))));
    const int real =
        tl_node(w, "r", TL_DEQUANTIZE, TL(tl_constant(w, "h", TL_HALF, DIMS(3, 18), half, 108)));
    y = tl_node(w, "e", TL_FULLY_CONNECTED, TL(y, real));
    tl_output(w, tl_node(w, "f", TL_SOFTMAX, TL(y)));
    tl_real(w, 0, 1);
}

/* Shapes that are computed, and moves. */
static void write_tflite_moves(struct tl_writer *w)
{
    const int x = tl_input(w, "a", DIMS(2, 2, 2, 1));
    const int shape = tl_node(w, "s", TL_SHAPE, TL(x)), zero = tl_ints(w, TL(0));
    const int one = tl_ints(w, TL(1));
    const int first = tl_node(w, "b", TL_STRIDED_SLICE, TL(shape, zero, one, one));
    tl_number(w, 4, 1);
    const int wanted = tl_node(w, "p", TL_PACK, TL(first, tl_int(w, 4)));
    tl_number(w, 0, 2);
    const int pads = tl_ints(w, TL(0, 0, 1, 0, 0, 1, 0, 0));
    w->tensors[pads].rank = 2;
    w->tensors[pads].dims[0] = 4;
    w->tensors[pads].dims[1] = 2;
    int y = tl_node(w, "m", TL_MIRROR_PAD, TL(x, pads));
    y = tl_node(w, "z", TL_RESIZE_NEAREST_NEIGHBOR, TL(y, tl_ints(w, TL(2, 2))));
    tl_byte(w, 1, 1);
    y = tl_node(w, "q", TL_RESHAPE, TL(y, wanted));
    const int l = tl_tensor(w, "l", TL_FLOAT, NULL, 0), r = tl_tensor(w, "r", TL_FLOAT, NULL, 0);
    tl_op(w, TL_SPLIT_V, TL(y, tl_ints(w, TL(1, -1)), tl_int(w, 1)), TL(l, r));
    y = tl_node(w, "j", TL_CONCATENATION, TL(r, l));
    tl_number(w, 0, 1);
    tl_output(w, tl_node(w, "t", TL_HARD_SWISH, TL(y)));
}

/* An enlarged picture. */
static void write_tflite_transposed(struct tl_writer *w)
{
    const float k[9] = {1, 2, 3, -1, -2, -3, 0.5F, 0, 1};
    w->outside = true;
    const int x = tl_input(w, "a", DIMS(1, 2, 2, 1));
    const int size = tl_ints(w, TL(1, 4, 4, 1)), weights = tl_floats(w, k, DIMS(1, 3, 3, 1));
    int y = tl_node(w, "b", TL_TRANSPOSE_CONV, TL(size, weights, x));
    tl_number(w, 1, 2);
    tl_number(w, 2, 2);
    y = tl_node(w, "c", TL_PRELU, TL(y, tl_floats(w, (const float[]){0.25F}, DIMS(1))));
    tl_output(w, tl_node(w, "d", TL_MEAN, TL(y, tl_ints(w, TL(1, 2)))));
}

static void tflite_seeds(void)
{
    static void (*const write[])(struct tl_writer *) = {write_tflite_layers, write_tflite_moves,
                                                        write_tflite_transposed};
    static const char *const names[] = {"tflite-layers", "tflite-moves", "tflite-transposed"};
    for (size_t i = 0; i < 3; i++) {
        struct tl_writer w = {0};
        struct graph *g;
        mp2ml_error err;
        write[i](&w);
        tl_finish(&w);
        FUZZ_CHECK(graph_parse(&g, w.file.data, w.file.size, names[i], NULL, &err) == MP2ML_OK);
        graph_free(g);
        put("graph", names[i], "", 1, w.file.data, w.file.size);
        tl_wipe(&w);
    }
}

/* A picture through convolution, batch normalisation and pool; a chain of shapes; weights in doubles. */
static void onnx_picture(struct onnx_writer *w)
{
    static const float k[18] = {1, -1, 2, 0.5F, 0, 1, -2, 1, 1, 0, 1, 0, -1, 2, 1, 0, 0, 1};
    static const double d[16] = {1, -2};
    ow_input(w, "x", ONNX_FLOAT, (const int64_t[]){-1, 1, 4, 4}, 4);
    ow_floats(w, "k", k, (const int64_t[]){2, 1, 3, 3}, 4);
    ow_floats(w, "b", k + 4, (const int64_t[]){2}, 1);
    ow_tensor(w, "d", ONNX_DOUBLE, (const int64_t[]){8, 2}, 2, ONNX_DOUBLE_DATA, d, sizeof d);
    ow_int(w, "zero", 0);
    ow_int_list(w, "front", (const int64_t[]){0}, 1);
    ow_int_list(w, "rest", (const int64_t[]){-1}, 1);
    ow_node(w, "Conv", "x k b", "c");
    ow_attr_ints(w, "pads", (const int64_t[]){1, 1, 1, 1}, 4);
    ow_node(w, "BatchNormalization", "c b b b b", "n");
    ow_node(w, "Relu", "n", "r");
    ow_node(w, "MaxPool", "r", "p");
    ow_attr_ints(w, "kernel_shape", (const int64_t[]){2, 2}, 2);
    ow_attr_ints(w, "strides", (const int64_t[]){2, 2}, 2);
    ow_node(w, "Shape", "p", "s");
    ow_node(w, "Gather", "s zero", "s0");
    ow_node(w, "Unsqueeze", "s0 front", "s1");
    ow_node(w, "Concat", "s1 rest", "s2");
    ow_attr_int(w, "axis", 0);
    ow_node(w, "Reshape", "p s2", "f");
    ow_node(w, "Cast", "d", "e");
    ow_attr_int(w, "to", ONNX_FLOAT);
    ow_node(w, "Gemm", "f e", "a");
    ow_output(w, "a");
}

/* Moves, reductions and quantised values, of whole tensors. */
static void onnx_moves(struct onnx_writer *w)
{
    ow_input(w, "x", ONNX_FLOAT, (const int64_t[]){2, 3, 4}, 3);
    ow_float(w, "scale", 0.5F);
    ow_tensor(w, "zero", ONNX_UINT8, NULL, 0, ONNX_RAW_DATA, "\x80", 1);
    ow_int_list(w, "pads", (const int64_t[]){0, 1, 0, 0, 1, -1}, 6);
    ow_int_list(w, "shape", (const int64_t[]){1, 1, 1, 2}, 4);
    ow_node(w, "QuantizeLinear", "x scale zero", "q");
    ow_node(w, "DequantizeLinear", "q scale zero", "d");
    ow_node(w, "Transpose", "d", "t");
    ow_node(w, "Pad", "t pads", "p");
    ow_attr_text(w, "mode", "reflect");
    ow_node(w, "Split", "p", "u v");
    ow_attr_int(w, "axis", 0);
    ow_node(w, "Max", "u v", "m");
    ow_node(w, "ReduceMean", "m", "r");
    ow_attr_ints(w, "axes", (const int64_t[]){1}, 1);
    ow_node(w, "Expand", "r shape", "e");
    ow_node(w, "Clip", "e", "a");
    ow_attr_float(w, "max", 6);
    ow_output(w, "a");
}

static void onnx_models(void)
{
    for (unsigned i = 0; i < 2; i++) {
        struct onnx_writer w = {0};
        (i == 0 ? onnx_picture : onnx_moves)(&w);
        ow_finish(&w, i == 0 ? 13 : 10);
        put("graph", i == 0 ? "onnx-picture" : "onnx-moves", "", 1, w.file.data, w.file.size);
        ow_wipe(&w);
    }
}

/* ---- frames --------------------------------------------------------------------------------- */

struct wire {
    uint8_t bytes[512];
    size_t size;
};

static void add(struct wire *w, enum frame_type type, uint16_t step, uint32_t sequence,
                size_t length)
{
    uint8_t *frame =
        fuzz_frame(type, step, sequence, (const uint8_t *)"body of a frame", 15, length);
    FUZZ_CHECK(w->size + FRAME_HEADER_BYTES + length <= sizeof w->bytes);
    memcpy(w->bytes + w->size, frame, FRAME_HEADER_BYTES + length);
    w->size += FRAME_HEADER_BYTES + length;
    free(frame);
}

static void frames(void)
{
    struct wire w = {{0}, 0};
    add(&w, FRAME_HELLO_C, 0, 0, 20);
    add(&w, FRAME_CT_IN, 1, 1, 64);
    add(&w, FRAME_OPEN, 7, 2, 5);
    add(&w, FRAME_AND_OPEN, 2, 3, 0);
    add(&w, FRAME_OT_MESSAGE, 65535, 4, 33);
    put("frames", "known", "\x05\x00\x05\x0b\x04\x0f", 6, w.bytes, w.size);
    put("frames", "short", "\x05\x00\x05\x0b\x04\x0f", 6, w.bytes, w.size - 20);
    w.size = 0;
    add(&w, FRAME_REFUSE, 0, 0, 1);
    add(&w, FRAME_ACCEPT, 0, 1, 64);
    add(&w, FRAME_REQUEST, 0, 2, 0);
    add(&w, FRAME_ABORT, 0, 3, 0);
    put("frames", "any", "\x04\x01\x02\x06\x00", 5, w.bytes, w.size);
    w.size = 0;
    add(&w, FRAME_HELLO_C, 0, 0, 0);
    w.bytes[15] = 0xff; /* a length beyond all memory */
    put("frames", "huge", "\x01\x00", 2, w.bytes, w.size);
}

/* ---- bodies --------------------------------------------------------------------------------- */

static void session(void)
{
    struct writer w;
    uint8_t nonce[SESSION_NONCE_BYTES] = {1, 2, 3};
    const struct plan_tensor x = {"x", 1, {2}, 2, PLAN_F32, 0, 1, 8, 255, PLAN_POST_NONE, 0, 0};
    const struct plan_tensor y = {"y", 1, {3}, 3, PLAN_F32, 0, 0, 0, 64, PLAN_POST_SOFTMAX, 3, 1};
    char *classes[] = {(char[]){"one"}, (char[]){"two"}, (char[]){"three"}};
    const struct class_names names = {3, classes};
    writer_init(&w);
    writer_u16(&w, SESSION_VERSION);
    writer_u32(&w, 6);
    writer_u16(&w, 1U << 2 | 1U << 4 | 1U << 8);
    writer_u32(&w, 40000);
    writer_u32(&w, 1000);
    writer_string(&w, "name");
    writer_bytes(&w, nonce, sizeof nonce);
    put("session", "hello-c", "\x00", 1, w.data, w.size);
    writer_wipe(&w);
    writer_init(&w);
    writer_u16(&w, SESSION_VERSION);
    writer_u32(&w, 6);
    writer_u8(&w, 4);
    writer_u8(&w, PLAN_LOGITS);
    plan_tensors_write(&w, &x, 1);
    plan_tensors_write(&w, &y, 1);
    class_names_write(&w, &names);
    writer_bytes(&w, nonce, sizeof nonce);
    put("session", "hello-s", "\x01", 1, w.data, w.size);
    writer_wipe(&w);
    writer_init(&w);
    writer_u64(&w, 3);
    writer_u8(&w, 1);
    writer_string(&w, "x");
    writer_u8(&w, 1);
    put("session", "request", "\x02", 1, w.data, w.size);
    writer_wipe(&w);
    put("session", "refuse", "\x04", 1, "\x04", 1);
    put("session", "refuse-request", "\x05", 1, "\x06", 1);
}

static void ckks(void)
{
    uint8_t ones[64], some[64];
    memset(ones, 0xff, sizeof ones);
    for (size_t i = 0; i < sizeof some; i++)
        some[i] = (uint8_t)(i * 91 + 5);
    for (uint8_t what = 0; what < 6; what++) {
        const uint8_t head[4] = {what, 1, 7, 2};
        char name[16];
        snprintf(name, sizeof name, "some-%u", what);
        put("ckks", name, head, 4, some, sizeof some);
        snprintf(name, sizeof name, "ones-%u", what);
        put("ckks", name, head, 4, ones, sizeof ones);
    }
    for (uint8_t what = 8; what < 28; what++) {  /* layout image; from 24 on the end of bodies */
        const uint8_t head[4] = {what, 0, 6, 3}; /* 2 ciphertexts, 7 results each of odd k */
        char name[16];
        if (what >= 12 && what < 24)
            continue;
        snprintf(name, sizeof name, "image-%u", what);
        put("ckks", name, head, 4, some, sizeof some);
        snprintf(name, sizeof name, "image-ones-%u", what);
        put("ckks", name, head, 4, ones, sizeof ones);
    }
    /* q1 = 2^41 - 2^16 + 1 and q1 - 1: the least refused and the largest taken */
    put("ckks", "q", "\x02\x00\x00\x00\x01\x00\xff\xff\xff\x01", 10, "", 0);
    put("ckks", "q-1", "\x02\x00\x00\x00\x00\x00\xff\xff\xff\x01", 10, "", 0);
}

static void ot(void)
{
    uint8_t zeros[64] = {0}, point[64];
    memset(point, 0, sizeof point);
    point[31] = 0x80; /* the top bit: not canonical */
    for (uint8_t what = 0; what < 8; what++) {
        const uint8_t head[2] = {what, (uint8_t)(what & 3)};
        char name[16];
        snprintf(name, sizeof name, "honest-%u", what);
        put("ot", name, head, 2, zeros, sizeof zeros);
    }
    put("ot", "not-canonical", "\x04\x00", 2, point, sizeof point);
    put("ot", "not-canonical-b", "\x05\x00", 2, point, 32);
    point[31] = 1;
    put("ot", "tree", "\x00\x00", 2, point, sizeof point);
    put("ot", "correction", "\x02\x00", 2, point, sizeof point);
    uint8_t *frame = fuzz_frame(FRAME_BASE_OT, 0, 0, NULL, 0, 64);
    frame[8] = 0;
    frame[9] = 0x20; /* says 8192 bytes */
    put("ot", "identity", "\x06\x00", 2, frame, FRAME_HEADER_BYTES + 64);
    free(frame);
}

/* Honest calls, then ones with a bit in a table, in a row, and in the last byte's padding. */
static void yao(void)
{
    static const uint8_t difference[2] = {0, 0x10};
    uint8_t last[2048] = {0};
    memset(last + sizeof last - 1, 0x80, 1);
    for (uint8_t what = 0; what < 16; what++) {
        const uint8_t head[6] = {what, 9, 11, 5, 0, 0}, far[6] = {what, 9, 11, 6, 0x40, 4};
        char name[24];
        snprintf(name, sizeof name, "honest-%u", what);
        put("yao", name, head, sizeof head, "", 0);
        snprintf(name, sizeof name, "early-%u", what);
        put("yao", name, head, sizeof head, difference, sizeof difference);
        snprintf(name, sizeof name, "late-%u", what);
        put("yao", name, far, sizeof far, difference, sizeof difference);
    }
    /* choices of one value of 13 bits: 3 bits of padding */
    put("yao", "padding-choice", "\x04\x09\x00\x00\x01\x00", 6, "\x80", 1);
    /* one value of 4 bits: tables of 80 bytes, then rows of 19 bits */
    put("yao", "padding-row", "\x00\x00\x00\x00\x52\x00", 6, "\x80", 1);
    /* positions of one window of 4: all of the frame, with the padding behind rows of 3 bits */
    memset(last, 0xff, sizeof last);
    put("yao", "padding-garbled", "\x02\x00\x00\x00\x00\x00", 6, last, sizeof last);
}

/* Honest bodies; a bit late, all bits of the first bytes; padding of the result (8 bytes). */
static void steps(void)
{
    static const uint8_t ones[8] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    for (uint8_t what = 0; what < 16; what++) {
        const uint8_t head[3] = {what, 0, 0}, far[3] = {what, 0xff, 0xff};
        char name[24];
        snprintf(name, sizeof name, "honest-%u", what);
        put("steps", name, head, sizeof head, "", 0);
        snprintf(name, sizeof name, "bit-%u", what);
        put("steps", name, far, sizeof far, "\x20", 1);
        snprintf(name, sizeof name, "ones-%u", what);
        put("steps", name, head, sizeof head, ones, sizeof ones);
    }
    put("steps", "padding", "\x06\x07\x00", 3, "\x80", 1);
}

static void rest(void)
{
    static const char npy[] = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }";
    static const char fortran[] = "{'descr': '>i2', 'fortran_order': True, 'shape': (2, 3), }";
    static const uint8_t head[10] = {0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, 118, 0};
    uint8_t file[160] = {0};
    for (unsigned i = 0; i < 2; i++) {
        memset(file, ' ', 118);
        memcpy(file, i == 0 ? npy : fortran, i == 0 ? sizeof npy - 1 : sizeof fortran - 1);
        file[117] = '\n';
        put("npy", i == 0 ? "f4" : "i2-fortran", head, 10, file, i == 0 ? 118 + 16 : 118 + 12);
    }
    static const char *const tables[] = {"a,b,c\n1,-2.5,3e4\n4,5,6\n",
                                         "\"x\";\"y\"\r\n0.5;\"7\"\r\n\r\n1;2", "1\t2\n3\t4\n",
                                         "1,2\n3,nan\n", "1,2\n3\n"};
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        char name[16];
        snprintf(name, sizeof name, "table-%zu", i);
        put("csv", name, "", 0, tables[i], strlen(tables[i]));
    }
    static const char options[] = "reveal=logits\ninput-range=-1:1e3\nbits=14\nk-ss=8\n"
                                  "max-memory=2.5G\nport=0\nranges=calibrated:x.npy\n"
                                  "input-node=a:1,2\ninput-node=b\ntimeout=5\n#0=77\n#:=1\ntls=1\n";
    static const char bad[] = "bits=9\nk-ss=5\nmax-memory=-1\nmax-memory=nan\ninput-range=2:1\n"
                              "port=65536\nserver-pin=00\ninput-range=nan:inf\nnone=1\nbits=\n";
    put("options", "good", "", 0, options, sizeof options - 1);
    put("options", "bad", "", 0, bad, sizeof bad - 1);
}

int main(int argc, char **argv)
{
    if (argc != 2)
        return 1;
    corpus = argv[1];
    models();
    onnx_models();
    functions();
    composed();
    tflite_seeds();
    frames();
    session();
    ckks();
    ot();
    steps();
    yao();
    rest();
    return 0;
}
