/* SPDX-License-Identifier: Apache-2.0
 *
 * Planning networks of five million weights, a dense one and one of convolutions on small pictures,
 * most of whose positions are at a border: memory for each byte of the file. The file is written and
 * planned by children, whose peaks the kernel keeps apart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "graphdef_writer.h"
#include "mp2ml.h"

#define WIDTH 1024
#define LAYERS 5
#define SIDE 4 /* of the pictures */
#define CHANNELS 341
#define INPUTS 4           /* channels */
#define MEMORY_PER_BYTE 3  /* of the file */
#define MEMORY_BESIDE 16e6 /* program and samples */
#define SECONDS 200        /* of processor time, a hundred times what it takes */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MEMORY_IS_OURS 0 /* shadows and quarantines count, too */
#else
#define MEMORY_IS_OURS 1
#endif

static void write_dense(struct gd_writer *w, unsigned layer, const float *weights)
{
    const int64_t dims[2] = {WIDTH, WIDTH};
    char matrix[16], product[16], relu[16], inputs[48];
    (void)snprintf(matrix, sizeof matrix, "w%u", layer);
    (void)snprintf(product, sizeof product, "m%u", layer);
    (void)snprintf(relu, sizeof relu, "r%u", layer);
    (void)snprintf(inputs, sizeof inputs, "r%u %s", layer - 1, matrix);
    gd_floats(w, matrix, weights, dims, 2);
    gd_node(w, product, "MatMul", inputs);
    gd_node(w, relu, "Relu", product);
}

static void write_convolution(struct gd_writer *w, unsigned layer, const float *weights)
{
    const int64_t dims[4] = {3, 3, layer == 1 ? INPUTS : CHANNELS, CHANNELS};
    const int64_t ones[4] = {1, 1, 1, 1};
    char kernel[16], product[16], relu[16], inputs[48];
    (void)snprintf(kernel, sizeof kernel, "w%u", layer);
    (void)snprintf(product, sizeof product, "m%u", layer);
    (void)snprintf(relu, sizeof relu, "r%u", layer);
    (void)snprintf(inputs, sizeof inputs, "r%u %s", layer - 1, kernel);
    gd_floats(w, kernel, weights, dims, 4);
    gd_node(w, product, "Conv2D", inputs);
    gd_attr_list(w, "strides", ones, 4);
    gd_attr_text(w, "padding", "SAME");
    gd_node(w, relu, "Relu", product);
}

static void write_dense_layers(struct gd_writer *w, const float *weights)
{
    const int64_t input[2] = {-1, WIDTH}, last[2] = {WIDTH, 4};
    gd_input(w, "r0", input, 2);
    for (unsigned layer = 1; layer <= LAYERS; layer++)
        write_dense(w, layer, weights);
    gd_node(w, "features", "Identity", "r5");
    gd_floats(w, "last", weights, last, 2);
}

static void write_convolutions(struct gd_writer *w, const float *weights)
{
    const int64_t input[4] = {-1, SIDE, SIDE, INPUTS};
    const int64_t last[2] = {(int64_t)SIDE * SIDE * CHANNELS, 4};
    const int32_t flat[2] = {-1, SIDE * SIDE * CHANNELS};
    gd_input(w, "r0", input, 4);
    for (unsigned layer = 1; layer <= LAYERS; layer++)
        write_convolution(w, layer, weights);
    gd_int_list(w, "flat", flat, 2);
    gd_node(w, "features", "Reshape", "r5 flat");
    gd_floats(w, "last", weights, last, 2);
}

/* Appends nodes that end with "features" and the matrix "last" behind them. */
typedef void (*write_layers)(struct gd_writer *w, const float *weights);

static int write_network(const char *path, write_layers layers)
{
    struct gd_writer w = {0};
    float *weights = malloc((size_t)WIDTH * WIDTH * sizeof *weights);
    uint32_t state = 1;
    if (weights == NULL)
        return 1;
    for (size_t i = 0; i < (size_t)WIDTH * WIDTH; i++) { /* of variance 2/WIDTH */
        state = state * 1664525U + 1013904223U;
        weights[i] = ((float)(state >> 8) * 0x1p-23f - 1.0f) * 0.0765f;
    }
    layers(&w, weights);
    gd_node(&w, "y", "MatMul", "features last");
    gd_finish(&w);
    free(weights);
    FILE *f = fopen(path, "wb");
    size_t written = f != NULL ? fwrite(w.file.data, 1, w.file.size, f) : 0;
    int failed = f == NULL || fclose(f) != 0 || written != w.file.size;
    gd_wipe(&w);
    return failed;
}

static int plan_network(const char *path, write_layers layers)
{
    (void)layers;
    mp2ml_error error = {MP2ML_OK, ""};
    mp2ml_model *model = NULL;
    if (mp2ml_model_load(&model, path, NULL, &error) != MP2ML_OK)
        (void)fprintf(stderr, "%s\n", error.text);
    int failed = model == NULL;
    mp2ml_model_free(model);
    return failed;
}

/* What `work` took in a process of its own. */
static struct rusage usage_of(int (*work)(const char *, write_layers), const char *path,
                              write_layers layers)
{
    struct rusage usage;
    int status = 0;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(work(path, layers));
    assert_int_equal(wait4(child, &status, 0, &usage), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    return usage;
}

struct planned {
    double bytes, memory, seconds;
};

static struct planned plan_of(write_layers layers)
{
    char path[] = "/tmp/mp2ml-large-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    (void)usage_of(write_network, path, layers);
    off_t size = lseek(fd, 0, SEEK_END);
    struct rusage usage = usage_of(plan_network, path, layers);
    (void)close(fd);
    (void)unlink(path);
    return (struct planned){(double)size, (double)usage.ru_maxrss * 1024,
                            (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)};
}

static void check(write_layers layers)
{
    struct planned p = plan_of(layers);
    print_message("%.0f bytes: %.0f s, %.2f times as many in memory\n", p.bytes, p.seconds,
                  p.memory / p.bytes);
    assert_true(p.bytes > 4.0 * (LAYERS - 1) * 9 * CHANNELS * CHANNELS);
    assert_true(p.memory > p.bytes); /* the measurement measures */
    if (MEMORY_IS_OURS)
        assert_true(p.memory <= MEMORY_PER_BYTE * p.bytes + MEMORY_BESIDE);
    assert_true(p.seconds <= SECONDS);
}

static void five_million_weights(void **state)
{
    (void)state;
    check(write_dense_layers);
}

static void convolutions_on_small_pictures(void **state)
{
    (void)state;
    check(write_convolutions);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(five_million_weights),
                                       cmocka_unit_test(convolutions_on_small_pictures)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
