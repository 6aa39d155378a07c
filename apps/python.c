/* SPDX-License-Identifier: Apache-2.0
 *
 * Finding Python. */
#include "python.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

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

const char *python_with(const char *module, const char *what, char *path, size_t size)
{
    char code[256];
    const char *python = find_python(path, size);
    setenv("PYTHONSAFEPATH", "1", 1); /* nothing from the folder that the user stands in */
    snprintf(code, sizeof(code),
             "import importlib.util, sys\nsys.exit(importlib.util.find_spec('%s') is None)",
             module);
    int found = quiet_python(python, code);
    if (found == 0)
        return python;
    if (found == 127)
        app_fail("%s needs Python: cannot run %s", what, python);
    else
        app_fail("%s needs the Python package mp2ml, which %s does not find; install it or set "
                 "MP2ML_PYTHON to a Python that has it",
                 what, python);
    return NULL;
}
