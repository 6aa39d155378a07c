/* SPDX-License-Identifier: Apache-2.0
 *
 * mp2ml predict, in the order of its files: cmd_predict.c (the flow), predict_arrays.c (files in,
 * shapes, files out), predict_images.c (pictures, by Python), predict_print.c (what people see),
 * predict_check.c (--check). */
#ifndef APPS_PREDICT_H
#define APPS_PREDICT_H

#include "cli.h"
#include "progress.h"

struct predict_file {    /* one --input, or several with images for one input */
    char *name;          /* NULL: the next input without a file */
    const char *path;    /* the first */
    const char **images; /* files and folders, read when the input's shape is known; NULL: array */
    size_t n_images;
    mp2ml_array array;
    bool used;
};

struct predict {
    const struct cli *cli;
    struct stop stop;
    struct progress progress;
    char host[256], peer[300];
    uint16_t port;
    struct predict_file *files;
    size_t n_files;
    mp2ml_array labels; /* values NULL: none */
    mp2ml_client *client;
    size_t images, n_inputs, n_outputs;
    const float **inputs; /* point into files */
    float **outputs;
};

/* All return APP_DONE, or another exit code after having said why. */

/* Reads the files of --input and --labels. */
int predict_read(struct predict *p);
/* Whether --input names an image, or a folder, which must hold images. */
bool predict_is_image(const char *path);
/* Reads the images of *f for this input of the model. */
int predict_read_images(struct predict *p, struct predict_file *f, const mp2ml_tensor *t);
/* Gives every input of the model its array and checks the shapes. */
int predict_match(struct predict *p);
/* Whether --labels fit the output and the images. */
int predict_match_labels(const struct predict *p);
int predict_allocate(struct predict *p);
/* Whether every --output says which output it is for; after allocating. */
int predict_match_outputs(const struct predict *p);
/* Writes the files of --output and --receipt. */
int predict_write(struct predict *p);
void predict_wipe(struct predict *p);

void predict_print(const struct predict *p);
/* Accuracy against --labels. */
void predict_print_accuracy(const struct predict *p);
void predict_print_stats(const struct predict *p);

/* Runs the model of --check here and compares; APP_FAILED when the answers are beyond the bound. */
int predict_check(const struct predict *p);

#endif
