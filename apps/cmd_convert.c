/* SPDX-License-Identifier: Apache-2.0
 *
 * mp2ml convert: hands over to `python -m mp2ml.convert`. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "python.h"

#define MODULE "mp2ml.convert"

static int run_raw(int argc, char **argv)
{
    char path[4096], m[] = "-m", module[] = MODULE;
    if (argc < 2)
        return app_usage("convert", "an argument is missing; usage: mp2ml convert %s",
                         cmd_convert.arguments);
    const char *python = python_with(MODULE, "convert", path, sizeof(path));
    char **words = calloc((size_t)argc + 4, sizeof(*words));
    char *name = python ? strdup(python) : NULL;
    int result = APP_FAILED;
    if (python && words && name) {
        words[0] = name;
        words[1] = m;
        words[2] = module;
        memcpy(words + 3, argv, (size_t)argc * sizeof(*argv));
        execvp(python, words);
        result = app_fail("convert: cannot run %s: %s", python, strerror(errno));
    } else if (python) {
        result = app_fail("out of memory");
    }
    free(name);
    free(words);
    return result;
}

const struct cli_command cmd_convert = {
    .name = "convert",
    .arguments = "SAVED_MODEL|MODEL.keras|MODEL.h5 OUT.pb | MODEL.pt2|MODEL.pt OUT.onnx [flags]",
    .summary =
        "turn models of Keras, TensorFlow or PyTorch into files that are read here, by these",
    .text =
        "Runs python3 -m mp2ml.convert with the same arguments, in the Python that MP2ML_PYTHON\n"
        "names, in the project's .venv, or the first python3 in PATH. Files of Keras 1 and 2 are\n"
        "read by Keras 3 if it can, else by tf_keras where that is installed. A file with weights\n"
        "only needs its network: load the weights in Python and give the model to mp2ml.Server.\n"
        "Of PyTorch: exported programs (.pt2) and TorchScript (.pt, with --input-shape 1,3,32,32).",
    .run_raw = run_raw,
};
