/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>
#include <semaphore.h>
#include <time.h>

#include "two_parties.h"

mp2ml_model *bundled_model(const char *file, const mp2ml_options *options)
{
    char path[512];
    mp2ml_model *model = NULL;
    mp2ml_error err = {MP2ML_OK, ""};
    snprintf(path, sizeof(path), "%s/examples/mnist/models/%s", PROJECT_ROOT, file);
    mp2ml_status status = mp2ml_model_load(&model, path, options, &err);
    if (status != MP2ML_OK)
        fail_msg("%s: %s", path, err.text);
    return model;
}

mp2ml_options *make_options(const char *first, ...)
{
    mp2ml_options *o = mp2ml_options_new();
    va_list args;
    va_start(args, first);
    for (const char *s = first; s; s = va_arg(args, const char *)) {
        char name[64];
        const char *equals = strchr(s, '=');
        mp2ml_error err;
        snprintf(name, sizeof(name), "%.*s", (int)(equals - s), s);
        if (mp2ml_options_set(o, name, equals + 1, &err) != MP2ML_OK)
            fail_msg("%s: %s", s, err.text);
    }
    va_end(args);
    return o;
}

uint64_t next_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

void fill_uniform(float *out, size_t n, double low, double high, uint64_t seed)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (float)(low + (high - low) * ((double)(next_random(&seed) >> 11) * 0x1p-53));
}

/* ---- one block ----------------------------------------------------------------------------- */

struct half {
    struct both_runs *both;
    enum party party;
    struct channel *channel;
    const float *const *inputs;
    float *const *outputs;
    sem_t *made; /* idle work is done */
};

static void keep_shares(void *context, const struct run *run, unsigned step)
{
    struct half *half = context;
    size_t bytes = (size_t)run->pub->steps[step].count * run->images * sizeof(uint64_t);
    uint64_t *copy = malloc(bytes + 8);
    memcpy(copy, run->values[step], bytes);
    half->both->shares[half->party][step] = copy;
}

/* Linear steps of both->ahead blocks; `run` takes the last. */
static mp2ml_status make_ahead(struct precomputed **out, const struct half *half, struct session *s,
                               struct run *run)
{
    const struct both_runs *both = half->both;
    struct run *batch = NULL;
    TRY(run_new(&batch, half->party, run->link, s->mpc, s->prg, &s->keys, run->pub,
                half->party == PARTY_CLIENT ? NULL : both->model->plan, both->plain,
                both->images * both->ahead));
    batch->no_masks = both->no_masks;
    mp2ml_status status = precompute_new(out, batch, both->images, both->ahead, !both->halves);
    run_free(batch);
    for (size_t i = 0; i < both->ahead && status == MP2ML_OK; i++)
        precompute_use(*out, run);
    return status;
}

/* The server's work of its own, which the client waits for. */
static mp2ml_status make_idle(struct precomputed **out, const struct half *half, struct run *run)
{
    struct both_runs *both = half->both;
    if (half->party == PARTY_CLIENT) {
        const struct timespec t = {0, both->hurry_us * 1000};
        if (both->hurry_us > 0)
            nanosleep(&t, NULL);
        else
            (void)!sem_wait(half->made);
        return MP2ML_OK;
    }
    const struct run_keys keys = *run->keys;
    mp2ml_status status = precompute_idle(out, run, both->images, both->idle);
    assert_memory_equal(keys.c1_counter, run->keys->c1_counter, sizeof(keys.c1_counter));
    (void)!sem_post(half->made);
    both->idle_bytes = precompute_bytes(*out);
    both->idle_blocks = 0;
    assert_int_equal(run->late, 0);
    if (!*out)
        return status;
    assert_true(precompute_idle_fits(*out, run));
    precompute_use(*out, run);
    assert_false(precompute_idle_fits(*out, run)); /* the blocks are taken */
    for (unsigned set = 1; set < STEPS_SETS; set++)
        both->idle_blocks += run->keys->c1_counter[set] - keys.c1_counter[set];
    return status;
}

static mp2ml_status run_again(struct precomputed **ahead, const struct half *half, struct run *run)
{
    run->tap = NULL;
    run->ahead = NULL;
    if (*ahead && half->both->reuse) {
        precompute_reuse(*ahead);
        precompute_use(*ahead, run);
    } else if (!half->both->reuse) {
        precompute_free(*ahead);
        *ahead = NULL;
        TRY(make_idle(ahead, half, run));
    }
    return run_block(run, half->both->images, half->inputs, half->outputs);
}

