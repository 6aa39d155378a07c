/* SPDX-License-Identifier: Apache-2.0
 *
 * Images of mp2ml predict: `python -m mp2ml.images` writes them as one array into memory that both
 * processes see, never to a disk. */
#define _GNU_SOURCE /* memfd_create */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "predict.h"
#include "python.h"

#define MODULE "mp2ml.images"
#define FIXED_WORDS 6 /* before the paths */

bool predict_is_image(const char *path)
{
    static const char *const endings[] = {".png", ".jpg", ".jpeg", ".bmp"};
    struct stat st;
    const char *dot = strrchr(path, '.');
    for (size_t i = 0; dot && i < sizeof(endings) / sizeof(endings[0]); i++)
        if (strcasecmp(dot, endings[i]) == 0)
            return true;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* The child's command line; free the array, not its words. */
static const char **child_words(const struct predict *p, const struct predict_file *f,
                                const char *python, const char *shape, const char *out)
{
    const char **words = calloc(f->n_images + FIXED_WORDS + 4, sizeof(*words));
    size_t n = 0;
    if (!words)
        return NULL;
    words[n++] = python;
    words[n++] = "-m";
    words[n++] = MODULE;
    words[n++] = shape;
    if (cli_last(p->cli, "resize"))
        words[n++] = "--resize";
    words[n++] = "--";
    words[n++] = out;
    for (size_t i = 0; i < f->n_images; i++)
        words[n++] = f->images[i];
    return words;
}

/* Runs it to its end; its messages are ours. */
static int run_child(struct predict *p, const char **words)
{
    int status = 0;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        stop_undo_in_child();
        execvp(words[0], (char *const *)(uintptr_t)words);
        _exit(127);
    }
    if (child < 0 || waitpid(child, &status, 0) != child)
        return app_fail("--input: no second process: %s", strerror(errno));
    if (stop_caught(&p->stop))
        return app_fail("interrupted; nothing was written");
    if (!WIFEXITED(status) || WEXITSTATUS(status) > 1)
        return app_fail("--input: %s -m %s ended unexpectedly", words[0], MODULE);
    return WEXITSTATUS(status) == 0 ? APP_DONE : APP_FAILED;
}

static int read_into(struct predict *p, struct predict_file *f, const mp2ml_tensor *t, int memory)
{
    char path[4096], shape[256] = "--shape=", out[64];
    mp2ml_error error = {MP2ML_OK, ""};
    size_t n = strlen(shape);
    for (unsigned i = 0; i < t->rank && n < sizeof(shape); i++)
        n += (size_t)snprintf(shape + n, sizeof(shape) - n, "%s%zu", i > 0 ? "x" : "", t->dims[i]);
    snprintf(out, sizeof(out), "/dev/fd/%d", memory);
    const char *python = python_with(MODULE, "--input with images", path, sizeof(path));
    if (!python)
        return APP_FAILED;
    const char **words = child_words(p, f, python, shape, out);
    int result = words ? run_child(p, words) : app_fail("out of memory");
    free(words);
    if (result == APP_DONE && mp2ml_array_read(&f->array, out, &error) != MP2ML_OK)
        result = app_fail("--input %s: %s", f->path, error.text);
    return result;
}

int predict_read_images(struct predict *p, struct predict_file *f, const mp2ml_tensor *t)
{
    if (t->low > 0 || t->high < 254.99)
        return app_fail("--input %s: images hold values from 0 to 255, but the server takes %g to "
                        "%g; it should serve with --preprocess scale=1/255, or scale them yourself "
                        "and give an array",
                        f->path, t->low, t->high);
    int memory = memfd_create("images", 0);
    if (memory < 0)
        return app_fail("--input %s: no memory for images: %s", f->path, strerror(errno));
    int result = read_into(p, f, t, memory);
    close(memory);
    return result;
}
