/* SPDX-License-Identifier: Apache-2.0
 *
 * For tests of packings: evaluated literally, as products of polynomials mod X^N + 1 over the
 * integers, for random inputs they must give the linear map at every used coefficient of an output
 * ciphertext. That shows that nothing is polluted, whatever geometry was chosen. */
#ifndef TESTS_PACKING_CHECK_H
#define TESTS_PACKING_CHECK_H

#include "ckks/ckks.h"
#include "packed_terms.h"

struct check { /* one step's packing */
    const struct plan *plan;
    unsigned s;
    const struct packed *packed;
    const struct terms *terms;
    size_t n;
    uint64_t seed;
};

static inline int64_t random_value(struct check *c)
{
    c->seed = c->seed * 6364136223846793005u + 1442695040888963407u;
    return (int64_t)(c->seed >> 54) - 512;
}

/* The step's integers without the bias. */
static inline void expected(const struct linear *lin, int64_t *out, const int64_t *x)
{
    for (size_t g = 0; g < lin->n_groups; g++) {
        const struct linear_group *group = &lin->groups[g];
        for (size_t r = 0; r < group->rows; r++) {
            int64_t sum = 0;
            for (size_t i = 0; i < group->cols; i++)
                sum +=
                    (int64_t)lin->wi[linear_weight(lin, group, r, i)] * x[linear_in(lin, group, i)];
            out[linear_out(lin, group, r)] = sum;
        }
    }
}

static inline void multiply(int64_t *sum, const int64_t *in, const struct check *c, uint32_t poly)
{
    const struct terms *p = c->terms;
    for (size_t t = p->first[poly]; t < p->first[poly + 1]; t++) {
        const struct packed_term *term = &p->terms[t];
        int64_t w = c->plan->linear[c->s].wi[term->weight];
        w = term->minus ? -w : w;
        assert_true(term->coefficient < c->n);
        for (size_t i = 0; i < c->n - term->coefficient; i++)
            sum[i + term->coefficient] += w * in[i];
        for (size_t i = c->n - term->coefficient; i < c->n; i++)
            sum[i + term->coefficient - c->n] -= w * in[i];
    }
}

/* Values and positions of boxes; freed by the caller. */
static inline size_t expand(uint32_t **value, uint32_t **position, const struct packing_box *boxes,
                            uint32_t n_boxes)
{
    size_t n = packing_places(boxes, n_boxes);
    *value = calloc(n + 1, sizeof **value);
    *position = calloc(n + 1, sizeof **position);
    assert_true(*value != NULL && *position != NULL);
    packing_expand(*value, *position, boxes, n_boxes);
    return n;
}

static inline void check_values(struct check *c)
{
    const struct linear *lin = &c->plan->linear[c->s];
    const struct packing *at = &c->packed->places;
    uint32_t *value, *position;
    int64_t *x = calloc(lin->n_in + 1, sizeof *x), *y = calloc(lin->n_out + 1, sizeof *y);
    int64_t *in = calloc(at->in_cts * c->n, sizeof *in),
            *out = calloc(at->out_cts * c->n, sizeof *out);
    assert_true(x != NULL && y != NULL && in != NULL && out != NULL);
    for (size_t v = 0; v < lin->n_in; v++)
        x[v] = random_value(c);
    expected(lin, y, x);
    size_t n = expand(&value, &position, at->in, at->n_in);
    for (size_t i = 0; i < n; i++)
        in[position[i]] = x[value[i]];
    free(value);
    free(position);
    for (size_t p = 0; p < c->packed->n_products; p++) {
        const struct packed_product *product = &c->terms->products[p];
        multiply(out + product->out_ct * c->n, in + product->in_ct * c->n, c, product->poly);
    }
    n = expand(&value, &position, at->out, at->n_out);
    for (size_t i = 0; i < n; i++)
        if (out[position[i]] != y[value[i]])
            fail_msg("step %u, value %u at %u: %lld, not %lld", c->s, value[i], position[i],
                     (long long)out[position[i]], (long long)y[value[i]]);
    free(value);
    free(position);
    free(x);
    free(y);
    free(in);
    free(out);
}

/* Order and numbers of the private part, and its norm. */
static inline void check_private(const struct check *c)
{
    const struct packed *p = c->packed;
    const struct terms *t = c->terms;
    double *square = calloc(p->places.out_cts + 1, sizeof *square), most = 0;
    assert_non_null(square);
    for (size_t i = 0; i < p->n_products; i++) {
        const struct packed_product *a = &t->products[i], *before = a - (i != 0);
        assert_true(a->out_ct < p->places.out_cts && a->in_ct < p->places.in_cts);
        assert_true(a->poly < p->n_polys && t->first[a->poly] < t->first[a->poly + 1]);
        assert_true(i == 0 || before->out_ct < a->out_ct ||
                    (before->out_ct == a->out_ct && before->in_ct < a->in_ct));
        for (size_t j = t->first[a->poly]; j < t->first[a->poly + 1]; j++) {
            double w = c->plan->linear[c->s].wi[t->terms[j].weight];
            square[a->out_ct] += w * w;
        }
    }
    for (uint32_t o = 0; o < p->places.out_cts; o++)
        most = fmax(most, sqrt(square[o]));
    assert_true(fabs(most - p->norm2) <= 1e-9 * most);
    free(square);
}

/* The rules of docs/protocol.md for the set. */
static inline void check_set(const struct check *c)
{
    const struct plan_step *step = &c->plan->pub.steps[c->s];
    const struct ckks_params *params = ckks_params(c->packed->set);
    assert_non_null(params);
    assert_true(ckks_norm_fits(params, c->packed->norm2, step->k));
    assert_true(step->l <= params->max_l && step->k >= params->min_k && step->k <= params->max_k);
    if (step->set == CKKS_S2 && c->packed->set == CKKS_S1)
        fail_msg("step %u: an opened value of the small set", c->s);
}