static mp2ml_status run_half(struct half *half)
{
    struct both_runs *both = half->both;
    const struct plan *plan = both->model->plan;
    struct link *link = NULL;
    struct session *s = NULL;
    struct run *run = NULL;
    struct precomputed *ahead = NULL;
    struct hello *hello = calloc(1, sizeof(*hello));
    bool client = half->party == PARTY_CLIENT;
    mp2ml_error err = {MP2ML_OK, ""};
    mp2ml_status status;
    TRY_OUT(link_new(&link, half->channel));
    TRY_OUT(session_new(&s, half->party, link));
    TRY_OUT(client ? handshake_client(s, NULL, 0, hello, &err)
                   : handshake_server(s, both->model, NULL));
    TRY_OUT(run_new(&run, half->party, link, s->mpc, s->prg, &s->keys, &plan->pub,
                    client ? NULL : plan, both->plain, both->images));
    run->tap = keep_shares;
    run->tap_context = half;
    run->no_masks = both->no_masks;
    if (client && both->tap)
        link_set_tap(link, both->tap, both->tap_context);
    if (both->ahead > 0)
        TRY_OUT(make_ahead(&ahead, half, s, run));
    if (both->idle > 0)
        TRY_OUT(make_idle(&ahead, half, run));
    struct link_stats before = link_stats(link);
    TRY_OUT(run_block(run, both->images, half->inputs, half->outputs));
    struct link_stats after = link_stats(link);
    for (unsigned i = 0; i < both->more; i++)
        TRY_OUT(run_again(&ahead, half, run));
    both->memory[half->party] = run_memory(&plan->pub, half->party, both->plain, both->images);
    both->peak[half->party] = arena_peak(run->arena);
    if (client) {
        both->stats.bytes_sent = after.bytes_sent - before.bytes_sent;
        both->stats.bytes_received = after.bytes_received - before.bytes_received;
        both->stats.flights = after.flights - before.flights;
    }
out:
    run_free(run);
    precompute_free(ahead);
    session_free(s);
    link_free(link);
    channel_free(half->channel);
    if (hello)
        class_names_wipe(&hello->classes);
    free(hello);
    return status;
}

static void *run_half_thread(void *argument)
{
    struct half *half = argument;
    half->both->status[half->party] = run_half(half);
    return NULL;
}

void both_runs_block(struct both_runs *both, size_t images, const float *const *inputs,
                     float *const *outputs)
{
    sem_t made;
    struct half server = {both, PARTY_SERVER, NULL, NULL, NULL, &made};
    struct half client = {both, PARTY_CLIENT, NULL, inputs, outputs, &made};
    pthread_t thread;
    assert_int_equal(sem_init(&made, 0, 0), 0);
    both->images = images;
    for (int p = 0; p < 2; p++)
        both->shares[p] = calloc(both->model->plan->pub.n_steps, sizeof(uint64_t *));
    assert_int_equal(channel_pair(&server.channel, &client.channel), MP2ML_OK);
    assert_int_equal(pthread_create(&thread, NULL, run_half_thread, &server), 0);
    run_half_thread(&client);
    pthread_join(thread, NULL);
    sem_destroy(&made);
}

uint64_t *both_runs_sum(const struct both_runs *both, unsigned step)
{
    const struct plan_step *s = &both->model->plan->pub.steps[step];
    const uint64_t mask = ((uint64_t)1 << s->out_bits) - 1;
    size_t n = (size_t)s->count * both->images;
    uint64_t *sum = malloc(n * sizeof(*sum) + 8);
    for (size_t i = 0; i < n; i++)
        sum[i] = (both->shares[0][step][i] + both->shares[1][step][i]) & mask;
    return sum;
}

void both_runs_wipe(struct both_runs *both)
{
    for (int p = 0; p < 2; p++) {
        for (unsigned s = 0; both->shares[p] && s < both->model->plan->pub.n_steps; s++)
            free(both->shares[p][s]);
        free(both->shares[p]);
        both->shares[p] = NULL;
    }
}

/* ---- one connection ------------------------------------------------------------------------ */

static void *serve_thread(void *argument)
{
    struct served *served = argument;
    served->status =
        serve_connection(served->channel, served->model, &served->server_options, &served->counts);
    channel_free(served->channel);
    return NULL;
}

void served_start(struct served *served, const struct mp2ml_model *model,
                  struct channel **client_end)
{
    struct channel *channel;
    assert_int_equal(channel_pair(&channel, client_end), MP2ML_OK);
    served_start_over(served, model, channel);
}

void served_start_over(struct served *served, const struct mp2ml_model *model,
                       struct channel *channel)
{
    memset(served, 0, sizeof(*served));
    served->model = model;
    served->channel = channel;
    options_init(&served->server_options);
    served->thread = malloc(sizeof(pthread_t));
    assert_int_equal(pthread_create(served->thread, NULL, serve_thread, served), 0);
}

void served_join(struct served *served)
{
    pthread_join(*(pthread_t *)served->thread, NULL);
    free(served->thread);
}
