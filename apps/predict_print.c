/* SPDX-License-Identifier: Apache-2.0
 *
 * What mp2ml predict shows: some predictions, accuracy, time and traffic. */
#include <stdbool.h>
#include <stdio.h>

#include "compare.h"
#include "predict.h"

#define SHOW_ALL 10    /* images */
#define SHOW_VALUES 10 /* of an image */
#define SHOW_CLASSES 20

/* " (name)" where the server gave names of classes. */
static void print_class(const struct predict *p, size_t i)
{
    const char *name = mp2ml_client_class(p->client, i);
    if (name)
        printf(" (%s)", name);
}

static void print_image(const struct predict *p, const mp2ml_tensor *t, const float *values,
                        size_t image)
{
    size_t classes = compare_classes(t), shown = t->count < SHOW_VALUES ? t->count : SHOW_VALUES;
    printf("  %zu:", image);
    if (!t->integers && t->rank == 1 && classes > 1)
        printf(" label %zu", compare_largest(values, classes));
    if (!t->integers && t->rank == 1 && classes > 1) {
        print_class(p, compare_largest(values, classes));
        printf(", values");
    }
    for (size_t i = 0; i < shown; i++)
        printf(" %.6g", (double)values[i]);
    printf(shown < t->count ? " ...\n" : "\n");
}

void predict_print(const struct predict *p)
{
    const mp2ml_tensor *t;
    size_t shown = p->images < SHOW_ALL ? p->images : SHOW_ALL;
    for (size_t o = 0; (t = mp2ml_client_output(p->client, o)); o++) {
        printf("%s of output '%s'", t->integers ? "labels" : "values", t->name);
        if (shown < p->images)
            printf(", the first %zu of %zu images", shown, p->images);
        if (t->integers && t->count == 1) {
            printf(":");
            for (size_t i = 0; i < shown; i++) {
                printf(" %.0f", (double)p->outputs[o][i]);
                if (o == 0)
                    print_class(p, (size_t)p->outputs[o][i]);
            }
            printf("\n");
            continue;
        }
        printf("\n");
        for (size_t i = 0; i < shown; i++)
            print_image(p, t, p->outputs[o] + i * t->count, i);
    }
}

/* Rows: the label; columns: what was predicted. Only for few classes. */
static void print_confusion(const struct predict *p, const size_t *count, size_t classes)
{
    printf("confusion (row: label, column: prediction)\n     ");
    for (size_t c = 0; c < classes; c++)
        printf(" %5zu", c);
    printf("\n");
    for (size_t r = 0; r < classes; r++) {
        printf("%5zu", r);
        for (size_t c = 0; c < classes; c++)
            printf(" %5zu", count[r * SHOW_CLASSES + c]);
        print_class(p, r);
        printf("\n");
    }
}

struct label_pair {
    size_t wanted, predicted;
};

static struct label_pair label_pair(const struct predict *p, size_t row, size_t classes,
                                    size_t width)
{
    const mp2ml_tensor *t = mp2ml_client_output(p->client, 0);
    const float *got = p->outputs[0] + row * classes, *label = p->labels.values + row * width;
    struct label_pair pair;
    pair.predicted = t->integers ? (size_t)got[0] : compare_largest(got, classes);
    pair.wanted = width > 1 ? compare_largest(label, width) : (size_t)label[0];
    return pair;
}

void predict_print_accuracy(const struct predict *p)
{
    size_t count[SHOW_CLASSES * SHOW_CLASSES] = {0};
    const mp2ml_tensor *t = mp2ml_client_output(p->client, 0);
    size_t classes = compare_classes(t), rows = p->images * t->count / classes, right = 0;
    size_t width = p->labels.count / rows; /* 1, or the length of a row with one 1 */
    size_t seen = 0;
    bool many = false;
    for (size_t r = 0; r < rows; r++) {
        struct label_pair pair = label_pair(p, r, classes, width);
        size_t larger = pair.wanted > pair.predicted ? pair.wanted : pair.predicted;
        right += pair.wanted == pair.predicted;
        many = many || larger >= SHOW_CLASSES;
        seen = !many && larger >= seen ? larger + 1 : seen;
        if (larger < SHOW_CLASSES)
            count[pair.wanted * SHOW_CLASSES + pair.predicted]++;
    }
    printf("accuracy %.2f %% (%zu of %zu)\n", 100.0 * (double)right / (double)rows, right, rows);
    if (many)
        printf("no table of confusions, which is for up to %d classes\n", SHOW_CLASSES);
    else if (seen > 1)
        print_confusion(p, count, seen);
}

void predict_print_stats(const struct predict *p)
{
    mp2ml_stats s = mp2ml_client_stats(p->client);
    char up[32], down[32];
    printf("%zu images in %.3f s, %.1f images/s; to server %s, to client %s, %llu flights\n",
           p->images, s.predict_seconds, (double)p->images / s.predict_seconds,
           app_bytes(
               up, sizeof(up),
               (double)(s.bytes_to_server - s.setup_bytes_to_server - s.prepare_bytes_to_server)),
           app_bytes(
               down, sizeof(down),
               (double)(s.bytes_to_client - s.setup_bytes_to_client - s.prepare_bytes_to_client)),
           (unsigned long long)(s.flights - s.setup_flights - s.prepare_flights));
    if (s.prepare_seconds > 0)
        printf(
            "before that, work ahead for %llu requests, %llu with their linear steps: %.3f s; to "
            "server %s, to client %s, %llu flights\n",
            (unsigned long long)s.prepared, (unsigned long long)s.precomputed, s.prepare_seconds,
            app_bytes(up, sizeof(up), (double)s.prepare_bytes_to_server),
            app_bytes(down, sizeof(down), (double)s.prepare_bytes_to_client),
            (unsigned long long)s.prepare_flights);
    printf("before that, connecting and keys: %.3f s; to server %s, to client %s, %llu flights\n",
           s.setup_seconds, app_bytes(up, sizeof(up), (double)s.setup_bytes_to_server),
           app_bytes(down, sizeof(down), (double)s.setup_bytes_to_client),
           (unsigned long long)s.setup_flights);
    if (s.simulated_text[0] != '\0')
        printf("simulated network: %s\n", s.simulated_text);
}