/* The boxes travel and come back; the reader takes every rule for granted that it checks. */
static inline void check_bytes(const struct check *c)
{
    const struct packing *p = &c->packed->places;
    struct packing back;
    struct writer w;
    struct reader r;
    writer_init(&w);
    packing_write(&w, p);
    assert_int_equal(writer_done(&w), MP2ML_OK);
    r = reader_init(w.data, w.size);
    assert_int_equal(packing_read(&back, &r, c->packed->set, c->plan->linear[c->s].n_in,
                                  c->plan->linear[c->s].n_out),
                     MP2ML_OK);
    assert_int_equal(r.at - w.data, w.size);
    assert_int_equal(back.n_in, p->n_in);
    assert_int_equal(back.n_out, p->n_out);
    assert_memory_equal(back.in, p->in, p->n_in * sizeof *p->in);
    assert_memory_equal(back.out, p->out, p->n_out * sizeof *p->out);
    packing_wipe(&back);
    writer_wipe(&w);
}

/* What a server multiplies by is the sum of those terms, transformed. */
static inline void check_image(const struct check *c)
{
    const struct terms *t = c->terms;
    const struct ckks_image *image = NULL, *again = NULL;
    struct ckks_image *want = NULL;
    struct ckks *ck = NULL;
    int32_t *coefficients = malloc(c->n * sizeof *coefficients);
    assert_non_null(coefficients);
    assert_int_equal(ckks_new(&ck, ckks_params(c->packed->set)), MP2ML_OK);
    assert_int_equal(packed_image(&image, c->plan, c->s, ck), MP2ML_OK);
    assert_int_equal(packed_image(&again, c->plan, c->s, ck), MP2ML_OK);
    assert_ptr_equal(image, again);
    assert_int_equal(ckks_image_new(&want, ck, 1, 1, 1, 1), MP2ML_OK);
    assert_int_equal(image->in_cts, c->packed->places.in_cts);
    assert_int_equal(image->out_cts, c->packed->places.out_cts);
    assert_int_equal(image->n_polys, t->n_polys);
    const size_t words = c->n * ckks_params(c->packed->set)->primes;
    for (size_t p = 0; p < t->n_polys; p++) {
        memset(coefficients, 0, c->n * sizeof *coefficients);
        for (size_t i = t->first[p]; i < t->first[p + 1]; i++) {
            int32_t w = c->plan->linear[c->s].wi[t->terms[i].weight];
            coefficients[t->terms[i].coefficient] += t->terms[i].minus ? -w : w;
        }
        ckks_image_set(want, ck, 0, coefficients);
        assert_memory_equal(image->polys + p * words, want->polys, words * sizeof *want->polys);
    }
    for (size_t o = 0, i = 0; o < image->out_cts; o++) {
        assert_int_equal(image->first[o], i);
        for (; i < image->first[o + 1]; i++) {
            assert_int_equal(t->products[i].out_ct, o);
            assert_int_equal(image->products[i].in, t->products[i].in_ct);
            assert_int_equal(image->products[i].poly, t->products[i].poly);
        }
    }
    assert_int_equal(image->first[image->out_cts], t->n_products);
    ckks_image_free(want);
    ckks_free(ck);
    free(coefficients);
}

static inline const struct packed *check_step(const struct plan *plan, unsigned s)
{
    struct terms terms;
    struct check c = {plan, s, plan->packed[s], &terms, 0, s + 1};
    if (c.packed == NULL)
        fail_msg("step %u has no packing", s);
    c.n = ckks_params(c.packed->set)->n;
    terms_take(&terms, plan, s);
    check_set(&c);
    check_private(&c);
    check_image(&c);
    check_values(&c);
    check_bytes(&c);
    if (getenv("PACKING_PRINT") != NULL)
        printf("step %u: S%u, %zu terms of %llu, %u in, %u out, %zu products, %zu polys, %u + %u "
               "boxes\n",
               s, c.packed->set, terms.n_terms,
               (unsigned long long)linear_products(&plan->linear[s]), c.packed->places.in_cts,
               c.packed->places.out_cts, c.packed->n_products, c.packed->n_polys,
               c.packed->places.n_in, c.packed->places.n_out);
    terms_wipe(&terms);
    return c.packed;
}

/* A weight of a convolution serves all places, and only there are fewer terms than products. */
static inline void check_shared(const struct plan *plan, unsigned s, bool shared)
{
    struct terms t;
    terms_take(&t, plan, s);
    uint64_t terms = t.n_terms, all = linear_products(&plan->linear[s]);
    terms_wipe(&t);
    if (shared ? terms >= all : terms != all)
        fail_msg("step %u: %llu terms of %llu", s, (unsigned long long)terms,
                 (unsigned long long)all);
}

/* Plans the network up to `node`, packs and checks every linear step. */
static inline struct plan *packed_plan(struct net *net, int node, unsigned k, unsigned k_out)
{
    net_output(net, node);
    struct plan_options o = net_logits();
    struct plan *plan = net_plan(net, &o);
    net_scaled(plan, k, k_out);
    assert_int_equal(plan_pack(plan), MP2ML_OK);
    for (unsigned s = 0; s < plan->pub.n_steps; s++) {
        if (plan->pub.steps[s].kind == STEP_LINEAR)
            (void)check_step(plan, s);
        else
            assert_null(plan->packed[s]);
    }
    return plan;
}

#endif
