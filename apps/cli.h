/* SPDX-License-Identifier: Apache-2.0
 *
 * Command lines. A command has its own few flags; all others come from the library's table of
 * options (mp2ml_option), chosen by who uses them, so that no flag is written down twice.
 *
 *   --name value, --name=value, switches without value, repeatable flags, -- ends the flags. */
#ifndef APPS_CLI_H
#define APPS_CLI_H

#include "app.h"

struct cli_flag {         /* a command's own flag; a list ends with the name NULL */
    const char *name;     /* without dashes */
    const char *argument; /* for help; NULL: a switch */
    const char *help;
    unsigned values; /* 0 a switch, 1, or 2 (only as --name A B) */
};

struct cli_value { /* one flag as given, in the order of the command line */
    const char *name;
    const char *value, *second;    /* "1" for a switch; second: NULL unless values = 2 */
    const mp2ml_option_info *info; /* NULL: the command's own flag */
};

struct cli;
struct cli_command {
    const char *name, *arguments, *summary;
    const char *text; /* further paragraphs of the help, or NULL */
    const struct cli_flag *flags;
    unsigned users;             /* MP2ML_FOR_*: the library's options that it takes */
    const char *const *without; /* except these; ends with NULL, or is NULL */
    size_t min_arguments, max_arguments;
    int (*run)(const struct cli *cli);
    int (*run_raw)(int argc, char **argv); /* instead of run: argv behind the command's name */
};

#define CLI_MAX_ARGUMENTS 4

struct cli {
    const struct cli_command *command;
    mp2ml_options *options; /* holds all values that belong to the library */
    const char *arguments[CLI_MAX_ARGUMENTS];
    size_t n_arguments;
    struct cli_value *values;
    size_t n_values;
};

/* Parses argv (behind the command's name) and runs the command; an exit code. */
int cli_run(const struct cli_command *command, int argc, char **argv);

/* The last value of a flag, or NULL; the i-th one, or NULL. */
const char *cli_last(const struct cli *cli, const char *name);
const char *cli_nth(const struct cli *cli, const char *name, size_t i);
/* Sets an option of the library that the command needs; an exit code. */
int cli_set(const struct cli *cli, const char *name, const char *value);

/* The nearest of `count` names, if it is near enough to be what was meant; else NULL. */
const char *cli_nearest(const char *text, const char *const *names, size_t count);

/* cli_help.c: the help of a command, on standard output. */
void cli_help(const struct cli_command *command);
/* Whether the command takes this option of the library. */
bool cli_takes(const struct cli_command *command, const mp2ml_option_info *info);

#endif
