/* SPDX-License-Identifier: Apache-2.0
 *
 * What mp2ml predict shows: some predictions, accuracy, time and traffic. */
#include <stdio.h>

#include "compare.h"
#include "predict.h"

#define SHOW_ALL 10    /* images */
#define SHOW_VALUES 10 /* of an image */

static void print_image(const mp2ml_tensor *t, const float *values, size_t image)
{
    size_t classes = compare_classes(t), shown = t->count < SHOW_VALUES ? t->count : SHOW_VALUES;
    printf("  %zu:", image);
    if (!t->integers && t->rank == 1 && classes > 1)
        printf(" label %zu, values", compare_largest(values, classes));
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
            for (size_t i = 0; i < shown; i++)
                printf(" %.0f", (double)p->outputs[o][i]);
            printf("\n");
            continue;
        }
        printf("\n");
        for (size_t i = 0; i < shown; i++)
            print_image(t, p->outputs[o] + i * t->count, i);
    }
}

void predict_print_accuracy(const struct predict *p)
{
    const mp2ml_tensor *t = mp2ml_client_output(p->client, 0);
    const mp2ml_array *a = &p->labels;
    size_t classes = compare_classes(t), rows = p->images * t->count / classes, right = 0;
    size_t width = a->count / rows; /* 1, or the length of a row with one 1 */
    for (size_t r = 0; r < rows; r++) {
        const float *got = p->outputs[0] + r * classes, *label = a->values + r * width;
        double predicted = t->integers ? (double)got[0] : (double)compare_largest(got, classes);
        double wanted = width > 1 ? (double)compare_largest(label, width) : (double)label[0];
        right += predicted >= wanted && predicted <= wanted;
    }
    printf("accuracy %.2f %% (%zu of %zu)\n", 100.0 * (double)right / (double)rows, right, rows);
}

void predict_print_stats(const struct predict *p)
{
    mp2ml_stats s = mp2ml_client_stats(p->client);
    char up[32], down[32];
    printf("%zu images in %.3f s, %.1f images/s; to server %s, to client %s, %llu flights\n",
           p->images, s.predict_seconds, (double)p->images / s.predict_seconds,
           app_bytes(up, sizeof(up), (double)(s.bytes_to_server - s.setup_bytes_to_server)),
           app_bytes(down, sizeof(down), (double)(s.bytes_to_client - s.setup_bytes_to_client)),
           (unsigned long long)(s.flights - s.setup_flights));
    printf("before that, connecting and keys: %.3f s; to server %s, to client %s, %llu flights\n",
           s.setup_seconds, app_bytes(up, sizeof(up), (double)s.setup_bytes_to_server),
           app_bytes(down, sizeof(down), (double)s.setup_bytes_to_client),
           (unsigned long long)s.setup_flights);
}
