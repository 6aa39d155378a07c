/* SPDX-License-Identifier: Apache-2.0
 *
 * mp2ml convert: hands over to `python -m mp2ml.convert`, in the project's own environment when the
 * program stands in its build folder, else the python3 in PATH. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "commands.h"

#define MODULE "mp2ml.convert"

static const char *find_python(char *path, size_t size)
{
    static const char venv[] = "../../.venv/bin/python3";
    const char *named = getenv("MP2ML_PYTHON");
    if (named && named[0] != '\0')
        return named;
    if (app_own_folder(path, size - sizeof(venv))) {
        strcat(path, venv);
        if (access(path, X_OK) == 0)
            return path;
    }
    return "python3";
}

/* The exit code of python with arguments, all its output dropped; 127 when it cannot be run. */
static int quiet_python(const char *python, const char *code)
{
    pid_t child = fork();
    if (child == 0) {
        int null = open("/dev/null", O_RDWR);
        dup2(null, STDOUT_FILENO);
        dup2(null, STDERR_FILENO);
        execlp(python, python, "-c", code, (char *)NULL);
        _exit(127);
    }
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status))
        return 127;
    return WEXITSTATUS(status);
}

static int run_raw(int argc, char **argv)
{
    char folder[4096];
    if (argc < 2)
        return app_usage("convert", "an argument is missing; usage: mp2ml convert %s",
                         cmd_convert.arguments);
    const char *python = find_python(folder, sizeof(folder));
    int found = quiet_python(python, "import importlib.util, sys\n"
                                     "sys.exit(importlib.util.find_spec('" MODULE "') is None)");
    if (found == 127)
        return app_fail("convert needs Python: cannot run %s", python);
    if (found != 0)
        return app_fail(
            "convert needs the Python package mp2ml, which %s does not find; install it "
            "or set MP2ML_PYTHON to a Python that has it",
            python);
    char **words = calloc((size_t)argc + 4, sizeof(*words));
    char *fixed[] = {strdup(python), strdup("-m"), strdup(MODULE)};
    if (!words || !fixed[0] || !fixed[1] || !fixed[2])
        return app_fail("out of memory");
    memcpy(words, fixed, sizeof(fixed));
    memcpy(words + 3, argv, (size_t)argc * sizeof(*argv));
    execvp(python, words);
    int result = app_fail("convert: cannot run %s: %s", python, strerror(errno));
    for (size_t i = 0; i < 3; i++)
        free(fixed[i]);
    free(words);
    return result;
}

const struct cli_command cmd_convert = {
    .name = "convert",
    .arguments = "SAVED_MODEL|MODEL.keras|MODEL.h5 OUT.pb [flags]",
    .summary = "turn a Keras model or SavedModel into a GraphDef, by your own TensorFlow",
    .text =
        "Runs python3 -m mp2ml.convert with the same arguments, in the Python that MP2ML_PYTHON\n"
        "names, in the project's .venv, or the first python3 in PATH.",
    .run_raw = run_raw,
};
