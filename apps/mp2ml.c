/* SPDX-License-Identifier: Apache-2.0
 *
 * The program: picks a subcommand. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "commands.h"

static const struct cli_command *const commands[] = {
    &cmd_serve, &cmd_predict, &cmd_plan, &cmd_bench, &cmd_convert,
};
#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void print_help(void)
{
    printf("mp2ml %s: private neural-network inference between a model's owner and a data's owner\n"
           "\nusage: mp2ml COMMAND ...\n\nCommands\n",
           MP2ML_VERSION);
    for (size_t i = 0; i < COMMANDS; i++)
        printf("  %-10s%s\n", commands[i]->name, commands[i]->summary);
    printf(
        "\nmp2ml COMMAND --help lists the flags of a command; mp2ml --version the version.\n"
        "Exit codes: 0 done, 1 refused or failed (one line on standard error), 2 wrong usage.\n");
}

static int unknown_command(const char *word)
{
    const char *names[COMMANDS];
    for (size_t i = 0; i < COMMANDS; i++)
        names[i] = commands[i]->name;
    const char *near = cli_nearest(word, names, COMMANDS);
    if (near)
        return app_usage(NULL, "there is no command '%s'; did you mean '%s'?", word, near);
    return app_usage(NULL, "there is no command '%s'", word);
}

static int dispatch(int argc, char **argv)
{
    if (argc < 2)
        return app_usage(NULL, "no command");
    const char *word = argv[1];
    if (strcmp(word, "--version") == 0) {
        printf("mp2ml %s\n", MP2ML_VERSION);
        return APP_DONE;
    }
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0) {
        print_help();
        return APP_DONE;
    }
    for (size_t i = 0; i < COMMANDS; i++)
        if (strcmp(commands[i]->name, word) == 0)
            return cli_run(commands[i], argc - 2, argv + 2);
    return unknown_command(word);
}

int main(int argc, char **argv)
{
    int result = dispatch(argc, argv);
    errno = 0;
    if ((fflush(stdout) != 0 || ferror(stdout)) && result == APP_DONE)
        return app_fail("standard output: %s", errno ? strerror(errno) : "cannot write");
    return result;
}
