/* SPDX-License-Identifier: Apache-2.0
 *
 * Planning a network of five million weights: memory for each byte of the file. The file is written
 * and planned by children, whose peaks the kernel keeps apart. */
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
#define MEMORY_PER_BYTE 5  /* of the file; 2 of them where each weight goes in the layout image */
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

static int write_network(const char *path, unsigned layers)
{
    const int64_t input[2] = {-1, WIDTH}, last[2] = {WIDTH, 4};
    struct gd_writer w = {0};
    float *weights = malloc((size_t)WIDTH * WIDTH * sizeof *weights);
    uint32_t state = 1;
    if (weights == NULL)
        return 1;
    for (size_t i = 0; i < (size_t)WIDTH * WIDTH; i++) { /* of variance 2/WIDTH */
        state = state * 1664525U + 1013904223U;
        weights[i] = ((float)(state >> 8) * 0x1p-23f - 1.0f) * 0.0765f;
    }
    gd_input(&w, "r0", input, 2);
    for (unsigned layer = 1; layer <= layers; layer++)
        write_dense(&w, layer, weights);
    char inputs[24];
    (void)snprintf(inputs, sizeof inputs, "r%u last", layers);
    gd_floats(&w, "last", weights, last, 2);
    gd_node(&w, "y", "MatMul", inputs);
    gd_finish(&w);
    free(weights);
    FILE *f = fopen(path, "wb");
    size_t written = f != NULL ? fwrite(w.file.data, 1, w.file.size, f) : 0;
    int failed = f == NULL || fclose(f) != 0 || written != w.file.size;
    gd_wipe(&w);
    return failed;
}

static int plan_network(const char *path, unsigned layers)
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
static struct rusage usage_of(int (*work)(const char *, unsigned), const char *path,
                              unsigned layers)
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

static struct planned plan_of(unsigned layers)
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

static void five_million_weights(void **state)
{
    (void)state;
    struct planned p = plan_of(LAYERS);
    print_message("%.0f bytes: %.0f s, %.2f times as many in memory\n", p.bytes, p.seconds,
                  p.memory / p.bytes);
    assert_true(p.bytes > 4.0 * LAYERS * WIDTH * WIDTH);
    assert_true(p.memory > p.bytes); /* the measurement measures */
    if (MEMORY_IS_OURS)
        assert_true(p.memory <= MEMORY_PER_BYTE * p.bytes + MEMORY_BESIDE);
    assert_true(p.seconds <= SECONDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(five_million_weights)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
