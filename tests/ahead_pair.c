/* SPDX-License-Identifier: Apache-2.0
 *
 * See ahead_pair.h. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ahead_pair.h"

mp2ml_model *model;

int pair_load(void **state)
{
    (void)state;
    mp2ml_options *o = make_options("reveal=logits", "layout=batch", "nonlinear=gmw", NULL);
    model = bundled_model("cryptonets-relu-mnist.pb", o);
    mp2ml_options_free(o);
    return 0;
}

int pair_unload(void **state)
{
    (void)state;
    mp2ml_model_free(model);
    return 0;
}

static void watch(void *context, bool sent, enum frame_type type, uint16_t step, uint8_t *part,
                  size_t length)
{
    struct pair *p = context;
    (void)sent;
    p->parts[type]++;
    if (type != p->watched || step != 1 || !p->masked)
        return;
    size_t at = 0;
    bits_unpack(p->masked + p->n_masked, part, &at, length * 8 / p->bits, (unsigned)p->bits);
    p->n_masked += length * 8 / p->bits;
    for (size_t i = 0; i + 1 < length; i++) /* the last byte has padding */
        p->bytes[part[i]]++;
}

void pair_start(struct pair *p, bool precompute, uint64_t max_prepared, uint64_t memory)
{
    struct channel *end = NULL;
    mp2ml_error err = {MP2ML_OK, ""};
    mp2ml_options *o = make_options("threads=1", precompute ? "precompute=1" : NULL, NULL);
    memset(p, 0, sizeof(*p));
    served_start(&p->served, model, &end);
    p->served.server_options.max_prepared = max_prepared;
    if (memory > 0)
        p->served.server_options.max_memory = memory;
    if (client_over_channel(&p->client, end, o, &err) != MP2ML_OK)
        fail_msg("%s", err.text);
    link_set_tap(p->client->link, watch, p);
    mp2ml_options_free(o);
}

void pair_end(struct pair *p, mp2ml_status status)
{
    mp2ml_client_free(p->client);
    served_join(&p->served);
    free(p->masked);
    assert_int_equal(p->served.status, status);
}

size_t prepare(struct pair *p, size_t requests, size_t images)
{
    mp2ml_error err = {MP2ML_OK, ""};
    size_t prepared = 0;
    if (mp2ml_client_prepare(p->client, requests, images, &prepared, &err) != MP2ML_OK)
        fail_msg("%s", err.text);
    return prepared;
}

/* fill < 0: random images, whose logits are checked. */
void ask(struct pair *p, size_t n, float fill, uint64_t seed)
{
    float *x = malloc(n * PIXELS * sizeof(float));
    float *y = malloc(n * LOGITS * sizeof(float)), *want = malloc(n * LOGITS * sizeof(float));
    const float *inputs[1] = {x};
    float *outputs[1] = {y}, *exact[1] = {want};
    mp2ml_error err = {MP2ML_OK, ""};
    fill_uniform(x, n * PIXELS, 0, 1, seed);
    for (size_t i = 0; i < n * PIXELS && fill >= 0; i++)
        x[i] = fill;
    if (mp2ml_client_predict(p->client, n, inputs, outputs, &err) != MP2ML_OK)
        fail_msg("%s", err.text);
    assert_int_equal(mp2ml_model_eval_float(model, n, inputs, exact, &err), MP2ML_OK);
    for (size_t i = 0; i < n * LOGITS && fill < 0; i++)
        assert_true(fabs((double)y[i] - (double)want[i]) <= mp2ml_model_expected_error(model, 0));
    free(x);
    free(y);
    free(want);
}

/* The model in the layout image, for a test that swaps it in. */
mp2ml_model *in_images(void)
{
    mp2ml_options *o = make_options("reveal=logits", "layout=image", "nonlinear=gmw", NULL);
    mp2ml_model *m = bundled_model("cryptonets-relu-mnist.pb", o);
    mp2ml_options_free(o);
    return m;
}
