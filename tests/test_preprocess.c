/* SPDX-License-Identifier: Apache-2.0
 *
 * Preprocessing in front of a graph, and its text form. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/model.h"

static void text_is_read(void **state)
{
    (void)state;
    struct preprocess p;
    mp2ml_error err;
    assert_int_equal(preprocess_parse(&p, "scale=1/255,mean=0.485,0.456,.406,std=0.2", &err),
                     MP2ML_OK);
    assert_int_equal(p.channels, 3);
    assert_true(fabs(p.scale * 255 - 1) < 1e-15);
    assert_true(fabs(p.mean[2] - 0.406) < 1e-15);
    assert_true(fabs(p.std[2] - 0.2) < 1e-15);
    assert_int_equal(preprocess_parse(&p, "mean=-1", &err), MP2ML_OK);
    assert_int_equal(p.channels, 1);
    assert_true(fabs(p.mean[0] + 1) < 1e-15);
    assert_true(fabs(p.scale - 1) < 1e-15);
}

static void wrong_text_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",        "scale",     "scale=",    "scale=1/0", "scale=0",   "scale=-1",
        "std=0",   "mean=x",    "mean=1,2,", "gain=2",    "scale=1,2", "mean=1,2,std=1,2,3",
        "std=nan", "scale=inf",
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct preprocess p;
        mp2ml_error err = {MP2ML_OK, ""};
        if (preprocess_parse(&p, wrong[i], &err) != MP2ML_ERR_ARGUMENT)
            fail_msg("'%s' was taken", wrong[i]);
    }
}

static struct graph *bundled(void)
{
    struct graph *g = NULL;
    mp2ml_error err;
    assert_int_equal(
        graph_load(&g, PROJECT_ROOT "/examples/mnist/models/cryptonets-relu-mnist.pb", NULL, &err),
        MP2ML_OK);
    return g;
}

static void graph_takes_raw_values(void **state)
{
    (void)state;
    struct graph *plain = bundled(), *raw = bundled();
    struct preprocess p;
    mp2ml_error err = {MP2ML_OK, ""};
    assert_int_equal(preprocess_parse(&p, "scale=1/255,mean=0.25,std=0.5", &err), MP2ML_OK);
    assert_int_equal(graph_prepend(raw, &p, &err), MP2ML_OK);
    float x[784], pixels[784], want[10], got[10];
    for (int i = 0; i < 784; i++) {
        pixels[i] = (float)(i * 7 % 256);
        x[i] = (pixels[i] / 255 - 0.25f) / 0.5f;
    }
    const float *in[1] = {x}, *in_raw[1] = {pixels};
    float *out[1] = {want}, *out_raw[1] = {got};
    assert_int_equal(graph_eval(plain, 1, in, out, NULL, NULL), MP2ML_OK);
    assert_int_equal(graph_eval(raw, 1, in_raw, out_raw, NULL, NULL), MP2ML_OK);
    for (int i = 0; i < 10; i++)
        assert_true(fabsf(want[i] - got[i]) < 1e-4f);
    graph_free(plain);
    graph_free(raw);
}

static void channels_must_fit(void **state)
{
    (void)state;
    struct graph *g = bundled();
    struct preprocess p;
    mp2ml_error err = {MP2ML_OK, ""};
    assert_int_equal(preprocess_parse(&p, "mean=1,2,3", &err), MP2ML_OK);
    assert_int_equal(graph_prepend(g, &p, &err), MP2ML_ERR_ARGUMENT);
    assert_non_null(strstr(err.text, "3 channels"));
    graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_read),
        cmocka_unit_test(wrong_text_is_refused),
        cmocka_unit_test(graph_takes_raw_values),
        cmocka_unit_test(channels_must_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
