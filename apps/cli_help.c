/* SPDX-License-Identifier: Apache-2.0
 *
 * Help texts, made from the tables. */
#include <stdio.h>
#include <string.h>

#include "cli.h"

#define COLUMN 30 /* where explanations begin */
#define WIDTH 98

/* Prints words from column COLUMN on; further lines are indented likewise. */
static void wrap(const char *text)
{
    size_t at = COLUMN;
    for (text += strspn(text, " \n"); *text != '\0'; text += strspn(text, " \n")) {
        size_t n = strcspn(text, " \n");
        if (at > COLUMN && at + 1 + n > WIDTH) {
            printf("\n%*s", COLUMN, "");
            at = COLUMN;
        } else if (at > COLUMN) {
            putchar(' ');
            at++;
        }
        printf("%.*s", (int)n, text);
        at += n;
        text += n;
    }
}

static void print_flag(const char *name, const char *argument, const char *help,
                       const char *default_value, bool repeatable)
{
    int n = printf("  --%s%s%s", name, argument ? " " : "", argument ? argument : "");
    if (n >= COLUMN)
        printf("\n%*s", COLUMN, "");
    else
        printf("%*s", COLUMN - n, "");
    char text[640];
    size_t used = (size_t)snprintf(text, sizeof(text), "%s", help);
    if (default_value && used < sizeof(text))
        used += (size_t)snprintf(text + used, sizeof(text) - used, " (default: %s)", default_value);
    if (repeatable && used < sizeof(text))
        snprintf(text + used, sizeof(text) - used, "; repeatable");
    wrap(text);
    putchar('\n');
}

/* The options whose users contain `wanted` and nothing of `done`, which were shown before. */
static void print_table(const struct cli_command *command, const char *title, unsigned wanted,
                        unsigned done)
{
    bool first = true;
    for (size_t i = 0; mp2ml_option(i); i++) {
        const mp2ml_option_info *o = mp2ml_option(i);
        if (!cli_takes(command, o) || !(o->users & wanted) || (o->users & done))
            continue;
        if (first)
            printf("\n%s\n", title);
        first = false;
        print_flag(o->name, o->argument, o->help, o->default_value, o->repeatable);
    }
}

void cli_help(const struct cli_command *command)
{
    printf("usage: mp2ml %s %s\n\n%s\n", command->name, command->arguments, command->summary);
    if (command->text)
        printf("\n%s\n", command->text);
    printf("\nFlags\n");
    for (const struct cli_flag *f = command->flags; f && f->name; f++)
        print_flag(f->name, f->argument, f->help, NULL, false);
    print_flag("help", NULL, "show this text", NULL, false);
    unsigned done = 0;
    if (command->users & MP2ML_FOR_SERVER) {
        print_table(command, "Server", MP2ML_FOR_SERVER, done);
        done |= MP2ML_FOR_SERVER;
    }
    if (command->users & MP2ML_FOR_CLIENT) {
        print_table(command, "Connection", MP2ML_FOR_CLIENT, done);
        done |= MP2ML_FOR_CLIENT;
    }
    if (command->users & MP2ML_FOR_MODEL)
        print_table(command, "Model", MP2ML_FOR_MODEL, done);
}
